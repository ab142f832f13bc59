//! What `direct` clients are told: answers to the asker, and events to listeners.
//!
//! Every payload is written straight into its JSON text. `incoming` is the way in.

use chat::{
    Command, ConversationKind, ConversationRef, ConversationView, Event, MessageView, Query,
    Refusal, Reply, View, event::Happening,
};

use crate::{
    Answer, Answered, Audience, Emit, Request, Shown, Site, Stage,
    json::{error, refused_ack, write_external, write_text, write_uuid},
    timestamp::write_timestamp,
};

/// Bytes of a message's JSON beside its text, generously.
const MESSAGE_BYTES: usize = 256;

/// Places of the frames that one message makes; part of recovery offsets.
const NEW_MESSAGE: u8 = 0;
const CHAT_LIST_UPDATE: u8 = 1;

/// Tells the asker what came of it: the documented events, and the acknowledgement beside them.
pub(super) fn answer(site: &Site, request: Option<&Request>, answered: &Answered) -> Answer {
    match (&answered.reply, &answered.view) {
        (Some(Reply::Registered { user, .. }), _) => {
            let mut ack = String::from(r#"{"success":true,"userId":"#);
            write_external(&mut ack, &user.external);
            ack.push('}');
            Answer {
                events: Vec::new(),
                ack,
            }
        }
        (
            _,
            Some(View::History {
                conversation,
                messages,
                ..
            }),
        ) => match request.and_then(|request| request.query.as_ref()) {
            Some(Query::History {
                conversation: ConversationRef::OfKind(..),
                offset,
                ..
            }) => more_messages(site, *offset, messages),
            _ => room_joined(site, conversation, messages),
        },
        (Some(Reply::Sent { message, .. }), _) => {
            let mut ack = String::with_capacity(message.message.body.text.len() + MESSAGE_BYTES);
            ack.push_str(r#"{"success":true,"#);
            write_message_fields(&mut ack, site, message);
            ack.push('}');
            Answer {
                events: Vec::new(),
                ack,
            }
        }
        _ => Answer {
            events: Vec::new(),
            ack: String::from(r#"{"success":true}"#),
        },
    }
}

/// The two of [`room_joined`].
pub(super) const EVENTS_OF_JOIN: u32 = 2;

/// `room_joined { roomId, room }`, then `message_history { messages }`.
fn room_joined(site: &Site, view: &ConversationView, messages: &[MessageView]) -> Answer {
    let mut room = String::with_capacity(512);
    room.push_str(r#"{"roomId":"#);
    write_uuid(&mut room, view.conversation.uuid);
    room.push_str(r#","room":{"#);
    write_room_fields(&mut room, view);
    room.push_str("}}");

    let mut ack = String::with_capacity(512);
    ack.push_str(r#"{"success":true,"roomId":"#);
    write_uuid(&mut ack, view.conversation.uuid);
    ack.push(',');
    write_room_fields(&mut ack, view);
    ack.push('}');

    let mut past = String::new();
    past.push('{');
    write_messages(&mut past, site, messages);
    past.push('}');

    let events: [Emit; EVENTS_OF_JOIN as usize] = [
        Emit {
            name: "room_joined".into(),
            args: room,
        },
        Emit {
            name: "message_history".into(),
            args: past,
        },
    ];
    Answer {
        events: events.into(),
        ack,
    }
}

/// `more_messages { messages, offset }`: the offset for the next page.
fn more_messages(site: &Site, asked: u64, messages: &[MessageView]) -> Answer {
    let mut page = String::new();
    write_messages(&mut page, site, messages);
    page.push_str(r#","offset":"#);
    page.push_str(&(asked + messages.len() as u64).to_string());
    page.push('}');
    Answer {
        ack: format!(r#"{{"success":true,{page}"#),
        events: vec![Emit {
            name: "more_messages".into(),
            args: format!("{{{page}"),
        }],
    }
}

/// `error { message, code }`, and the same as an acknowledgement.
pub(super) fn refuse(request: Option<&Request>, refusal: &Refusal) -> Answer {
    let message = explain(
        request.and_then(|request| request.command.as_ref()),
        refusal,
    );
    Answer {
        events: vec![Emit {
            name: "error".into(),
            args: error(refusal, &message),
        }],
        ack: refused_ack(refusal, &message),
    }
}

/// Says a refusal in the words of this dialect: its fields, its events.
fn explain(command: Option<&Command>, refusal: &Refusal) -> String {
    let actor = match command {
        Some(Command::Send { .. }) => "senderId",
        _ => "userId",
    };
    match refusal {
        Refusal::BlankText => "body must not be blank".to_owned(),
        Refusal::TextTooLong { limit } => format!("body is longer than {limit} bytes"),
        Refusal::SamePerson => "targetUserId must be somebody else than userId".to_owned(),
        Refusal::UnknownConversation if actor == "senderId" => {
            "roomId is not a room of senderId".to_owned()
        }
        Refusal::UnknownConversation => "roomId is not a room of yours".to_owned(),
        Refusal::NotIdentified => "send register_user or join_chat first".to_owned(),
        Refusal::NotTheTokensSubject => format!("{actor} is not the subject of your token"),
        other => other.to_string(),
    }
}

/// What listeners see of an event: `new_message` in the room, `chat_list_update` in person.
pub(super) fn show(stage: &Stage<'_>, event: &Event) -> Option<Shown> {
    let Stage { site, audience, .. } = *stage;
    if event.conversation().kind != ConversationKind::Direct {
        return None;
    }
    match (&event.happening, audience) {
        (Happening::MessageSent(view), Audience::Conversation) => Some(new_message(site, view)),
        (Happening::MessageSent(view), Audience::Person(user)) => {
            (user != view.sender.id).then(|| chat_list_update(site, view))
        }
        // The document has no words for what becomes of a message; its history tells.
        (
            Happening::MessageEdited(_)
            | Happening::MessageDeleted { .. }
            | Happening::Read { .. }
            | Happening::Room(_),
            _,
        ) => None,
    }
}

fn new_message(site: &Site, view: &MessageView) -> Shown {
    let mut args = String::with_capacity(view.message.body.text.len() + MESSAGE_BYTES);
    args.push('{');
    write_message_fields(&mut args, site, view);
    args.push('}');
    Shown {
        part: NEW_MESSAGE,
        emit: Emit {
            name: "new_message".into(),
            args,
        },
        skips_origin: false,
    }
}

fn chat_list_update(site: &Site, view: &MessageView) -> Shown {
    let mut args = String::with_capacity(view.message.body.text.len() + MESSAGE_BYTES);
    args.push_str(r#"{"room_id":"#);
    write_uuid(&mut args, view.conversation.uuid);
    args.push_str(r#","last_message":"#);
    write_body(&mut args, site, view);
    args.push_str(r#","sender_id":"#);
    write_external(&mut args, &view.sender.external);
    args.push_str(r#","updated_at":"#);
    write_timestamp(&mut args, view.message.created_at);
    args.push('}');
    Shown {
        part: CHAT_LIST_UPDATE,
        emit: Emit {
            name: "chat_list_update".into(),
            args,
        },
        skips_origin: false,
    }
}

fn write_messages(out: &mut String, site: &Site, messages: &[MessageView]) {
    let text = |view: &MessageView| view.message.body.text.len();
    let texts: usize = messages.iter().map(text).sum();
    out.reserve(texts + messages.len() * MESSAGE_BYTES);
    out.push_str(r#""messages":["#);
    for (place, view) in messages.iter().enumerate() {
        out.push_str(if place == 0 { "{" } else { ",{" });
        write_message_fields(out, site, view);
        out.push('}');
    }
    out.push(']');
}

fn write_message_fields(out: &mut String, site: &Site, view: &MessageView) {
    out.push_str(r#""id":"#);
    write_uuid(out, view.message.uuid);
    out.push_str(r#","room_id":"#);
    write_uuid(out, view.conversation.uuid);
    out.push_str(r#","sender_id":"#);
    write_external(out, &view.sender.external);
    out.push_str(r#","body":"#);
    write_body(out, site, view);
    out.push_str(r#","created_at":"#);
    write_timestamp(out, view.message.created_at);
}

/// The text; of a file that came without one, where it is found.
fn write_body(out: &mut String, site: &Site, view: &MessageView) {
    let body = &view.message.body;
    match body.media.first() {
        Some(media) if body.text.is_empty() => write_text(out, &site.media_url(media)),
        _ => write_text(out, &body.text),
    }
}

fn write_room_fields(out: &mut String, view: &ConversationView) {
    out.push_str(r#""id":"#);
    write_uuid(out, view.conversation.uuid);
    for (place, name) in ["participant1", "participant2"].iter().enumerate() {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":");
        match view.members.get(place) {
            Some(member) => write_external(out, &member.user.external),
            // The user was deleted.
            None => out.push_str("null"),
        }
    }
    out.push_str(r#","created_at":"#);
    write_timestamp(out, view.conversation.created_at);
    out.push_str(r#","updated_at":"#);
    write_timestamp(out, view.updated_at);
    out.push_str(r#","last_message_at":"#);
    match view.last_message_at {
        Some(at) => write_timestamp(out, at),
        None => out.push_str("null"),
    }
}
