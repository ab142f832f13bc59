//! The closed table of why a connection ends, and of why one is not opened.
//!
//! It must not know what is spoken over a connection. Read `mod.rs` next.

use std::borrow::Cow;
use std::fmt;

/// Why a connection ended, or why a driver wants it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    /// The client said goodbye: a WebSocket close frame, or the Engine.IO packet `1`.
    ClientClosed,
    /// The network broke: reset, end of stream without a close frame, a poll given up by the client.
    TransportError,
    /// No pong came in time.
    PingTimeout,
    /// The client took no byte for [`slow_timeout`](super::ListenConfig::slow_timeout), or fell behind what is kept for it.
    Slow,
    /// The client broke a protocol (RFC 6455, Engine.IO or Socket.IO); the words say how.
    Protocol(Cow<'static, str>),
    /// A text message was not UTF-8 (RFC 6455, section 8.1).
    NotUtf8,
    /// A message or a request body was over its limit.
    TooLarge,
    /// No Socket.IO CONNECT came in time.
    NoConnect,
    /// This process is going down; the client may come back at once.
    Shutdown,
    /// Another connection goes on with the same session.
    TakenOver,
    /// The client's credentials have ended; it may come back with new ones.
    Expired,
    /// The server has no room to go on with this connection.
    Overload,
    /// The server ended the conversation and has said why before.
    Dismissed,
    /// A fault of the server's own.
    Fault,
}

impl Close {
    /// How many kinds there are; [`Close::index`] is below it.
    pub const KINDS: usize = 14;

    /// The names of all kinds, by [`Close::index`]: the values of a metric's label.
    pub const NAMES: [&'static str; Self::KINDS] = [
        "client_closed",
        "transport_error",
        "ping_timeout",
        "slow",
        "protocol",
        "not_utf8",
        "too_large",
        "no_connect",
        "shutdown",
        "taken_over",
        "expired",
        "overload",
        "dismissed",
        "fault",
    ];

    /// The place of this kind in [`Close::NAMES`].
    pub const fn index(&self) -> usize {
        match self {
            Self::ClientClosed => 0,
            Self::TransportError => 1,
            Self::PingTimeout => 2,
            Self::Slow => 3,
            Self::Protocol(_) => 4,
            Self::NotUtf8 => 5,
            Self::TooLarge => 6,
            Self::NoConnect => 7,
            Self::Shutdown => 8,
            Self::TakenOver => 9,
            Self::Expired => 10,
            Self::Overload => 11,
            Self::Dismissed => 12,
            Self::Fault => 13,
        }
    }

    /// The stable name, for logs and metrics.
    pub fn name(&self) -> &'static str {
        Self::NAMES.get(self.index()).copied().unwrap_or("unknown")
    }

    /// Whether what the driver still has to say is written before the transport is closed. Else the client is not
    /// listening, or has broken a protocol, or is no longer the one who should get it.
    pub const fn flushes(&self) -> bool {
        matches!(
            self,
            Self::Shutdown | Self::Expired | Self::Overload | Self::Dismissed
        )
    }

    /// Whether a client that is between two polls learns of the end by its next one. Else that one is refused.
    pub(super) const fn is_told_later(&self) -> bool {
        self.flushes()
            || matches!(
                self,
                Self::Slow | Self::NoConnect | Self::TakenOver | Self::Fault
            )
    }

    /// The WebSocket close code (RFC 6455, section 7.4): a registered one where there is one, else one of the private range.
    pub const fn code(&self) -> u16 {
        match self {
            Self::ClientClosed | Self::TransportError | Self::Dismissed => 1000,
            Self::Shutdown => 1001,
            Self::Protocol(_) => 1002,
            Self::NotUtf8 => 1007,
            Self::TooLarge => 1009,
            Self::Fault => 1011,
            Self::Overload => 1013,
            Self::Slow => 4001,
            Self::PingTimeout => 4002,
            Self::NoConnect => 4003,
            Self::TakenOver => 4004,
            Self::Expired => 4005,
        }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(words) => write!(f, "{}: {words}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

/// Why [`Accept::open`](super::Accept::open) makes no driver. The client sees an HTTP status, never a Socket.IO packet,
/// for after a `CONNECT_ERROR` an unmodified client would not try again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeRefusal {
    /// No room now: 503.
    Overload,
    /// Going down, or not up yet: 503.
    Unavailable,
    /// This client may not come in at all: 403.
    Forbidden,
}

impl HandshakeRefusal {
    /// The HTTP status of the answer.
    pub const fn status(self) -> http::StatusCode {
        match self {
            Self::Overload | Self::Unavailable => http::StatusCode::SERVICE_UNAVAILABLE,
            Self::Forbidden => http::StatusCode::FORBIDDEN,
        }
    }

    /// The words of the answer.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Overload => "the server has no room for another connection",
            Self::Unavailable => "the server does not take connections now",
            Self::Forbidden => "forbidden",
        }
    }
}
