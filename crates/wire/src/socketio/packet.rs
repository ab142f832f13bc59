//! One Socket.IO packet: `<type>[<attachments>-][/<namespace>,][<ack id>][JSON]`, and its attachments as further messages.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Ack, Event, Violation, placeholder};
use crate::Limits;
use crate::json::to_json;

/// One packet, either way. Binary events and acknowledgements are those with attachments.
#[derive(Debug, Clone)]
pub enum Packet {
    /// `0`: by the client with what it wants to prove, by the server with the socket's id.
    Connect {
        /// The namespace.
        namespace: String,
        /// A JSON object.
        auth: Option<Box<RawValue>>,
    },
    /// `1`: out of the namespace.
    Disconnect {
        /// The namespace.
        namespace: String,
    },
    /// `2`, or `5` with attachments.
    Event(Event),
    /// `3`, or `6` with attachments.
    Ack(Ack),
    /// `4`: by the server, not let in.
    ConnectError {
        /// The namespace.
        namespace: String,
        /// A JSON object or string.
        error: Box<RawValue>,
    },
}

/// Names that mean something in the client itself.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

impl Packet {
    /// Reads the text of a packet. The number says how many binary messages have to follow; the packet's
    /// `attachments` are to be filled with them.
    pub fn parse(text: &str, limits: &Limits) -> Result<(Self, usize), Violation> {
        if text.len() > limits.max_text_bytes {
            return Err(Violation::TextTooLarge);
        }
        let mut rest = text;
        let kind = *text.as_bytes().first().ok_or(Violation::EmptyPacket)?;
        if !matches!(kind, b'0'..=b'6') {
            return Err(Violation::UnknownType);
        }
        rest = rest.get(1..).unwrap_or_default();
        let binary = matches!(kind, b'5' | b'6');
        let count = if binary {
            take_count(&mut rest, limits)?
        } else {
            0
        };
        let namespace = take_namespace(&mut rest, limits)?;
        let packet = match kind {
            b'0' => Self::Connect {
                namespace,
                auth: if rest.is_empty() {
                    None
                } else {
                    Some(raw(rest, "{")?)
                },
            },
            b'1' if rest.is_empty() => Self::Disconnect { namespace },
            b'1' => return Err(Violation::BadPayload),
            b'4' => Self::ConnectError {
                namespace,
                error: raw(rest, "{\"")?,
            },
            b'2' | b'5' => {
                let ack = take_id(&mut rest)?;
                let (name, args) = read_array(rest, true, limits)?;
                let name = name.ok_or(Violation::BadEventName)?;
                Self::Event(Event {
                    namespace,
                    ack,
                    name,
                    args,
                    attachments: Vec::new(),
                })
            }
            _ => {
                let id = take_id(&mut rest)?.ok_or(Violation::BadAckId)?;
                let (_, args) = read_array(rest, false, limits)?;
                Self::Ack(Ack {
                    namespace,
                    id,
                    args,
                    attachments: Vec::new(),
                })
            }
        };
        if binary {
            placeholder::check(rest, count)?;
        }
        Ok((packet, count))
    }

    /// Appends the text of the packet. Its attachments follow as binary messages of their own.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Connect { namespace, auth } => {
                start(out, '0', 0, namespace);
                out.push_str(auth.as_ref().map_or("", |auth| auth.get()));
            }
            Self::Disconnect { namespace } => start(out, '1', 0, namespace),
            Self::Event(event) => {
                let kind = if event.attachments.is_empty() {
                    '2'
                } else {
                    '5'
                };
                start(out, kind, event.attachments.len(), &event.namespace);
                if let Some(id) = event.ack {
                    write_display(out, id);
                }
                out.push('[');
                out.push_str(&to_json(&event.name));
                if !event.args.is_empty() {
                    out.push(',');
                    write_args(out, &event.args);
                }
                out.push(']');
            }
            Self::Ack(ack) => {
                let kind = if ack.attachments.is_empty() { '3' } else { '6' };
                start(out, kind, ack.attachments.len(), &ack.namespace);
                write_display(out, ack.id);
                out.push('[');
                write_args(out, &ack.args);
                out.push(']');
            }
            Self::ConnectError { namespace, error } => {
                start(out, '4', 0, namespace);
                out.push_str(error.get());
            }
        }
    }

    /// The packet's namespace.
    pub fn namespace(&self) -> &str {
        match self {
            Self::Connect { namespace, .. }
            | Self::Disconnect { namespace }
            | Self::ConnectError { namespace, .. } => namespace,
            Self::Event(event) => &event.namespace,
            Self::Ack(ack) => &ack.namespace,
        }
    }

    /// What has to be sent after the text.
    pub fn attachments(&self) -> &[Bytes] {
        match self {
            Self::Event(event) => &event.attachments,
            Self::Ack(ack) => &ack.attachments,
            _ => &[],
        }
    }
}

impl PartialEq for Packet {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Connect { namespace, auth },
                Self::Connect {
                    namespace: other,
                    auth: their,
                },
            ) => {
                namespace == other
                    && auth.as_ref().map(|raw| raw.get()) == their.as_ref().map(|raw| raw.get())
            }
            (Self::Disconnect { namespace }, Self::Disconnect { namespace: other }) => {
                namespace == other
            }
            (Self::Event(event), Self::Event(other)) => event == other,
            (Self::Ack(ack), Self::Ack(other)) => ack == other,
            (
                Self::ConnectError { namespace, error },
                Self::ConnectError {
                    namespace: other,
                    error: their,
                },
            ) => namespace == other && error.get() == their.get(),
            _ => false,
        }
    }
}

