//! The opening handshake (RFC 6455 section 4.2), as a pure check of the request's headers.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

/// What the check needs of a request. Header values as sent; several lines of one header joined by commas.
#[derive(Debug, Clone, Copy, Default)]
pub struct Handshake<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// `Upgrade`.
    pub upgrade: Option<&'a str>,
    /// `Connection`.
    pub connection: Option<&'a str>,
    /// `Sec-WebSocket-Version`.
    pub version: Option<&'a str>,
    /// `Sec-WebSocket-Key`.
    pub key: Option<&'a str>,
}

/// Why a request does not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeRefusal {
    /// Only GET can be upgraded.
    Method,
    /// `Upgrade` does not name `websocket`.
    Upgrade,
    /// `Connection` does not name `upgrade`.
    Connection,
    /// Not version 13. The answer carries `Sec-WebSocket-Version: 13`.
    Version,
    /// `Sec-WebSocket-Key` is not 16 bytes in base64.
    Key,
}

impl HandshakeRefusal {
    /// The HTTP status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::Version => 426,
            Self::Method => 405,
            Self::Upgrade | Self::Connection | Self::Key => 400,
        }
    }
}

impl fmt::Display for HandshakeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "a WebSocket is opened by GET",
            Self::Upgrade => "the Upgrade header does not say websocket",
            Self::Connection => "the Connection header does not say upgrade",
            Self::Version => "only WebSocket version 13 is spoken",
            Self::Key => "Sec-WebSocket-Key is not 16 bytes in base64",
        })
    }
}

impl std::error::Error for HandshakeRefusal {}

impl Handshake<'_> {
    /// Whether the request asks for a WebSocket at all, well or badly.
    pub fn is_wanted(&self) -> bool {
        names(self.upgrade, "websocket")
    }

    /// Checks everything; gives the value of `Sec-WebSocket-Accept`.
    pub fn check(&self) -> Result<String, HandshakeRefusal> {
        if self.method != "GET" {
            return Err(HandshakeRefusal::Method);
        }
        if !self.is_wanted() {
            return Err(HandshakeRefusal::Upgrade);
        }
        if !names(self.connection, "upgrade") {
            return Err(HandshakeRefusal::Connection);
        }
        if self.version.map(str::trim) != Some("13") {
            return Err(HandshakeRefusal::Version);
        }
        let key = self.key.map(str::trim).ok_or(HandshakeRefusal::Key)?;
        // Sixteen bytes are 24 characters; the length is checked before anything is decoded.
        let nonce = if key.len() == 24 {
            STANDARD.decode(key).ok()
        } else {
            None
        };
        if nonce.is_none_or(|nonce| nonce.len() != 16) {
            return Err(HandshakeRefusal::Key);
        }
        Ok(accept_key(key))
    }
}

/// Whether a comma-separated header names `token`, in any case.
fn names(header: Option<&str>, token: &str) -> bool {
    header.is_some_and(|header| {
        header
            .split(',')
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    })
}

/// The proof that the server has read the client's `Sec-WebSocket-Key` (section 4.2.2).
pub fn accept_key(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}
