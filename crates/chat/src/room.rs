//! The nouns of a live stream's chatroom: what it allows, what is pinned and asked there, who is
//! banned, and what is told beside messages. No rules: those are in `decide::rooms`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    command::UserRef,
    model::{ConversationId, G, Timestamp, UserId},
};

/// What names a room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RoomName {
    /// By its slug, in lower case.
    Slug(String),
    /// By the number of its channel.
    Channel(i64),
    /// By its own number, under which readers subscribe.
    Chatroom(i64),
}

/// The numbers by which clients know a room; each is unique in its app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomNumbers {
    /// Of its channel.
    pub channel: i64,
    /// Its own.
    pub chatroom: i64,
}

/// What changes about a room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Room {
    /// Only who brings a token may read it. Never changes.
    pub private: bool,
    /// Who may write, and how often.
    pub modes: Modes,
    /// The message that is shown above all others.
    pub pin: Option<Pin>,
    /// What is being asked.
    pub poll: Option<Poll>,
    /// The live stream, or the last one.
    pub livestream: Option<Livestream>,
    /// What was said up to here stands in no history.
    pub cleared_g: G,
}

impl Room {
    /// When something in it ends by itself, or is to be told.
    pub fn due(&self) -> Option<Timestamp> {
        let pin = self.pin.as_ref().map(|pin| pin.until);
        let poll = self.poll.as_ref().map(Poll::due);
        pin.into_iter().chain(poll).min()
    }
}

/// Who may write in a room, and how often; and what its pages show.
#[expect(clippy::struct_excessive_bools, reason = "switches of a page")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Modes {
    /// Each writes once in so many seconds.
    pub slow: Limit,
    /// Only who has followed for so many minutes.
    pub followers: Limit,
    /// Only who subscribes.
    pub subscribers: bool,
    /// Only emotes.
    pub emotes: bool,
    /// Only who has been known for so many minutes.
    pub account_age: Limit,
    /// For pages.
    pub quick_emotes: bool,
    /// For pages.
    pub banners: bool,
    /// For pages.
    pub gifts: bool,
    /// For pages.
    pub gifts_week: bool,
    /// For pages.
    pub gifts_month: bool,
}

impl Default for Modes {
    fn default() -> Self {
        let off = |amount| Limit {
            enabled: false,
            amount,
        };
        Self {
            slow: off(6),
            followers: off(0),
            subscribers: false,
            emotes: false,
            account_age: off(0),
            quick_emotes: true,
            banners: true,
            gifts: true,
            gifts_week: true,
            gifts_month: true,
        }
    }
}

/// A mode with a measure, which is kept while it is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Whether it counts.
    pub enabled: bool,
    /// In the mode's own unit.
    pub amount: u32,
}

impl Limit {
    /// Its measure, if it counts.
    pub fn amount(self) -> Option<u32> {
        self.enabled.then_some(self.amount)
    }
}

/// What to change about a room's modes; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of Modes")]
pub struct ModesPatch {
    pub slow: LimitPatch,
    pub followers: LimitPatch,
    pub subscribers: Option<bool>,
    pub emotes: Option<bool>,
    pub account_age: LimitPatch,
    pub quick_emotes: Option<bool>,
    pub banners: Option<bool>,
    pub gifts: Option<bool>,
    pub gifts_week: Option<bool>,
    pub gifts_month: Option<bool>,
}

/// What to change about a [`Limit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of Limit")]
pub struct LimitPatch {
    pub enabled: Option<bool>,
    pub amount: Option<u32>,
}

impl Modes {
    /// With a patch taken in.
    #[must_use]
    pub fn patched(self, patch: &ModesPatch) -> Self {
        let limit = |old: Limit, patch: LimitPatch| Limit {
            enabled: patch.enabled.unwrap_or(old.enabled),
            amount: patch.amount.unwrap_or(old.amount),
        };
        Self {
            slow: limit(self.slow, patch.slow),
            followers: limit(self.followers, patch.followers),
            subscribers: patch.subscribers.unwrap_or(self.subscribers),
            emotes: patch.emotes.unwrap_or(self.emotes),
            account_age: limit(self.account_age, patch.account_age),
            quick_emotes: patch.quick_emotes.unwrap_or(self.quick_emotes),
            banners: patch.banners.unwrap_or(self.banners),
            gifts: patch.gifts.unwrap_or(self.gifts),
            gifts_week: patch.gifts_week.unwrap_or(self.gifts_week),
            gifts_month: patch.gifts_month.unwrap_or(self.gifts_month),
        }
    }
}

