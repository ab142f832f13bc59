//! Reads a client's frames (RFC 6455 sections 5 and 8.1) out of whatever pieces a socket gives.
//!
//! An idle decoder owns no memory: what is not finished stands in a box that goes away with it. Sizes are checked when
//! the header says them, and memory is taken as the bytes come, not as they are announced.

use bytes::Bytes;

use super::{BINARY, CLOSE, CONTINUATION, FIN, MASKED, MAX_CONTROL, PING, PONG, TEXT};
use super::{CloseCode, ProtocolError, mask};
use crate::Limits;

/// Something whole that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A text message, its fragments joined.
    Text(String),
    /// A binary message, its fragments joined.
    Binary(Bytes),
    /// To be answered by [`super::write_pong`].
    Ping(Bytes),
    /// An answer, or a sign of life that nobody asked for.
    Pong(Bytes),
    /// The client is done; answer with the same code, then close the socket. Nothing is read after it.
    Close(Option<(CloseCode, String)>),
}

/// The reading side of one WebSocket.
#[derive(Debug)]
pub struct Decoder {
    max_text: usize,
    max_binary: usize,
    partial: Option<Box<Partial>>,
    finished: bool,
}

impl Decoder {
    /// A decoder for a socket whose handshake is done.
    pub fn new(limits: &Limits) -> Self {
        Self {
            max_text: limits.max_text_bytes,
            max_binary: limits.max_binary_bytes,
            partial: None,
            finished: false,
        }
    }

    /// Takes bytes off the front of `input` until something is whole. `None` means that all of `input` was taken and
    /// more is needed. After an error, or a close frame, everything further is thrown away.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, ProtocolError> {
        if self.finished || input.is_empty() {
            *input = &[];
            return Ok(None);
        }
        let max = |kind| {
            if kind == Kind::Text {
                self.max_text
            } else {
                self.max_binary
            }
        };
        let result = if let Some(mut partial) = self.partial.take() {
            let result = partial.advance(input, max);
            self.partial = (!partial.is_idle()).then_some(partial);
            result
        } else {
            let mut partial = Partial::default();
            let result = partial.advance(input, max);
            self.partial = (!partial.is_idle()).then(|| Box::new(partial));
            result
        };
        if matches!(result, Err(_) | Ok(Some(Incoming::Close(_)))) {
            self.finished = true;
            self.partial = None;
        }
        result
    }

    /// Bytes of memory that unfinished frames and messages hold at the moment.
    pub fn buffered(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            size_of::<Partial>() + partial.message.capacity() + partial.control.capacity()
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
}

/// The head of a frame (section 5.2).
#[derive(Debug, Clone, Copy)]
struct Head {
    fin: bool,
    opcode: u8,
    len: u64,
    mask: [u8; 4],
}

impl Head {
    fn is_control(self) -> bool {
        self.opcode >= CLOSE
    }

