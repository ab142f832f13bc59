//! Client events of `pair`, read into commands and queries.
//!
//! Checks forms only; what is allowed is decided in `chat`. `outgoing` is the way back. Who acts is
//! the subject of the token with which the socket has registered.

use chat::{
    Body, Command, ConversationKind, ConversationRef, Destination, Query, Refusal, UserRef,
    model::Secret,
};

use crate::{
    Credential, Incoming, Request,
    pair::NAME,
    payload::{Field, fields},
};

/// The most conversations of which `snippets` tells.
const SNIPPETS: u32 = 1_000;
/// The most messages that `conversation` returns.
const PAGE: u64 = 1_000;
/// The longest `clientMessageId`, in UTF-8 bytes.
const MAX_CLIENT_ID: usize = 128;

/// `message` is a word of other dialects too: only its payload tells.
pub(super) fn claims(event: &Incoming) -> bool {
    if event.name != "message" {
        return reader(&event.name).is_some();
    }
    fields(payload(event), ["to", "chat_id", "apiKey"], "")
        .is_ok_and(|[to, chat, key]| to.is_there() && !chat.is_there() && !key.is_there())
}

pub(super) fn read(event: &Incoming) -> Result<Request, Refusal> {
    reader(&event.name).ok_or(Refusal::UnknownEvent)?(event)
}

type Reader = fn(&Incoming) -> Result<Request, Refusal>;

/// The client events of this dialect.
fn reader(name: &str) -> Option<Reader> {
    match name {
        "registerMessages" => Some(read_register),
        "snippets" => Some(read_snippets),
        "conversation" => Some(read_conversation),
        "message" => Some(read_message),
        "startWriting" => Some(|event| read_typing(event, true)),
        "stopWriting" => Some(|event| read_typing(event, false)),
        _ => None,
    }
}

/// `registerMessages { token }`
fn read_register(event: &Incoming) -> Result<Request, Refusal> {
    let [token] = fields(payload(event), ["token"], "must be an object with token")?;
    Ok(Request {
        credential: Some(Credential::Token(Secret(token.text()?))),
        ..Request::command(Command::Register {
            user: UserRef::Subject,
            dialect: NAME,
            alone: true,
        })
    })
}

/// `snippets`
#[expect(
    clippy::unnecessary_wraps,
    reason = "one of the readers, and takes no payload"
)]
fn read_snippets(_event: &Incoming) -> Result<Request, Refusal> {
    Ok(registered(Request::query(Query::Conversations {
        user: UserRef::Subject,
        kind: Some(ConversationKind::Direct),
        offset: 0,
        limit: SNIPPETS,
        message_offset: 0,
        message_limit: 1,
    })))
}

/// `conversation { id, before?, limit? }`: to look at the newest messages is to read them.
fn read_conversation(event: &Incoming) -> Result<Request, Refusal> {
    let [id, before, limit] = fields(
        payload(event),
        ["id", "before", "limit"],
        "must be an object with id",
    )?;
    let conversation = with(id)?;
    let before = if before.is_there() {
        Some(before.uuid()?)
    } else {
        None
    };
    let limit = limit
        .optional_whole(1, "must be a whole number from 1 to 1000")?
        .unwrap_or(PAGE)
        .min(PAGE);
    let read = Command::MarkAllRead {
        conversation: conversation.clone(),
        reader: UserRef::Subject,
        tells: false,
    };
    let history = Query::History {
        conversation,
        viewer: Some(UserRef::Subject),
        before: before.map(Into::into),
        offset: 0,
        limit: limit as u32,
    };
    Ok(registered(Request {
        command: before.is_none().then_some(read),
        ..Request::query(history)
    }))
}

/// `message { to, content, clientMessageId? }`
fn read_message(event: &Incoming) -> Result<Request, Refusal> {
    let [to, content, client_id] = fields(
        payload(event),
        ["to", "content", "clientMessageId"],
        "must be an object with to and content",
    )?;
    Ok(registered(Request::command(Command::Send {
        to: Destination::Direct(UserRef::Named(to.external_id()?)),
        sender: UserRef::Subject,
        body: Body::text(content.text()?),
        client_id: client_id.optional_label(MAX_CLIENT_ID, "must be a string of 1 to 128 bytes")?,
    })))
}

/// `startWriting { id }`, `stopWriting { id, token? }`
fn read_typing(event: &Incoming, writes: bool) -> Result<Request, Refusal> {
    let [id, token] = fields(payload(event), ["id", "token"], "must be an object with id")?;
    let token = if token.is_there() && !writes {
        Some(Credential::Same(Secret(token.text()?)))
    } else {
        None
    };
    Ok(Request {
        credential: token,
        ..registered(Request::command(Command::Typing {
            conversation: with(id)?,
            user: UserRef::Subject,
            writes,
        }))
    })
}

fn payload(event: &Incoming) -> Option<&serde_json::value::RawValue> {
    event.args.first().map(AsRef::as_ref)
}

/// The conversation with a correspondent.
fn with(id: Field<'_>) -> Result<ConversationRef, Refusal> {
    let other = UserRef::Named(id.external_id()?);
    Ok(ConversationRef::Direct(UserRef::Subject, other))
}

/// What only who has registered may ask.
fn registered(request: Request) -> Request {
    Request {
        needs_identity: true,
        ..request
    }
}
