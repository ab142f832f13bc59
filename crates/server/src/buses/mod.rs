//! What carries events between nodes: the engines behind `chat::bus::Bus`.
//!
//! A bus may lose what it carries: the store is the truth. Every engine passes the suite in
//! `tests/bus.rs`.

mod local;

pub use local::Local;
