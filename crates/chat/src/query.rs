//! Everything that only looks. Queries run on readers, at a known G, never in the writer's turn.

use std::sync::Arc;

use crate::{
    AppId, ConversationId, ConversationRef, Fault, Refusal, Store, UserId,
    model::{ConversationView, G, MessageView},
};

/// A wish to see something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Messages of a conversation, counted back from the newest, returned oldest first.
    History {
        /// Which conversation.
        conversation: ConversationRef,
        /// How many of the newest to pass over.
        offset: u64,
        /// How many to return at most.
        limit: u32,
    },
    /// A conversation that was opened before, with its newest messages.
    Reopen {
        /// Which conversation.
        conversation: ConversationId,
        /// How many messages at most.
        limit: u32,
    },
}

/// What a query found.
#[derive(Clone, Debug)]
pub enum View {
    /// Messages, oldest first.
    History {
        /// The messages.
        messages: Vec<MessageView>,
    },
    /// A conversation and its newest messages, oldest first.
    Reopened {
        /// The conversation.
        conversation: ConversationView,
        /// The messages.
        messages: Vec<MessageView>,
    },
}

/// Who looks: the users as whom a socket has identified itself.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// The app in which everything is looked up.
    pub app: AppId,
    /// The identities; a reader sees what any of them may see.
    pub users: &'a [UserId],
}

/// Why a query gave nothing.
#[derive(Debug)]
pub enum QueryError {
    /// The asker's fault.
    Refused(Refusal),
    /// Ours.
    Failed(Fault),
}

impl From<Fault> for QueryError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

/// Runs `query` as of `at`: nothing newer is seen. `opened` is what [`ConversationRef::Opened`] names.
pub fn run(
    store: &dyn Store,
    reader: Reader<'_>,
    query: &Query,
    at: G,
    opened: Option<&ConversationView>,
) -> Result<View, QueryError> {
    match query {
        Query::History {
            conversation,
            offset,
            limit,
        } => {
            let conversation = match (conversation, opened) {
                (ConversationRef::Uuid(uuid), _) => store.conversation(reader.app, *uuid)?,
                (ConversationRef::Opened, opened) => {
                    opened.map(|view| Arc::clone(&view.conversation))
                }
            };
            // A stranger gets the same words for a conversation that exists and one that does not.
            let conversation = conversation
                .filter(|found| reader.users.iter().any(|user| found.has(*user)))
                .ok_or(QueryError::Refused(Refusal::UnknownConversation))?;
            let messages = store.history(&conversation, at, *offset, *limit)?;
            Ok(View::History { messages })
        }
        Query::Reopen {
            conversation,
            limit,
        } => {
            let view = store
                .conversation_view(*conversation)?
                .filter(|view| view.conversation.app == reader.app)
                .filter(|view| reader.users.iter().any(|user| view.conversation.has(*user)))
                .ok_or(QueryError::Refused(Refusal::UnknownConversation))?;
            let messages = store.history(&view.conversation, at, 0, *limit)?;
            Ok(View::Reopened {
                conversation: view,
                messages,
            })
        }
    }
}
