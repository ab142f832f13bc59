//! What `stream` clients are told: answers to the asker, and events to listeners.
//!
//! `objects` are what they are made of, `words` how a no is said; `incoming` is the way in.

use std::borrow::Cow;

use chat::{
    ConversationKind, Event, Refusal,
    event::{Happening, RoomHappening},
    room::RoomNews,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    objects::{
        Badge, ChatroomClear, Empty, Livestream, LivestreamUpdated, Message, MessageDeleted, Modes,
        Person, PinnedMessage, Place, Poll, PollUpdate, Subscription, UserBanned, UserUnbanned,
    },
    words,
};
use crate::{Answer, Audience, Emit, Shown, Site, Stage, json, timestamp::Seconds};

/// The place of a frame; part of recovery offsets. No happening makes more than one.
const ONLY: u8 = 0;

/// A yes has no event of its own.
pub(super) fn done() -> Answer {
    Answer {
        events: Vec::new(),
        ack: String::from(r#"{"success":true}"#),
    }
}

/// `error { message, code }`, and the same as an acknowledgement.
pub(super) fn refuse(refusal: &Refusal) -> Answer {
    let message = words::explain(refusal);
    Answer {
        events: vec![Emit {
            name: "error".into(),
            args: json::error(refusal, &message),
        }],
        ack: json::refused_ack(refusal, &message),
    }
}

/// What listeners see of an event.
pub(super) fn show(stage: &Stage<'_>, event: &Event) -> Option<Shown> {
    if stage.audience != Audience::Conversation {
        return None;
    }
    let name = stage.spelling.or(event.conversation().key.as_deref());
    Some(Shown {
        part: ONLY,
        emit: told(stage.site, event, name)?,
        skips_origin: false,
    })
}

/// What is told of an event in a room, to those who call the room `channel_name`; over HTTP it has no
/// such name.
pub(super) fn told(site: &Site, event: &Event, channel_name: Option<&str>) -> Option<Emit> {
    if event.conversation().kind != ConversationKind::Room {
        return None;
    }
    let place = Place::of_event(event);
    let teller = Teller { channel_name };
    let emit = match &event.happening {
        Happening::MessageSent(view) => teller.message(&Message::new(site, view)),
        Happening::MessageDeleted { message, .. } => {
            let deleted = MessageDeleted::new(event, *message);
            teller.tell(r"App\Events\MessageDeletedEvent", deleted)
        }
        // Its document has no words for these.
        Happening::MessageEdited(_) | Happening::Read { .. } => return None,
        Happening::Room(RoomHappening::Banned {
            user,
            by,
            until,
            minutes,
        }) => {
            let banned = UserBanned {
                id: event.uuid(),
                user: Person::new(user),
                banned_by: Person::acting(place, by.as_deref()),
                permanent: until.is_none(),
                duration: *minutes,
                expires_at: until.map(Seconds),
            };
            teller.tell(r"App\Events\UserBannedEvent", banned)
        }
        Happening::Room(RoomHappening::Unbanned {
            user,
            by,
            permanent,
        }) => {
            let unbanned = UserUnbanned {
                id: event.uuid(),
                user: Person::new(user),
                unbanned_by: Person::acting(place, by.as_deref()),
                permanent: *permanent,
            };
            teller.tell(r"App\Events\UserUnbannedEvent", unbanned)
        }
        Happening::Room(RoomHappening::Pinned {
            message,
            by,
            seconds,
        }) => {
            let pinned = PinnedMessage::new(site, place, message, by.as_deref(), *seconds);
            teller.tell(r"App\Events\PinnedMessageCreatedEvent", pinned)
        }
        Happening::Room(RoomHappening::News(news)) => teller.news(event, place, news),
    };
    Some(emit)
}

/// Writes events in which the room has a name.
#[derive(Clone, Copy)]
struct Teller<'a> {
    channel_name: Option<&'a str>,
}

impl Teller<'_> {
    fn message(self, message: &Message<'_>) -> Emit {
        let badges = message.sender.identity.badges.as_slice();
        // Beside the name only, as it is a copy for pages.
        let badges = self.channel_name.map(|_| badges);
        self.write(r"App\Events\ChatMessageEvent".into(), message, badges)
    }

    fn news(self, event: &Event, place: Place<'_>, news: &RoomNews) -> Emit {
        match news {
            RoomNews::Cleared => {
                let clear = ChatroomClear { id: event.uuid() };
                self.tell(r"App\Events\ChatroomClearEvent", clear)
            }
            RoomNews::Modes(modes) => {
                self.tell(r"App\Events\ChatroomUpdatedEvent", Modes::new(place, modes))
            }
            RoomNews::Poll(poll) => {
                let poll = Poll::told(poll, event.at);
                self.tell(r"App\Events\PollUpdateEvent", PollUpdate { poll })
            }
            RoomNews::PollGone => self.tell(r"App\Events\PollDeleteEvent", Empty {}),
            RoomNews::Unpinned => self.tell(r"App\Events\PinnedMessageDeletedEvent", Empty {}),
            RoomNews::Subscribed { username, months } => {
                let subscription = Subscription {
                    chatroom_id: place.chatroom_id(),
                    username,
                    months: *months,
                };
                self.tell(r"App\Events\SubscriptionEvent", subscription)
            }
            RoomNews::Livestream(stream) => {
                let livestream = Livestream::new(place, stream);
                self.tell(
                    r"App\Events\LivestreamUpdated",
                    LivestreamUpdated { livestream },
                )
            }
            RoomNews::Other { event, data } => {
                self.write(event.clone().into(), Foreign(data), None)
            }
        }
    }

    fn tell(self, name: &'static str, payload: impl Serialize) -> Emit {
        self.write(name.into(), payload, None)
    }

    fn write(
        self,
        name: Cow<'static, str>,
        payload: impl Serialize,
        badges: Option<&[Badge<'_>]>,
    ) -> Emit {
        let told = Told {
            payload,
            channel_name: self.channel_name,
            badges,
        };
        // What is told has string keys and no errors of its own.
        let args = serde_json::to_string(&told).unwrap_or_default();
        Emit { name, args }
    }
}

/// An event's payload with what is added for readers.
#[derive(Serialize)]
struct Told<'a, T: Serialize> {
    #[serde(flatten)]
    payload: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    badges: Option<&'a [Badge<'a>]>,
}

/// What an app tells in its own words, without the name that is ours to give.
struct Foreign<'a>(&'a Map<String, Value>);

impl Serialize for Foreign<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let own = self.0.iter().filter(|(key, _)| *key != "channel_name");
        serializer.collect_map(own)
    }
}
