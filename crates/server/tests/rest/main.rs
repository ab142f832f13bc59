//! The HTTP API over real connections: what it takes, what it refuses, and what that leaves behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod bad_input;
mod client;
mod describing;
mod files;
mod keys;
mod limits;
mod lives;
mod server;
mod verified;
