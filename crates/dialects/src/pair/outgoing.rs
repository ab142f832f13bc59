//! What `pair` clients are told: answers to the asker, and events to listeners.
//!
//! Every payload is written straight into its JSON text. `incoming` is the way in.

use chat::{
    Command, ConversationKind, ConversationRef, Event, ExternalId, Message, MessageView, Passing,
    Query, Refusal, Reply, User, UserRef, View,
    event::{Happening, Sign},
    model::Members,
    store::ConversationSummary,
};

use crate::{
    Answer, Answered, Audience, Emit, Request, Shown, Site, Stage,
    json::{refused_ack, write_external, write_text, write_uuid},
    timestamp::write_timestamp,
};

/// Bytes of a message's JSON beside its text, generously.
const MESSAGE_BYTES: usize = 256;

/// The place of the frame that a message makes; part of recovery offsets.
const MESSAGE: u8 = 0;

/// Tells the asker what came of it: the documented events, and the acknowledgement beside them.
pub(super) fn answer(site: &Site, request: Option<&Request>, answered: &Answered) -> Answer {
    match (&answered.reply, &answered.view) {
        (Some(Reply::Registered { user, .. }), _) => {
            let mut ack = String::from(r#"{"success":true,"id":"#);
            write_external(&mut ack, &user.external);
            ack.push('}');
            registered(ack)
        }
        (_, Some(View::Users(_))) => registered(done()),
        (
            _,
            Some(View::Conversations {
                viewer,
                conversations,
                ..
            }),
        ) => snippets(site, viewer, conversations),
        (
            _,
            Some(View::History {
                conversation: view,
                viewer,
                messages,
            }),
        ) => {
            let other = viewer.as_ref().and_then(|viewer| view.other(viewer.id));
            let shown = other.map(|other| &other.external);
            let id = shown.or_else(|| correspondent(request));
            conversation(site, id, &view.members, messages)
        }
        (
            Some(Reply::Sent {
                message, members, ..
            }),
            _,
        ) => {
            let mut ack = String::with_capacity(message.message.body.text.len() + MESSAGE_BYTES);
            ack.push_str(r#"{"success":true,"#);
            write_message_fields(&mut ack, site, members, message);
            ack.push('}');
            Answer {
                events: vec![Emit {
                    name: "message".into(),
                    args: done(),
                }],
                ack,
            }
        }
        _ => Answer {
            events: Vec::new(),
            ack: done(),
        },
    }
}

fn done() -> String {
    r#"{"success":true}"#.to_owned()
}

/// The one of [`registered`].
pub(super) const EVENTS_OF_REGISTERING: u32 = 1;

/// `registerMessages "OK"`
fn registered(ack: String) -> Answer {
    let events: [Emit; EVENTS_OF_REGISTERING as usize] = [Emit {
        name: "registerMessages".into(),
        args: r#""OK""#.to_owned(),
    }];
    Answer {
        events: events.into(),
        ack,
    }
}

/// `snippets { id, message }`, once for each conversation.
fn snippets(site: &Site, viewer: &User, conversations: &[ConversationSummary]) -> Answer {
    let snippet = |summary: &ConversationSummary| {
        let view = &summary.conversation;
        // Without a correspondent, who was deleted, there is no id under which to show it.
        let (other, newest) = (view.other(viewer.id)?, summary.messages.last()?);
        let mut args = String::with_capacity(newest.message.body.text.len() + MESSAGE_BYTES);
        args.push_str(r#"{"id":"#);
        write_external(&mut args, &other.external);
        args.push_str(r#","message":{"#);
        write_message_fields(&mut args, site, &view.members, newest);
        args.push_str("}}");
        Some(args)
    };
    let snippets: Vec<String> = conversations.iter().filter_map(snippet).collect();
    let ack = format!(r#"{{"success":true,"snippets":[{}]}}"#, snippets.join(","));
    let name = "snippets";
    let events = snippets.into_iter().map(|args| Emit {
        name: name.into(),
        args,
    });
    Answer {
        events: events.collect(),
        ack,
    }
}

/// `conversation { id, messages }`
fn conversation(
    site: &Site,
    id: Option<&ExternalId>,
    members: &Members,
    messages: &[MessageView],
) -> Answer {
    let text = |view: &MessageView| view.message.body.text.len();
    let texts: usize = messages.iter().map(text).sum();
    let mut fields = String::with_capacity(texts + messages.len() * MESSAGE_BYTES);
    fields.push_str(r#""id":"#);
    write_id(&mut fields, id);
    fields.push_str(r#","messages":["#);
    for (place, view) in messages.iter().enumerate() {
        fields.push_str(if place == 0 { "{" } else { ",{" });
        write_message_fields(&mut fields, site, members, view);
        fields.push('}');
    }
    fields.push_str("]}");
    Answer {
        ack: format!(r#"{{"success":true,{fields}"#),
        events: vec![Emit {
            name: "conversation".into(),
            args: format!("{{{fields}"),
        }],
    }
}

/// With whom a conversation was asked for.
fn correspondent(request: Option<&Request>) -> Option<&ExternalId> {
    match request?.query.as_ref()? {
        Query::History {
            conversation: ConversationRef::Direct(_, UserRef::Named(id)),
            ..
        } => Some(id),
        _ => None,
    }
}

/// `info "<message>"`, and the same as an acknowledgement. With whom nothing was said yet, there is a conversation all the same: an empty one.
pub(super) fn refuse(request: Option<&Request>, refusal: &Refusal) -> Answer {
    let asked = correspondent(request);
    if asked.is_some() && *refusal == Refusal::UnknownConversation {
        return conversation(&Site::default(), asked, &Members::default(), &[]);
    }
    let command = request.and_then(|request| request.command.as_ref());
    let message = explain(command, refusal);
    let mut args = String::new();
    write_text(&mut args, &message);
    Answer {
        events: vec![Emit {
            name: "info".into(),
            args,
        }],
        ack: refused_ack(refusal, &message),
    }
}

/// Says a refusal in the words of this dialect: its fields, its events.
fn explain(command: Option<&Command>, refusal: &Refusal) -> String {
    match (refusal, command) {
        (Refusal::BlankText, _) => "content must not be blank".to_owned(),
        (Refusal::TextTooLong { limit }, _) => format!("content is longer than {limit} bytes"),
        (Refusal::SamePerson, _) => "to must be somebody else than you".to_owned(),
        (Refusal::UnknownMessage, _) => "before is no message of this conversation".to_owned(),
        (Refusal::NotIdentified | Refusal::TokenRequired, _) => {
            "send registerMessages first".to_owned()
        }
        (Refusal::NotTheTokensSubject, Some(Command::Register { .. })) => {
            "token is for somebody else than the auth.token of your socket".to_owned()
        }
        (Refusal::NotTheTokensSubject, _) => "token is for somebody else than you".to_owned(),
        (Refusal::TokenExpired, Some(_)) => "the token has expired".to_owned(),
        (other, _) => other.to_string(),
    }
}

/// What listeners see of an event: `message`, which the sending socket does not get.
pub(super) fn show(stage: &Stage<'_>, event: &Event) -> Option<Shown> {
    // Its sockets listen to people only, and its conversations are those of two.
    let Audience::Person(listener) = stage.audience else {
        return None;
    };
    if event.conversation().kind != ConversationKind::Direct {
        return None;
    }
    match &event.happening {
        Happening::MessageSent(view) => {
            let mut args = String::with_capacity(view.message.body.text.len() + MESSAGE_BYTES);
            args.push('{');
            write_message_fields(&mut args, stage.site, &event.scene.members, view);
            args.push('}');
            Some(Shown {
                part: MESSAGE,
                emit: Emit {
                    name: "message".into(),
                    args,
                },
                skips_origin: listener == view.sender.id,
            })
        }
        // The document has no words for what becomes of a message; its conversation tells.
        Happening::MessageEdited(_)
        | Happening::MessageDeleted { .. }
        | Happening::Read { .. }
        | Happening::Room(_) => None,
    }
}

/// `startWriting`, `stopWriting { id }`: of who writes.
pub(super) fn pass(stage: &Stage<'_>, passing: &Passing) -> Option<Emit> {
    let is_direct = passing.scene.conversation.kind == ConversationKind::Direct;
    let name = match passing.sign {
        Sign::Writing => "startWriting",
        Sign::Stopped => "stopWriting",
        Sign::ReadAgain => return None,
    };
    if !is_direct || stage.audience == Audience::Conversation {
        return None;
    }
    let mut args = String::from(r#"{"id":"#);
    write_external(&mut args, &passing.user.external);
    args.push('}');
    Some(Emit {
        name: name.into(),
        args,
    })
}

fn write_message_fields(out: &mut String, site: &Site, members: &Members, view: &MessageView) {
    let Message {
        uuid,
        sender,
        created_at,
        ..
    } = view.message;
    out.push_str(r#""id":"#);
    write_uuid(out, uuid);
    out.push_str(r#","from":"#);
    write_external(out, &view.sender.external);
    out.push_str(r#","to":"#);
    let mut users = members.iter().map(|member| &member.user);
    let recipient = users.find(|user| user.id != sender);
    write_id(out, recipient.map(|user| &user.external));
    out.push_str(r#","content":"#);
    write_content(out, site, view);
    out.push_str(r#","createdAt":"#);
    write_timestamp(out, created_at);
    out.push_str(r#","read":"#);
    out.push_str(if view.seen { "true" } else { "false" });
}

/// `None` is a user who was deleted.
fn write_id(out: &mut String, id: Option<&ExternalId>) {
    match id {
        Some(id) => write_external(out, id),
        None => out.push_str("null"),
    }
}

/// The text; of a file that came without one, where it is found.
fn write_content(out: &mut String, site: &Site, view: &MessageView) {
    let body = &view.message.body;
    match body.media.first() {
        Some(media) if body.text.is_empty() => write_text(out, &site.media_url(media)),
        _ => write_text(out, &body.text),
    }
}
