//! What `stream` shows: messages, people, bans, modes, polls and livestreams; alike in events and over
//! HTTP. What only HTTP shows is in `pages`.

use std::borrow::Cow;

use chat::{
    ConversationView, Event, MessageView, Timestamp, User,
    model::{Conversation, Member, MemberRole, Metadata},
    room,
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Site,
    timestamp::{Plain, Seconds},
};

/// A room, as far as showing what happens there needs it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    conversation: &'a Conversation,
    members: &'a [Member],
}

impl<'a> Place<'a> {
    /// Where something happened.
    pub fn of_event(event: &'a Event) -> Self {
        Self {
            conversation: event.conversation(),
            members: &event.scene.members,
        }
    }

    /// Where somebody looks.
    pub fn of_view(view: &'a ConversationView) -> Self {
        Self {
            conversation: &view.conversation,
            members: &view.members,
        }
    }

    /// The number under which readers subscribe.
    pub fn chatroom_id(self) -> i64 {
        chatroom_id(self.conversation)
    }

    /// The number of its channel.
    pub fn channel_id(self) -> i64 {
        let numbers = self.conversation.numbers;
        numbers.map_or(0, |numbers| numbers.channel)
    }

    /// Its name in addresses.
    pub fn slug(self) -> &'a str {
        self.conversation.key.as_deref().unwrap_or_default()
    }

    /// Who owns it; nobody once that user is deleted.
    pub fn owner(self) -> Option<&'a User> {
        let mut members = self.members.iter();
        let owner = members.find(|member| member.role == MemberRole::Owner);
        owner.map(|member| &*member.user)
    }
}

fn chatroom_id(conversation: &Conversation) -> i64 {
    conversation.numbers.map_or(0, |numbers| numbers.chatroom)
}

/// A name as it stands in addresses: in lower case, with `-` for what is neither letter nor digit.
pub(super) fn slugified(name: &str) -> String {
    let letters = name.trim().chars().flat_map(char::to_lowercase);
    letters
        .map(|letter| {
            if letter.is_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect()
}

/// Somebody.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::Person)]
pub struct Person<'a> {
    /// Counts up in the app; 0 where nobody in particular acted.
    pub id: i64,
    /// Under which name others see the user.
    pub username: &'a str,
    /// The name as it stands in addresses.
    pub slug: String,
}

impl<'a> Person<'a> {
    /// A user.
    pub fn new(user: &'a User) -> Self {
        Self {
            id: user.number,
            username: user.name(),
            slug: slugified(user.name()),
        }
    }

    /// Who did something in a room. What the app itself did is shown as done by the room's owner; as by
    /// nobody in particular where there is none.
    pub fn acting(place: Place<'a>, by: Option<&'a User>) -> Self {
        match by.or_else(|| place.owner()) {
            Some(user) => Self::new(user),
            None => Self {
                id: 0,
                username: place.slug(),
                slug: place.slug().to_owned(),
            },
        }
    }
}

/// Somebody who writes or pins.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::Sender)]
pub struct Sender<'a> {
    /// Counts up in the app; 0 where nobody in particular acted.
    pub id: i64,
    /// Under which name others see the user.
    pub username: &'a str,
    /// The name as it stands in addresses.
    pub slug: String,
    /// How the name is shown.
    pub identity: Identity<'a>,
}

impl<'a> Sender<'a> {
    /// Who wrote a message, as of then.
    fn writing(view: &'a MessageView) -> Self {
        let identity = Identity {
            color: color(&view.sender),
            badges: view.message.badges.iter().map(Badge::new).collect(),
        };
        Self::new(Person::new(&view.sender), identity)
    }

    /// Who pinned a message; see [`Person::acting`].
    fn pinning(place: Place<'a>, by: Option<&'a User>) -> Self {
        let user = by.or_else(|| place.owner());
        let role = user.and_then(|user| {
            let mut members = place.members.iter();
            members.find(|member| member.user.id == user.id)
        });
        let identity = Identity {
            color: user.map_or(NO_COLOR, color),
            badges: role
                .and_then(|member| Badge::of_role(member.role))
                .into_iter()
                .collect(),
        };
        Self::new(Person::acting(place, by), identity)
    }

