//! What an HTTP request on the Engine.IO path asks for, from its query alone, and the errors that answer bad ones.
//!
//! The numbers, words and the order of the checks are those that clients of the reference implementation know.

use std::borrow::Cow;
use std::fmt;

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    /// Its name in a query and in `upgrades`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// Why a request gets no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeError {
    /// `transport` is missing or not one of ours.
    UnknownTransport = 0,
    /// No open connection has this `sid`.
    UnknownSid = 1,
    /// A connection is opened by GET only.
    BadMethod = 2,
    /// Parameters that contradict each other or the state of the connection.
    BadRequest = 3,
    /// The server does not want this client (its origin, its host).
    Forbidden = 4,
    /// `EIO` is not 4: a client of Socket.IO 2 or older, or none at all.
    UnsupportedVersion = 5,
}

impl HandshakeError {
    /// The number in the answer.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The words in the answer.
    pub fn message(self) -> &'static str {
        match self {
            Self::UnknownTransport => "Transport unknown",
            Self::UnknownSid => "Session ID unknown",
            Self::BadMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::UnsupportedVersion => "Unsupported protocol version",
        }
    }

    /// The HTTP status of the answer.
    pub fn status(self) -> u16 {
        if self == Self::Forbidden { 403 } else { 400 }
    }

    /// The JSON body of the answer, e.g. `{"code":0,"message":"Transport unknown"}`.
    pub fn body(self) -> String {
        format!(
            r#"{{"code":{},"message":"{}"}}"#,
            self.code(),
            self.message()
        )
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for HandshakeError {}

/// The query part of a request, read on demand. Never fails: a broken escape stands for itself, bytes that are not
/// UTF-8 become U+FFFD.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// `raw` is what follows the `?`, still escaped; empty if there is none.
    pub fn new(raw: &'a str) -> Self {
        Self(raw)
    }

    /// All keys and values, unescaped, in order.
    pub fn pairs(self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.0
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (unescape(key), unescape(value))
            })
    }

    /// The first value of `key`.
    pub fn get(self, key: &str) -> Option<Cow<'a, str>> {
        self.pairs()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// `EIO`, the protocol version as sent.
    pub fn eio(self) -> Option<Cow<'a, str>> {
        self.get("EIO")
    }

    /// `transport`, if it is one that we speak.
    pub fn transport(self) -> Option<Transport> {
        match &*self.get("transport")? {
            "polling" => Some(Transport::Polling),
            "websocket" => Some(Transport::WebSocket),
            _ => None,
        }
    }

    /// `sid`, the session that the request belongs to.
    pub fn sid(self) -> Option<Cow<'a, str>> {
        self.get("sid")
    }
}

/// What a well-formed request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// A new connection.
    Handshake(Transport),
    /// GET: wait for packets of this session.
    Poll {
        /// The session.
        sid: Cow<'a, str>,
    },
    /// POST: packets for this session.
    Post {
        /// The session.
        sid: Cow<'a, str>,
    },
    /// A WebSocket that wants to take over this session.
    Probe {
        /// The session.
        sid: Cow<'a, str>,
    },
}

/// Sorts a request by its method, its query and whether it asks for a WebSocket. Whether a `sid` is known is the
/// caller's question, to be answered with [`HandshakeError::UnknownSid`].
pub fn route<'a>(
    method: &str,
    query: Query<'a>,
    wants_websocket: bool,
) -> Result<Request<'a>, HandshakeError> {
    let transport = query.transport().ok_or(HandshakeError::UnknownTransport)?;
    if wants_websocket != (transport == Transport::WebSocket) {
        return Err(HandshakeError::BadRequest);
    }
    match query.sid() {
        None if method != "GET" => Err(HandshakeError::BadMethod),
        None if query.eio().as_deref() != Some("4") => Err(HandshakeError::UnsupportedVersion),
        None => Ok(Request::Handshake(transport)),
        Some(sid) => match (transport, method) {
            (Transport::WebSocket, "GET") => Ok(Request::Probe { sid }),
            (Transport::Polling, "GET") => Ok(Request::Poll { sid }),
            (Transport::Polling, "POST") => Ok(Request::Post { sid }),
            _ => Err(HandshakeError::BadRequest),
        },
    }
}

/// `+` and `%41` as forms write them.
fn unescape(text: &str) -> Cow<'_, str> {
    if memchr::memchr2(b'%', b'+', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..]) => {
                if let (Some(high), Some(low)) = (hex(*high), hex(*low)) {
                    out.push(high << 4 | low);
                    rest = after;
                } else {
                    out.push(b'%');
                }
            }
            (byte, _) => out.push(*byte),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|digit| digit as u8)
}
