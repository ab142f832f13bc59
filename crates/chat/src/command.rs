//! Everything that changes something. What its asker gets back is in `reply`.
//!
//! A closed list: a new capability is a variant here, a rule in `decide`, a change in `store`.

use uuid::Uuid;

pub use crate::reply::{Outcome, Reply};
use crate::{
    model::{
        ApiKey, App, Body, ConversationId, ConversationKind, Details, ExternalId, KeyId, Media,
        Metadata, Picture, Product, SessionId, Timestamp, UserId,
    },
    review::{FilterAction, Verdict},
    room::{RoomAct, RoomName, Standing},
};

/// How a command or query names a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserRef {
    /// By the app's own id; the user is made at first mention.
    Named(ExternalId),
    /// By the app's own id, of a user who must be there.
    Known(String),
    /// By the outside id.
    Uuid(Uuid),
    /// By the outside id and the app's own one, of a user who must have both.
    Both(Uuid, String),
    /// By the name under which others see the user, whatever its case, or, if nobody is called so, by
    /// the app's own id; made at first mention. Only for the app itself.
    Called(String),
    /// Whom the asker's token proves; made at first mention.
    Subject,
}

/// How a command or query names a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationRef {
    /// By its outside id.
    Uuid(Uuid),
    /// By its outside id, where it must be of a kind.
    OfKind(Uuid, ConversationKind),
    /// By its inside id: for sessions that come back.
    Id(ConversationId),
    /// The direct one of two users.
    Direct(UserRef, UserRef),
    /// The one about a product.
    Product(ProductRef),
    /// A room. Everybody may read it, unless it is private.
    Room(RoomName),
    /// The one that the command before this query opened.
    Opened,
}

/// What names a product conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductRef {
    /// The shop's own id of the product.
    pub product: String,
    /// Who sells.
    pub vendor: UserRef,
    /// Who buys.
    pub customer: UserRef,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Into a conversation that is there.
    Conversation(ConversationRef),
    /// To a user: into their direct conversation with the sender, made if there is none.
    Direct(UserRef),
    /// To the other one of the two: into their conversation about a product, made if there is none.
    Product {
        /// Who sells.
        vendor: UserRef,
        /// Who buys.
        customer: UserRef,
        /// What about; kept as it is in the first message.
        product: Box<Product>,
    },
    /// Into a room, to which the sender need not belong.
    Room {
        /// Which.
        room: RoomName,
        /// What the app says about the sender, where it sends itself; else the token says it.
        standing: Option<Standing>,
    },
}

impl Destination {
    /// Bytes that it holds in memory beside its fixed ones.
    fn weight(&self) -> usize {
        match self {
            Self::Conversation(_) | Self::Direct(_) | Self::Room { .. } => 0,
            Self::Product { product, .. } => product.weight(),
        }
    }
}

impl From<Uuid> for Destination {
    fn from(conversation: Uuid) -> Self {
        Self::Conversation(ConversationRef::Uuid(conversation))
    }
}

impl From<Uuid> for ConversationRef {
    fn from(conversation: Uuid) -> Self {
        Self::Uuid(conversation)
    }
}

/// What to change about a user's profile; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProfilePatch {
    /// A new name.
    pub name: Option<String>,
    /// A new picture.
    pub avatar: Option<Picture>,
    /// Merged into what is there.
    pub metadata: Option<Metadata>,
}

/// What to change about a conversation; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DetailsPatch {
    /// A new title.
    pub title: Option<String>,
    /// A new picture.
    pub avatar: Option<Picture>,
    /// Merged into what is there.
    pub metadata: Option<Metadata>,
}

/// What to change about a message; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyPatch {
    /// A new text.
    pub text: Option<String>,
    /// A file instead of those that are there.
    pub media: Option<Media>,
    /// Merged into what is there.
    pub metadata: Option<Metadata>,
}