    fn new(person: Person<'a>, identity: Identity<'a>) -> Self {
        Self {
            id: person.id,
            username: person.username,
            slug: person.slug,
            identity,
        }
    }
}

/// How a name is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::Identity)]
pub struct Identity<'a> {
    /// `#RRGGBB`.
    pub color: &'a str,
    /// What stands beside it.
    pub badges: Vec<Badge<'a>>,
}

/// What stands beside a name.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::Badge)]
pub struct Badge<'a> {
    /// Which: `broadcaster`, `moderator`, `subscriber`, or whatever the app calls it.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// In English.
    pub text: &'a str,
    /// Months or gifts, where it counts any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

impl<'a> Badge<'a> {
    fn new(badge: &'a room::Badge) -> Self {
        Self {
            kind: &badge.kind,
            text: &badge.text,
            count: badge.count,
        }
    }

    fn of_role(role: MemberRole) -> Option<Self> {
        let (kind, text) = match role {
            MemberRole::Owner => ("broadcaster", "Broadcaster"),
            MemberRole::Moderator => ("moderator", "Moderator"),
            MemberRole::Member => return None,
        };
        let count = None;
        Some(Self { kind, text, count })
    }
}

/// Legible on light and dark pages.
const COLORS: [&str; 12] = [
    "#E9113C", "#DF4F1E", "#B9770E", "#8A8D0F", "#3C9D2F", "#1B9E77", "#1F8FBF", "#3F74E0",
    "#7A5AF0", "#A84FD8", "#D13FA6", "#9A6B4F",
];
const NO_COLOR: &str = "#808080";

/// The color of a user's name: the one in the profile's metadata, else one that follows from the
/// number, so that it stays.
fn color(user: &User) -> &str {
    let metadata = user.profile.metadata.as_ref();
    let own = metadata.and_then(|metadata| metadata.0.get("color")?.as_str());
    own.filter(|color| is_color(color)).unwrap_or_else(|| {
        let number = usize::try_from(user.number).unwrap_or_default();
        let color = COLORS.get(number % COLORS.len());
        color.copied().unwrap_or(NO_COLOR)
    })
}

fn is_color(text: &str) -> bool {
    let digits = text.strip_prefix('#');
    digits
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|it| it.is_ascii_hexdigit()))
}

/// What somebody wrote.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::Message)]
pub struct Message<'a> {
    /// Ours: opaque, sorts by age.
    pub id: Uuid,
    /// Where it stands.
    pub chatroom_id: i64,
    /// As it came, with emotes as `[emote:ID:NAME]`; of a file without a text, where it is found.
    pub content: Cow<'a, str>,
    /// Whether it answers another.
    #[serde(rename = "type")]
    pub kind: MessageKind,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Seconds,
    /// Who wrote it.
    pub sender: Sender<'a>,
    /// What its sender keeps with it, and what it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MessageMetadata<'a>>,
    /// The message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_parent_id: Option<Uuid>,
}

impl<'a> Message<'a> {
    /// As everybody sees it.
    pub fn new(site: &Site, view: &'a MessageView) -> Self {
        let message = &view.message;
        Self {
            id: message.uuid,
            chatroom_id: chatroom_id(&view.conversation),
            content: content(site, view),
            kind: MessageKind::of(view),
            created_at: Seconds(message.created_at),
            sender: Sender::writing(view),
            metadata: MessageMetadata::of(view),
            thread_parent_id: view.quoted.as_ref().map(|quoted| quoted.message),
        }
    }
}

/// What a message says; of a file that came without a text, where it is found.
fn content<'a>(site: &Site, view: &'a MessageView) -> Cow<'a, str> {
    let body = &view.message.body;
    match body.media.first() {
        Some(media) if body.text.is_empty() => Cow::Owned(site.media_url(media)),
        _ => Cow::Borrowed(&body.text),
    }
}

/// Whether a message answers another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = stream::MessageKind)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// It does not, or what it answered is deleted.
    Message,
    /// It does.
    Reply,
}

impl MessageKind {
    fn of(view: &MessageView) -> Self {
        if view.quoted.is_some() {
            Self::Reply
        } else {
            Self::Message
        }
    }
}

