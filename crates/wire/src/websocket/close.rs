//! Close codes (RFC 6455 section 7.4) and the faults of a client that end in one.

use std::fmt;

/// A code that may stand in a close frame: 1000 to 1014 without those that must never be sent, and 3000 to 4999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server goes down, or the page is left.
    pub const AWAY: Self = Self(1001);
    /// A frame or packet broke the protocol.
    pub const PROTOCOL: Self = Self(1002);
    /// Text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// The message is against the rules of the server.
    pub const POLICY: Self = Self(1008);
    /// The message is longer than the limit.
    pub const TOO_BIG: Self = Self(1009);
    /// Something went wrong here.
    pub const INTERNAL: Self = Self(1011);
    /// Come back later.
    pub const TRY_AGAIN: Self = Self(1013);

    /// The code, if it may be sent.
    pub fn new(number: u16) -> Option<Self> {
        let allowed = matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999);
        allowed.then_some(Self(number))
    }

    /// The number on the wire.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// How a client broke RFC 6455 or a limit. Nothing more is read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolError {
    /// A client's frame without a mask (section 5.1).
    Unmasked,
    /// A reserved bit is set though no extension was agreed on (5.2).
    ReservedBits,
    /// An opcode without a meaning (5.2).
    ReservedOpcode,
    /// A length in more bytes than it needs, or beyond 2^63 (5.2).
    BadLength,
    /// A control frame that is fragmented (5.5).
    FragmentedControl,
    /// A control frame longer than 125 bytes (5.5).
    LongControl,
    /// A continuation without a beginning (5.4).
    UnexpectedContinuation,
    /// A new message inside a fragmented one (5.4).
    UnfinishedMessage,
    /// Text, or a close reason, that is not UTF-8 (8.1).
    NotUtf8,
    /// A close frame with half a code, or a code that must not be sent (7.4).
    BadCloseCode,
    /// A text message longer than `max_text_bytes`.
    TextTooBig,
    /// A binary message longer than `max_binary_bytes`.
    BinaryTooBig,
}

impl ProtocolError {
    /// The code to close with.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::NotUtf8 => CloseCode::INVALID_DATA,
            Self::TextTooBig | Self::BinaryTooBig => CloseCode::TOO_BIG,
            _ => CloseCode::PROTOCOL,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unmasked => "a frame is not masked",
            Self::ReservedBits => "a reserved bit is set",
            Self::ReservedOpcode => "a reserved opcode is used",
            Self::BadLength => "a frame length is not in its shortest form",
            Self::FragmentedControl => "a control frame is fragmented",
            Self::LongControl => "a control frame is longer than 125 bytes",
            Self::UnexpectedContinuation => "a continuation frame continues nothing",
            Self::UnfinishedMessage => "a message begins before the last one ended",
            Self::NotUtf8 => "text is not UTF-8",
            Self::BadCloseCode => "a close code is not allowed",
            Self::TextTooBig => "a text message is longer than the limit",
            Self::BinaryTooBig => "a binary message is longer than the limit",
        })
    }
}

impl std::error::Error for ProtocolError {}
