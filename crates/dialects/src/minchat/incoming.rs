//! Client events of `minchat`, read into commands and queries.
//!
//! Checks forms only; what is allowed is decided in `chat`. `outgoing` is the way back. Every payload
//! has an `apiKey`, which says what app is meant, and whose user acts where it is a user key.

use bytes::Bytes;
use chat::{
    Body, Command, Query, Refusal, UserRef,
    command::BodyPatch,
    model::{Metadata, Secret},
};
use uuid::Uuid;

use crate::{
    Credential, Incoming, Request, Seat, Upload,
    minchat::NAME,
    payload::{Field, MAX_CLIENT_ID, fields, invalid},
};

/// Where such an id may stand in a payload, and in metadata.
const CLIENT_ID: &str = "clientMessageId";
/// The longest name of a file, in UTF-8 bytes.
const MAX_FILE_NAME: usize = 256;

/// `message` is a word of other dialects too: only its payload tells.
pub(super) fn claims(event: &Incoming) -> bool {
    if event.name != "message" {
        return reader(&event.name).is_some();
    }
    let payload = event.args.first().map(AsRef::as_ref);
    fields(payload, ["chat_id", "apiKey"], "")
        .is_ok_and(|[chat, key]| chat.is_there() || key.is_there())
}

pub(super) fn read(seat: &Seat<'_>, event: &Incoming) -> Result<Request, Refusal> {
    let mut request = reader(&event.name).ok_or(Refusal::UnknownEvent)?(event)?;
    // Who opens a chat was said before, so that listening can end with that user's membership.
    if let Some(Command::Join { by, .. }) = &mut request.command {
        *by = seat.claimed.cloned();
    }
    Ok(request)
}

type Reader = fn(&Incoming) -> Result<Request, Refusal>;

/// The client events of this dialect.
fn reader(name: &str) -> Option<Reader> {
    match name {
        "room.user.join" => Some(read_user_join),
        "room.user.leave" => Some(read_user_leave),
        "room.join" => Some(read_join),
        "room.leave" => Some(read_leave),
        "message" => Some(read_message),
        "message.update" => Some(read_update),
        "message.delete" => Some(read_delete),
        "message.seen" => Some(read_seen),
        "typing.start" => Some(|event| read_typing(event, true)),
        "typing.stop" => Some(|event| read_typing(event, false)),
        "user.status" => Some(read_status),
        _ => None,
    }
}

/// `room.user.join { channelUserId, apiKey }`
fn read_user_join(event: &Incoming) -> Result<Request, Refusal> {
    let ([user], key) = payload(event, ["channelUserId"])?;
    let user = UserRef::Uuid(user.uuid()?);
    let dialect = NAME;
    Ok(key.asks(Command::Register {
        user,
        dialect,
        alone: false,
    }))
}

/// `room.user.leave { channelUserId, apiKey }`
fn read_user_leave(event: &Incoming) -> Result<Request, Refusal> {
    let ([user], key) = payload(event, ["channelUserId"])?;
    let user = UserRef::Uuid(user.uuid()?);
    let dialect = NAME;
    Ok(key.asks(Command::Deregister { user, dialect }))
}

/// `room.join { channelId, apiKey }`
fn read_join(event: &Incoming) -> Result<Request, Refusal> {
    let ([chat], key) = payload(event, ["channelId"])?;
    Ok(key.asks(Command::Join {
        conversation: chat.uuid()?.into(),
        by: None,
        spelling: None,
        dialect: NAME,
    }))
}

/// `room.leave { channelId?, apiKey }`: a page may let go of a chat that was never opened.
fn read_leave(event: &Incoming) -> Result<Request, Refusal> {
    let ([chat], key) = payload(event, ["channelId"])?;
    let chat = chat.optional(Field::uuid)?;
    Ok(key.asks_if_any(chat.map(|conversation| Command::Leave {
        conversation: conversation.into(),
        dialect: NAME,
    })))
}

/// `message { text?, file?, metadata?, chat_id, user_id, apiKey, clientMessageId? }`
fn read_message(event: &Incoming) -> Result<Request, Refusal> {
    let ([text, file, metadata, chat, user, id], key) = payload(
        event,
        ["text", "file", "metadata", "chat_id", "user_id", CLIENT_ID],
    )?;
    let conversation = chat.uuid()?;
    let sender = UserRef::Uuid(user.uuid()?);
    let metadata = metadata.optional(Field::metadata)?;
    let client_id = client_id(id.optional(Field::text)?, metadata.as_ref())?;
    let upload = file.optional(|file| read_file(file, &event.attachments))?;
    Ok(Request {
        upload,
        ..key.asks(Command::Send {
            to: conversation.into(),
            sender,
            body: Body {
                text: text.optional(Field::text)?.unwrap_or_default(),
                metadata,
                ..Body::default()
            },
            client_id,
        })
    })
}

