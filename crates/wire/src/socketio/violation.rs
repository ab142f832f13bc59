//! How a client breaks Socket.IO or a limit. Each closes its connection: there is no packet to answer such things with.

use std::fmt;

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Violation {
    /// A message without a packet type.
    EmptyPacket,
    /// The first character is no packet type.
    UnknownType,
    /// A binary packet whose number of attachments is missing or no number.
    BadAttachmentCount,
    /// More attachments than `max_attachments`.
    TooManyAttachments,
    /// A namespace name longer than `max_namespace_bytes`.
    NamespaceTooLong,
    /// An acknowledgement without an id, or an id beyond 64 bits.
    BadAckId,
    /// The payload is not JSON, or not of the kind that this packet type carries.
    BadPayload,
    /// An event that does not begin with its name as a string.
    BadEventName,
    /// An event with a name that clients keep for themselves, such as `connect`.
    ReservedEventName,
    /// An event name longer than `max_event_name_bytes`.
    EventNameTooLong,
    /// More arguments than `max_args`.
    TooManyArguments,
    /// A placeholder for an attachment that the packet does not have.
    BadPlaceholder,
    /// A text message while an attachment was due.
    AttachmentExpected,
    /// A binary message while no attachment was due.
    UnexpectedAttachment,
    /// A text packet longer than `max_text_bytes`.
    TextTooLarge,
    /// An attachment longer than `max_binary_bytes`.
    AttachmentTooLarge,
    /// CONNECT to a namespace that the connection is in already, or has asked to enter.
    AlreadyConnected,
    /// A packet for a namespace that the connection has not entered.
    NotConnected,
    /// More namespaces at a time than `max_namespaces`.
    TooManyNamespaces,
    /// `max_rejected_connects` CONNECTs in a row were turned down.
    TooManyRejectedConnects,
    /// A packet that only servers send.
    ServerPacket,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyPacket => "a packet is empty",
            Self::UnknownType => "unknown packet type",
            Self::BadAttachmentCount => "a binary packet does not say how many attachments it has",
            Self::TooManyAttachments => "a packet has too many attachments",
            Self::NamespaceTooLong => "a namespace name is too long",
            Self::BadAckId => "an acknowledgement id is missing or too large",
            Self::BadPayload => "a payload is not the JSON that its packet type carries",
            Self::BadEventName => "an event does not begin with its name",
            Self::ReservedEventName => "an event has a reserved name",
            Self::EventNameTooLong => "an event name is too long",
            Self::TooManyArguments => "a packet has too many arguments",
            Self::BadPlaceholder => "a placeholder names an attachment that is not there",
            Self::AttachmentExpected => "text came where an attachment was due",
            Self::UnexpectedAttachment => "binary data came where no attachment was due",
            Self::TextTooLarge => "a text packet is longer than the limit",
            Self::AttachmentTooLarge => "an attachment is longer than the limit",
            Self::AlreadyConnected => "connected to a namespace twice",
            Self::NotConnected => "a packet for a namespace that is not connected",
            Self::TooManyNamespaces => "too many namespaces on one connection",
            Self::TooManyRejectedConnects => "too many rejected connects in a row",
            Self::ServerPacket => "a packet that only servers send",
        })
    }
}

impl std::error::Error for Violation {}
