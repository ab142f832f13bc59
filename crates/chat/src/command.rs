//! Everything that changes something, and what its asker gets back.
//!
//! A closed list: a new capability is a variant here, a rule in `decide`, a change in `store`.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    model::{
        ApiKey, App, ConversationView, ExternalId, G, KeyId, MessageView, SessionId, Timestamp,
        User,
    },
    session::StoredSession,
};

/// How a command or query names a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConversationRef {
    /// By its outside id.
    Uuid(Uuid),
    /// The one that the command before this query opened.
    Opened,
}

/// A wish to change something.
#[derive(Clone, Debug)]
pub enum Command {
    /// Changes nothing: completes when everything submitted before it has committed.
    Fence,
    /// Says who is at the socket, makes the user at first mention, and subscribes the session to
    /// what concerns that user in person.
    Register {
        /// Who.
        user: ExternalId,
        /// The dialect that shows it.
        dialect: &'static str,
    },
    /// Finds or makes the direct conversation of two users and subscribes the session to it.
    OpenDirect {
        /// Who acts.
        user: ExternalId,
        /// The other one.
        other: ExternalId,
        /// The dialect that shows it.
        dialect: &'static str,
    },
    /// Writes a message.
    Send {
        /// Where.
        conversation: Uuid,
        /// Who acts.
        sender: ExternalId,
        /// What, as it came; not blank, at most the app's `max_text_bytes`.
        text: String,
        /// The same id from the same sender in the same conversation makes one message.
        client_id: Option<String>,
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
    /// Makes a key. Operators only.
    CreateKey {
        /// The key; `id` is assigned by the writer.
        key: Box<ApiKey>,
    },
    /// Makes a key stop working. Operators only.
    RevokeKey {
        /// Which.
        key: KeyId,
    },
}

impl Command {
    /// The user whom this command acts as; in a verified app it must be the token's subject.
    pub fn acts_as(&self) -> Option<&ExternalId> {
        match self {
            Self::Register { user, .. } | Self::OpenDirect { user, .. } => Some(user),
            Self::Send { sender, .. } => Some(sender),
            Self::Fence
            | Self::InheritSession { .. }
            | Self::SeenSessions { .. }
            | Self::ForgetSessions { .. }
            | Self::EndSession { .. }
            | Self::CreateApp { .. }
            | Self::CreateKey { .. }
            | Self::RevokeKey { .. } => None,
        }
    }

    /// Whether success says who is at the socket.
    pub fn identifies(&self) -> bool {
        matches!(self, Self::Register { .. } | Self::OpenDirect { .. })
    }

    /// Bytes that this command holds in memory while it waits, roughly.
    pub fn weight(&self) -> usize {
        const FIXED: usize = 256;
        match self {
            Self::Send { text, .. } => FIXED + text.len(),
            Self::SeenSessions { sessions } => FIXED + size_of_val(sessions.as_slice()),
            _ => FIXED,
        }
    }
}

/// What the asker gets back.
#[derive(Clone, Debug)]
pub enum Reply {
    /// To a fence, and to a change of keys.
    Done,
    /// The user is known and the session subscribed.
    Registered {
        /// Who.
        user: Arc<User>,
    },
    /// The conversation exists and the session is subscribed.
    Opened {
        /// Who asked.
        user: Arc<User>,
        /// The conversation, as of the G of this reply.
        conversation: ConversationView,
    },
    /// The message is stored, or was stored before under the same client id.
    Sent {
        /// The message.
        message: Arc<MessageView>,
        /// True if an earlier send made it.
        repeated: bool,
    },
    /// The asker's session has everything that the earlier one listened to.
    Inherited {
        /// The asker's, as of the G of this reply.
        session: Arc<StoredSession>,
    },
    /// A step of forgetting is done.
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
