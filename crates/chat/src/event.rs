//! Everything that others are told. The only way out of the domain.

use std::sync::Arc;

use uuid::{Builder, Uuid};

use crate::{
    actor::Proof,
    model::{
        Conversation, ConversationId, Details, G, Members, MessageView, Metadata, SessionId,
        Timestamp, User, UserId,
    },
    room::RoomNews,
    session::StoredSession,
};

/// Something that happened and lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number on the node.
    pub g: G,
    /// When.
    pub at: Timestamp,
    /// The session that caused it, if one did.
    pub origin: Option<SessionId>,
    /// Where it happened.
    pub scene: Scene,
    /// What happened.
    pub happening: Happening,
}

/// A conversation as it was when something happened there; after a restart, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scene {
    /// What never changes.
    pub conversation: Arc<Conversation>,
    /// What it is called.
    pub details: Arc<Details>,
    /// Who belongs to it.
    pub members: Members,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A message was written.
    MessageSent(Arc<MessageView>),
    /// A message was changed.
    MessageEdited(Arc<MessageView>),
    /// A message was deleted.
    MessageDeleted {
        /// Its outside id.
        message: Uuid,
        /// Who deleted it; `None` if the app itself did.
        by: Option<UserId>,
    },
    /// A member has read everything up to a message.
    Read {
        /// Who.
        reader: Arc<User>,
        /// Up to which: its outside id.
        message: Uuid,
    },
    /// Something that only rooms have.
    Room(RoomHappening),
}

/// What happens only in rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomHappening {
    /// Somebody may not write in a room any longer.
    Banned {
        /// Who.
        user: Arc<User>,
        /// Who decided that; `None` if the app itself did.
        by: Option<Arc<User>>,
        /// When it ends by itself, if it does.
        until: Option<Timestamp>,
        /// How long it was to last, in minutes.
        minutes: Option<u32>,
    },
    /// Somebody may write in a room again.
    Unbanned {
        /// Who.
        user: Arc<User>,
        /// Who decided that; `None` if the app itself did, or time.
        by: Option<Arc<User>>,
        /// It would not have ended by itself.
        permanent: bool,
    },
    /// A message is shown above all others in its room.
    Pinned {
        /// The message.
        message: Arc<MessageView>,
        /// Who decided that; `None` if the app itself did.
        by: Option<Arc<User>>,
        /// For how many seconds.
        seconds: u32,
    },
    /// Whatever else.
    News(Arc<RoomNews>),
}

impl Event {
    /// An id of its own, made of its place: the same whenever it is told.
    pub fn uuid(&self) -> Uuid {
        let place = self.conversation().uuid.as_u128() ^ u128::from(self.g);
        Builder::from_custom_bytes(place.to_be_bytes()).into_uuid()
    }

    /// Where it happened.
    pub fn conversation(&self) -> &Arc<Conversation> {
        &self.scene.conversation
    }

    /// The people who are told in person, beside those who listen to the conversation.
    pub fn people(&self) -> impl Iterator<Item = UserId> {
        self.scene.members.iter().map(|member| member.user.id)
    }

    /// Bytes that this event holds in memory, roughly.
    pub fn weight(&self) -> usize {
        const FIXED: usize = 320;
        FIXED
            + match &self.happening {
                Happening::MessageSent(view)
                | Happening::MessageEdited(view)
                | Happening::Room(RoomHappening::Pinned { message: view, .. }) => {
                    let metadata = view.message.body.metadata.as_ref();
                    let quoted = view.quoted.as_ref().map_or(0, |quote| quote.text.len());
                    view.message.body.text.len() + metadata.map_or(0, Metadata::weight) + quoted
                }
                Happening::Room(RoomHappening::News(news)) => news.weight(),
                Happening::MessageDeleted { .. }
                | Happening::Read { .. }
                | Happening::Room(RoomHappening::Banned { .. } | RoomHappening::Unbanned { .. }) => {
                    0
                }
            }
    }
}

/// Something that passes: it has no number, is never stored or shown again, and is the first to go
/// when there is too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    /// Where.
    pub scene: Scene,
    /// The session that caused it, if one did; its user's own sockets are not told.
    pub origin: Option<SessionId>,
    /// Who.
    pub user: Arc<User>,
    /// What that user does.
    pub sign: Sign,
}

impl Passing {
    /// The people who are told in person, beside those who listen to the conversation: where it is
    /// one of two.
    pub fn people(&self) -> impl Iterator<Item = UserId> {
        let is_of_two = self.scene.conversation.kind.is_of_two();
        let members = self.scene.members.iter().filter(move |_| is_of_two);
        members.map(|member| member.user.id)
    }
}

/// What somebody does that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Writes.
    Writing,
    /// Writes no longer.
    Stopped,
    /// Says again that everything is read.
    ReadAgain,
}

/// What a listener can listen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Everything in a conversation.
    Conversation(ConversationId),
    /// What concerns a user in person.
    Person(UserId),
}

/// What the sequencer does after a commit, in G order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Show an event to its listeners.
    Show(Arc<Event>),
    /// Attach a session to a topic.
    Subscribe(Subscribe),
    /// Detach sessions from a topic.
    Unsubscribe(Unsubscribe),
    /// Attach a session to everything that it listens to: it has taken that over from another.
    Attach(Arc<StoredSession>),
    /// Show something that passes.
    Pass(Passing),
}

/// A session listens to a topic from now on.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Which session.
    pub session: SessionId,
    /// As whom, if that is known.
    pub user: Option<UserId>,
    /// What its right to listen hangs on.
    pub proof: Proof,
    /// To what.
    pub topic: Topic,
    /// Through which dialect, by its name.
    pub dialect: &'static str,
    /// What the session calls it, where it says so.
    pub spelling: Option<Arc<str>>,
    /// Its G: what comes after is shown.
    pub since: G,
}

/// Somebody listens no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Whose sessions.
    pub whose: Whose,
    /// To what.
    pub topic: Topic,
    /// Through which dialect, by its name; `None` for all.
    pub dialect: Option<&'static str>,
    /// Its G: what comes after is not shown.
    pub until: G,
}

/// Whose listening ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// One session's.
    Session(SessionId),
    /// That of all sessions that listen as a user.
    User(UserId),
    /// Everybody's.
    Everybody,
}
