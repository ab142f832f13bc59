//! What a transcript is played with: a running server, and a way to reach it.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{http::Request, pattern::Credentials};

/// A running server and its clients' way to it.
pub(crate) trait Player: Credentials {
    /// Opens a connection, with these keys in the query of its handshake.
    fn open(&mut self, query: &[(String, String)]) -> Result<Box<dyn Connection>, String>;
    /// Asks over HTTP: the status and the body of the answer.
    fn request(&mut self, request: &Request) -> Result<(u16, Value), String>;
    /// Stops the server and starts it again on what it has stored. Connections are gone.
    fn restart(&mut self) -> Result<(), String>;
    /// Lets time pass at once; what ends by itself has ended by then.
    fn advance(&mut self, by: Duration) -> Result<(), String>;
}

/// An Engine.IO connection, after its handshake.
pub(crate) trait Connection {
    /// Sends one message: the text of a Socket.IO packet.
    fn send(&mut self, text: &str) -> Result<(), String>;
    /// Sends an attachment of the packet that went before.
    fn attach(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// The next message, or the connection's end. Answers heartbeats meanwhile. An error once
    /// `deadline` has passed.
    fn receive(&mut self, deadline: Instant) -> Result<Heard, String>;
    /// Closes the transport.
    fn close(&mut self);
}

/// What a client hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The text of a Socket.IO packet.
    Text(String),
    /// The connection is over.
    Closed,
}