fn start(out: &mut String, kind: char, attachments: usize, namespace: &str) {
    out.push(kind);
    if attachments > 0 {
        write_display(out, attachments as u64);
        out.push('-');
    }
    if namespace != "/" {
        out.push_str(namespace);
        out.push(',');
    }
}

/// The arguments of an event or acknowledgement as `frame` takes them: JSON values separated by commas.
pub fn join_args(args: &[Box<RawValue>]) -> String {
    let mut out = String::new();
    write_args(&mut out, args);
    out
}

fn write_args(out: &mut String, args: &[Box<RawValue>]) {
    for (place, arg) in args.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(arg.get());
    }
}

fn write_display(out: &mut String, number: u64) {
    write!(out, "{number}").expect("a String takes everything");
}

/// Takes the digits at the front.
fn take_digits<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest
        .bytes()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    digits
}

/// `2-`: the number of attachments.
fn take_count(rest: &mut &str, limits: &Limits) -> Result<usize, Violation> {
    let digits = take_digits(rest);
    *rest = rest
        .strip_prefix('-')
        .ok_or(Violation::BadAttachmentCount)?;
    if digits.is_empty() {
        return Err(Violation::BadAttachmentCount);
    }
    match digits.parse() {
        Ok(count) if count <= limits.max_attachments => Ok(count),
        _ => Err(Violation::TooManyAttachments),
    }
}

/// `/admin,` or, at the end of a packet, `/admin`. A query, which old clients put there, is dropped.
fn take_namespace(rest: &mut &str, limits: &Limits) -> Result<String, Violation> {
    if !rest.starts_with('/') {
        return Ok("/".to_owned());
    }
    let (name, after) = match memchr::memchr(b',', rest.as_bytes()) {
        Some(comma) => (
            rest.get(..comma).unwrap_or_default(),
            rest.get(comma + 1..).unwrap_or_default(),
        ),
        None => (*rest, ""),
    };
    *rest = after;
    let name = name.split_once('?').map_or(name, |(name, _)| name);
    if name.len() > limits.max_namespace_bytes {
        return Err(Violation::NamespaceTooLong);
    }
    Ok(name.to_owned())
}

fn take_id(rest: &mut &str) -> Result<Option<u64>, Violation> {
    match take_digits(rest) {
        "" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| Violation::BadAckId),
    }
}

/// One JSON value that begins with one of `first`.
fn raw(json: &str, first: &str) -> Result<Box<RawValue>, Violation> {
    let value: &RawValue = serde_json::from_str(json).map_err(|_| Violation::BadPayload)?;
    if !value.get().starts_with(|start| first.contains(start)) {
        return Err(Violation::BadPayload);
    }
    Ok(value.to_owned())
}

/// Reads `["name",...]`, or `[...]` without a name.
fn read_array(
    json: &str,
    named: bool,
    limits: &Limits,
) -> Result<(Option<String>, Vec<Box<RawValue>>), Violation> {
    let mut violation = Violation::BadPayload;
    let mut reader = serde_json::Deserializer::from_str(json);
    let array = Array {
        named,
        limits,
        violation: &mut violation,
    };
    match array
        .deserialize(&mut reader)
        .and_then(|read| reader.end().map(|()| read))
    {
        Ok(read) => Ok(read),
        Err(_) => Err(violation),
    }
}

/// Reads the array and stops at the first thing against the rules, which it leaves in `violation`.
struct Array<'a> {
    named: bool,
    limits: &'a Limits,
    violation: &'a mut Violation,
}

impl Array<'_> {
    fn refuse<E: serde::de::Error>(&mut self, violation: Violation) -> E {
        *self.violation = violation;
        E::custom("against the rules")
    }

    fn read_name<E: serde::de::Error>(&mut self, raw: &str) -> Result<String, E> {
        if !raw.starts_with('"') {
            return Err(self.refuse(Violation::BadEventName));
        }
        if raw.len() - 2 > self.limits.max_event_name_bytes {
            return Err(self.refuse(Violation::EventNameTooLong));
        }
        let name: String =
            serde_json::from_str(raw).map_err(|_| self.refuse::<E>(Violation::BadEventName))?;
        if RESERVED.contains(&name.as_str()) {
            return Err(self.refuse(Violation::ReservedEventName));
        }
        Ok(name)
    }
}

impl<'de> DeserializeSeed<'de> for Array<'_> {
    type Value = (Option<String>, Vec<Box<RawValue>>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Array<'_> {
    type Value = (Option<String>, Vec<Box<RawValue>>);

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<Self::Value, A::Error> {
        let name = if self.named {
            match values.next_element::<&RawValue>()? {
                Some(raw) => Some(self.read_name(raw.get())?),
                None => return Err(self.refuse(Violation::BadEventName)),
            }
        } else {
            None
        };
        let mut args = Vec::new();
        while let Some(arg) = values.next_element::<&RawValue>()? {
            if args.len() == self.limits.max_args {
                return Err(self.refuse(Violation::TooManyArguments));
            }
            if args.is_empty() {
                args.reserve_exact(1);
            }
            args.push(arg.to_owned());
        }
        Ok((name, args))
    }
}
