//! The nouns of the domain, as values. No behaviour beyond what a value can say about itself.
//!
//! Integers are the ids inside; UUIDs (version 7, in creation order) are the ids outside.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::room::{Badge, Room, RoomNumbers, folded};

/// The number of a lasting change on this node, in commit order. Starts at 1; never reused.
pub type G = u64;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub i64);
    };
}
id!(/// An app: one tenant. Nothing crosses between apps.
    AppId);
id!(/// A user of one app.
    UserId);
id!(/// A conversation of one app.
    ConversationId);
id!(/// A Socket.IO session: what survives the loss of a transport.
    SessionId);
id!(/// An API key of an app.
    KeyId);

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

/// Whether ids in payloads are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// The id that a client states is the user. For demos and trusted networks.
    Open,
    /// A signed token must say who acts.
    Verified,
}

/// One tenant and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Inside id.
    pub id: AppId,
    /// Outside id.
    pub uuid: Uuid,
    /// For people; unique on a server.
    pub name: String,
    /// Whether ids in payloads are believed.
    pub identity: Identity,
    /// Clients that name no app belong to the default one; at most one app is it.
    pub is_default: bool,
    /// Longest message text, in UTF-8 bytes.
    pub max_text_bytes: u32,
    /// Shared secret for HS256/384/512 tokens. Never logged.
    pub secret: Secret,
    /// Public keys for RS256, ES256 and `EdDSA` tokens: PEM text or a JWK set. Empty when none.
    pub public_keys: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Text that must not appear in logs: its `Debug` is always `Secret(..)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What an API key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// What a page in a browser may carry.
    Client,
    /// Administration of the app.
    Server,
}

/// An API key as stored: only its SHA-256 is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Inside id.
    pub id: KeyId,
    /// Whose.
    pub app: AppId,
    /// What it opens.
    pub scope: Scope,
    /// SHA-256 of the key's text.
    pub hash: [u8; 32],
    /// The first characters, so that people can tell keys apart.
    pub prefix: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stopped working, if it did.
    pub revoked_at: Option<Timestamp>,
}

/// The id under which an app knows its user. Compared as text, shown in the JSON type of first sight.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExternalId {
    /// The id as text.
    pub text: String,
    /// True if it first came as a JSON number.
    pub number: bool,
}

impl ExternalId {
    /// An id that came as a JSON string.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            number: false,
        }
    }
}

impl PartialEq for ExternalId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for ExternalId {}
impl std::hash::Hash for ExternalId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// A person (or bot) of one app, as of some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Inside id.
    pub id: UserId,
    /// Whose.
    pub app: AppId,
    /// Outside id.
    pub uuid: Uuid,
    /// The app's own id for this user.
    pub external: ExternalId,
    /// Counts up in the app, from 1: for dialects whose ids are numbers.
    pub number: i64,
    /// What the app says about the user.
    pub profile: Profile,
    /// When the user was first mentioned.
    pub created_at: Timestamp,
    /// When the profile last changed, if it did.
    pub updated_at: Option<Timestamp>,
    /// When the user was last seen to go offline; until then, when the user was made.
    pub last_active: Timestamp,
}

impl User {
    /// What to call the user: the name, else the app's own id.
    pub fn name(&self) -> &str {
        self.profile.name.as_deref().unwrap_or(&self.external.text)
    }

    /// Whether others see the user under this name, which is [`folded`].
    pub fn is_called(&self, name: &str) -> bool {
        folded(self.name()) == name
    }
}

/// What an app says about a user, beside the id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// For people.
    pub name: Option<String>,
    /// Picture.
    pub avatar: Option<Picture>,
    /// Of the app's own use.
    pub metadata: Option<Metadata>,
}

/// A JSON object of the app's own use: kept and given back, never read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(pub Map<String, Value>);

impl Metadata {
    /// Bytes that it holds in memory, roughly: those of its JSON text.
    pub fn weight(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.len())
    }

    /// Takes in the keys of `patch`; those that are `null` there are removed. Objects within are
    /// replaced as a whole.
    pub fn merge(&mut self, patch: &Self) {
        for (key, value) in &patch.0 {
            if value.is_null() {
                self.0.remove(key);
            } else {
                self.0.insert(key.clone(), value.clone());
            }
        }
    }
}

/// A picture of a user or conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Picture {
    /// Somewhere else, by its URL.
    Url(String),
    /// In the media store.
    Media(Media),
}

/// A file in the media store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Its unguessable name in the store, with the extension of its type.
    pub name: String,
    /// What it is, decided by its content.
    pub kind: MediaKind,
    /// Its MIME type, decided by its content.
    pub mime: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What its sender called it.
    pub title: Option<String>,
    /// A small picture of it, where it is a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<Box<Media>>,
}

/// What pages do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Show it as a picture.
    Image,
    /// Show it as a moving picture.
    Gif,
    /// Play it.
    Video,
    /// Offer it for download.
    File,
}

/// The four kinds of conversation that the core knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConversationKind {
    /// Two people; unique for the pair.
    Direct,
    /// Any number of members; no key.
    Group,
    /// Unique for product, vendor and customer.
    Product,
    /// A live stream's chatroom; unique by slug.
    Room,
}

impl ConversationKind {
    /// Whether its people are what makes it: two of them, always the same.
    pub fn is_of_two(self) -> bool {
        match self {
            Self::Direct | Self::Product => true,
            Self::Group | Self::Room => false,
        }
    }
}

/// What never changes about a conversation, shared by everything that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Inside id.
    pub id: ConversationId,
    /// Whose.
    pub app: AppId,
    /// Outside id.
    pub uuid: Uuid,
    /// Which of the four.
    pub kind: ConversationKind,
    /// What makes it unique in its app and kind; see [`pair_key`].
    pub key: Option<String>,
    /// Of a room.
    pub numbers: Option<RoomNumbers>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The key of the direct conversation of two users, the same from either side.
pub fn pair_key(a: UserId, b: UserId) -> String {
    format!("{}:{}", a.0.min(b.0), a.0.max(b.0))
}

/// The key of the conversation of a vendor and a customer about a product.
pub fn product_key(product: &str, vendor: UserId, customer: UserId) -> String {
    format!("{}:{}:{product}", vendor.0, customer.0)
}

/// What a conversation is called, and what the app keeps with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// For people; a direct conversation has none.
    pub title: Option<String>,
    /// Picture.
    pub avatar: Option<Picture>,
    /// Of the app's own use.
    pub metadata: Option<Metadata>,
    /// What a product conversation is about.
    pub product: Option<Box<Product>>,
    /// What changes about a room.
    pub room: Option<Arc<Room>>,
}

/// What a vendor and a customer talk about, in the words of the shop's page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Product {
    /// The shop's own id of it.
    pub id: String,
    /// What it is called.
    pub name: Option<String>,
    /// What it costs, as it is to be shown.
    pub price: Option<String>,
    /// A picture of it.
    pub image_url: Option<String>,
    /// What the vendor's store is called.
    pub store_name: Option<String>,
    /// A picture of the store.
    pub store_logo_url: Option<String>,
    /// What the customer is called.
    pub customer_name: Option<String>,
    /// A picture of the customer.
    pub customer_picture: Option<String>,
}

impl Product {
    /// Bytes of text in it.
    pub fn weight(&self) -> usize {
        let rest = [
            &self.name,
            &self.price,
            &self.image_url,
            &self.store_name,
            &self.store_logo_url,
            &self.customer_name,
            &self.customer_picture,
        ];
        self.id.len() + rest.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

/// What a member may do beyond reading and writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Made the conversation: may remove others and delete it.
    Owner,
    /// In a room: decides what may stand there, and who may write.
    Moderator,
    /// Reads and writes.
    Member,
}

/// Somebody who belongs to a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: Arc<User>,
    /// As what.
    pub role: MemberRole,
}

/// Who belongs to a conversation, in the order of joining; the two people of a direct one in the
/// order of [`pair_key`], vendor and customer in that order.
pub type Members = Arc<[Member]>;

/// The same members, one of them as something else.
pub fn with_role(members: &Members, user: UserId, role: MemberRole) -> Members {
    let changed = |member: &Member| Member {
        user: Arc::clone(&member.user),
        role: if member.user.id == user {
            role
        } else {
            member.role
        },
    };
    members.iter().map(changed).collect()
}

/// A conversation with what changes about it, as of some G.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationView {
    /// What never changes.
    pub conversation: Arc<Conversation>,
    /// What it is called.
    pub details: Arc<Details>,
    /// Who belongs to it.
    pub members: Members,
    /// Sequence number of the newest log entry; 0 when there is none.
    pub last_seq: u64,
    /// G of the newest log entry; 0 when there is none.
    pub last_g: G,
    /// Messages in it, without deleted ones.
    pub messages: u64,
    /// When something last changed.
    pub updated_at: Timestamp,
    /// When the newest message was sent.
    pub last_message_at: Option<Timestamp>,
}

impl ConversationView {
    /// What changes about a room; nothing where it is none.
    pub fn room(&self) -> Option<&Arc<Room>> {
        self.details.room.as_ref()
    }

    /// Whether a message stands in its history: a room's may have been cleared since.
    pub fn shows(&self, message: &MessageView) -> bool {
        self.room()
            .is_none_or(|room| message.message.g > room.cleared_g)
    }

    /// The membership of a user.
    pub fn member(&self, user: UserId) -> Option<&Member> {
        self.members.iter().find(|member| member.user.id == user)
    }

    /// The other one of two people.
    pub fn other(&self, user: UserId) -> Option<&Arc<User>> {
        let is_of_two = self.conversation.kind.is_of_two();
        let mut others = self.members.iter().map(|member| &member.user);
        others.find(|other| is_of_two && other.id != user)
    }

    /// Whether a user belongs to it.
    pub fn has(&self, user: UserId) -> bool {
        self.member(user).is_some()
    }
}

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// As it came; empty only beside a file.
    pub text: String,
    /// Files.
    pub media: Vec<Media>,
    /// Of the app's own use.
    pub metadata: Option<Metadata>,
    /// The outside id of the message that it answers, in the same conversation.
    pub reply_to: Option<Uuid>,
}

impl Body {
    /// Only text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }
}

/// A message as stored: its row is its own entry in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number on the node.
    pub g: G,
    /// Where it stands.
    pub conversation: ConversationId,
    /// Its number in the conversation.
    pub seq: u64,
    /// Outside id.
    pub uuid: Uuid,
    /// Who wrote it.
    pub sender: UserId,
    /// What it says.
    pub body: Body,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it was last edited, if it was.
    pub edited_at: Option<Timestamp>,
    /// Whether the other one was there to read it when it was written; only product conversations
    /// keep that.
    pub recipient_online: Option<bool>,
    /// The session that sent it, if a session did: so that live and replayed streams leave out the same.
    pub origin: Option<SessionId>,
    /// The id under which its client may send it again without making a second message.
    pub client_id: Option<String>,
    /// What stood beside its sender's name in a room.
    pub badges: Vec<Badge>,
}

/// A message together with what showing it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// Where it stands.
    pub conversation: Arc<Conversation>,
    /// Who wrote it.
    pub sender: Arc<User>,
    /// The message.
    pub message: Message,
    /// Whether somebody else has read it, as of the moment of looking.
    pub seen: bool,
    /// The message that it answers, while that is there.
    pub quoted: Option<Arc<Quote>>,
}

/// A message as it stands in an answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Its outside id.
    pub message: Uuid,
    /// Who wrote it.
    pub sender: Arc<User>,
    /// What it says.
    pub text: String,
}