/// A message that is shown above all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Its outside id.
    pub message: Uuid,
    /// Its number.
    pub g: G,
    /// Who pinned it; `None` if the app itself did.
    pub by: Option<UserId>,
    /// For how many seconds.
    pub seconds: u32,
    /// Until when.
    pub until: Timestamp,
}

/// A question with answers to choose from. Each voter counts once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// The question.
    pub title: String,
    /// The answers, whose ids are their places from 1.
    pub options: Vec<PollOption>,
    /// How many seconds there are to vote.
    pub seconds: u32,
    /// How many seconds the result is shown after that.
    pub display_seconds: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Its end was told.
    pub ended: bool,
    /// When it was last told how it stands.
    pub told_at: Timestamp,
    /// Somebody has voted since.
    pub untold: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollOption {
    /// In words.
    pub label: String,
    /// How many chose it.
    pub votes: u32,
}

impl Poll {
    /// How often it is told how a poll stands, at most, in milliseconds.
    pub const PACE: i64 = 1_000;

    /// When voting ends.
    pub fn ends_at(&self) -> Timestamp {
        Timestamp(self.opened_at.0 + i64::from(self.seconds) * 1_000)
    }

    /// When its result is shown no longer.
    pub fn vanishes_at(&self) -> Timestamp {
        Timestamp(self.ends_at().0 + i64::from(self.display_seconds) * 1_000)
    }

    /// Whole seconds that are left to vote, begun ones included.
    pub fn remaining(&self, now: Timestamp) -> u32 {
        let left = (self.ends_at().0 - now.0).max(0).saturating_add(999) / 1_000;
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// When there is something to tell about it.
    fn due(&self) -> Timestamp {
        if self.ended {
            self.vanishes_at()
        } else if self.untold {
            Timestamp(self.told_at.0 + Self::PACE).min(self.ends_at())
        } else {
            self.ends_at()
        }
    }
}

/// What is broadcast, in the words of its page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Livestream {
    /// Its number: another one each time that the channel goes live.
    pub id: i64,
    /// Whether it runs.
    pub is_live: bool,
    /// What it is called.
    pub session_title: String,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// Of the language, in English.
    pub language: Option<String>,
    /// The language by its ISO 639 code.
    pub lang_iso: Option<String>,
    /// Not for everybody.
    pub is_mature: bool,
    /// How many watch.
    pub viewer_count: u32,
    /// URL of a picture.
    pub thumbnail: Option<String>,
    /// In the channel's own words.
    pub tags: Vec<String>,
    /// Objects as the channel gave them.
    pub categories: Vec<Map<String, Value>>,
}

/// What to change about a livestream; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of Livestream")]
pub struct LivestreamPatch {
    pub is_live: Option<bool>,
    pub session_title: Option<String>,
    pub language: Option<String>,
    pub lang_iso: Option<String>,
    pub is_mature: Option<bool>,
    pub viewer_count: Option<u32>,
    pub thumbnail: Option<String>,
    pub tags: Option<Vec<String>>,
    pub categories: Option<Vec<Map<String, Value>>>,
}

/// Somebody who may not write in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
    /// When it ends by itself, if it does.
    pub until: Option<Timestamp>,
}

impl Ban {
    /// Whether it still counts.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }
}

/// What the app says about somebody who writes in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Since when that person follows the channel.
    pub follower_since: Option<Timestamp>,
    /// For how many months that person has subscribed; 0 for who does not.
    pub subscriber_months: u32,
}

/// What stands beside a name in a room, as of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Badge {
    /// Which: `broadcaster`, `moderator`, `subscriber`, or whatever the app calls it.
    #[serde(rename = "type")]
    pub kind: String,
    /// In English.
    pub text: String,
    /// Months or gifts, where it counts any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// What listeners are told about a room beside messages, bans and pins: all of it, so that it can be
