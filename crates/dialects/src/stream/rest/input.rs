//! What a request brought, read field by field into what each endpoint takes.
//!
//! All bodies are JSON; `null` is as good as absent, and what is not asked for is passed over. The
//! structures also describe the endpoints to others.

mod news;
mod room;

use std::ops::RangeInclusive;

use chat::{
    Refusal, Timestamp, UserRef,
    model::{Metadata, Scope},
    room::Standing,
};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

pub use self::{
    news::{CreatePoll, PostEvent, Subscribe, Vote},
    room::{CreateChannel, MinDuration, SlowMode, Switch, UpdateChatroom, UpdateLivestream},
};
use crate::{
    payload::{Field, fields, invalid},
    rest::{Form, Input},
    stream::objects::MessageId,
    timestamp::read_timestamp,
};

/// The longest name of a user, in UTF-8 bytes.
const MAX_NAME: usize = 256;
const NAME: &str = "must be a string of 1 to 256 bytes";
/// The longest title of a channel, in UTF-8 bytes.
const MAX_TITLE: usize = 256;
const TITLE: &str = "must be a string of 1 to 256 bytes";
/// The most that is kept of an object, in bytes of JSON text.
const MAX_OBJECT: usize = 16 << 10;

/// The fields of a body.
fn body<'a, const N: usize>(
    input: Input<'a>,
    names: [&'static str; N],
) -> Result<[Field<'a>; N], Refusal> {
    const MUST: &str = "must be a JSON object";
    let json: Option<&RawValue> = match input {
        Input::Json(json) => Some(json),
        Input::Form(_) => None,
    };
    fields(json, names, MUST)
}

fn name(field: Field<'_>) -> Result<String, Refusal> {
    field.words(MAX_NAME, NAME)
}

/// Bytes of JSON text.
fn weight(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(usize::MAX, |text| text.len())
}

/// Who writes or votes, in the words of the app's own server.
#[derive(Debug, ToSchema)]
#[schema(as = stream::SenderName)]
pub struct SenderName {
    /// The name under which others see that person, who need not be known yet; up to 256 bytes. Case
    /// does not count.
    pub username: String,
    /// Since when that person follows the channel: a time (RFC 3339), or seconds since 1970.
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub follower_since: Option<Timestamp>,
    /// For how many months that person has subscribed to the channel: up to 1200.
    #[schema(nullable = false)]
    pub subscriber_months: Option<u32>,
}

impl SenderName {
    fn read(field: Field<'_>) -> Result<Self, Refusal> {
        const MONTHS: &str = "must be a whole number from 0 to 1200";
        let username = field.within("username", "sender.username")?;
        let since = field.within("follower_since", "sender.follower_since")?;
        let months = field.within("subscriber_months", "sender.subscriber_months")?;
        Ok(Self {
            username: name(username)?,
            follower_since: since.optional(time)?,
            subscriber_months: months.optional(|months| months.whole(0..=1_200, MONTHS))?,
        })
    }

    /// As the core names that person.
    pub(super) fn user(&self) -> UserRef {
        UserRef::Called(self.username.clone())
    }

    /// What the app says about that person.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            follower_since: self.follower_since,
            subscriber_months: self.subscriber_months.unwrap_or(0),
        }
    }
}

/// Who acts, where the app's own server says so.
fn given(sender: Field<'_>, asker: Scope) -> Result<Option<SenderName>, Refusal> {
    match asker {
        Scope::Server => SenderName::read(sender).map(Some),
        Scope::Client => Ok(None),
    }
}

/// A time, or seconds since 1970.
fn time(field: Field<'_>) -> Result<Timestamp, Refusal> {
    const MUST: &str = "must be a time like 2026-03-01T12:30:05Z, or seconds since 1970";
    /// The end of year 9999, in seconds.
    const END: u64 = 253_402_300_799;
    match field.optional_whole(0, MUST) {
        Ok(Some(seconds)) if seconds <= END => Ok(Timestamp(seconds.cast_signed() * 1_000)),
        _ => {
            let text = field.label(64, MUST);
            let read = text.ok().and_then(|text| read_timestamp(&text));
            read.ok_or_else(|| field.wrong(MUST))
        }
    }
}

/// Writes a message.
#[derive(Debug, ToSchema)]
#[schema(as = stream::SendMessage)]
pub struct SendMessage {
    /// What it says, emotes as `[emote:37221:EZ]`: not blank; 65536 bytes unless the app has another
    /// limit.
    pub content: String,
    /// `message`, which it is where this is absent, or `reply`.
    #[schema(rename = "type", value_type = Option<String>, nullable = false)]
    pub is_reply: bool,
    /// An object of up to 16 KiB, shown with the message. A reply says here what it answers:
    /// `original_message.id`; the rest about that is filled in.
    #[schema(value_type = Option<Object>, nullable = false)]
    pub metadata: Option<Metadata>,
    /// The message that it answers.
    #[schema(ignore)]
    pub reply_to: Option<Uuid>,
    /// Who writes: with a server key. With a token its holder does, and this is passed over.
    #[schema(nullable = false)]
    pub sender: Option<SenderName>,
}

