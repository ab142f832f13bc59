//! The tests of the wire, all in one program.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod connection;
mod frames;
mod fuzz;
mod memory;
mod properties;
mod requests;
mod session;
mod support;
mod tungstenite;
mod vectors;