/// A wish to change something.
///
/// `by` is who acts, where a dialect does not say it in every payload: without it the token's
/// subject acts, and in an open app, or with a server key, the app itself.
#[derive(Clone, Debug)]
pub enum Command {
    /// Changes nothing: completes when everything submitted before it has committed.
    Fence,

    /// Says who is at the socket and subscribes the session to what concerns that user in person.
    Register {
        /// Who.
        user: UserRef,
        /// The dialect that shows it.
        dialect: &'static str,
        /// Whether whoever was at the socket before, in this dialect, is there no longer.
        alone: bool,
    },
    /// Ends what [`Command::Register`] began.
    Deregister {
        /// Who.
        user: UserRef,
        /// The dialect that showed it.
        dialect: &'static str,
    },
    /// Subscribes the session to a conversation that is there. Where ids are believed everybody may
    /// listen: as `by` if that user belongs to it, else as nobody.
    Join {
        /// Which.
        conversation: ConversationRef,
        /// Who acts.
        by: Option<UserRef>,
        /// What the listener calls it, where that is to stand in what is shown. Joining again with
        /// another name changes that.
        spelling: Option<String>,
        /// The dialect that shows it.
        dialect: &'static str,
    },
    /// Ends the session's listening to a conversation.
    Leave {
        /// Which.
        conversation: ConversationRef,
        /// The dialect that showed it.
        dialect: &'static str,
    },

    /// Finds or makes the direct conversation of two users.
    OpenDirect {
        /// Who acts.
        user: UserRef,
        /// The other one.
        other: UserRef,
        /// Kept with the conversation if it is made by this.
        metadata: Option<Metadata>,
        /// Subscribes the session to it, through this dialect.
        dialect: Option<&'static str>,
    },
    /// Makes a group.
    CreateGroup {
        /// Who acts, and owns it.
        owner: UserRef,
        /// The others; the owner may be among them.
        members: Vec<UserRef>,
        /// What it is called.
        details: Details,
    },
    /// Changes what a conversation is called, or what is kept with it. Its members may; in a room, who
    /// rules it.
    UpdateConversation {
        /// Which.
        conversation: Uuid,
        /// Who acts.
        by: Option<UserRef>,
        /// What to change.
        patch: DetailsPatch,
    },
    /// Deletes a conversation with all that was said in it, for everybody. The owner of a group
    /// may, and each of the two people of a direct one.
    DeleteConversation {
        /// Which.
        conversation: Uuid,
        /// Who acts.
        by: Option<UserRef>,
    },
    /// Takes a user into a group. Its members may; in a room, who rules it, and everybody oneself.
    /// Nothing changes if the user is in it.
    AddMember {
        /// Which.
        conversation: Uuid,
        /// Whom.
        user: UserRef,
        /// Who acts.
        by: Option<UserRef>,
    },
    /// Puts a user out of a group. The owner may, in a room its moderators too, and everybody oneself.
    /// If the owner goes, whoever came next owns it, in a room the first of its moderators, if any.
    RemoveMember {
        /// Which.
        conversation: Uuid,
        /// Whom.
        user: UserRef,
        /// Who acts.
        by: Option<UserRef>,
    },

    /// Writes a message. In a room its modes and bans are for everybody but those who rule it.
    Send {
        /// Where.
        to: Destination,
        /// Who acts.
        sender: UserRef,
        /// What. Its text is not blank unless there is a file, and has at most the app's
        /// `max_text_bytes`.
        body: Body,
        /// The same id from the same sender in the same conversation makes one message.
        client_id: Option<String>,
    },
    /// Changes a message. Its author may, in a room unless banned there.
    EditMessage {
        /// Which.
        message: Uuid,
        /// Who acts.
        by: Option<UserRef>,
        /// What to change.
        patch: BodyPatch,
    },
    /// Deletes a message, for everybody. Its author may; in a room, who rules it.
    DeleteMessage {
        /// Which.
        message: Uuid,
        /// The conversation in which it must stand, where the asker names one.
        within: Option<ConversationRef>,
        /// Who acts.
        by: Option<UserRef>,
    },
    /// Notes that a member has read everything up to a message.
    MarkRead {
        /// Up to which.
        message: Uuid,
        /// Who acts.
        reader: UserRef,
    },
    /// Notes that a member has read everything in a conversation.
    MarkAllRead {
        /// Which.
        conversation: ConversationRef,
        /// Who acts.
        reader: UserRef,
        /// Whether the others are told even if there was nothing new to read.
        tells: bool,
    },
    /// Leaves a conversation out of a member's list until something more is said in it.
    HideConversation {
        /// Which.
        conversation: ConversationRef,
        /// Who acts.
        user: UserRef,
    },
    /// Tells the others in a conversation that somebody writes, or no longer. Nothing is stored, and
    /// nobody is told where there is no such conversation of two people yet.
    Typing {
        /// Where.
        conversation: ConversationRef,
        /// Who acts.
        user: UserRef,
        /// Whether the user writes now.
        writes: bool,
    },

