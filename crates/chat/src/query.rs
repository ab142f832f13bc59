//! Everything that only looks. Queries run on readers, at a known G, never in the writer's turn.

use std::sync::Arc;

use crate::{
    AppId, ConversationRef, Fault, Refusal, Store, UserId,
    command::UserRef,
    model::{ConversationView, ExternalId, G, MessageView, User},
    store::{ConversationName, ConversationSummary, UserName},
};

/// A wish to see something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Messages of a conversation, counted back from the newest, returned oldest first.
    History {
        /// Which conversation.
        conversation: ConversationRef,
        /// Who looks, where the asker says so in the payload; else whoever the asker is.
        viewer: Option<UserRef>,
        /// How many of the newest to pass over.
        offset: u64,
        /// How many to return at most.
        limit: u32,
    },
    /// A conversation.
    Conversation {
        /// Which.
        conversation: ConversationRef,
        /// See [`Query::History`].
        viewer: Option<UserRef>,
    },
    /// The conversations of a user in which something was said, the newest first.
    Conversations {
        /// Whose, and who looks.
        user: UserRef,
        /// How many of the newest to pass over.
        offset: u64,
        /// How many to return at most.
        limit: u32,
    },
    /// Users.
    Users {
        /// Whom.
        users: Vec<UserRef>,
    },
    /// Whether a user is online.
    Status {
        /// Who.
        user: UserRef,
    },
}

/// What a query found.
#[derive(Clone, Debug)]
pub enum View {
    /// A conversation and messages in it, oldest first.
    History {
        /// The conversation.
        conversation: ConversationView,
        /// Who looks, if one user does.
        viewer: Option<Arc<User>>,
        /// The messages.
        messages: Vec<MessageView>,
    },
    /// A conversation.
    Conversation {
        /// The conversation.
        conversation: ConversationView,
        /// Who looks, if one user does.
        viewer: Option<Arc<User>>,
    },
    /// A page of conversations.
    Conversations {
        /// Who looks.
        viewer: Arc<User>,
        /// The page.
        conversations: Vec<ConversationSummary>,
        /// How many there are in all.
        total: u64,
    },
    /// Users, in the order of the request; those who are not there are left out.
    Users(Vec<Arc<User>>),
    /// Whether a user is online.
    Status {
        /// Who.
        user: Arc<User>,
        /// Whether any socket of the user's is connected.
        online: bool,
    },
}

/// Who is online.
pub trait Presence {
    /// Whether any socket of the user's is connected.
    fn is_online(&self, user: UserId) -> bool;
}

/// Who looks.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// The app in which everything is looked up.
    pub app: AppId,
    /// The users as whom a socket has identified itself; it sees what any of them may see.
    pub users: &'a [UserId],
    /// Whether the asker brought a key with which it may look as whomever it names, or as nobody in
    /// particular: one of an open app, or a server key.
    pub is_believed: bool,
    /// The user whom a token proves: whoever is named must be that one, unless the asker is believed.
    pub subject: Option<&'a ExternalId>,
}

/// Where queries look.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// What lasts.
    pub store: &'a dyn Store,
    /// What passes.
    pub presence: &'a dyn Presence,
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

