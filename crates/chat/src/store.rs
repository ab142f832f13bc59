//! The seam to what keeps things. Three kinds of verbs: `load` for decisions, `commit` as the only
//! write, and named reads. One conformance suite holds every engine to this page.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    actor::{Proof, SessionSeed},
    event::{Event, Topic},
    model::{
        ApiKey, App, AppId, Conversation, ConversationId, ConversationKind, ConversationView,
        Details, G, KeyId, Media, Member, MemberRole, MessageView, SessionId, Timestamp, User,
        UserId,
    },
    refusal::Fault,
    room::{Ban, Room, RoomName, RoomNote},
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

/// Where a change stands in the log of its conversation, beside messages, which are their own entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number on the node.
    pub g: G,
    /// Where.
    pub conversation: ConversationId,
    /// Its number there.
    pub seq: u64,
    /// Who caused it, if a user did.
    pub actor: Option<UserId>,
    /// The session that caused it, if one did.
    pub origin: Option<SessionId>,
    /// When.
    pub at: Timestamp,
}

/// One change within a batch. Those with an [`Entry`] move their conversation's `last_seq`, `last_g`
/// and `updated_at`; a message also moves `messages` and `last_message_at`.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new user.
    User(Arc<User>),
    /// A user has another profile.
    UserUpdated(Arc<User>),
    /// A user has gone offline.
    UserWentOffline(UserId, Timestamp),
    /// A member owns a conversation from now on.
    Inherited(ConversationId, UserId),
    /// A user is gone, with all messages and memberships. The app's own id and the outside id name
    /// nobody any longer.
    UserDeleted(UserId, Timestamp),
    /// So many more entries of the logs of all conversations in which a user is or was are looked
    /// through, at most and at least one, and the messages among them that are the user's are erased.
    /// [`Change::UserDeleted`] looks only behind them.
    WrittenErased(UserId, u32),
    /// A user takes no more messages from another.
    Blocked {
        /// Who.
        user: UserId,
        /// From whom.
        whom: UserId,
        /// When.
        at: Timestamp,
    },
    /// A user takes messages from another again.
    Unblocked {
        /// Who.
        user: UserId,
        /// From whom.
        whom: UserId,
    },
    /// What a user missed was handed out up to here.
    MissedCollected {
        /// Whose.
        user: UserId,
        /// Everything up to here.
        up_to: G,
    },
    /// A new conversation, with its details and members.
    Conversation(ConversationView),
    /// A conversation is called otherwise.
    ConversationUpdated {
        /// Where it stands in the log.
        entry: Entry,
        /// What it is called now.
        details: Arc<Details>,
    },
    /// A conversation is gone, with all that was in it: nothing of it is found any longer, by any
    /// name, and its key is free. Where much was in it, the rest of that is erased by
    /// [`Change::Erased`].
    ConversationDeleted(ConversationId, Timestamp),
    /// So many more rows of a deleted conversation are erased, at most. A file is there until the
    /// message is erased that refers to it.
    Erased(ConversationId, u32),
    /// Somebody belongs to a conversation now.
    MemberAdded {
        /// Where it stands in the log.
        entry: Entry,
        /// Who.
        member: Member,
    },
    /// Somebody does not belong to a conversation any longer, and listens to it no more, in any
    /// session.
    MemberRemoved {
        /// Where it stands in the log.
        entry: Entry,
        /// Who.
        user: UserId,
        /// Who owns it from now on, if the owner left.
        heir: Option<UserId>,
    },
    /// A member does not list a conversation until a message with a higher G is in it.
    ConversationHidden {
        /// Which.
        conversation: ConversationId,
        /// Whose list.
        user: UserId,
        /// Of the newest entry there.
        up_to: G,
    },
    /// A new message.
    Message(Arc<MessageView>),
    /// A message says something else.
    MessageEdited {
        /// Where it stands in the log.
        entry: Entry,
        /// As it is now.
        message: Arc<MessageView>,
    },
    /// A message is gone: what it said is erased. Lowers `messages`.
    MessageDeleted {
        /// Where it stands in the log.
        entry: Entry,
        /// As it was.
        message: Arc<MessageView>,
    },
    /// A member has read everything up to a message.
    Read {
        /// Where it stands in the log; its actor is the reader.
        entry: Entry,
        /// Who.
        reader: UserId,
        /// The outside id of the message, which may be gone by now.
        message: Uuid,
        /// Its number in the conversation.
        seq: u64,
    },
    /// A member has nothing new to read up to here: what is new is looked for behind it. Nobody is
    /// told.
    ReadThrough {
        /// Where.
        conversation: ConversationId,
        /// Who.
        reader: UserId,
        /// A number in the conversation.
        seq: u64,
    },
    /// The state of a room has changed. Nobody is told by this alone.
    RoomUpdated {
        /// Which.
        conversation: ConversationId,
        /// As it is now.
        room: Arc<Room>,
    },
    /// Something happened in a room.
    RoomNoted {
        /// Where it stands in the log.
        entry: Entry,
        /// What.
        note: RoomNote,
    },
    /// Somebody may not write in a room; in place of an earlier ban.
    Banned(Ban),
    /// Somebody may write in a room again.
    Unbanned(ConversationId, UserId),
    /// A user has chosen an answer in a room's poll.
    Voted {
        /// Where.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// Which.
        option: u32,
    },
    /// The votes in a room are forgotten.
    VotesForgotten(ConversationId),
    /// A member is something else in a conversation now. Nobody is told.
    RoleChanged(ConversationId, UserId, MemberRole),
    /// A number for a live stream was given.
    NumberGiven(AppId, i64),
    /// A session gets what it listens to; stores the session if it is not stored yet. Doing it
    /// again for the same session, topic, dialect and user keeps the first `since`, and its right to
    /// listen hangs on the new proof; the new spelling counts, whoever it is from. The session was seen.
    Subscription {
        /// The session.
        session: Arc<SessionSeed>,
        /// The user as whom it listens, if that is known.
        user: Option<UserId>,
        /// What its right to listen hangs on.
        proof: Proof,
        /// To what.
        topic: Topic,
        /// Through which dialect, by its name.
        dialect: &'static str,
        /// What the session calls it, where it says so.
        spelling: Option<Arc<str>>,
        /// Its own G.
        since: G,
        /// When.
        at: Timestamp,
    },
    /// A session listens to a topic no longer; nothing happens if it did not.
    Unsubscription {
        /// Which session.
        session: SessionId,
        /// To what.
        topic: Topic,
        /// Through which dialect, by its name.
        dialect: &'static str,
    },
    /// A new session with everything that it listens to from the start.
    SessionBegun(Arc<StoredSession>),
    /// Sessions were live at this time, or later if that is known already. Those that are not
    /// stored are passed over.
    SessionsSeen {
        /// Which.
        sessions: Vec<SessionId>,
        /// When.
        at: Timestamp,
    },
    /// A session and all its subscriptions are forgotten; nothing happens if it is not stored.
    SessionEnded(SessionId),
    /// A new app. If it is the default, no other is any longer.
    App(Arc<App>),
    /// A new key.
    Key(Arc<ApiKey>),
    /// A key stops working.
    KeyRevoked(KeyId, Timestamp),
}

