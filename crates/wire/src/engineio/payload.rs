//! The body of a polling request: packets joined by the record separator, binary as `b` and base64 ("Polling").
//!
//! Reading is lazy, so that a body of half a million tiny packets costs one packet of memory at a time, and a listener
//! can stop in the middle while its connection may not be read.

use base64::Engine as _;
use bytes::{Buf, Bytes};

use super::packet::BASE64;
use super::{Malformed, Message, Packet};
use crate::Limits;
use crate::frame::FrameRef;

/// Stands between two packets of a payload.
const SEPARATOR: u8 = 0x1e;

/// The packets of one payload, in order. After the first error there are no more.
#[derive(Debug, Clone)]
pub struct Packets {
    /// What is not read yet; `None` at the end. An empty rest after a separator is an (empty, so malformed) packet.
    rest: Option<Bytes>,
    max_text: usize,
    max_binary: usize,
}

/// Starts to read `body`, the whole body of a POST (or, for a client, of a poll's answer).
pub fn decode(body: Bytes, limits: &Limits) -> Packets {
    Packets {
        rest: Some(body),
        max_text: limits.max_text_bytes,
        max_binary: limits.max_binary_bytes,
    }
}

impl Iterator for Packets {
    type Item = Result<Packet, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = self.rest.take()?;
        let packet = match memchr::memchr(SEPARATOR, &rest) {
            Some(end) => {
                let packet = rest.split_to(end);
                rest.advance(1);
                self.rest = Some(rest);
                packet
            }
            None => rest,
        };
        let decoded = self.decode(&packet);
        if decoded.is_err() {
            self.rest = None;
        }
        Some(decoded)
    }
}

impl Packets {
    fn decode(&self, packet: &[u8]) -> Result<Packet, Malformed> {
        if let Some(encoded) = packet.strip_prefix(b"b") {
            // Refused before anything is allocated: four characters stand for at most three bytes.
            if encoded.len() / 4 * 3 > self.max_binary.saturating_add(2) {
                return Err(Malformed::BinaryTooLarge);
            }
            let bytes = BASE64.decode(encoded).map_err(|_| Malformed::NotBase64)?;
            if bytes.len() > self.max_binary {
                return Err(Malformed::BinaryTooLarge);
            }
            return Ok(Packet::Message(Message::Binary(bytes.into())));
        }
        if packet.len() > self.max_text {
            return Err(Malformed::TextTooLarge);
        }
        let text = simdutf8::basic::from_utf8(packet).map_err(|_| Malformed::NotUtf8)?;
        Packet::decode_text(text.to_owned())
    }
}

/// Builds a payload packet by packet, within the size that the client was told.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    max: usize,
    empty: bool,
}

impl Writer {
    /// A payload of at most `max` bytes; only its first packet may be longer, for it has to go somewhere.
    pub fn new(max: usize) -> Self {
        Self {
            out: Vec::new(),
            max,
            empty: true,
        }
    }

    /// Appends a packet; false, and nothing is appended, if there is no more room for it.
    #[must_use]
    pub fn push(&mut self, packet: &Packet) -> bool {
        let mut text = String::new();
        packet.encode_text(&mut text);
        if !self.start_packet(text.len()) {
            return false;
        }
        self.out.extend_from_slice(text.as_bytes());
        true
    }

    /// Appends a finished WebSocket frame as a polling packet; false, and nothing is appended, if there is no more room
    /// for it. Take frames apart with [`crate::frame::frames`].
    #[must_use]
    pub fn push_frame(&mut self, frame: FrameRef<'_>) -> bool {
        let payload = frame.payload();
        if !frame.is_binary() {
            if !self.start_packet(payload.len()) {
                return false;
            }
            self.out.extend_from_slice(payload);
            return true;
        }
        let encoded = payload.len().div_ceil(3) * 4;
        if !self.start_packet(1 + encoded) {
            return false;
        }
        self.push_base64(payload, encoded);
        true
    }

    fn push_base64(&mut self, bytes: &[u8], encoded: usize) {
        self.out.push(b'b');
        let start = self.out.len();
        self.out.resize(start + encoded, 0);
        let room = self.out.get_mut(start..).unwrap_or_default();
        BASE64
            .encode_slice(bytes, room)
            .expect("the room is the length of padded base64");
    }

    fn start_packet(&mut self, len: usize) -> bool {
        if self.empty {
            self.empty = false;
        } else {
            if self.out.len().saturating_add(1).saturating_add(len) > self.max {
                return false;
            }
            self.out.push(SEPARATOR);
        }
        self.out.reserve(len);
        true
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// The body to answer with.
    pub fn finish(self) -> Bytes {
        self.out.into()
    }
}
