//! What every store promises (`conformance`), and what the embedded one does: with its files
//! (`files`), when something fails (`faults`), when it is killed (`crash`), under the domain's writer
//! (`writing`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod child;
mod conformance;
mod crash;
mod faults;
mod files;
mod world;
mod writing;
