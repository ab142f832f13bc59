//! Client events of `stream`, read into commands.
//!
//! Checks forms only; what is allowed is decided in `chat`. `outgoing` is the way back.

use chat::{Command, ConversationRef, Refusal, room::RoomName};

use super::NAME;
use crate::{
    Incoming, Request,
    payload::{Field, fields},
};

/// The longest name that a reader may give a room, in UTF-8 bytes.
const MAX_NAME: usize = 100;

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
        "subscribe" => Some(read_subscribe),
        "unsubscribe" => Some(read_unsubscribe),
        _ => None,
    }
}

/// `subscribe { channelName?, chatroomId }`
fn read_subscribe(event: &Incoming) -> Result<Request, Refusal> {
    let [name, chatroom] = read_fields(event)?;
    let label =
        |name: Field<'_>| name.optional_label(MAX_NAME, "must be a string of 1 to 100 bytes");
    Ok(Request::command(Command::Join {
        conversation: room(chatroom)?,
        by: None,
        spelling: name.optional(label)?.flatten(),
        dialect: NAME,
    }))
}

/// `unsubscribe { channelName?, chatroomId }`
fn read_unsubscribe(event: &Incoming) -> Result<Request, Refusal> {
    // Only the id counts.
    let [_, chatroom] = read_fields(event)?;
    Ok(Request::command(Command::Leave {
        conversation: room(chatroom)?,
        dialect: NAME,
    }))
}

fn read_fields(event: &Incoming) -> Result<[Field<'_>; 2], Refusal> {
    fields(
        event.args.first().map(AsRef::as_ref),
        ["channelName", "chatroomId"],
        "must be an object with channelName and chatroomId",
    )
}

/// A room by its number: a string in the document's examples, a number in those of its REST API.
fn room(chatroom: Field<'_>) -> Result<ConversationRef, Refusal> {
    let number = chatroom.number_or_digits("must be a whole number, or its digits in a string")?;
    Ok(ConversationRef::Room(RoomName::Chatroom(number)))
}
