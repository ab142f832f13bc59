//! What `minchat` clients are told: answers to the asker, and events to listeners.
//!
//! `objects` are what they are made of; `incoming` is the way in.

use chat::{
    Event, MessageView, Passing, Refusal, Reply, UserId, View,
    event::{Happening, Sign},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    objects::{Chat, Message, Status, User},
    words::Words,
};
use crate::{Answer, Answered, Audience, Emit, Request, Shown, Site, Stage, json};

/// Places of the frames that one happening makes; part of recovery offsets.
const MESSAGE: u8 = 0;
const CHAT: u8 = 1;
const MESSAGE_UPDATE: u8 = 2;
const MESSAGE_DELETE: u8 = 3;
const MESSAGE_SEEN: u8 = 4;

/// An acknowledgement, for those who asked for one.
pub(super) fn answer(site: &Site, answered: &Answered) -> Answer {
    let ack = match (&answered.reply, &answered.view) {
        (Some(Reply::Sent { message, .. } | Reply::Edited { message }), _) => {
            text(&Message::new(site, message))
        }
        (_, Some(View::Status { user, online })) => text(&Status {
            member_id: user.uuid,
            status: if *online { "online" } else { "offline" },
        }),
        (Some(Reply::Registered { user, .. }), _) => text(&Registered {
            success: true,
            user: User::new(site, user),
        }),
        (Some(Reply::Opened { conversation, .. }), _) => text(&Joined {
            success: true,
            channel_id: conversation.conversation.uuid,
        }),
        _ => r#"{"success":true}"#.to_owned(),
    };
    Answer {
        events: Vec::new(),
        ack,
    }
}

/// The acknowledgement of `room.user.join`.
#[derive(Serialize)]
struct Registered<'a> {
    success: bool,
    user: User<'a>,
}

/// The acknowledgement of `room.join`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    success: bool,
    channel_id: Uuid,
}

/// An acknowledgement that says no: what all dialects have, and what this one's own error has.
#[derive(Serialize)]
struct Refused<'a> {
    success: bool,
    error: Failure<'a>,
    #[serde(flatten)]
    own: Failure<'a>,
}

#[derive(Clone, Copy, Serialize)]
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
}

/// `error { message, code }`, and an acknowledgement.
pub(super) fn refuse(request: Option<&Request>, refusal: &Refusal) -> Answer {
    let message = Words::of_event(request).explain(refusal);
    let failure = Failure {
        code: refusal.code(),
        message: &message,
    };
    Answer {
        events: vec![Emit {
            name: "error".into(),
            args: json::error(refusal, &message),
        }],
        ack: text(&Refused {
            success: false,
            error: failure,
            own: failure,
        }),
    }
}

/// What listeners see of an event: what became of messages in the chat; new ones, and receipts,
/// in person.
pub(super) fn show(stage: &Stage<'_>, event: &Event) -> Option<Shown> {
    let Stage { site, audience, .. } = *stage;
    match (&event.happening, audience) {
        (Happening::MessageSent(view), Audience::Conversation) => Some(Shown {
            skips_origin: true,
            ..shown(MESSAGE, "message", text(&Message::new(site, view)))
        }),
        (Happening::MessageSent(view), Audience::Person(viewer)) => {
            (viewer != view.sender.id).then(|| chat(site, event, view, viewer))
        }
        (Happening::MessageEdited(view), Audience::Conversation) => Some(shown(
            MESSAGE_UPDATE,
            "message.update",
            text(&Message::new(site, view)),
        )),
        (Happening::MessageDeleted { message, .. }, Audience::Conversation) => {
            Some(shown(MESSAGE_DELETE, "message.delete", text(message)))
        }
        (Happening::Read { message, .. }, Audience::Person(_)) => {
            Some(shown(MESSAGE_SEEN, "message.seen", text(message)))
        }
        // Its pages have no words for what only rooms have; histories tell.
        (Happening::Room(_), _)
        | (Happening::Read { .. }, Audience::Conversation)
        | (Happening::MessageEdited(_) | Happening::MessageDeleted { .. }, Audience::Person(_)) => {
            None
        }
    }
}

fn chat(site: &Site, event: &Event, message: &MessageView, viewer: UserId) -> Shown {
    let chat = Chat::in_scene(site, &event.scene, viewer, message);
    shown(CHAT, "chat", text(&chat))
}

fn shown(part: u8, name: &'static str, args: String) -> Shown {
    Shown {
        part,
        emit: Emit {
            name: name.into(),
            args,
        },
        skips_origin: false,
    }
}

/// `typing.start`, `typing.stop` with the user as we know it.
pub(super) fn pass(stage: &Stage<'_>, passing: &Passing) -> Option<Emit> {
    if stage.audience != Audience::Conversation {
        return None;
    }
    let name = match passing.sign {
        Sign::Writing => "typing.start",
        Sign::Stopped => "typing.stop",
        Sign::ReadAgain => return None,
    };
    let args = text(&User::new(stage.site, &passing.user));
    Some(Emit {
        name: name.into(),
        args,
    })
}

/// What is shown has string keys and no errors of its own.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