impl SendMessage {
    pub(super) fn read(input: Input<'_>, asker: Scope) -> Result<Self, Refusal> {
        let names = ["content", "type", "metadata", "sender"];
        let [content, kind, metadata, sender] = body(input, names)?;
        let content = content.text()?;
        let is_reply = match kind.optional(Field::text)?.as_deref() {
            None | Some("message") => false,
            Some("reply") => true,
            Some(_) => return Err(invalid("type", "must be message or reply")),
        };
        let reply_to = is_reply.then(|| answered(metadata)).transpose()?;
        let mut metadata = metadata.optional(Field::metadata)?;
        if let Some(Metadata(kept)) = &mut metadata {
            // What is told of that message is what it says, not what somebody says it says.
            kept.remove("original_message");
            kept.remove("original_sender");
        }
        Ok(Self {
            content,
            is_reply,
            metadata: metadata.filter(|metadata| !metadata.0.is_empty()),
            reply_to,
            sender: given(sender, asker)?,
        })
    }
}

fn answered(metadata: Field<'_>) -> Result<Uuid, Refusal> {
    metadata
        .within("original_message", "metadata.original_message")?
        .within("id", "metadata.original_message.id")?
        .uuid()
}

/// Bans somebody, or for a while.
#[derive(Debug, ToSchema)]
#[schema(as = stream::BanUser)]
pub struct BanUser {
    /// Whom, by the name that others see; somebody of that name need not be known yet. Case does not
    /// count.
    pub banned_username: String,
    /// Whether it is for good.
    #[schema(nullable = false)]
    pub permanent: Option<bool>,
    /// For how many minutes, from 1 to 10080, if it is not for good.
    #[schema(nullable = false)]
    pub duration: Option<u32>,
    /// Why, up to 256 bytes. Not kept.
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

impl BanUser {
    pub(super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        const WEEK: RangeInclusive<u32> = 1..=10_080;
        const MUST: &str = "must be a whole number of minutes from 1 to 10080";
        let names = ["banned_username", "permanent", "duration", "reason"];
        let [username, permanent, duration, reason] = body(input, names)?;
        let read = Self {
            banned_username: name(username)?,
            permanent: permanent.optional(Field::flag)?,
            duration: duration.optional(|duration| duration.whole(WEEK, MUST))?,
            reason: reason.optional(|reason| reason.label(256, "must have at most 256 bytes"))?,
        };
        if read.permanent != Some(true) && read.duration.is_none() {
            let must = "is missing, and permanent is not true";
            return Err(invalid("duration", must));
        }
        Ok(read)
    }

    pub(super) fn minutes(&self) -> Option<u32> {
        self.duration.filter(|_| self.permanent != Some(true))
    }
}

/// A command, as one would type it.
#[derive(Debug, ToSchema)]
#[schema(as = stream::ChatCommand)]
pub struct ChatCommand {
    /// `clear`: empties the history.
    pub command: String,
}

impl ChatCommand {
    pub(super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        let [command] = body(input, ["command"])?;
        let command = command.text()?;
        if command != "clear" {
            return Err(invalid("command", "must be clear"));
        }
        Ok(Self { command })
    }
}

/// Shows a message above all others, in place of the one before.
#[derive(Debug, ToSchema)]
#[schema(as = stream::PinMessage)]
pub struct PinMessage {
    /// Which; what else stands there is passed over.
    pub message: MessageId,
    /// For how many seconds, up to 86400, a day; else 1200. May be a string of digits.
    #[schema(value_type = Option<u32>, nullable = false)]
    pub duration: u32,
}

impl PinMessage {
    pub(super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        const MUST: &str = "must be a whole number of seconds from 1 to 86400";
        let [message, duration] = body(input, ["message", "duration"])?;
        let id = message.within("id", "message.id")?.uuid()?;
        let seconds = |field: Field<'_>| {
            let number = field.number_or_digits(MUST)?.try_into().ok();
            let number = number.filter(|number| (1..=86_400).contains(number));
            number.ok_or_else(|| field.wrong(MUST))
        };
        Ok(Self {
            message: MessageId { id },
            duration: duration.optional(seconds)?.unwrap_or(1_200),
        })
    }
}

/// Lets somebody moderate a chatroom.
#[derive(Debug, ToSchema)]
#[schema(as = stream::AddModerator)]
pub struct AddModerator {
    /// Whom, by name, up to 256 bytes; need not be known yet.
    pub username: String,
}

impl AddModerator {
    pub(super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        let [username] = body(input, ["username"])?;
        Ok(Self {
            username: name(username)?,
        })
    }
}

/// Which messages.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MessagesQuery {
    /// The `cursor` of the page before, which had newer ones; without it the newest.
    #[param(value_type = Option<String>, nullable = false)]
    pub cursor: Option<u64>,
}

impl MessagesQuery {
    pub(super) fn read(query: &Form) -> Result<Self, Refusal> {
        const MUST: &str = "must be the cursor of a page of this history";
        if query.text("start_time").is_some() {
            let must = "is not taken here: go back from the newest message with cursor";
            return Err(invalid("start_time", must));
        }
        let text = query.text("cursor").filter(|text| !text.is_empty());
        let read = |text: &str| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let number = u64::from_str_radix(text, 36).ok().filter(|_| is_plain);
            number.ok_or_else(|| invalid("cursor", MUST))
        };
        let cursor = text.map(read).transpose()?;
        Ok(Self { cursor })
    }
}
