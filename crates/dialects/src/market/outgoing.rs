//! What `market` clients are told: answers to the asker, and events to listeners.
//!
//! `objects` are what they are made of, `words` how a no is said; `incoming` is the way in.

use std::slice;

use chat::{
    ConversationKind, Event, MessageView, Passing, Refusal, Reply, User, UserId, View,
    event::{Happening, Scene, Sign},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    CHAT,
    objects::{AppError, Chat, Empty, Envelope, Id, Message, NewChat, UserType, person},
    words,
};
use crate::{Answer, Answered, Audience, Emit, Request, Shown, Site, Stage, json};

/// Places of the frames that one happening makes; part of recovery offsets.
const RECEIVE_MESSAGE: u8 = 0;
const NEW_CHAT: u8 = 1;
const RECEIVE_MEDIA: u8 = 2;
const MESSAGE_DELETED: u8 = 3;
const UPDATE_READ_RECEIPTS: u8 = 4;

/// Tells the asker what came of it: the documented event, and the acknowledgement beside it.
pub(super) fn answer(site: &Site, answered: &Answered) -> Answer {
    match (&answered.reply, &answered.view) {
        (reply, Some(View::Conversations { conversations, .. })) => {
            let chats = conversations
                .iter()
                .map(|found| Chat::new(site, &found.conversation, &found.messages));
            // The document words the greeting in its own way.
            let words = match reply {
                Some(Reply::Registered { .. }) => "Chats have been sent successfully",
                _ => "Chats has been sent successfully",
            };
            told("userChats", words, chats.collect::<Vec<_>>())
        }
        (_, Some(View::Messages(missed))) => {
            let missed = missed.iter().map(|view| Message::new(site, view));
            told(
                "offlineMessages",
                "Offline messages has been sent successfully",
                missed.collect::<Vec<_>>(),
            )
        }
        (
            _,
            Some(View::History {
                conversation,
                messages,
                ..
            }),
        ) => {
            let chat = Chat::new(site, conversation, messages);
            Answer {
                ack: text(&Loaded {
                    success: true,
                    chat_id: chat.id,
                }),
                ..told("loadMessages", "Chats has been loaded", chat)
            }
        }
        (
            Some(Reply::Sent {
                message, opened, ..
            }),
            _,
        ) => Answer {
            events: Vec::new(),
            ack: text(&Sent {
                success: true,
                message: Message::new(site, message),
                chat: opened
                    .as_ref()
                    .map(|chat| Chat::new(site, chat, slice::from_ref(&**message))),
            }),
        },
        _ => Answer {
            events: Vec::new(),
            ack: DONE.to_owned(),
        },
    }
}

const DONE: &str = r#"{"success":true}"#;

fn told(name: &'static str, words: &'static str, data: impl Serialize) -> Answer {
    Answer {
        events: vec![Emit {
            name: name.into(),
            args: text(&Envelope::ok(Some(words), data)),
        }],
        ack: DONE.to_owned(),
    }
}

/// The acknowledgement of `joinChat`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Loaded {
    success: bool,
    chat_id: Uuid,
}

/// The acknowledgement of `sendMessage`.
#[derive(Serialize)]
struct Sent<'a> {
    success: bool,
    #[serde(flatten)]
    message: Message<'a>,
    /// If the message began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    chat: Option<Chat<'a>>,
}

/// `appError { error, message, statusCode }`, and an acknowledgement.
pub(super) fn refuse(request: Option<&Request>, refusal: &Refusal) -> Answer {
    let message = words::explain(request, refusal);
    Answer {
        events: vec![Emit {
            name: "appError".into(),
            args: text(&AppError {
                error: true,
                message: &message,
                status_code: words::status(refusal),
            }),
        }],
        ack: json::refused_ack(refusal, &message),
    }
}

/// `userIsOnline`, `userIsOffline`
pub(super) fn presence(user: &User, present: bool) -> Emit {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Who<'a> {
        user_id: Id<'a>,
        user_type: Option<UserType>,
    }
    let (user_id, user_type) = person(&user.external);
    let who = Who { user_id, user_type };
    if present {
        emit("userIsOnline", "User is online", who)
    } else {
        emit("userIsOffline", "User has gone offline", who)
    }
}

