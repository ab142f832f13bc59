//! Messages, as `stream` shows them.

use std::borrow::Cow;

use chat::{Event, MessageView, User, model::Metadata};
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Place, Sender, chatroom_id};
use crate::{Site, timestamp::Seconds};

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
    /// In an event that says so.
    pub fn new(event: &Event, message: Uuid) -> Self {
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
