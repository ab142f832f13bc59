//! Engine.IO v4: the packets below Socket.IO, the polling payload, the request query and a connection's life.
//!
//! Knows neither HTTP nor Socket.IO. Packet types are the protocol's "Packet encoding"; the rest is in the submodules.

pub mod connection;
mod open;
mod packet;
pub mod payload;
mod request;

pub use connection::Connection;
pub use open::Open;
pub use packet::{Malformed, Message, Packet};
pub use request::{HandshakeError, Query, Request, Transport, route};