    /// Makes a room, with its first owner. Only the app itself may.
    CreateRoom {
        /// Its slug, in lower case; unique in the app.
        slug: String,
        /// What it is called.
        title: Option<String>,
        /// The name of its owner, who need not be known yet.
        owner: String,
        /// Whether only who brings a token may read it.
        private: bool,
    },
    /// Does something to a room.
    InRoom {
        /// Which.
        room: RoomName,
        /// Who acts: without it the token's subject, or the app itself with a server key.
        by: Option<UserRef>,
        /// What.
        act: Box<RoomAct>,
    },
    /// Ends what is over in rooms: timeouts, pins, polls. One step of it, so that others need not
    /// wait. The server itself says so.
    EndDue,

    /// From now on has messages with these words refused, or held until somebody has looked at them:
    /// in a room, or wherever more than two people may be or a shop's customers write. Only the app
    /// itself may.
    AddFilter {
        /// See [`crate::review::Filter`].
        words: String,
        /// What to do about them.
        action: FilterAction,
        /// Only there.
        room: Option<RoomName>,
    },
    /// Takes back a [`Command::AddFilter`].
    RemoveFilter {
        /// Which.
        filter: Uuid,
    },
    /// Tells those who look at such things of a message. Who may see it may report it, once.
    Report {
        /// Which.
        message: Uuid,
        /// Who reports it.
        by: UserRef,
        /// Why, in that one's words.
        reason: String,
    },
    /// Decides about a message that was held or reported. The app itself may, in a room also who
    /// rules it.
    Review {
        /// Which: the id of the [`crate::review::Review`].
        item: Uuid,
        /// Who decides: without it the token's subject, or the app itself with a server key.
        by: Option<UserRef>,
        /// What is to become of it.
        verdict: Verdict,
    },

    /// Makes a user with this id of the app's own, or changes the one that is there.
    PutUser {
        /// The app's own id.
        user: ExternalId,
        /// What to change.
        patch: ProfilePatch,
    },
    /// Changes a user who is there.
    UpdateUser {
        /// Who.
        user: UserRef,
        /// What to change.
        patch: ProfilePatch,
    },
    /// Deletes a user, with all that the user wrote. The app's own id is free again. All others wait
    /// for it, so whoever wrote much is led there by [`Command::EraseWritten`].
    DeleteUser {
        /// Who.
        user: UserRef,
    },
    /// Erases some of what a user wrote who is about to be deleted: one step of it, so that others need
    /// not wait. Nobody is told. When no step is left, little is left to [`Command::DeleteUser`].
    EraseWritten {
        /// Who.
        user: UserRef,
    },
    /// Refuses what `whom` writes to `user` from now on, where only the two of them are.
    Block {
        /// Who acts.
        user: UserRef,
        /// Who may write no longer.
        whom: UserRef,
    },
    /// Takes back a [`Command::Block`].
    Unblock {
        /// Who acts.
        user: UserRef,
        /// Who may write again.
        whom: UserRef,
    },
    /// Hands out, once, what was written to a user who was not there to read it: the query after
    /// it is [`crate::Query::Missed`].
    CollectMissed {
        /// Who acts.
        user: UserRef,
    },
    /// Notes that a user has gone offline. The server itself says so.
    UserWentOffline {
        /// Who.
        user: UserId,
        /// When.
        at: Timestamp,
    },