/// What is kept with a message.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::MessageMetadata)]
pub struct MessageMetadata<'a> {
    /// Who wrote what this answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_sender: Option<OriginalSender<'a>>,
    /// What this answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_message: Option<OriginalMessage<'a>>,
    /// What its sender gave, such as `message_ref`.
    #[serde(flatten)]
    #[schema(value_type = Option<Object>)]
    pub kept: Kept<'a>,
}

impl<'a> MessageMetadata<'a> {
    fn of(view: &'a MessageView) -> Option<Self> {
        let quoted = view.quoted.as_deref();
        let kept = view.message.body.metadata.as_ref();
        if quoted.is_none() && kept.is_none() {
            return None;
        }
        Some(Self {
            original_sender: quoted.map(|quoted| OriginalSender {
                id: quoted.sender.number,
                username: quoted.sender.name(),
            }),
            original_message: quoted.map(|quoted| OriginalMessage {
                id: quoted.message,
                content: &quoted.text,
            }),
            kept: Kept(kept),
        })
    }
}

/// Who wrote what a message answers.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::OriginalSender)]
pub struct OriginalSender<'a> {
    /// Counts up in the app.
    pub id: i64,
    /// Under which name others see the user.
    pub username: &'a str,
}

/// What a message answers.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::OriginalMessage)]
pub struct OriginalMessage<'a> {
    /// Its id.
    pub id: Uuid,
    /// As it came.
    pub content: &'a str,
}

/// What a message's sender gave to be kept with it, without what only the server says.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a>(Option<&'a Metadata>);

impl Serialize for Kept<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.0.into_iter().flat_map(|metadata| &metadata.0);
        let own = |(key, _): &(&String, &Value)| {
            !matches!(key.as_str(), "original_sender" | "original_message")
        };
        serializer.collect_map(all.filter(own))
    }
}

/// A message that is gone.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::MessageDeleted)]
pub struct MessageDeleted {
    /// Of the deletion.
    pub id: Uuid,
    /// Which.
    pub message: MessageId,
    /// Always false: people delete here.
    #[serde(rename = "aiModerated")]
    pub ai_moderated: bool,
    /// Always empty.
    #[serde(rename = "violatedRules")]
    pub violated_rules: [&'static str; 0],
}

impl MessageDeleted {
    pub(super) fn new(event: &Event, message: Uuid) -> Self {
        Self {
            id: event.uuid(),
            message: MessageId { id: message },
            ai_moderated: false,
            violated_rules: [],
        }
    }
}

/// Names a message.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::MessageId)]
pub struct MessageId {
    /// Its id.
    pub id: Uuid,
}

/// Somebody who may write no longer.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::UserBanned)]
pub struct UserBanned<'a> {
    /// Of the ban.
    pub id: Uuid,
    /// Who.
    pub user: Person<'a>,
    /// Who decided that.
    pub banned_by: Person<'a>,
    /// Whether it does not end by itself.
    pub permanent: bool,
    /// How long it lasts, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<u32>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Seconds>,
}

/// Somebody who may write again.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::UserUnbanned)]
pub struct UserUnbanned<'a> {
    /// Of the change.
    pub id: Uuid,
    /// Who.
    pub user: Person<'a>,
    /// Who decided that.
    pub unbanned_by: Person<'a>,
    /// Whether it would not have ended by itself.
    pub permanent: bool,
}

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

/// A message that is shown above all others.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::PinnedMessage)]
pub struct PinnedMessage<'a> {
    /// Which.
    pub message: Message<'a>,
    /// For how many seconds, as text.
    pub duration: String,
    /// Who decided that.
    #[serde(rename = "pinnedBy")]
    pub pinned_by: Sender<'a>,
}

impl<'a> PinnedMessage<'a> {
    /// As everybody is told.
    pub fn new(
        site: &Site,
        place: Place<'a>,
        message: &'a MessageView,
        by: Option<&'a User>,
        seconds: u32,
    ) -> Self {
        Self {
            message: Message::new(site, message),
            duration: seconds.to_string(),
            pinned_by: Sender::pinning(place, by),
        }
    }
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
