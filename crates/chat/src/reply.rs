//! What comes of a command: its answer, and where in the asker's stream that stands.

use std::sync::Arc;

use crate::{
    event::Event,
    model::{App, ConversationView, G, KeyId, Members, MessageView, User, UserId},
    review::Filter,
    session::StoredSession,
};

/// What the asker gets back.
#[derive(Clone, Debug)]
pub enum Reply {
    /// There is nothing to tell.
    Done,
    /// The user is known and the session subscribed.
    Registered {
        /// Who.
        user: Arc<User>,
        /// Who is at the socket no longer.
        replaced: Vec<UserId>,
    },
    /// The user is not at the socket any longer.
    Deregistered {
        /// Who, if there is such a user.
        user: Option<UserId>,
    },
    /// The conversation exists and the session, if it asked so, is subscribed.
    Opened {
        /// Who asked, if that is known.
        user: Option<Arc<User>>,
        /// The conversation, as of the G of this reply.
        conversation: ConversationView,
    },
    /// The conversation has changed.
    Updated {
        /// As of the G of this reply.
        conversation: ConversationView,
    },
    /// The user belongs to the conversation now, or no longer.
    Membership {
        /// Who.
        user: Arc<User>,
        /// Whether that was so already.
        unchanged: bool,
    },
    /// The message is stored, or was stored before under the same client id.
    Sent {
        /// The message.
        message: Arc<MessageView>,
        /// Who belongs to its conversation; their ids are current, their profiles may be older.
        members: Members,
        /// True if an earlier send made it.
        repeated: bool,
        /// The conversation, if it began with this message.
        opened: Option<Box<ConversationView>>,
    },
    /// What was written to the user meanwhile may be handed out.
    Missed {
        /// Everything up to here was handed out before.
        after: G,
        /// And now up to here.
        up_to: G,
    },
    /// The conversation is read up to its end.
    Read {
        /// Whether something in it was new to the reader.
        changed: bool,
    },
    /// The message has changed.
    Edited {
        /// As it is now.
        message: Arc<MessageView>,
    },
    /// The user as it is now.
    User {
        /// Who.
        user: Arc<User>,
    },
    /// The session is the asker's now.
    Inherited {
        /// As of the G of this reply.
        session: Arc<StoredSession>,
    },
    /// Something was done in a room.
    InRoom {
        /// What everybody was told, if anything.
        event: Option<Arc<Event>>,
        /// The room, as of the G of this reply.
        conversation: ConversationView,
    },
    /// The message waits until somebody has looked at it.
    Held,
    /// Messages are looked at for these words.
    Filtering {
        /// The filter, with its id.
        filter: Arc<Filter>,
    },
    /// A step of forgetting, erasing or ending is done.
    Forgotten {
        /// Whether another step would find more.
        more: bool,
    },
    /// The app is made.
    AppCreated {
        /// With its assigned id.
        app: Arc<App>,
    },
    /// The key is made.
    KeyCreated {
        /// With its assigned id.
        key: KeyId,
    },
}

/// A decided command: its answer and the place of that answer in the asker's stream.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The G at which it was decided: the answer stands after this G and before anything newer.
    pub g: G,
    /// The answer.
    pub result: Result<Reply, crate::Refusal>,
}
