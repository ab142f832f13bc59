//! What the server writes: finished WebSocket frames around Engine.IO and Socket.IO packets, in one pass.
//!
//! A frame from server to client is not masked, so its bytes are the same for every socket that gets it, and several
//! frames joined are still just bytes to write. A polling payload takes them apart again with [`frames`].
//! Callers bring JSON that is finished; nothing here parses.

use std::borrow::Cow;
use std::io::Write as _;

use bytes::Bytes;

use crate::engineio::{Message, Packet};
use crate::json::to_json;
use crate::websocket::{BINARY, TEXT, write_header};

/// One finished frame, shared by all who get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// Makes a frame of what `write` appends, which must be exactly one of this module's text frames.
    pub fn build(write: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut out = Vec::new();
        write(&mut out);
        debug_assert_eq!(frames(&out).count(), 1, "one frame");
        Self(out.into())
    }

    /// Header and payload, ready to be written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same bytes, owned.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The frame as [`frames`] gives it.
    pub fn view(&self) -> FrameRef<'_> {
        frames(&self.0).next().unwrap_or(FrameRef {
            payload: &[],
            binary: false,
        })
    }

    /// What follows the header.
    pub fn payload(&self) -> &[u8] {
        self.view().payload
    }

    /// Whether it is an attachment rather than a text packet.
    pub fn is_binary(&self) -> bool {
        self.view().binary
    }
}

/// One frame in a buffer of joined ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRef<'a> {
    payload: &'a [u8],
    binary: bool,
}

impl<'a> FrameRef<'a> {
    /// What follows the header: an Engine.IO packet in text, or the bytes of an attachment.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Whether it is an attachment rather than a text packet.
    pub fn is_binary(&self) -> bool {
        self.binary
    }
}

/// Takes a buffer of finished data frames (written by this module) apart.
pub fn frames(bytes: &[u8]) -> Frames<'_> {
    Frames { rest: bytes }
}

/// The frames of a buffer, in order.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    rest: &'a [u8],
}

impl<'a> Frames<'a> {
    /// What was not taken yet: where to go on when a payload is full.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = FrameRef<'a>;

    fn next(&mut self) -> Option<FrameRef<'a>> {
        let (&[first, second], rest) = self.rest.split_first_chunk()?;
        let (len, rest) = match second {
            126 => rest
                .split_first_chunk()
                .map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))?,
            127 => rest
                .split_first_chunk()
                .map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
            short => (u64::from(short), rest),
        };
        let (payload, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        self.rest = rest;
        Some(FrameRef {
            payload,
            binary: first & 0x0f == BINARY,
        })
    }
}

/// Appends `42[/ns,]["name",args...,"offset"]`. `args` are the arguments as JSON, separated by commas, possibly none.
pub fn write_event(
    out: &mut Vec<u8>,
    namespace: &str,
    name: &str,
    args: &str,
    offset: Option<&str>,
) {
    write_event_packet(out, b"42", b"", namespace, name, args, offset);
}

/// Appends a binary event: `451-[/ns,]["name",args...,"offset"]` and a frame for each attachment, which `args` name by
/// their places, `{"_placeholder":true,"num":0}`.
pub fn write_binary_event(
    out: &mut Vec<u8>,
    namespace: &str,
    name: &str,
    args: &str,
    offset: Option<&str>,
    attachments: &[Bytes],
) {
    let count = Decimal::new(attachments.len() as u64);
    write_event_packet(out, b"45", &dashed(&count), namespace, name, args, offset);
    write_attachments(out, attachments);
}

/// Appends `43[/ns,]id[args]`.
pub fn write_ack(out: &mut Vec<u8>, namespace: &str, id: u64, args: &str) {
    write_ack_packet(out, b"43", b"", namespace, id, args);
}

/// Appends a binary acknowledgement, `461-[/ns,]id[args]`, and its attachments.
pub fn write_binary_ack(
    out: &mut Vec<u8>,
    namespace: &str,
    id: u64,
    args: &str,
    attachments: &[Bytes],
) {
    let count = Decimal::new(attachments.len() as u64);
    write_ack_packet(out, b"46", &dashed(&count), namespace, id, args);
    write_attachments(out, attachments);
}

/// Appends `40[/ns,]{...}`: the client is in. `answer` is a JSON object with `sid`, perhaps `pid`.
pub fn write_connect(out: &mut Vec<u8>, namespace: &str, answer: &str) {
    write_text(
        out,
        &[
            b"40",
            namespace_of(namespace),
            comma_of(namespace),
            answer.as_bytes(),
        ],
    );
}

