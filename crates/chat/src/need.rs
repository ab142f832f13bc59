//! What a decision asks of the store, and what it is told.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    model::{
        ApiKey, App, AppId, ConversationId, ConversationKind, ConversationView, G, KeyId,
        MessageView, SessionId, Timestamp, User, UserId,
    },
    review::{Filter, Review},
    room::{Ban, RoomName},
    session::StoredSession,
};

/// Something that a decision must know before it can be taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// A user by the app's own id.
    User(AppId, String),
    /// A user by the outside id.
    UserByUuid(AppId, Uuid),
    /// The users whom others see under a name, which is folded; so many at most.
    UsersCalled(AppId, String),
    /// The highest numbers that were given in an app.
    Numbers(AppId),
    /// A room by one of its numbers.
    Room(AppId, RoomName),
    /// Who may not write in a room, or might not: whether a user is banned.
    Ban(ConversationId, UserId),
    /// Who wrote in a room since a time, and when last.
    WroteSince(ConversationId, Timestamp),
    /// Which answer a user chose in a room's poll.
    Vote(ConversationId, UserId),
    /// What has ended in rooms by a time, so many at most.
    Due(Timestamp, u32),
    /// A conversation by what makes it unique.
    ConversationByKey(AppId, ConversationKind, String),
    /// A conversation by its outside id.
    ConversationByUuid(AppId, Uuid),
    /// A message by its outside id.
    Message(AppId, Uuid),
    /// The message that this sender made here under this client id.
    Sent(ConversationId, UserId, String),
    /// Up to which sequence number a member has read.
    ReadUpTo(ConversationId, UserId),
    /// The newest message in a conversation that somebody else than this user wrote, of those that
    /// the user has not read.
    NewestOfOthers(ConversationId, UserId),
    /// Whom a user blocks.
    Blocks(UserId),
    /// Up to where what a user missed was handed out.
    CollectedUpTo(UserId),
    /// The conversations to which a user belongs.
    ConversationsOf(UserId),
    /// For each group that a user owns and to which others belong, who of them has belonged to it
    /// longest; for each room that a user owns, who has of its moderators, if it has any.
    HeirsOf(UserId),
    /// How many entries are in the logs of all conversations in which a user is or was, behind where
    /// [`Change::WrittenErased`] has got to.
    Unsearched(UserId),
    /// An app by name.
    AppByName(String),
    /// A key by id.
    Key(KeyId),
    /// A session by id.
    Session(SessionId),
    /// Sessions last seen before a time, the longest forgotten first, so many at most.
    SessionsSeenBefore(Timestamp, u32),
    /// A deleted conversation of which something is left to erase.
    Leftover,
    /// The filters of an app.
    Filters(AppId),
    /// What waits to be looked at under an id.
    Review(AppId, Uuid),
    /// The same of a message that was reported, by its outside id.
    ReviewOf(AppId, Uuid),
    /// Whether a message of this sender waits here under this client id.
    HeldAs(ConversationId, UserId, String),
    /// How much of an app waits to be looked at.
    OpenReviews(AppId),
}

/// What [`Store::load`] found. The variant is that of the [`Need`].
#[derive(Clone, Debug)]
pub enum Found {
    /// For both ways of naming a user. Deleted ones are not found.
    User(Option<Arc<User>>),
    /// For both ways of naming a conversation. Deleted ones are not found.
    Conversation(Option<ConversationView>),
    /// For [`Need::Message`], with its conversation. Deleted ones are not found.
    Message(Option<(Arc<MessageView>, ConversationView)>),
    /// For [`Need::Sent`].
    Sent(Option<Arc<MessageView>>),
    /// For [`Need::ReadUpTo`]; 0 when nothing is read.
    ReadUpTo(u64),
    /// For [`Need::NewestOfOthers`].
    Newest(Option<Newest>),
    /// For [`Need::UsersCalled`], oldest first.
    People(Vec<Arc<User>>),
    /// For [`Need::Numbers`].
    Numbers(Numbers),
    /// For [`Need::Ban`]; also of one that has ended.
    Ban(Option<Ban>),
    /// For [`Need::WroteSince`].
    Wrote(Vec<(UserId, Timestamp)>),
    /// For [`Need::Vote`].
    Vote(Option<u32>),
    /// For [`Need::Due`].
    Due(Due),
    /// For [`Need::Blocks`].
    Users(Vec<UserId>),
    /// For [`Need::CollectedUpTo`]; 0 when nothing was.
    CollectedUpTo(G),
    /// For [`Need::ConversationsOf`].
    Conversations(Vec<ConversationId>),
    /// For [`Need::HeirsOf`].
    Heirs(Vec<(ConversationId, UserId)>),
    /// For [`Need::Unsearched`].
    Unsearched(u64),
    /// For [`Need::AppByName`].
    App(Option<Arc<App>>),
    /// For [`Need::Key`].
    Key(Option<Arc<ApiKey>>),
    /// For [`Need::Session`].
    Session(Option<Arc<StoredSession>>),
    /// For [`Need::SessionsSeenBefore`].
    Sessions(Vec<SessionId>),
    /// For [`Need::Leftover`].
    Leftover(Option<ConversationId>),
    /// For [`Need::Filters`], oldest first.
    Filters(Vec<Arc<Filter>>),
    /// For both ways of naming it, with its conversation.
    Review(Option<(Arc<Review>, ConversationView)>),
    /// For [`Need::HeldAs`].
    HeldAs(bool),
    /// For [`Need::OpenReviews`].
    OpenReviews(u64),
}

/// The highest numbers given in an app. They never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Of users.
    pub user: i64,
    /// Of rooms and live streams.
    pub room: i64,
}

/// What has ended in rooms.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// Rooms in which a pin or a poll is to change.
    pub rooms: Vec<ConversationView>,
    /// Bans that are over, with their rooms and whom they were for.
    pub bans: Vec<(Ban, Arc<User>, ConversationView)>,
}

/// What names a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its number in the conversation.
    pub seq: u64,
    /// Its outside id.
    pub uuid: Uuid,
}