impl Change {
    /// Whether it changes more than the writer's cache can follow.
    pub fn is_sweeping(&self) -> bool {
        matches!(
            self,
            Self::UserDeleted(..) | Self::WrittenErased(..) | Self::ConversationDeleted(..)
        )
    }
}

/// What one commit writes, all or nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In the order in which they were decided.
    pub changes: Vec<Change>,
    /// The highest G given so far; stored with the batch, so that no G is given twice.
    pub last_g: G,
}

/// Why a commit did not happen.
#[derive(Debug)]
pub enum CommitError {
    /// Nothing of the batch is stored, and nothing will be.
    RolledBack(Fault),
    /// The store cannot say, not even after reopening, whether the batch is stored.
    Unknown(Fault),
}

/// Where the counters stand; read once at start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The highest G ever committed.
    pub last_g: G,
    /// The highest ids given.
    pub last_app: i64,
    /// See `last_app`.
    pub last_user: i64,
    /// See `last_app`.
    pub last_conversation: i64,
    /// See `last_app`.
    pub last_key: i64,
    /// The highest outside id stored, so that ids keep sorting in creation order when a clock went back.
    pub last_uuid: Uuid,
}

/// One start of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Random; names the boot in every offset.
    pub epoch: u32,
    /// The first G that this boot may give.
    pub first_g: G,
}

/// Which conversation a reader asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationName {
    /// By its outside id.
    Uuid(Uuid),
    /// By its inside id.
    Id(ConversationId),
    /// By what makes it unique in its kind.
    Key(ConversationKind, String),
    /// A room.
    Room(RoomName),
}

/// A part of a history, counted back from the newest message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many of the newest to pass over.
    pub offset: u64,
    /// How many to return at most.
    pub limit: u32,
    /// Bytes of text and metadata in them, roughly; the newest one is returned whatever it has.
    pub bytes: usize,
}

/// Which user a reader asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName {
    /// By the app's own id.
    External(String),
    /// By the outside id.
    Uuid(Uuid),
    /// By the inside id.
    Id(UserId),
}

