//! What changes about a room, as `stream` shows it: what it allows, what is asked there and broadcast.

use chat::{Timestamp, room};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Place, slugified};
use crate::timestamp::{Plain, Seconds};

/// What was said is shown no longer.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::ChatroomClear)]
pub struct ChatroomClear {
    /// Of the change.
    pub id: Uuid,
}

/// What a room allows: all of it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::Modes)]
pub struct Modes {
    /// The room's number.
    pub id: i64,
    /// Each writes once in so many seconds.
    pub slow_mode: SlowMode,
    /// Only who subscribes.
    pub subscribers_mode: Switch,
    /// Only who has followed for so many minutes.
    pub followers_mode: MinDuration,
    /// Only emotes.
    pub emotes_mode: Switch,
    /// Always off.
    pub advanced_bot_protection: BotProtection,
    /// Only who has been known for so many minutes.
    pub account_age: MinDuration,
    /// For pages.
    pub show_quick_emotes: Switch,
    /// For pages.
    pub show_banners: Switch,
    /// For pages.
    pub gifts_enabled: Switch,
    /// For pages.
    pub gifts_week_enabled: Switch,
    /// For pages.
    pub gifts_month_enabled: Switch,
}

impl Modes {
    /// What a room allows.
    pub fn new(place: Place<'_>, modes: &room::Modes) -> Self {
        let switch = |enabled| Switch { enabled };
        Self {
            id: place.chatroom_id(),
            slow_mode: SlowMode {
                enabled: modes.slow.enabled,
                message_interval: modes.slow.amount,
            },
            subscribers_mode: switch(modes.subscribers),
            followers_mode: MinDuration::new(modes.followers),
            emotes_mode: switch(modes.emotes),
            advanced_bot_protection: BotProtection {
                enabled: false,
                remaining_time: 0,
            },
            account_age: MinDuration::new(modes.account_age),
            show_quick_emotes: switch(modes.quick_emotes),
            show_banners: switch(modes.banners),
            gifts_enabled: switch(modes.gifts),
            gifts_week_enabled: switch(modes.gifts_week),
            gifts_month_enabled: switch(modes.gifts_month),
        }
    }
}

/// A mode that is on or off.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::Switch)]
pub struct Switch {
    /// Whether it is on.
    pub enabled: bool,
}

/// Each writes once in a while.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::SlowMode)]
pub struct SlowMode {
    /// Whether it is on.
    pub enabled: bool,
    /// Seconds.
    pub message_interval: u32,
}

/// Only who has been there for a while.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::MinDuration)]
pub struct MinDuration {
    /// Whether it is on.
    pub enabled: bool,
    /// Minutes.
    pub min_duration: u32,
}

impl MinDuration {
    fn new(limit: room::Limit) -> Self {
        Self {
            enabled: limit.enabled,
            min_duration: limit.amount,
        }
    }
}

/// There is none; older clients look for it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::BotProtection)]
pub struct BotProtection {
    /// Always false.
    pub enabled: bool,
    /// Always 0.
    pub remaining_time: u32,
}

/// A question and how its answers stand.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::Poll)]
pub struct Poll<'a> {
    /// The question.
    pub title: &'a str,
    /// Its answers.
    pub options: Vec<PollOption<'a>>,
    /// How many seconds there were to vote.
    pub duration: u32,
    /// How many are left; 0 while the result is shown.
    pub remaining: u32,
    /// For how many seconds the result is shown.
    pub result_display_duration: u32,
    /// Whether the one who looks has voted; false in events.
    pub has_voted: bool,
    /// For what.
    pub voted_option_id: Option<u32>,
    /// When it was opened; not in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Seconds>,
}

