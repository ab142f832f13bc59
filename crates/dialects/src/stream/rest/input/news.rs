//! What is told beside messages: polls and votes, subscriptions, other events.

use chat::{
    Refusal,
    model::{Metadata, Scope},
};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{MAX_TITLE, SenderName, TITLE, body, given, name};
use crate::{payload::invalid, rest::Input};

/// Asks something.
#[derive(Debug, ToSchema)]
#[schema(as = stream::CreatePoll)]
pub struct CreatePoll {
    /// The question, up to 256 bytes.
    pub title: String,
    /// 2 to 10 answers of up to 100 bytes each.
    pub options: Vec<String>,
    /// For how many seconds one can vote, from 5 to 86400, a day.
    pub duration: u32,
    /// For how many seconds after that the result is shown, up to 86400; else 15.
    #[schema(value_type = Option<u32>, nullable = false)]
    pub result_display_duration: u32,
}

impl CreatePoll {
    pub(in super::super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        const OPTIONS: &str = "must be 2 to 10 strings of 1 to 100 bytes";
        const DURATION: &str = "must be a whole number of seconds from 5 to 86400";
        const DISPLAY: &str = "must be a whole number of seconds from 0 to 86400";
        let names = ["title", "options", "duration", "result_display_duration"];
        let [title, options, duration, display] = body(input, names)?;
        let title = title.words(MAX_TITLE, TITLE)?;
        let options: Vec<_> = options.texts()?;
        let options = options.iter().map(|label| label.trim().to_owned());
        let options: Vec<_> = options.collect();
        let is_label = |label: &String| (1..=100).contains(&label.len());
        if !(2..=10).contains(&options.len()) || !options.iter().all(is_label) {
            return Err(invalid("options", OPTIONS));
        }
        let display = display.optional(|display| display.whole(0..=86_400, DISPLAY))?;
        Ok(Self {
            title,
            options,
            duration: duration.whole(5..=86_400, DURATION)?,
            result_display_duration: display.unwrap_or(15),
        })
    }
}

/// Chooses an answer.
#[derive(Debug, ToSchema)]
#[schema(as = stream::Vote)]
pub struct Vote {
    /// Which, by its id.
    pub id: u32,
    /// Who votes: with a server key. With a token its holder does, and this is passed over.
    #[schema(nullable = false)]
    pub sender: Option<SenderName>,
}

impl Vote {
    pub(in super::super) fn read(input: Input<'_>, asker: Scope) -> Result<Self, Refusal> {
        const MUST: &str = "must be that of an option of the poll";
        let [id, sender] = body(input, ["id", "sender"])?;
        Ok(Self {
            id: id.whole(0..=u32::MAX, MUST)?,
            sender: given(sender, asker)?,
        })
    }
}

/// Tells that somebody has subscribed to the channel.
#[derive(Debug, ToSchema)]
#[schema(as = stream::Subscribe)]
pub struct Subscribe {
    /// Who, by name, up to 256 bytes.
    pub username: String,
    /// For how many months by now, from 1 to 1200.
    pub months: u32,
}

impl Subscribe {
    pub(in super::super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        const MUST: &str = "must be a whole number from 1 to 1200";
        let [username, months] = body(input, ["username", "months"])?;
        Ok(Self {
            username: name(username)?,
            months: months.whole(1..=1_200, MUST)?,
        })
    }
}

/// Tells whatever the channel's pages understand.
#[derive(Debug, ToSchema)]
#[schema(as = stream::PostEvent)]
pub struct PostEvent {
    /// The event's name, with its prefix: `App\Events\StreamHostEvent`.
    pub event: String,
    /// What it says, in the event's own fields; up to 64 KiB.
    #[schema(value_type = Object)]
    pub data: Map<String, Value>,
}

impl PostEvent {
    pub(in super::super) fn read(input: Input<'_>) -> Result<Self, Refusal> {
        let [event, data] = body(input, ["event", "data"])?;
        let event = event.words(200, "must be a string of 1 to 200 bytes")?;
        let Metadata(data) = data.metadata()?;
        Ok(Self { event, data })
    }
}
