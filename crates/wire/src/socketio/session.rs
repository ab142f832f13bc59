//! The Socket.IO side of one connection: which namespaces it is in, and the binary packet that is on its way.
//!
//! Everything that comes out of here was allowed: an event is for a namespace that the server has accepted, complete,
//! within the limits. Time comes in with each call.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Ack, Event, Packet, Violation};
use crate::Limits;
use crate::engineio::Message;

/// What a client wants.
#[derive(Debug, Clone)]
pub enum Input {
    /// To enter a namespace: answer with [`Session::accept`] or [`Session::reject`], and the packet that says so.
    Connect {
        /// The namespace.
        namespace: String,
        /// What the client brings, a JSON object.
        auth: Option<Box<RawValue>>,
    },
    /// An event in an accepted namespace.
    Event(Event),
    /// An answer to an event of the server, in an accepted namespace.
    Ack(Ack),
    /// The client has left the namespace.
    Disconnect {
        /// The namespace.
        namespace: String,
    },
}

/// The state of one connection.
#[derive(Debug)]
pub struct Session {
    limits: Arc<Limits>,
    /// The main namespace, in line, because most connections have no other.
    main: Status,
    rejected: u8,
    others: Vec<(Box<str>, Status)>,
    partial: Option<Box<Partial>>,
    deadline: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Unknown,
    /// CONNECT has come and is not answered.
    Asking,
    Connected,
    /// The server said no or put the client out; what was on its way then is dropped without a fuss.
    Gone,
}

/// A binary packet that waits for its attachments.
#[derive(Debug)]
struct Partial {
    packet: Packet,
    missing: usize,
    text_len: usize,
}

impl Session {
    /// The state of a connection that was opened at `now`.
    pub fn new(limits: Arc<Limits>, now: Instant) -> Self {
        let deadline = now.checked_add(limits.connect_timeout);
        Self {
            limits,
            main: Status::Unknown,
            rejected: 0,
            others: Vec::new(),
            partial: None,
            deadline,
        }
    }

    /// Takes one message. `None` if there is nothing to do yet, or any more.
    pub fn receive(&mut self, message: Message, now: Instant) -> Result<Option<Input>, Violation> {
        let packet = match message {
            Message::Text(_) if self.partial.is_some() => {
                return Err(Violation::AttachmentExpected);
            }
            Message::Text(text) => {
                let (packet, missing) = Packet::parse(&text, &self.limits)?;
                if missing > 0 {
                    self.check_known(packet.namespace())?;
                    self.partial = Some(Box::new(Partial {
                        packet,
                        missing,
                        text_len: text.len(),
                    }));
                    return Ok(None);
                }
                packet
            }
            Message::Binary(bytes) => match self.attach(bytes)? {
                Some(packet) => packet,
                None => return Ok(None),
            },
        };
        self.admit(packet, now)
    }

    fn attach(&mut self, bytes: Bytes) -> Result<Option<Packet>, Violation> {
        let mut partial = self.partial.take().ok_or(Violation::UnexpectedAttachment)?;
        if bytes.len() > self.limits.max_binary_bytes {
            return Err(Violation::AttachmentTooLarge);
        }
        match &mut partial.packet {
            Packet::Event(event) => event.attachments.push(bytes),
            Packet::Ack(ack) => ack.attachments.push(bytes),
            _ => return Err(Violation::UnexpectedAttachment),
        }
        partial.missing -= 1;
        if partial.missing > 0 {
            self.partial = Some(partial);
            return Ok(None);
        }
        Ok(Some(partial.packet))
    }

    fn check_known(&self, namespace: &str) -> Result<(), Violation> {
        match self.status(namespace) {
            Status::Connected | Status::Gone => Ok(()),
            Status::Unknown | Status::Asking => Err(Violation::NotConnected),
        }
    }

