//! The server's side of WebSocket (RFC 6455): handshake, reading masked frames, writing plain ones.
//!
//! No extension and no subprotocol is ever agreed on; in particular compression is declined (`docs/wire.md` says why).
//! Knows nothing of Engine.IO. Data frames are written by [`crate::frame`].

mod close;
mod decoder;
mod handshake;
mod mask;

pub use close::{CloseCode, ProtocolError};
pub use decoder::{Decoder, Incoming};
pub use handshake::{Handshake, HandshakeRefusal, accept_key};

/// Opcode of a further fragment.
const CONTINUATION: u8 = 0x0;
/// Opcode of a text message.
pub(crate) const TEXT: u8 = 0x1;
/// Opcode of a binary message.
pub(crate) const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// First byte: the last (or only) frame of its message.
const FIN: u8 = 0x80;
/// Second byte: the payload is masked.
const MASKED: u8 = 0x80;
/// Control frames are short (section 5.5).
const MAX_CONTROL: usize = 125;

/// Appends the header of a final, unmasked frame (section 5.2) and makes room for its payload.
pub(crate) fn write_header(out: &mut Vec<u8>, opcode: u8, len: usize) {
    out.reserve(len + 10);
    let first = FIN | opcode;
    if len < 126 {
        out.extend_from_slice(&[first, len as u8]);
    } else if let Ok(len) = u16::try_from(len) {
        let [high, low] = len.to_be_bytes();
        out.extend_from_slice(&[first, 126, high, low]);
    } else {
        out.extend_from_slice(&[first, 127]);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
}

/// Appends a close frame. A reason that does not fit into a control frame is cut between two characters.
pub fn write_close(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let mut end = reason.len().min(MAX_CONTROL - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let reason = reason.get(..end).unwrap_or_default();
    write_header(out, CLOSE, 2 + reason.len());
    out.extend_from_slice(&code.number().to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// Appends the answer to a close frame without a code: one without a code.
pub fn write_empty_close(out: &mut Vec<u8>) {
    write_header(out, CLOSE, 0);
}

/// Appends the answer to a ping, with the ping's payload (at most 125 bytes, as the decoder sees to).
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    let payload = payload.get(..MAX_CONTROL).unwrap_or(payload);
    write_header(out, PONG, payload.len());
    out.extend_from_slice(payload);
}
