//! Bytes to packets and back: Engine.IO v4, Socket.IO v5 and the server's side of WebSocket (RFC 6455).
//!
//! Nothing here does IO, reads a clock or knows what a chat is: callers bring bytes and `Instant`s and get values.
//! A client's byte goes [`websocket::Decoder`] or [`engineio::payload`] -> [`engineio::Packet`] -> [`socketio::Session`];
//! the way back is [`frame`], which writes finished WebSocket frames in one pass. `docs/wire.md` has the limits.

pub mod engineio;
pub mod frame;
mod json;
mod limits;
pub mod socketio;
pub mod websocket;

pub use limits::Limits;
