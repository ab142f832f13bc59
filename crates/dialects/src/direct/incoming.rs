//! Client events of `direct`, read into commands and queries.
//!
//! Checks forms only; what is allowed is decided in `chat`. `outgoing` is the way back.

use chat::{
    Body, Command, ConversationKind, ConversationRef, Destination, Query, Refusal, Topic, UserRef,
};
use uuid::Uuid;

use crate::{
    Incoming, Request,
    direct::{NAME, external},
    payload::{Field, fields},
};

/// How much of a room one gets on joining it.
const HISTORY: u32 = 50;
/// How much `fetch_messages` returns if it does not say.
const PAGE: u64 = 20;
/// The most that it returns.
const MAX_PAGE: u64 = 100;
/// The longest `clientMessageId`, in UTF-8 bytes.
const MAX_CLIENT_ID: usize = 128;

pub(super) fn claims(event: &Incoming) -> bool {
    reader(&event.name).is_some()
}

pub(super) fn read(event: &Incoming) -> Result<Request, Refusal> {
    reader(&event.name).ok_or(Refusal::UnknownEvent)?(event)
}

type Reader = fn(&Incoming) -> Result<Request, Refusal>;

/// The client events of this dialect.
fn reader(name: &str) -> Option<Reader> {
    match name {
        "register_user" => Some(read_register_user),
        "join_chat" => Some(read_join_chat),
        "send_message" => Some(read_send_message),
        "fetch_messages" => Some(read_fetch_messages),
        _ => None,
    }
}

/// `register_user "<uuid>"`
fn read_register_user(event: &Incoming) -> Result<Request, Refusal> {
    let user = Field::argument("userId", event.args.first().map(AsRef::as_ref)).uuid()?;
    Ok(Request::command(Command::Register {
        user: named(user),
        dialect: NAME,
        alone: false,
    }))
}

/// `join_chat { userId, targetUserId }`
fn read_join_chat(event: &Incoming) -> Result<Request, Refusal> {
    let [user, other] = fields(
        event.args.first().map(AsRef::as_ref),
        ["userId", "targetUserId"],
        "must be an object with userId and targetUserId",
    )?;
    Ok(Request {
        query: Some(history(ConversationRef::Opened)),
        ..Request::command(Command::OpenDirect {
            user: named(user.uuid()?),
            other: named(other.uuid()?),
            metadata: None,
            dialect: Some(NAME),
        })
    })
}

/// What `join_chat` is answered with, once more.
pub(super) fn rejoin(place: Topic) -> Option<Query> {
    match place {
        Topic::Conversation(conversation) => Some(history(ConversationRef::Id(conversation))),
        Topic::Person(_) => None,
    }
}

/// What one gets to see of a room on joining it.
fn history(conversation: ConversationRef) -> Query {
    Query::History {
        conversation,
        viewer: None,
        before: None,
        offset: 0,
        limit: HISTORY,
    }
}

/// A room of this dialect.
fn direct(room: Uuid) -> ConversationRef {
    ConversationRef::OfKind(room, ConversationKind::Direct)
}

fn named(user: Uuid) -> UserRef {
    UserRef::Named(external(user))
}

/// `send_message { roomId, senderId, body, clientMessageId? }`
fn read_send_message(event: &Incoming) -> Result<Request, Refusal> {
    let [room, sender, body, client_id] = fields(
        event.args.first().map(AsRef::as_ref),
        ["roomId", "senderId", "body", "clientMessageId"],
        "must be an object with roomId, senderId and body",
    )?;
    Ok(Request::command(Command::Send {
        to: Destination::Conversation(direct(room.uuid()?)),
        sender: named(sender.uuid()?),
        body: Body::text(body.text()?),
        client_id: client_id.optional_label(MAX_CLIENT_ID, "must be a string of 1 to 128 bytes")?,
    }))
}

/// `fetch_messages { roomId, limit?, offset? }`
fn read_fetch_messages(event: &Incoming) -> Result<Request, Refusal> {
    let [room, limit, offset] = fields(
        event.args.first().map(AsRef::as_ref),
        ["roomId", "limit", "offset"],
        "must be an object with roomId",
    )?;
    let room = room.uuid()?;
    let limit = limit
        .optional_whole(1, "must be a whole number from 1 to 100")?
        .unwrap_or(PAGE)
        .min(MAX_PAGE);
    let offset = offset
        .optional_whole(0, "must be a whole number, 0 or more")?
        .unwrap_or(0);
    Ok(Request {
        needs_identity: true,
        ..Request::query(Query::History {
            conversation: direct(room),
            viewer: None,
            before: None,
            offset,
            limit: limit as u32,
        })
    })
}