    /// Reads a head and says how many bytes it had; `None` if it is not all there. Faults are seen as early as possible.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        let (fin, opcode) = (first & FIN != 0, first & 0x0f);
        if first & 0x70 != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        if !matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) {
            return Err(ProtocolError::ReservedOpcode);
        }
        if second & MASKED == 0 {
            return Err(ProtocolError::Unmasked);
        }
        let short = second & 0x7f;
        if opcode >= CLOSE {
            if !fin {
                return Err(ProtocolError::FragmentedControl);
            }
            if usize::from(short) > MAX_CONTROL {
                return Err(ProtocolError::LongControl);
            }
        }
        let (len, rest) = match short {
            126 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        let shortest = match short {
            126 => 126,
            127 => 0x1_0000,
            _ => 0,
        };
        if !(shortest..=u64::MAX >> 1).contains(&len) {
            return Err(ProtocolError::BadLength);
        }
        let Some((&mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let head = Self {
            fin,
            opcode,
            len,
            mask,
        };
        Ok(Some((head, bytes.len() - rest.len())))
    }
}

/// What is not finished: a head in pieces, a frame's payload, a message of fragments.
#[derive(Debug, Default)]
struct Partial {
    head_bytes: [u8; 14],
    head_len: u8,
    frame: Option<Head>,
    /// Bytes of the frame's payload that have come.
    taken: usize,
    control: Vec<u8>,
    kind: Option<Kind>,
    message: Vec<u8>,
    /// The limit of the message's kind.
    most: usize,
    /// How much of a text message is known to be UTF-8.
    checked: usize,
}

impl Partial {
    fn is_idle(&self) -> bool {
        self.head_len == 0 && self.frame.is_none() && self.kind.is_none()
    }

    fn advance(
        &mut self,
        input: &mut &[u8],
        max: impl Fn(Kind) -> usize,
    ) -> Result<Option<Incoming>, ProtocolError> {
        loop {
            let head = match self.frame {
                Some(head) => head,
                None => match self.read_head(input)? {
                    Some(head) => {
                        self.begin(head, &max)?;
                        head
                    }
                    None => return Ok(None),
                },
            };
            let whole = self.read_payload(head, input)?;
            if !whole {
                return Ok(None);
            }
            self.frame = None;
            if let Some(incoming) = self.end(head)? {
                return Ok(Some(incoming));
            }
        }
    }

    fn read_head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, ProtocolError> {
        if self.head_len == 0
            && let Some((head, used)) = Head::parse(input)?
        {
            *input = input.get(used..).unwrap_or_default();
            return Ok(Some(head));
        }
        while let [byte, rest @ ..] = *input {
            *input = rest;
            let len = usize::from(self.head_len);
            if let Some(place) = self.head_bytes.get_mut(len) {
                *place = *byte;
                self.head_len += 1;
            }
            if let Some((head, _)) = Head::parse(self.head_bytes.get(..=len).unwrap_or_default())? {
                self.head_len = 0;
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Checks a frame against the message that it belongs to, before any memory is taken for it.
    fn begin(&mut self, head: Head, max: impl Fn(Kind) -> usize) -> Result<(), ProtocolError> {
        if !head.is_control() {
            let kind = match (head.opcode, self.kind) {
                (CONTINUATION, Some(kind)) => kind,
                (CONTINUATION, None) => return Err(ProtocolError::UnexpectedContinuation),
                (_, Some(_)) => return Err(ProtocolError::UnfinishedMessage),
                (TEXT, None) => Kind::Text,
                (_, None) => Kind::Binary,
            };
            self.most = max(kind);
            if head.len > self.most.saturating_sub(self.message.len()) as u64 {
                return Err(match kind {
                    Kind::Text => ProtocolError::TextTooBig,
                    Kind::Binary => ProtocolError::BinaryTooBig,
                });
            }
            self.kind = Some(kind);
        }
        self.frame = Some(head);
        self.taken = 0;
        Ok(())
    }

    /// Takes what has come of the frame's payload; true if that was all.
    fn read_payload(&mut self, head: Head, input: &mut &[u8]) -> Result<bool, ProtocolError> {
        // The length was checked against the limits, so it is within a usize.
        let missing = head.len as usize - self.taken;
        let (piece, rest) = input.split_at(missing.min(input.len()));
        *input = rest;
        let (target, room) = match (head.is_control(), head.fin) {
            (true, _) => (&mut self.control, missing),
            (false, true) => (&mut self.message, missing),
            (false, false) => {
                let room = self.most.saturating_sub(self.message.len());
                (&mut self.message, room)
            }
        };
        if target.capacity() - target.len() < piece.len() {
            // What has come at least, what may still come at most, and doubling in between: neither a large
            // announcement nor a message of a million fragments is dear.
            target.reserve_exact(piece.len().max(target.len().min(room)));
        }
        let start = target.len();
        target.extend_from_slice(piece);
        mask::apply(
            target.get_mut(start..).unwrap_or_default(),
            head.mask,
            self.taken,
        );
        let at_once = self.taken == 0 && self.checked == 0 && head.fin && piece.len() == missing;
        self.taken += piece.len();
        // A message that comes at once is checked when it becomes a String; others fail at the piece that is wrong.
        if !head.is_control() && self.kind == Some(Kind::Text) && !at_once {
            self.check_text()?;
        }
        Ok(piece.len() == missing)
    }

    fn check_text(&mut self) -> Result<(), ProtocolError> {
        let fresh = self.message.get(self.checked..).unwrap_or_default();
        match simdutf8::compat::from_utf8(fresh) {
            Ok(_) => self.checked = self.message.len(),
            Err(error) if error.error_len().is_some() => return Err(ProtocolError::NotUtf8),
            // A character that is cut: its other bytes may come.
            Err(error) => self.checked += error.valid_up_to(),
        }
        Ok(())
    }

    /// The frame's payload is there.
    fn end(&mut self, head: Head) -> Result<Option<Incoming>, ProtocolError> {
        match head.opcode {
            CLOSE => return read_close(&std::mem::take(&mut self.control)).map(Some),
            PING => {
                return Ok(Some(Incoming::Ping(
                    std::mem::take(&mut self.control).into(),
                )));
            }
            PONG => {
                return Ok(Some(Incoming::Pong(
                    std::mem::take(&mut self.control).into(),
                )));
            }
            _ if !head.fin => return Ok(None),
            _ => {}
        }
        let message = std::mem::take(&mut self.message);
        self.checked = 0;
        Ok(Some(match self.kind.take() {
            Some(Kind::Text) => {
                Incoming::Text(String::from_utf8(message).map_err(|_| ProtocolError::NotUtf8)?)
            }
            _ => Incoming::Binary(message.into()),
        }))
    }
}

/// The payload of a close frame: nothing, or a code and a reason (section 5.5.1).
fn read_close(payload: &[u8]) -> Result<Incoming, ProtocolError> {
    match payload {
        [] => Ok(Incoming::Close(None)),
        [high, low, reason @ ..] => {
            let code = CloseCode::new(u16::from_be_bytes([*high, *low]))
                .ok_or(ProtocolError::BadCloseCode)?;
            let reason = simdutf8::basic::from_utf8(reason).map_err(|_| ProtocolError::NotUtf8)?;
            Ok(Incoming::Close(Some((code, reason.to_owned()))))
        }
        [_] => Err(ProtocolError::BadCloseCode),
    }
}