impl From<Refusal> for QueryError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Runs `query` as of `at`: no message newer than that is seen. `opened` is what
/// [`ConversationRef::Opened`] names.
pub fn run(
    sources: Sources<'_>,
    reader: Reader<'_>,
    query: &Query,
    at: G,
    opened: Option<&ConversationView>,
) -> Result<View, QueryError> {
    let look = Look {
        store: sources.store,
        reader,
        opened,
    };
    match query {
        Query::History {
            conversation,
            viewer,
            offset,
            limit,
        } => {
            let (conversation, viewer) = look.conversation(conversation, viewer.as_ref())?;
            let found = &conversation.conversation;
            let messages = sources.store.history(found, at, *offset, *limit)?;
            Ok(View::History {
                conversation,
                viewer,
                messages,
            })
        }
        Query::Conversation {
            conversation,
            viewer,
        } => {
            let (conversation, viewer) = look.conversation(conversation, viewer.as_ref())?;
            Ok(View::Conversation {
                conversation,
                viewer,
            })
        }
        Query::Conversations {
            user,
            offset,
            limit,
        } => {
            let viewer = look.viewer(user)?.ok_or(Refusal::UnknownUser)?;
            let found = sources.store.conversations(viewer.id, *offset, *limit)?;
            let (conversations, total) = found;
            Ok(View::Conversations {
                viewer,
                conversations,
                total,
            })
        }
        Query::Users { users } => {
            let found: Result<Vec<_>, _> = users.iter().map(|user| look.user(user)).collect();
            Ok(View::Users(found?.into_iter().flatten().collect()))
        }
        Query::Status { user } => {
            let user = look.user(user)?.ok_or(Refusal::UnknownUser)?;
            let online = sources.presence.is_online(user.id);
            Ok(View::Status { user, online })
        }
    }
}

/// One look at the store.
struct Look<'a> {
    store: &'a dyn Store,
    reader: Reader<'a>,
    opened: Option<&'a ConversationView>,
}

impl Look<'_> {
    /// A conversation that the reader may see, and who of its members looks. A stranger gets the same
    /// words for a conversation that is there and one that is not.
    fn conversation(
        &self,
        name: &ConversationRef,
        viewer: Option<&UserRef>,
    ) -> Result<(ConversationView, Option<Arc<User>>), QueryError> {
        let found = match name {
            ConversationRef::Uuid(uuid) => self.stored(ConversationName::Uuid(*uuid))?,
            ConversationRef::Id(id) => self.stored(ConversationName::Id(*id))?,
            ConversationRef::Opened => self.opened.cloned(),
        };
        let found = found.ok_or(Refusal::UnknownConversation)?;
        let viewer = if let Some(viewer) = viewer {
            let user = self.viewer(viewer)?;
            let member = user.filter(|user| found.has(user.id));
            Some(member.ok_or(Refusal::UnknownConversation)?)
        } else {
            self.own(&found)
        };
        // Without a viewer of its own only the app itself looks.
        if viewer.is_none() && !self.reader.is_believed {
            return Err(Refusal::UnknownConversation.into());
        }
        Ok((found, viewer))
    }

    /// Who of the members the asker is, if any.
    fn own(&self, conversation: &ConversationView) -> Option<Arc<User>> {
        let is_asker = |user: &Arc<User>| {
            let is_proven = Some(&user.external) == self.reader.subject;
            is_proven || self.reader.users.contains(&user.id)
        };
        let mut members = conversation.members.iter().map(|member| &member.user);
        members.find(|user| is_asker(user)).map(Arc::clone)
    }

    fn stored(&self, name: ConversationName) -> Result<Option<ConversationView>, Fault> {
        self.store.conversation(self.reader.app, &name)
    }

    /// The user as whom the reader may look.
    fn viewer(&self, name: &UserRef) -> Result<Option<Arc<User>>, QueryError> {
        if !self.reader.is_believed && self.reader.subject.is_none() {
            return Err(Refusal::TokenRequired.into());
        }
        let user = self.user(name)?;
        let is_subject = |user: &Arc<User>| Some(&user.external) == self.reader.subject;
        if !self.reader.is_believed && !user.as_ref().is_some_and(is_subject) {
            return Err(Refusal::NotTheTokensSubject.into());
        }
        Ok(user)
    }

    fn user(&self, asked: &UserRef) -> Result<Option<Arc<User>>, Fault> {
        let name = match asked {
            UserRef::Named(external) => UserName::External(external.text.clone()),
            UserRef::Known(external) => UserName::External(external.clone()),
            UserRef::Uuid(uuid) | UserRef::Both(uuid, _) => UserName::Uuid(*uuid),
        };
        let user = self.store.user(self.reader.app, &name)?;
        Ok(user.filter(|user| match asked {
            UserRef::Both(_, external) => user.external.text == *external,
            UserRef::Named(_) | UserRef::Known(_) | UserRef::Uuid(_) => true,
        }))
    }
}