    fn admit(&mut self, packet: Packet, now: Instant) -> Result<Option<Input>, Violation> {
        let status = self.status(packet.namespace());
        match packet {
            Packet::Connect { namespace, auth } => match status {
                Status::Asking | Status::Connected => Err(Violation::AlreadyConnected),
                Status::Unknown | Status::Gone => {
                    self.enter(&namespace)?;
                    Ok(Some(Input::Connect { namespace, auth }))
                }
            },
            Packet::ConnectError { .. } => Err(Violation::ServerPacket),
            Packet::Disconnect { namespace } => match status {
                Status::Connected | Status::Asking => {
                    self.set(&namespace, Status::Gone);
                    self.restart_deadline(now);
                    Ok(Some(Input::Disconnect { namespace }))
                }
                Status::Gone => Ok(None),
                Status::Unknown => Err(Violation::NotConnected),
            },
            Packet::Event(_) | Packet::Ack(_) if status == Status::Gone => Ok(None),
            Packet::Event(_) | Packet::Ack(_) if status != Status::Connected => {
                Err(Violation::NotConnected)
            }
            Packet::Event(event) => Ok(Some(Input::Event(event))),
            Packet::Ack(ack) => Ok(Some(Input::Ack(ack))),
        }
    }

    /// The server lets the client in. False if it no longer waits: it left meanwhile, or never asked.
    #[must_use]
    pub fn accept(&mut self, namespace: &str) -> bool {
        if self.status(namespace) != Status::Asking {
            return false;
        }
        self.set(namespace, Status::Connected);
        self.rejected = 0;
        self.deadline = None;
        true
    }

    /// The server does not let the client in. Fails when that was once too often.
    pub fn reject(&mut self, namespace: &str, now: Instant) -> Result<(), Violation> {
        self.leave(namespace, now);
        self.rejected = self.rejected.saturating_add(1);
        if self.rejected >= self.limits.max_rejected_connects {
            return Err(Violation::TooManyRejectedConnects);
        }
        Ok(())
    }

    /// The server puts the client out of a namespace.
    pub fn leave(&mut self, namespace: &str, now: Instant) {
        if matches!(self.status(namespace), Status::Asking | Status::Connected) {
            self.set(namespace, Status::Gone);
            self.restart_deadline(now);
        }
    }

    /// Whether the client is in this namespace.
    pub fn is_connected(&self, namespace: &str) -> bool {
        self.status(namespace) == Status::Connected
    }

    /// The namespaces that the client is in.
    pub fn connected(&self) -> impl Iterator<Item = &str> {
        let main = (self.main == Status::Connected).then_some("/");
        let others = self
            .others
            .iter()
            .filter(|(_, status)| *status == Status::Connected);
        main.into_iter().chain(others.map(|(name, _)| &**name))
    }

    /// When the connection is to be closed because it is in no namespace; `None` while it is in one.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Bytes that an unfinished binary packet holds at the moment, about.
    pub fn buffered(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            partial.text_len
                + partial
                    .packet
                    .attachments()
                    .iter()
                    .map(Bytes::len)
                    .sum::<usize>()
        })
    }

    fn status(&self, namespace: &str) -> Status {
        if namespace == "/" {
            return self.main;
        }
        self.others
            .iter()
            .find(|(name, _)| **name == *namespace)
            .map_or(Status::Unknown, |(_, status)| *status)
    }

    fn set(&mut self, namespace: &str, next: Status) {
        if namespace == "/" {
            self.main = next;
        } else if let Some((_, status)) = self
            .others
            .iter_mut()
            .find(|(name, _)| **name == *namespace)
        {
            *status = next;
        }
    }

    /// Notes a CONNECT. Names of namespaces that are gone give way when there are too many.
    fn enter(&mut self, namespace: &str) -> Result<(), Violation> {
        let is_live = |status| matches!(status, Status::Asking | Status::Connected);
        let live = self
            .others
            .iter()
            .filter(|(_, status)| is_live(*status))
            .count()
            + usize::from(is_live(self.main));
        if live >= self.limits.max_namespaces {
            return Err(Violation::TooManyNamespaces);
        }
        if namespace == "/" || self.others.iter().any(|(name, _)| **name == *namespace) {
            self.set(namespace, Status::Asking);
            return Ok(());
        }
        if self.others.len() >= self.limits.max_namespaces {
            self.others.retain(|(_, status)| is_live(*status));
        }
        self.others.push((namespace.into(), Status::Asking));
        Ok(())
    }

    fn restart_deadline(&mut self, now: Instant) {
        if self.deadline.is_none() && self.connected().next().is_none() {
            self.deadline = now.checked_add(self.limits.connect_timeout);
        }
    }
}