/// Appends `44[/ns,]{"message":...,"data":...}`: the client is not let in. `data` is JSON.
pub fn write_connect_error(out: &mut Vec<u8>, namespace: &str, message: &str, data: Option<&str>) {
    let message = escape(message);
    let (key, data): (&[u8], _) = data.map_or((b"", ""), |data| (br#","data":"#, data));
    write_text(
        out,
        &[
            b"44",
            namespace_of(namespace),
            comma_of(namespace),
            br#"{"message":""#,
            message.as_bytes(),
            b"\"",
            key,
            data.as_bytes(),
            b"}",
        ],
    );
}

/// Appends `41[/ns,]`: the server puts the client out of the namespace, for good as far as clients are concerned.
pub fn write_disconnect(out: &mut Vec<u8>, namespace: &str) {
    write_text(out, &[b"41", namespace_of(namespace), comma_of(namespace)]);
}

/// Appends any Engine.IO packet, e.g. the handshake answer, `2` or `3probe`.
pub fn write_packet(out: &mut Vec<u8>, packet: &Packet) {
    if let Packet::Message(Message::Binary(bytes)) = packet {
        write_header(out, BINARY, bytes.len());
        out.extend_from_slice(bytes);
    } else {
        let mut text = String::new();
        packet.encode_text(&mut text);
        write_text(out, &[text.as_bytes()]);
    }
}

/// Appends the heartbeat, `2`.
pub fn write_ping(out: &mut Vec<u8>) {
    write_text(out, &[b"2"]);
}

fn write_event_packet(
    out: &mut Vec<u8>,
    kind: &[u8],
    attachments: &[u8],
    namespace: &str,
    name: &str,
    args: &str,
    offset: Option<&str>,
) {
    let name = escape(name);
    let offset = offset.map(escape);
    let comma: &[u8] = if args.is_empty() { b"" } else { b"," };
    let (quote, offset, end): (&[u8], _, &[u8]) = match &offset {
        Some(offset) => (b",\"", &**offset, b"\"]"),
        None => (b"", "", b"]"),
    };
    write_text(
        out,
        &[
            kind,
            attachments,
            namespace_of(namespace),
            comma_of(namespace),
            b"[\"",
            name.as_bytes(),
            b"\"",
            comma,
            args.as_bytes(),
            quote,
            offset.as_bytes(),
            end,
        ],
    );
}

fn write_ack_packet(
    out: &mut Vec<u8>,
    kind: &[u8],
    attachments: &[u8],
    namespace: &str,
    id: u64,
    args: &str,
) {
    let id = Decimal::new(id);
    write_text(
        out,
        &[
            kind,
            attachments,
            namespace_of(namespace),
            comma_of(namespace),
            id.as_bytes(),
            b"[",
            args.as_bytes(),
            b"]",
        ],
    );
}

fn write_attachments(out: &mut Vec<u8>, attachments: &[Bytes]) {
    for attachment in attachments {
        write_header(out, BINARY, attachment.len());
        out.extend_from_slice(attachment);
    }
}

/// One text frame of these parts: the length is known before the first byte, so everything is written once.
fn write_text(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let len = parts.iter().map(|part| part.len()).sum();
    write_header(out, TEXT, len);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// The main namespace is not named in packets.
fn namespace_of(namespace: &str) -> &[u8] {
    if namespace == "/" {
        b""
    } else {
        namespace.as_bytes()
    }
}

fn comma_of(namespace: &str) -> &[u8] {
    if namespace == "/" { b"" } else { b"," }
}

/// The inside of a JSON string. Names and offsets of ours never need escaping, so they are only looked at.
fn escape(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
    {
        return Cow::Borrowed(text);
    }
    let mut quoted = to_json(text);
    quoted.pop();
    quoted.remove(0);
    Cow::Owned(quoted)
}

/// A number in digits, without an allocation.
struct Decimal {
    digits: [u8; 21],
    len: usize,
}

impl Decimal {
    fn new(number: u64) -> Self {
        let mut digits = [0; 21];
        let mut room = digits.as_mut_slice();
        write!(room, "{number}").expect("a u64 has at most 20 digits");
        let len = 21 - room.len();
        Self { digits, len }
    }

    fn as_bytes(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }
}

/// `n-`, as binary packets begin.
fn dashed(count: &Decimal) -> Vec<u8> {
    [count.as_bytes(), b"-"].concat()
}
