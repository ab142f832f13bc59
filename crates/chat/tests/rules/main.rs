//! The rules (`decisions`, `sessions`), what the writer remembers (`facts`), the order in which it works
//! (`turns`, `queue`), and what holds for any sequence of commands (`properties`).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod decisions;
mod facts;
mod model;
mod properties;
mod queue;
mod sessions;
mod turns;
mod world;
