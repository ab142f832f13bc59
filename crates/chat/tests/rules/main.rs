//! The rules (`decisions`), what the writer remembers (`facts`), the order in which it works
//! (`turns`, `queue`), and what holds for any sequence of commands (`properties`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod decisions;
mod facts;
mod model;
mod properties;
mod queue;
mod turns;
mod world;
