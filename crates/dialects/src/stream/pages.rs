//! What `stream` shows over HTTP only: channels, chatrooms and pages of history. `objects` are what
//! they are made of.

use std::borrow::Cow;

use chat::{ConversationView, MessageView, query::RoomView};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::objects::{
    Empty, Livestream, Message, MessageKind, Modes, Person, PinnedMessage, Place, Sender,
};
use crate::{
    Site,
    timestamp::{Micros, Plain, Seconds},
};

/// Who broadcasts, and where people talk about it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::Channel)]
#[expect(clippy::struct_excessive_bools, reason = "what clients look for")]
pub struct Channel<'a> {
    /// Its number.
    pub id: i64,
    /// Of its owner; 0 once that user is deleted.
    pub user_id: i64,
    /// Its name in addresses.
    pub slug: &'a str,
    /// Always false.
    pub is_banned: bool,
    /// Always `null`: video is not served here.
    pub playback_url: (),
    /// Always false.
    pub vod_enabled: bool,
    /// Always true.
    pub subscription_enabled: bool,
    /// Always false.
    pub is_affiliate: bool,
    /// Always 0: who follows is known to the app.
    pub followers_count: u32,
    /// Always empty.
    pub subscriber_badges: [Empty; 0],
    /// Always `null`.
    pub banner_image: (),
    /// The live stream; `null` when there is none.
    pub livestream: Option<Livestream<'a>>,
    /// Always `null`.
    pub role: (),
    /// Always false.
    pub muted: bool,
    /// Always empty.
    pub follower_badges: [Empty; 0],
    /// Always `null`.
    pub offline_banner_image: (),
    /// Always false.
    pub verified: bool,
    /// What the newest live stream was about.
    #[schema(value_type = Vec<Object>)]
    pub recent_categories: &'a [Map<String, Value>],
    /// Always false.
    pub can_host: bool,
    /// Who owns it.
    pub user: ChannelUser<'a>,
    /// Where people talk about it.
    pub chatroom: ChannelChatroom,
    /// What it is called.
    pub title: Option<&'a str>,
    /// The chatroom as a chat of `minchat`.
    pub chat_id: Uuid,
}

impl<'a> Channel<'a> {
    /// A room's channel.
    pub fn new(site: &Site, view: &'a ConversationView) -> Self {
        let place = Place::of_view(view);
        let stream = view.room().and_then(|room| room.livestream.as_ref());
        let live = stream.filter(|stream| stream.is_live);
        let user = ChannelUser::owning(site, place);
        Self {
            id: place.channel_id(),
            user_id: user.id,
            slug: place.slug(),
            is_banned: false,
            playback_url: (),
            vod_enabled: false,
            subscription_enabled: true,
            is_affiliate: false,
            followers_count: 0,
            subscriber_badges: [],
            banner_image: (),
            livestream: live.map(|stream| Livestream::new(place, stream)),
            role: (),
            muted: false,
            follower_badges: [],
            offline_banner_image: (),
            verified: false,
            recent_categories: stream.map_or(&[], |stream| &stream.categories),
            can_host: false,
            user,
            chatroom: ChannelChatroom::new(view),
            title: view.details.title.as_deref(),
            chat_id: view.conversation.uuid,
        }
    }
}

/// Who owns a channel.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::ChannelUser)]
pub struct ChannelUser<'a> {
    /// Counts up in the app; 0 once that user is deleted.
    pub id: i64,
    /// Under which name others see the user.
    pub username: &'a str,
    /// Always empty; so are all that follow but the picture.
    pub bio: &'static str,
    /// A picture.
    pub profile_pic: Option<Cow<'a, str>>,
    /// Empty.
    pub instagram: &'static str,
    /// Empty.
    pub twitter: &'static str,
    /// Empty.
    pub youtube: &'static str,
    /// Empty.
    pub discord: &'static str,
    /// Empty.
    pub tiktok: &'static str,
    /// Empty.
    pub facebook: &'static str,
}

