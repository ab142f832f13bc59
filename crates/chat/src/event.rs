//! Everything that others are told. The only way out of the domain.

use std::sync::Arc;

use crate::{
    model::{Conversation, ConversationId, G, MessageView, SessionId, Timestamp, UserId},
    session::StoredSession,
};

/// Something that happened and lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number on the node.
    pub g: G,
    /// The session that caused it, if one did.
    pub origin: Option<SessionId>,
    /// What happened.
    pub happening: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A message was written.
    MessageSent(Arc<MessageView>),
}

impl Event {
    /// Where it happened.
    pub fn conversation(&self) -> &Arc<Conversation> {
        match &self.happening {
            Happening::MessageSent(view) => &view.conversation,
        }
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match &self.happening {
            Happening::MessageSent(view) => view.message.created_at,
        }
    }

    /// The people who are told in person, beside those who listen to the conversation.
    pub fn people(&self) -> impl Iterator<Item = UserId> {
        self.conversation().pair.iter().map(|user| user.id)
    }

    /// Bytes that this event holds in memory, roughly.
    pub fn weight(&self) -> usize {
        const FIXED: usize = 320;
        match &self.happening {
            Happening::MessageSent(view) => FIXED + view.message.text.len(),
        }
    }
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
    /// Attach a new session to everything that it listens to from the start.
    Attach(Arc<StoredSession>),
}

/// A session listens to a topic from now on.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Which session.
    pub session: SessionId,
    /// As whom.
    pub user: UserId,
    /// To what.
    pub topic: Topic,
    /// Through which dialect, by its name.
    pub dialect: &'static str,
    /// Its G: what comes after is shown.
    pub since: G,
}