impl<'a> Poll<'a> {
    /// As everybody is told at a time.
    pub fn told(poll: &'a room::Poll, now: Timestamp) -> Self {
        let option = |(option, id): (&'a room::PollOption, u32)| PollOption {
            id,
            label: &option.label,
            votes: option.votes,
        };
        Self {
            title: &poll.title,
            options: poll.options.iter().zip(1..).map(option).collect(),
            duration: poll.seconds,
            remaining: poll.remaining(now),
            result_display_duration: poll.display_seconds,
            has_voted: false,
            voted_option_id: None,
            created_at: None,
        }
    }

    /// As somebody sees it who has perhaps voted.
    pub fn seen(poll: &'a room::Poll, now: Timestamp, voted: Option<u32>) -> Self {
        Self {
            has_voted: voted.is_some(),
            voted_option_id: voted,
            created_at: Some(Seconds(poll.opened_at)),
            ..Self::told(poll, now)
        }
    }
}

/// An answer to choose.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::PollOption)]
pub struct PollOption<'a> {
    /// Its place, from 1.
    pub id: u32,
    /// In words.
    pub label: &'a str,
    /// How many have chosen it.
    pub votes: u32,
}

/// What stands around a poll.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::PollUpdate)]
pub struct PollUpdate<'a> {
    /// How it stands.
    pub poll: Poll<'a>,
}

/// Somebody who has subscribed to a channel.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::Subscription)]
pub struct Subscription<'a> {
    /// Where.
    pub chatroom_id: i64,
    /// Under which name.
    pub username: &'a str,
    /// For how many months by now.
    pub months: u32,
}

/// What is broadcast.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::Livestream)]
pub struct Livestream<'a> {
    /// Another one each time that the channel goes live.
    pub id: i64,
    /// Its name in addresses.
    pub slug: String,
    /// Whose.
    pub channel_id: i64,
    /// When it began.
    #[schema(value_type = String)]
    pub created_at: Plain,
    /// What it is called.
    pub session_title: &'a str,
    /// Whether it runs.
    pub is_live: bool,
    /// Always `null`.
    pub risk_level_id: (),
    /// When it began.
    #[schema(value_type = String)]
    pub start_time: Plain,
    /// Always `null`.
    pub source: (),
    /// Always `null`.
    pub twitch_channel: (),
    /// Always 0.
    pub duration: u32,
    /// In English.
    pub language: &'a str,
    /// Not for everybody.
    pub is_mature: bool,
    /// How many watch.
    pub viewer_count: u32,
    /// Objects as the channel gave them.
    #[schema(value_type = Vec<Object>)]
    pub categories: &'a [Map<String, Value>],
    /// In the channel's own words.
    pub tags: &'a [String],
    /// The language by its ISO 639 code.
    pub lang_iso: &'a str,
    /// A picture.
    pub thumbnail: Option<Thumbnail<'a>>,
}

impl<'a> Livestream<'a> {
    /// Of a channel.
    pub fn new(place: Place<'_>, stream: &'a room::Livestream) -> Self {
        let began = Plain(Timestamp(stream.started_at));
        Self {
            id: stream.id,
            slug: format!("{:x}-{}", stream.id, slugified(&stream.session_title)),
            channel_id: place.channel_id(),
            created_at: began,
            session_title: &stream.session_title,
            is_live: stream.is_live,
            risk_level_id: (),
            start_time: began,
            source: (),
            twitch_channel: (),
            duration: 0,
            language: stream.language.as_deref().unwrap_or("English"),
            lang_iso: stream.lang_iso.as_deref().unwrap_or("en"),
            is_mature: stream.is_mature,
            viewer_count: stream.viewer_count,
            thumbnail: stream.thumbnail.as_deref().map(|url| Thumbnail { url }),
            tags: &stream.tags,
            categories: &stream.categories,
        }
    }
}

/// A picture.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::Thumbnail)]
pub struct Thumbnail<'a> {
    /// Where it is.
    pub url: &'a str,
}

/// What stands around a livestream.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::LivestreamUpdated)]
pub struct LivestreamUpdated<'a> {
    /// As it is now.
    pub livestream: Livestream<'a>,
}

/// An object with nothing in it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::Empty)]
pub struct Empty {}
