//! One Engine.IO packet: a digit for its type, then its data. In a polling payload binary is `b` and base64.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

/// What clients send as base64: the standard alphabet, with or without padding.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The content of a message packet: what Socket.IO reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A message in text, without the packet type.
    Text(String),
    /// A message in bytes.
    Binary(Bytes),
}

/// One Engine.IO packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// `0`: the handshake answer, server to client, with its JSON ([`super::Open`]).
    Open(String),
    /// `1`: this connection ends.
    Close,
    /// `2`: heartbeat by the server, or `2probe` by a client that tries a WebSocket.
    Ping(String),
    /// `3`: the answer to a ping, with the ping's data.
    Pong(String),
    /// `4`, or a binary frame, or `b` in a payload.
    Message(Message),
    /// `5`: the client has moved to the WebSocket it probed.
    Upgrade,
    /// `6`: says nothing; ends a waiting poll.
    Noop,
}

/// Why bytes are no Engine.IO packet. The connection that sent them is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// A packet without even a type, or an empty payload.
    Empty,
    /// The first character is no packet type.
    UnknownType,
    /// Data after a packet that has none (`1`, `5`, `6`).
    UnexpectedData,
    /// Text that is not UTF-8.
    NotUtf8,
    /// `b` is not followed by base64.
    NotBase64,
    /// A text packet longer than `max_text_bytes`.
    TextTooLarge,
    /// A binary packet longer than `max_binary_bytes`.
    BinaryTooLarge,
}

impl Malformed {
    /// Whether the fault is only its size: an HTTP 413 rather than a 400.
    pub fn is_too_large(self) -> bool {
        matches!(self, Self::TextTooLarge | Self::BinaryTooLarge)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an Engine.IO packet is empty",
            Self::UnknownType => "unknown Engine.IO packet type",
            Self::UnexpectedData => "this Engine.IO packet type carries no data",
            Self::NotUtf8 => "an Engine.IO text packet is not UTF-8",
            Self::NotBase64 => "a binary packet is not base64",
            Self::TextTooLarge => "a text packet is longer than the limit",
            Self::BinaryTooLarge => "a binary packet is longer than the limit",
        })
    }
}

impl std::error::Error for Malformed {}

impl Packet {
    /// Reads a packet from a whole WebSocket text message. (A WebSocket binary message *is*
    /// `Packet::Message(Message::Binary(..))`; `b` and base64 belong to polling, see [`super::payload`].)
    pub fn decode_text(mut text: String) -> Result<Self, Malformed> {
        let kind = *text.as_bytes().first().ok_or(Malformed::Empty)?;
        let bare = |packet| {
            if text.len() == 1 {
                Ok(packet)
            } else {
                Err(Malformed::UnexpectedData)
            }
        };
        match kind {
            b'1' => return bare(Self::Close),
            b'5' => return bare(Self::Upgrade),
            b'6' => return bare(Self::Noop),
            b'0' | b'2' | b'3' | b'4' => {}
            _ => return Err(Malformed::UnknownType),
        }
        text.remove(0);
        Ok(match kind {
            b'0' => Self::Open(text),
            b'2' => Self::Ping(text),
            b'3' => Self::Pong(text),
            _ => Self::Message(Message::Text(text)),
        })
    }

    /// Appends the packet as it stands in a polling payload; except for binary this is also the text of its WebSocket
    /// message.
    pub fn encode_text(&self, out: &mut String) {
        let (kind, data) = match self {
            Self::Open(json) => ('0', json.as_str()),
            Self::Close => ('1', ""),
            Self::Ping(data) => ('2', data.as_str()),
            Self::Pong(data) => ('3', data.as_str()),
            Self::Message(Message::Text(text)) => ('4', text.as_str()),
            Self::Message(Message::Binary(bytes)) => {
                out.push('b');
                BASE64.encode_string(bytes, out);
                return;
            }
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
        };
        out.push(kind);
        out.push_str(data);
    }
}