/// told again as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomNews {
    /// What was said is shown no longer.
    Cleared,
    /// What the room allows.
    Modes(Modes),
    /// How a poll stands.
    Poll(Poll),
    /// The poll is gone.
    PollGone,
    /// Nothing is pinned any longer.
    Unpinned,
    /// Somebody has subscribed to the channel.
    Subscribed {
        /// Under which name.
        username: String,
        /// For how many months by now.
        months: u32,
    },
    /// The live stream has changed.
    Livestream(Livestream),
    /// Something that only the channel's pages understand.
    Other {
        /// Its name.
        event: String,
        /// What they are told: an object.
        data: Map<String, Value>,
    },
}

impl RoomNews {
    /// Bytes that it holds in memory, roughly: those of its JSON text.
    pub fn weight(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.len())
    }
}

/// An entry in the log of a room that is no message and none of what all conversations have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomNote {
    /// Somebody is banned, or for so many minutes.
    Banned {
        /// The ban.
        ban: Ban,
        /// How long it was to last.
        minutes: Option<u32>,
    },
    /// A ban is over.
    Unbanned {
        /// Whose.
        user: UserId,
        /// It would not have ended by itself.
        permanent: bool,
    },
    /// A message is pinned.
    Pinned {
        /// Its number.
        g: G,
        /// For how many seconds.
        seconds: u32,
    },
    /// Whatever else.
    News(RoomNews),
}

/// What somebody does to a room. Its owner and moderators may, and the app itself; only what says
/// so is for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomAct {
    /// Lets those of a name write no longer; the name need not be known yet.
    Ban {
        /// Whom.
        username: String,
        /// For how long; without it for good.
        minutes: Option<u32>,
    },
    /// Lets those of a name write again.
    Unban {
        /// Whom.
        username: String,
    },
    /// Empties the history.
    Clear,
    /// Changes what the room allows.
    SetModes(ModesPatch),
    /// Shows a message above all others, in place of the one before.
    Pin {
        /// Which.
        message: Uuid,
        /// For how long.
        seconds: u32,
    },
    /// Shows no message above the others.
    Unpin,
    /// Deletes a message. Its author may, too.
    DeleteMessage {
        /// Which.
        message: Uuid,
    },
    /// Asks something.
    OpenPoll {
        /// The question.
        title: String,
        /// The answers.
        options: Vec<String>,
        /// How long there is to vote.
        seconds: u32,
        /// How long the result is shown.
        display_seconds: u32,
    },
    /// Takes the poll away.
    ClosePoll,
    /// Chooses an answer. Everybody may, once.
    Vote {
        /// The id of the answer.
        option: u32,
        /// Who votes.
        voter: UserRef,
    },
    /// Tells of a subscription, and grants nothing.
    Subscription {
        /// Who has subscribed.
        username: String,
        /// For how many months by now.
        months: u32,
    },
    /// Changes what is known of the live stream.
    SetLivestream(LivestreamPatch),
    /// Tells whatever the channel's pages understand. Only the app itself may.
    Announce {
        /// Its name.
        event: String,
        /// What they are told.
        data: Map<String, Value>,
    },
    /// Lets a user moderate. Only the owner and the app itself may.
    AddModerator {
        /// Whom; the name need not be known yet.
        username: String,
    },
    /// Lets a user moderate no longer. Only the owner and the app itself may.
    RemoveModerator {
        /// Whom.
        username: String,
    },
}

impl RoomAct {
    /// Bytes that it holds in memory beside its fixed ones, roughly.
    pub(crate) fn weight(&self) -> usize {
        let json =
            |values: &Map<String, Value>| serde_json::to_string(values).map_or(0, |t| t.len());
        match self {
            Self::OpenPoll { title, options, .. } => {
                title.len() + options.iter().map(String::len).sum::<usize>()
            }
            Self::SetLivestream(patch) => {
                let categories = patch.categories.iter().flatten().map(json);
                let tags = patch.tags.iter().flatten().map(String::len);
                let title = patch.session_title.as_ref().map_or(0, String::len);
                title + tags.sum::<usize>() + categories.sum::<usize>()
            }
            Self::Announce { data, .. } => json(data),
            _ => 0,
        }
    }
}

/// A name as names are compared: without case, and without space around it.
pub fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}