impl<'a> ChannelUser<'a> {
    fn owning(site: &Site, place: Place<'a>) -> Self {
        let person = Person::acting(place, None);
        let avatar = place.owner().and_then(|user| user.profile.avatar.as_ref());
        Self {
            id: person.id,
            username: person.username,
            bio: "",
            profile_pic: avatar.map(|avatar| site.picture_url(avatar)),
            instagram: "",
            twitter: "",
            youtube: "",
            discord: "",
            tiktok: "",
            facebook: "",
        }
    }
}

/// A chatroom as it stands in its channel.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::ChannelChatroom)]
#[expect(clippy::struct_excessive_bools, reason = "what clients look for")]
pub struct ChannelChatroom {
    /// The number under which readers subscribe.
    pub id: i64,
    /// What it belongs to: always a channel.
    pub chatable_type: &'static str,
    /// The number of its channel.
    pub channel_id: i64,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Micros,
    /// When something in it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Micros,
    /// Always `public`.
    pub chat_mode_old: &'static str,
    /// Always `public`.
    pub chat_mode: &'static str,
    /// Each writes once in a while.
    pub slow_mode: bool,
    /// The number of its channel.
    pub chatable_id: i64,
    /// Only who follows.
    pub followers_mode: bool,
    /// Only who subscribes.
    pub subscribers_mode: bool,
    /// Only emotes.
    pub emotes_mode: bool,
    /// The while of the slow mode, in seconds.
    pub message_interval: u32,
    /// For how long one must have followed, in minutes.
    pub following_min_duration: u32,
}

impl ChannelChatroom {
    fn new(view: &ConversationView) -> Self {
        let place = Place::of_view(view);
        let modes = view.room().map(|room| room.modes).unwrap_or_default();
        Self {
            id: place.chatroom_id(),
            chatable_type: r"App\Models\Channel",
            channel_id: place.channel_id(),
            created_at: Micros(view.conversation.created_at),
            updated_at: Micros(view.updated_at),
            chat_mode_old: "public",
            chat_mode: "public",
            slow_mode: modes.slow.enabled,
            chatable_id: place.channel_id(),
            followers_mode: modes.followers.enabled,
            subscribers_mode: modes.subscribers,
            emotes_mode: modes.emotes,
            message_interval: modes.slow.amount,
            following_min_duration: modes.followers.amount,
        }
    }
}

/// What a room allows, and what is pinned there.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::Chatroom)]
pub struct Chatroom<'a> {
    /// What it allows.
    #[serde(flatten)]
    pub modes: Modes,
    /// The message that is shown above all others.
    pub pinned_message: Option<Pinned<'a>>,
}

impl<'a> Chatroom<'a> {
    /// As it is.
    pub fn new(site: &Site, room: &'a RoomView) -> Self {
        let modes = room.conversation.room().map(|room| room.modes);
        let place = Place::of_view(&room.conversation);
        Self {
            modes: Modes::new(place, &modes.unwrap_or_default()),
            pinned_message: Pinned::of(site, room),
        }
    }
}

/// The message that is shown above all others, and until when.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::Pinned)]
pub struct Pinned<'a> {
    /// Which.
    pub message: Message<'a>,
    /// For how many seconds.
    pub duration: u32,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub finish_at: Seconds,
    /// Who decided that.
    pub pinned_by: Sender<'a>,
}

impl<'a> Pinned<'a> {
    fn of(site: &Site, room: &'a RoomView) -> Option<Self> {
        let (message, by) = room.pinned.as_ref()?;
        let pin = room.conversation.room()?.pin.as_ref()?;
        let place = Place::of_view(&room.conversation);
        let shown = PinnedMessage::new(site, place, message, by.as_deref(), pin.seconds);
        Some(Self {
            message: shown.message,
            duration: pin.seconds,
            finish_at: Seconds(pin.until),
            pinned_by: shown.pinned_by,
        })
    }
}