/// A conversation as it stands in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationSummary {
    /// The conversation.
    pub conversation: ConversationView,
    /// The newest messages in it, oldest first.
    pub messages: Vec<MessageView>,
}

/// A part of somebody's list of conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListPage {
    /// Only those of a kind.
    pub kind: Option<ConversationKind>,
    /// How many of the newest to pass over.
    pub offset: u64,
    /// How many to return at most.
    pub limit: u32,
    /// What to return of each; the bytes are those of all together.
    pub messages: Page,
}

/// Keeps everything that lasts. `load` and `commit` are called by one thread at a time (the
/// writer); reads by any number. All calls block, so async code calls them off its threads.
pub trait Store: Send + Sync {
    /// Notes a new start of the server and tells all starts so far, oldest first, this one last.
    fn boot(&self, epoch: u32) -> Result<Vec<Boot>, Fault>;
    /// Where the counters stand.
    fn counters(&self) -> Result<Counters, Fault>;
    /// Answers a need from committed state.
    fn load(&self, need: &Need) -> Result<Found, Fault>;
    /// Writes a batch: when this returns `Ok`, all of it is on disk.
    fn commit(&self, batch: &Batch) -> Result<(), CommitError>;

    /// All apps, oldest first.
    fn apps(&self) -> Result<Vec<App>, Fault>;
    /// The key whose text has this SHA-256, revoked or not.
    fn key(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, Fault>;
    /// All keys of an app, oldest first.
    fn keys(&self, app: AppId) -> Result<Vec<ApiKey>, Fault>;
    /// A conversation, if it is there.
    fn conversation(
        &self,
        app: AppId,
        name: &ConversationName,
    ) -> Result<Option<ConversationView>, Fault>;
    /// The conversations of a user in which something was said and that are not hidden, the one with
    /// the newest message first; and how many there are in all.
    fn conversations(
        &self,
        user: UserId,
        page: &ListPage,
    ) -> Result<(Vec<ConversationSummary>, u64), Fault>;
    /// A page of the messages with `g <= at`, oldest first. Not those that a room's history does
    /// not have any longer.
    fn history(
        &self,
        conversation: &Arc<Conversation>,
        at: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault>;
    /// The newest messages with `after < g <= up_to` that others wrote to a user who was not there,
    /// oldest first; a page of them.
    fn missed(
        &self,
        user: UserId,
        after: G,
        up_to: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault>;
    /// The other people in the conversations of a kind to which a user belongs, those with the newest
    /// message first, so many at most.
    fn contacts(
        &self,
        user: UserId,
        kind: ConversationKind,
        limit: u32,
    ) -> Result<Vec<UserId>, Fault>;
    /// Whom a user blocks, the latest last.
    fn blocks(&self, user: UserId) -> Result<Vec<Arc<User>>, Fault>;
    /// Which answer a user chose in a room's poll.
    fn vote(&self, room: ConversationId, user: UserId) -> Result<Option<u32>, Fault>;
    /// A message, if it is there.
    fn message(&self, app: AppId, uuid: Uuid) -> Result<Option<MessageView>, Fault>;
    /// A user, if there.
    fn user(&self, app: AppId, name: &UserName) -> Result<Option<Arc<User>>, Fault>;
    /// Those of the users who are there, in any order, by one read.
    fn users(&self, ids: &[UserId]) -> Result<Vec<Arc<User>>, Fault>;
    /// A file in the media store, if something refers to it.
    fn media(&self, name: &str) -> Result<Option<Media>, Fault>;
    /// Those of the sessions whose recovery ids have these SHA-256 that have not ended, in any order,
    /// by one read; with the subscriptions that still stand: not those of a user or a conversation that
    /// is gone, or of a user who does not belong to the conversation any longer. They may be older than
    /// anybody should remember: the caller looks at `seen_at`, and at each `proof`.
    fn sessions(&self, pid_hashes: &[[u8; 32]]) -> Result<Vec<StoredSession>, Fault>;
    /// What happened at a place with `after < g <= up_to`, up to `limit` of it, in the order of G:
    /// the same events as were shown there when they happened. For a person, what happened in all
    /// their conversations, in each from where they see it. Fewer than `limit` means that there is
    /// no more. What is newer than the newest commit at the time of the call is not there yet.
    fn log(&self, place: Topic, after: G, up_to: G, limit: u32) -> Result<Vec<Arc<Event>>, Fault>;
    /// Whether a read and the writer's connection answer: for readiness checks.
    fn check(&self) -> Result<(), Fault>;
    /// Copies a consistent state into `folder`, which must be empty or new, while work goes on.
    fn backup(&self, folder: &std::path::Path) -> Result<(), Fault>;
}
