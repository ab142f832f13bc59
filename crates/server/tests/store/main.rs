//! What every store promises (`conformance`), and what the embedded one does with its files
//! (`files`), when something fails (`faults`) and when it is killed (`crash`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod child;
mod conformance;
mod crash;
mod faults;
mod files;
mod world;
