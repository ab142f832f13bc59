//! Everything outside of Palaver: listeners, hub, stores, buses, REST, configuration.
//!
//! This crate sees all the others; none of them sees it.

pub mod buses;
pub mod core;
pub mod hub;
pub mod identity;
pub mod listen;
pub mod metrics;
pub mod origin;
pub mod proxy;
pub mod stores;
pub mod tls;
pub mod writer;
