//! The seam to what keeps things. Three kinds of verbs: `load` for decisions, `commit` as the only
//! write, and named reads. One conformance suite holds every engine to this page.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    actor::SessionSeed,
    event::{Event, Topic},
    model::{
        ApiKey, App, AppId, Conversation, ConversationId, ConversationKind, ConversationView, G,
        KeyId, MessageView, SessionId, Timestamp, User, UserId,
    },
    refusal::Fault,
    session::StoredSession,
};

/// Something that a decision must know before it can be taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// A user by the app's own id.
    User(AppId, String),
    /// A conversation by what makes it unique.
    ConversationByKey(AppId, ConversationKind, String),
    /// A conversation by its outside id.
    ConversationByUuid(AppId, Uuid),
    /// The message that this sender made here under this client id.
    Sent(ConversationId, UserId, String),
    /// An app by name.
    AppByName(String),
    /// A key by id.
    Key(KeyId),
    /// A session by id.
    Session(SessionId),
    /// Sessions last seen before a time, the longest forgotten first, so many at most.
    SessionsSeenBefore(Timestamp, u32),
}

/// What [`Store::load`] found. The variant is that of the [`Need`].
#[derive(Clone, Debug)]
pub enum Found {
    /// For [`Need::User`].
    User(Option<Arc<User>>),
    /// For both ways of naming a conversation.
    Conversation(Option<ConversationView>),
    /// For [`Need::Sent`].
    Sent(Option<Arc<MessageView>>),
    /// For [`Need::AppByName`].
    App(Option<Arc<App>>),
    /// For [`Need::Key`].
    Key(Option<Arc<ApiKey>>),
    /// For [`Need::Session`].
    Session(Option<Arc<StoredSession>>),
    /// For [`Need::SessionsSeenBefore`].
    Sessions(Vec<SessionId>),
}

/// One change within a batch.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new user.
    User(Arc<User>),
    /// A new conversation; for a direct one its two members come with it.
    Conversation(Arc<Conversation>),
    /// A new message. Moves its conversation's `last_seq`, `last_g`, `updated_at` and `last_message_at`.
    Message(Arc<MessageView>),
    /// A session gets what it listens to; stores the session if it is not stored yet. Doing it
    /// again for the same session, topic and dialect keeps the first `since`. The session was seen.
    Subscription {
        /// The session.
        session: Arc<SessionSeed>,
        /// Its app.
        app: AppId,
        /// The user as whom it listens.
        user: UserId,
        /// The verified subject it is bound to, if any.
        subject: Option<String>,
        /// To what.
        topic: Topic,
        /// Through which dialect, by its name.
        dialect: &'static str,
        /// Its own G.
        since: G,
        /// When.
        at: Timestamp,
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
    /// A conversation by its outside id.
    fn conversation(&self, app: AppId, uuid: Uuid) -> Result<Option<Arc<Conversation>>, Fault>;
    /// Messages with `g <= at`: passes over the `offset` newest, takes up to `limit`, oldest first.
    fn history(
        &self,
        conversation: &Arc<Conversation>,
        at: G,
        offset: u64,
        limit: u32,
    ) -> Result<Vec<MessageView>, Fault>;
    /// What is kept of a conversation, by its inside id: for sessions that come back.
    fn conversation_view(&self, id: ConversationId) -> Result<Option<ConversationView>, Fault>;
    /// A user by the inside id.
    fn user(&self, id: UserId) -> Result<Option<Arc<User>>, Fault>;
    /// Those of the sessions whose recovery ids have these SHA-256 that have not ended, in any
    /// order, by one read. They may be older than anybody should remember: the caller looks at
    /// `seen_at`.
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