/// `message.update { text?, file?, metadata?, messageId, apiKey }`
fn read_update(event: &Incoming) -> Result<Request, Refusal> {
    let ([text, file, metadata, message], key) =
        payload(event, ["text", "file", "metadata", "messageId"])?;
    let message = message.uuid()?;
    let upload = file.optional(|file| read_file(file, &event.attachments))?;
    Ok(Request {
        upload,
        ..key.asks(Command::EditMessage {
            message,
            by: None,
            patch: BodyPatch {
                text: text.optional(Field::text)?,
                media: None,
                metadata: metadata.optional(Field::metadata)?,
            },
        })
    })
}

/// `message.delete { messageId, apiKey }`
fn read_delete(event: &Incoming) -> Result<Request, Refusal> {
    let ([message], key) = payload(event, ["messageId"])?;
    Ok(key.asks(Command::DeleteMessage {
        message: message.uuid()?,
        within: None,
        by: None,
    }))
}

/// `message.seen { lastMessageId?, user: { id }, apiKey }`: in a chat without messages a page has
/// none to name.
fn read_seen(event: &Incoming) -> Result<Request, Refusal> {
    let ([message, user], key) = payload(event, ["lastMessageId", "user"])?;
    let reader = acting(user)?;
    let message = message.optional(Field::uuid)?;
    Ok(key.asks_if_any(message.map(|message| Command::MarkRead { message, reader })))
}

/// `typing.start`, `typing.stop { channelId?, user: { id }, apiKey }`: a chat of two that was not
/// opened yet has no id, and nobody to tell.
fn read_typing(event: &Incoming, writes: bool) -> Result<Request, Refusal> {
    let ([chat, user], key) = payload(event, ["channelId", "user"])?;
    let user = acting(user)?;
    let chat = chat.optional(Field::uuid)?;
    Ok(key.asks_if_any(chat.map(|conversation| Command::Typing {
        conversation: conversation.into(),
        user,
        writes,
    })))
}

/// `user.status { memberId, apiKey }`
fn read_status(event: &Incoming) -> Result<Request, Refusal> {
    let ([user], key) = payload(event, ["memberId"])?;
    let user = UserRef::Uuid(user.uuid()?);
    Ok(Request {
        credential: Some(Credential::Key(Secret(key.0))),
        ..Request::query(Query::Status { user })
    })
}

/// The API key of a payload.
struct Key(String);

impl Key {
    fn asks(self, command: Command) -> Request {
        Request {
            credential: Some(Credential::Key(Secret(self.0))),
            ..Request::command(command)
        }
    }

    /// What has nothing to be done about still is answered in its turn.
    fn asks_if_any(self, command: Option<Command>) -> Request {
        self.asks(command.unwrap_or(Command::Fence))
    }
}

/// The fields called `names` of an event's payload, and its key.
fn payload<'e, const N: usize>(
    event: &'e Incoming,
    names: [&'static str; N],
) -> Result<([Field<'e>; N], Key), Refusal> {
    const MUST: &str = "must be an object with apiKey";
    let payload = event.args.first().map(AsRef::as_ref);
    let [key] = fields(payload, ["apiKey"], MUST)?;
    let key = Key(key.text()?);
    Ok((fields(payload, names, MUST)?, key))
}

/// The id in a `user` object; what else the client knows about itself is not believed.
fn acting(user: Field<'_>) -> Result<UserRef, Refusal> {
    let id: Uuid = user.within("id", "user.id")?.uuid()?;
    Ok(UserRef::Uuid(id))
}

/// `{ name?, buffer }`. The type that the client gives is not believed.
fn read_file(file: Field<'_>, attachments: &[Bytes]) -> Result<Upload, Refusal> {
    let name = file.within("name", "file.name")?.optional(Field::text)?;
    if name.as_ref().is_some_and(|name| name.len() > MAX_FILE_NAME) {
        return Err(invalid("file.name", "must have at most 256 bytes"));
    }
    let bytes = file.within("buffer", "file.buffer")?.binary(attachments)?;
    Ok(Upload {
        title: name.filter(|name| !name.is_empty()),
        bytes: bytes.clone(),
    })
}

/// The id of a retry: that of the payload, else the one in its metadata.
pub(super) fn client_id(
    own: Option<String>,
    metadata: Option<&Metadata>,
) -> Result<Option<String>, Refusal> {
    const MUST: &str = "must be a string of 1 to 128 bytes";
    let (field, id) = match (own, metadata.and_then(|metadata| metadata.0.get(CLIENT_ID))) {
        (Some(id), _) => (CLIENT_ID, Some(id)),
        (None, Some(value)) => (
            "metadata.clientMessageId",
            value.as_str().map(str::to_owned),
        ),
        (None, None) => return Ok(None),
    };
    let id = id.filter(|id| !id.is_empty() && id.len() <= MAX_CLIENT_ID);
    id.ok_or_else(|| invalid(field, MUST)).map(Some)
}