/// What each of the two sees of an event, in person. The document has no word for a change of a
/// message; its history tells.
pub(super) fn show(stage: &Stage<'_>, event: &Event) -> Option<Shown> {
    let viewer = viewer(stage, &event.scene)?;
    match &event.happening {
        Happening::MessageSent(view) => Some(message(stage.site, event, view, viewer)),
        Happening::MessageDeleted { message, by } => {
            let mut members = event.scene.members.iter().map(|member| &member.user);
            let by = by.and_then(|by| members.find(|user| user.id == by));
            let notice = Notice {
                message_id: Some(*message),
                ..Notice::new(&event.scene, by.map(AsRef::as_ref))
            };
            let words = "Message has been deleted successfully";
            let emit = emit("messageDeleted", words, notice);
            Some(shown(MESSAGE_DELETED, emit))
        }
        Happening::Read { reader, .. } => {
            let emit = read(&event.scene, reader, viewer)?;
            Some(shown(UPDATE_READ_RECEIPTS, emit))
        }
        Happening::MessageEdited(_) | Happening::Room(_) => None,
    }
}

/// Who is shown something that happened, if this dialect shows it there: each person of a chat, where
/// people talk.
fn viewer(stage: &Stage<'_>, scene: &Scene) -> Option<UserId> {
    let is_chat = scene.conversation.kind == ConversationKind::Product;
    match stage.audience {
        Audience::Person(viewer) if is_chat && stage.namespace == CHAT => Some(viewer),
        Audience::Person(_) | Audience::Conversation => None,
    }
}

/// The message that begins a chat brings the whole chat to the other one.
fn message(site: &Site, event: &Event, view: &MessageView, viewer: UserId) -> Shown {
    if view.message.seq == 1 && viewer != view.sender.id {
        let chat = NewChat {
            status_code: 200,
            error: false,
            message: Chat::begun(site, &event.scene, view),
            data: Empty {},
        };
        let (name, args) = ("newChat", text(&chat));
        return shown(
            NEW_CHAT,
            Emit {
                name: name.into(),
                args,
            },
        );
    }
    let args = text(&Envelope::ok(None, [Message::new(site, view)]));
    if view.message.body.media.is_empty() {
        let name = "receiveMessage";
        shown(
            RECEIVE_MESSAGE,
            Emit {
                name: name.into(),
                args,
            },
        )
    } else {
        let name = "receiveMedia";
        shown(
            RECEIVE_MEDIA,
            Emit {
                name: name.into(),
                args,
            },
        )
    }
}

/// `userTyping`, `stoppedTyping`, and that everything is read once more.
pub(super) fn pass(stage: &Stage<'_>, passing: &Passing) -> Option<Emit> {
    let viewer = viewer(stage, &passing.scene)?;
    let notice = Notice::new(&passing.scene, Some(&passing.user));
    match passing.sign {
        Sign::Writing => Some(emit("userTyping", "User is typing", notice)),
        Sign::Stopped => Some(emit("stoppedTyping", "User has stopped typing", notice)),
        Sign::ReadAgain => read(&passing.scene, &passing.user, viewer),
    }
}

/// `updateReadReceipts`, which the reader does not get.
fn read(scene: &Scene, reader: &User, viewer: UserId) -> Option<Emit> {
    (viewer != reader.id).then(|| {
        let notice = Notice::new(scene, Some(reader));
        emit("updateReadReceipts", "Messages marked as read", notice)
    })
}

/// Who did something, and in which chat.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notice<'a> {
    chat_id: Uuid,
    product_id: &'a str,
    user_id: Option<Id<'a>>,
    user_type: Option<UserType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<Uuid>,
}

impl<'a> Notice<'a> {
    /// Nobody is named if the app itself did it.
    fn new(scene: &'a Scene, user: Option<&'a User>) -> Self {
        let product = scene.details.product.as_ref();
        let (user_id, user_type) = user.map(|user| person(&user.external)).unzip();
        Self {
            chat_id: scene.conversation.uuid,
            product_id: product.map_or("", |product| &product.id),
            user_id,
            user_type: user_type.flatten(),
            message_id: None,
        }
    }
}

fn emit(name: &'static str, words: &'static str, data: impl Serialize) -> Emit {
    let args = text(&Envelope::ok(Some(words), data));
    Emit {
        name: name.into(),
        args,
    }
}

fn shown(part: u8, emit: Emit) -> Shown {
    Shown {
        part,
        emit,
        skips_origin: false,
    }
}

/// What is shown has string keys and no errors of its own.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