    /// Gives the asker's session, a new one, everything that an earlier one listens to, from now
    /// on. The asker must be of the earlier session's app, namespace and subject. The earlier one
    /// stays until it is ended: the answer that names the new one may be lost on its way, and then
    /// the client comes with the old one again.
    InheritSession {
        /// The earlier one.
        from: SessionId,
    },
    /// Notes that sessions are live, or were until now. Must be said of a live session more often
    /// than [`Command::ForgetSessions`] looks back.
    SeenSessions {
        /// Which; those that are not stored are passed over.
        sessions: Vec<SessionId>,
    },
    /// Forgets sessions that were not seen for long: one step of it, so that others need not wait.
    ForgetSessions {
        /// Those last seen earlier than this.
        before: Timestamp,
    },
    /// Erases what deleted conversations have left behind: one step of it, so that others need not
    /// wait. The server itself says so.
    EraseLeftovers,
    /// Forgets a session and its subscriptions: its client has said goodbye.
    EndSession {
        /// Which.
        session: SessionId,
    },

    /// Makes an app with its first two keys. Operators only.
    CreateApp {
        /// The app; `id` is assigned by the writer.
        app: Box<App>,
        /// Its keys; `id` and `app` are assigned by the writer.
        keys: Vec<ApiKey>,
    },
    /// Makes a key of the asker's app. Operators and the app's own server only.
    CreateKey {
        /// The key; `id` and `app` are assigned by the writer.
        key: Box<ApiKey>,
    },
    /// Makes a key of the asker's app stop working. Operators and the app's own server only.
    RevokeKey {
        /// Which.
        key: KeyId,
    },
}

impl Command {
    /// Who is at the socket if this succeeds.
    pub fn identifies(&self) -> Option<&UserRef> {
        match self {
            Self::Register { user, .. } => Some(user),
            Self::OpenDirect {
                user,
                dialect: Some(_),
                ..
            } => Some(user),
            _ => None,
        }
    }

    /// Whether it changes more than the writer's cache can follow, so that it has a batch of its own: it
    /// is decided by what is stored.
    pub fn is_sweeping(&self) -> bool {
        matches!(
            self,
            Self::DeleteUser { .. } | Self::EraseWritten { .. } | Self::DeleteConversation { .. }
        )
    }

    /// Bytes that this command holds in memory while it waits, roughly.
    pub fn weight(&self) -> usize {
        const FIXED: usize = 256;
        const REFERENCE: usize = 64;
        let metadata = |metadata: &Option<Metadata>| metadata.as_ref().map_or(0, Metadata::weight);
        FIXED
            + match self {
                Self::Send { to, body, .. } => {
                    to.weight() + body.text.len() + metadata(&body.metadata)
                }
                Self::EditMessage { patch, .. } => {
                    patch.text.as_ref().map_or(0, String::len) + metadata(&patch.metadata)
                }
                Self::CreateGroup {
                    members, details, ..
                } => members.len() * REFERENCE + metadata(&details.metadata),
                Self::OpenDirect { metadata: kept, .. } => metadata(kept),
                Self::UpdateConversation { patch, .. } => metadata(&patch.metadata),
                Self::PutUser { patch, .. } | Self::UpdateUser { patch, .. } => {
                    metadata(&patch.metadata)
                }
                Self::CreateRoom { slug, title, .. } => {
                    slug.len() + title.as_ref().map_or(0, String::len)
                }
                Self::InRoom { act, .. } => act.weight(),
                Self::AddFilter { words, .. } => words.len(),
                Self::Report { reason, .. } => reason.len(),
                Self::SeenSessions { sessions } => size_of_val(sessions.as_slice()),
                _ => 0,
            }
    }
}
