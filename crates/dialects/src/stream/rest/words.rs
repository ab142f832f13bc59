//! How `stream` says no over HTTP: in the fields of its requests, and with the status that it has
//! for it.

use std::borrow::Cow;

use chat::{Command, Refusal, room::RoomAct};

use super::Call;
use crate::rest;

/// The HTTP status of a refusal.
pub fn status(call: Option<&Call>, refusal: &Refusal) -> u16 {
    match refusal {
        // Who only looks at a private room has perhaps not said who it is.
        Refusal::TokenRequired if call.is_some_and(Call::only_looks) => 401,
        Refusal::NoPoll => 404,
        _ => rest::status(refusal),
    }
}

/// Says a refusal in the words of a request.
pub fn explain(call: Option<&Call>, refusal: &Refusal) -> Cow<'static, str> {
    let command = call.and_then(|call| call.request.command.as_ref());
    let act = match command {
        Some(Command::InRoom { act, .. }) => Some(&**act),
        _ => None,
    };
    let is_send = matches!(command, Some(Command::Send { .. }));
    let names_chatroom = is_send || matches!(act, Some(RoomAct::DeleteMessage { .. }));
    let words = match refusal {
        Refusal::Invalid { field: "", must } => return format!("body {must}").into(),
        Refusal::BlankText => "content must not be blank",
        Refusal::TextTooLong { limit } => {
            return format!("content is longer than {limit} bytes").into();
        }
        Refusal::MetadataTooLarge { limit } => {
            return format!("metadata is longer than {limit} bytes").into();
        }
        Refusal::NameTaken => "slug is taken",
        Refusal::UnknownConversation if call.is_none() => "the path names no channel here",
        Refusal::UnknownConversation if names_chatroom => "chatroom_id is not a chatroom here",
        Refusal::UnknownConversation => "slug is not a channel here",
        Refusal::UnknownMessage if is_send => {
            "metadata.original_message.id is not a message of this chatroom"
        }
        Refusal::UnknownMessage => match act {
            Some(RoomAct::Pin { .. }) => "message.id is not a message of this chatroom",
            _ => "id is not a message of this chatroom",
        },
        Refusal::NothingThere => match act {
            Some(RoomAct::Unban { .. }) => "username is not banned here",
            Some(RoomAct::RemoveModerator { .. }) => "username is not a moderator here",
            _ => "no message is pinned here",
        },
        Refusal::NoPoll => match act {
            Some(RoomAct::Vote { .. }) => "there is no poll in which one can vote",
            _ => "there is no poll",
        },
        Refusal::TokenRequired if call.is_some_and(Call::only_looks) => {
            "this room is private: Authorization must be Bearer, a space, and a token or server key"
        }
        Refusal::TokenRequired => {
            "Authorization must be Bearer, a space, and a token or server key: a client key may \
             only look"
        }
        Refusal::UnknownKey => "Authorization or appKey has no key that this server knows",
        other => return other.to_string().into(),
    };
    Cow::Borrowed(words)
}
