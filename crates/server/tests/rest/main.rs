//! The HTTP API over real connections: what it takes, what it refuses, and what that leaves behind.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::type_complexity,
    clippy::case_sensitive_file_extension_comparisons,
    missing_docs
)]

mod bad_input;
mod blocks;
mod busy;
mod client;
mod describing;
mod files;
mod keys;
mod limits;
mod lives;
mod market;
mod reviews;
mod server;
mod stream;
mod verified;
