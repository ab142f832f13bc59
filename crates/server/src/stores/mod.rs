//! What keeps things: the engines behind `chat::Store`.
//!
//! Must not know what a dialect or a socket is, and decides nothing: rules are in `chat::decide`.
//! `sqlite` is embedded and the default. Every engine passes the suite in `tests/store/conformance`.

pub(crate) mod folder;
pub mod sqlite;

pub use folder::{Folder, OpenError};
pub use sqlite::{Options, Sqlite};
