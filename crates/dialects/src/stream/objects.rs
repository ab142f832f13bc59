//! What `stream` shows, alike in events and over HTTP: rooms and people here, `messages`, and the
//! `state` of a room. What only HTTP shows is in `pages`.

mod messages;
mod state;

use chat::{
    ConversationView, Event, MessageView, User,
    model::{Conversation, Member, MemberRole},
    room,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::{
    messages::{
        Kept, Message, MessageDeleted, MessageId, MessageKind, MessageMetadata, OriginalMessage,
        OriginalSender, PinnedMessage,
    },
    state::{
        BotProtection, ChatroomClear, Empty, Livestream, LivestreamUpdated, MinDuration, Modes,
        Poll, PollOption, PollUpdate, SlowMode, Subscription, Switch, Thumbnail,
    },
};
use crate::timestamp::Seconds;

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
    pub(super) fn writing(view: &'a MessageView) -> Self {
        let identity = Identity {
            color: color(&view.sender),
            badges: view.message.badges.iter().map(Badge::new).collect(),
        };
        Self::new(Person::new(&view.sender), identity)
    }

    /// Who pinned a message; see [`Person::acting`].
    pub(super) fn pinning(place: Place<'a>, by: Option<&'a User>) -> Self {
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