/// Messages that were written, the newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::History)]
pub struct History<'a> {
    /// They.
    pub messages: Vec<HistoryMessage<'a>>,
    /// Of the page of older ones; `null` where there is none.
    pub cursor: Option<String>,
    /// The message that is shown above all others; only on the newest page.
    pub pinned_message: Option<Pinned<'a>>,
}

impl<'a> History<'a> {
    /// A page of `messages`, which come oldest first.
    pub fn new(
        site: &Site,
        messages: &'a [MessageView],
        cursor: Option<String>,
        pinned: Option<&'a RoomView>,
    ) -> Self {
        let newest_first = messages.iter().rev();
        Self {
            messages: newest_first
                .map(|view| HistoryMessage::new(site, view))
                .collect(),
            cursor,
            pinned_message: pinned.and_then(|room| Pinned::of(site, room)),
        }
    }
}

/// What somebody wrote, as it stands in the history.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::HistoryMessage)]
pub struct HistoryMessage<'a> {
    /// Ours: opaque, sorts by age.
    pub id: Uuid,
    /// The number of its chatroom.
    pub chat_id: i64,
    /// Who wrote it.
    pub user_id: i64,
    /// As it came; of a file without a text, where it is found.
    pub content: Cow<'a, str>,
    /// Whether it answers another.
    #[serde(rename = "type")]
    pub kind: MessageKind,
    /// What is kept with it, as JSON text.
    pub metadata: Option<String>,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Seconds,
    /// Who wrote it.
    pub sender: Sender<'a>,
    /// The message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_parent_id: Option<Uuid>,
}

impl<'a> HistoryMessage<'a> {
    /// As everybody sees it.
    pub fn new(site: &Site, view: &'a MessageView) -> Self {
        let message = Message::new(site, view);
        // It has string keys and no errors of its own.
        let metadata = message.metadata.as_ref();
        let metadata = metadata.and_then(|metadata| serde_json::to_string(metadata).ok());
        Self {
            id: message.id,
            chat_id: message.chatroom_id,
            user_id: message.sender.id,
            content: message.content,
            kind: message.kind,
            metadata,
            created_at: message.created_at,
            sender: message.sender,
            thread_parent_id: message.thread_parent_id,
        }
    }
}

/// The live stream of a channel, as a page about it alone shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = stream::CurrentLivestream)]
pub struct CurrentLivestream<'a> {
    /// Another one each time that the channel goes live.
    pub id: i64,
    /// Its name in addresses.
    pub slug: String,
    /// What it is called.
    pub session_title: &'a str,
    /// When it began.
    #[schema(value_type = String)]
    pub created_at: Plain,
    /// In English.
    pub language: &'a str,
    /// Not for everybody.
    pub is_mature: bool,
    /// How many watch.
    pub viewers: u32,
    /// The first of its categories, as the channel gave it.
    #[schema(value_type = Option<Object>)]
    pub category: Option<&'a Map<String, Value>>,
    /// Always `null`: video is not served here.
    pub playback_url: (),
    /// A picture.
    pub thumbnail: Option<Picture<'a>>,
}

impl<'a> CurrentLivestream<'a> {
    /// The live stream, if there is one.
    pub fn of(view: &'a ConversationView) -> Option<Self> {
        let stream = view.room()?.livestream.as_ref();
        let stream = stream.filter(|stream| stream.is_live)?;
        let shown = Livestream::new(Place::of_view(view), stream);
        Some(Self {
            id: shown.id,
            slug: shown.slug,
            session_title: shown.session_title,
            created_at: shown.created_at,
            language: shown.language,
            is_mature: shown.is_mature,
            viewers: shown.viewer_count,
            category: shown.categories.first(),
            playback_url: (),
            thumbnail: shown.thumbnail.map(|picture| Picture {
                src: picture.url,
                srcset: "",
            }),
        })
    }
}

/// A picture in sizes.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = stream::Picture)]
pub struct Picture<'a> {
    /// Where it is.
    pub src: &'a str,
    /// Always empty.
    pub srcset: &'static str,
}
