//! Everything that only looks. Queries run on readers, at a known G, never in the writer's turn.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    AppId, ConversationRef, Fault, Refusal, Reply, Store, UserId,
    command::{ProductRef, UserRef},
    model::{
        Conversation, ConversationKind, ConversationView, ExternalId, G, Message, MessageView,
        User, pair_key, product_key,
    },
    room::RoomName,
    store::{ConversationName, ConversationSummary, ListPage, Page, UserName},
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
        /// Only what is older than something there.
        before: Option<Before>,
        /// How many of the newest to pass over.
        offset: u64,
        /// How many to return at most; fewer where they are long.
        limit: u32,
    },
    /// A conversation.
    Conversation {
        /// Which.
        conversation: ConversationRef,
        /// See [`Query::History`].
        viewer: Option<UserRef>,
    },
    /// A room, with what stands in it.
    Room {
        /// Which.
        room: RoomName,
        /// Of its messages only what is older than something there.
        before: Option<Before>,
        /// How many of the newest messages to return at most; fewer where they are long.
        limit: u32,
    },
    /// The conversations of a user in which something was said, the newest first.
    Conversations {
        /// Whose, and who looks.
        user: UserRef,
        /// Only those of a kind.
        kind: Option<ConversationKind>,
        /// How many of the newest to pass over.
        offset: u64,
        /// How many to return at most.
        limit: u32,
        /// How many of the newest messages of each to pass over.
        message_offset: u64,
        /// How many messages of each to return at most; fewer where they are long.
        message_limit: u32,
    },
    /// What the [`Command::CollectMissed`] before this hands out, oldest first.
    Missed {
        /// Whose, and who looks.
        user: UserRef,
        /// How many of the newest to return at most; fewer where they are long.
        limit: u32,
    },
    /// Whom a user blocks.
    Blocks {
        /// Who, and who looks.
        user: UserRef,
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

/// What something is older than.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// A message of the conversation.
    Message(Uuid),
    /// A number, whatever has it.
    G(G),
}

impl From<Uuid> for Before {
    fn from(message: Uuid) -> Self {
        Self::Message(message)
    }
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
    /// A room.
    Room(Box<RoomView>),
    /// A page of conversations.
    Conversations {
        /// Who looks.
        viewer: Arc<User>,
        /// The page.
        conversations: Vec<ConversationSummary>,
        /// How many there are in all.
        total: u64,
    },
    /// Messages.
    Messages(Vec<MessageView>),
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

/// A room, with what stands in it.
#[derive(Clone, Debug)]
pub struct RoomView {
    /// The room.
    pub conversation: ConversationView,
    /// The message that is pinned, and who did that.
    pub pinned: Option<(MessageView, Option<Arc<User>>)>,
    /// Which answer of the poll the one who looks has chosen.
    pub voted: Option<u32>,
    /// The messages that were asked for, oldest first.
    pub messages: Vec<MessageView>,
}

/// Bytes of text and metadata in what a query finds, roughly.
pub const MAX_VIEW: usize = 4 << 20;

/// Who is online.
pub trait Presence: Send + Sync {
    /// Whether any socket of the user's is connected.
    fn is_online(&self, user: &User) -> bool;
    /// Whether a socket of the user's is connected that says to others that the user is there.
    fn is_present(&self, user: &User) -> bool;
}

/// Nobody is online: for those who work on a store that no server has open.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Presence for Nobody {
    fn is_online(&self, _user: &User) -> bool {
        false
    }

    fn is_present(&self, _user: &User) -> bool {
        false
    }
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
    /// Whether the asker is the app itself.
    pub is_server: bool,
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

/// Runs `query` as of `at`: no message newer than that is seen. `reply` is what the command before
/// it came to, which [`ConversationRef::Opened`] and [`Query::Missed`] go on from.
pub fn run(
    sources: Sources<'_>,
    reader: Reader<'_>,
    query: &Query,
    at: G,
    reply: Option<&Reply>,
) -> Result<View, QueryError> {
    let look = Look {
        store: sources.store,
        reader,
        opened: match reply {
            Some(Reply::Opened { conversation, .. }) => Some(conversation),
            _ => None,
        },
    };
    match query {
        Query::History {
            conversation,
            viewer,
            before,
            offset,
            limit,
        } => {
            let (conversation, viewer) = look.conversation(conversation, viewer.as_ref())?;
            let page = page(*offset, *limit);
            let messages = look.history(&conversation, *before, at, &page)?;
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
        Query::Room {
            room,
            before,
            limit,
        } => {
            let mut found = look.room(room)?;
            if *limit > 0 {
                let page = page(0, *limit);
                found.messages = look.history(&found.conversation, *before, at, &page)?;
            }
            Ok(View::Room(Box::new(found)))
        }
        Query::Conversations {
            user,
            kind,
            offset,
            limit,
            message_offset,
            message_limit,
        } => {
            let viewer = look.viewer(user)?.ok_or(Refusal::UnknownUser)?;
            let list = ListPage {
                kind: *kind,
                offset: *offset,
                limit: *limit,
                messages: page(*message_offset, *message_limit),
            };
            let (conversations, total) = sources.store.conversations(viewer.id, &list)?;
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
        Query::Missed { user, limit } => {
            let viewer = look.viewer(user)?.ok_or(Refusal::UnknownUser)?;
            let Some(Reply::Missed { after, up_to }) = reply else {
                return Ok(View::Messages(Vec::new()));
            };
            let page = page(0, *limit);
            let missed = sources.store.missed(viewer.id, *after, *up_to, &page)?;
            Ok(View::Messages(missed))
        }
        Query::Blocks { user } => {
            let viewer = look.viewer(user)?.ok_or(Refusal::UnknownUser)?;
            Ok(View::Users(sources.store.blocks(viewer.id)?))
        }
        Query::Status { user } => {
            let user = look.user(user)?.ok_or(Refusal::UnknownUser)?;
            let online = sources.presence.is_online(&user);
            Ok(View::Status { user, online })
        }
    }
}

fn page(offset: u64, limit: u32) -> Page {
    Page {
        offset,
        limit,
        bytes: MAX_VIEW,
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
            ConversationRef::Uuid(uuid) => self.stored(&ConversationName::Uuid(*uuid))?,
            ConversationRef::OfKind(uuid, kind) => self
                .stored(&ConversationName::Uuid(*uuid))?
                .filter(|found| found.conversation.kind == *kind),
            ConversationRef::Id(id) => self.stored(&ConversationName::Id(*id))?,
            ConversationRef::Direct(a, b) => {
                self.of_two(ConversationKind::Direct, a, b, pair_key)?
            }
            ConversationRef::Product(ProductRef {
                product,
                vendor,
                customer,
            }) => {
                let key = |vendor, customer| product_key(product, vendor, customer);
                self.of_two(ConversationKind::Product, vendor, customer, key)?
            }
            ConversationRef::Room(name) => return Ok((self.public_room(name)?, None)),
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

    /// A room that everybody may see; one that is private only who brings a token.
    fn public_room(&self, name: &RoomName) -> Result<ConversationView, QueryError> {
        let found = self.stored(&ConversationName::Room(name.clone()))?;
        let found = found.ok_or(Refusal::UnknownConversation)?;
        let is_private = found.room().is_some_and(|room| room.private);
        if is_private && self.reader.subject.is_none() && !self.reader.is_server {
            return Err(Refusal::TokenRequired.into());
        }
        Ok(found)
    }

    fn room(&self, name: &RoomName) -> Result<RoomView, QueryError> {
        let conversation = self.public_room(name)?;
        let state = conversation.room();
        let pin = state.and_then(|room| room.pin.as_ref());
        let pinned = match pin {
            Some(pin) => {
                let message = self.store.message(self.reader.app, pin.message)?;
                let by = pin.by.map(|by| self.store.users(&[by])).transpose()?;
                message.map(|message| (message, by.unwrap_or_default().pop()))
            }
            None => None,
        };
        let viewer = match self.reader.subject {
            Some(_) if state.is_some_and(|room| room.poll.is_some()) => {
                self.user(&UserRef::Subject)?
            }
            _ => None,
        };
        let vote = |user: Arc<User>| self.store.vote(conversation.conversation.id, user.id);
        let voted = viewer.map(vote).transpose()?.flatten();
        Ok(RoomView {
            conversation,
            pinned,
            voted,
            messages: Vec::new(),
        })
    }

    /// Messages of a conversation as of `at`, or older, oldest first.
    fn history(
        &self,
        conversation: &ConversationView,
        before: Option<Before>,
        at: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, QueryError> {
        let found = &conversation.conversation;
        let at = match before {
            Some(Before::Message(message)) => {
                at.min(self.message_in(found, message)?.g.saturating_sub(1))
            }
            Some(Before::G(g)) => at.min(g.saturating_sub(1)),
            None => at,
        };
        Ok(self.store.history(found, at, page)?)
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

    fn stored(&self, name: &ConversationName) -> Result<Option<ConversationView>, Fault> {
        self.store.conversation(self.reader.app, name)
    }

    /// The conversation of two people that their ids make unique.
    fn of_two(
        &self,
        kind: ConversationKind,
        a: &UserRef,
        b: &UserRef,
        key: impl Fn(UserId, UserId) -> String,
    ) -> Result<Option<ConversationView>, Fault> {
        match (self.user(a)?, self.user(b)?) {
            (Some(a), Some(b)) => self.stored(&ConversationName::Key(kind, key(a.id, b.id))),
            _ => Ok(None),
        }
    }

    /// A message of a conversation.
    fn message_in(&self, conversation: &Conversation, uuid: Uuid) -> Result<Message, QueryError> {
        let found = self.store.message(self.reader.app, uuid)?;
        let here = found.filter(|found| found.conversation.id == conversation.id);
        Ok(here.ok_or(Refusal::UnknownMessage)?.message)
    }

    /// The user as whom the reader may look. Whom a token proves need not be a user yet.
    fn viewer(&self, name: &UserRef) -> Result<Option<Arc<User>>, QueryError> {
        let is_proven = self.reader.subject.is_some();
        if !is_proven && (*name == UserRef::Subject || !self.reader.is_believed) {
            return Err(Refusal::TokenRequired.into());
        }
        let user = self.user(name)?;
        let is_subject = |user: &Arc<User>| Some(&user.external) == self.reader.subject;
        let is_allowed = self.reader.is_believed
            || *name == UserRef::Subject
            || user.as_ref().is_some_and(is_subject);
        if !is_allowed {
            return Err(Refusal::NotTheTokensSubject.into());
        }
        Ok(user)
    }

    fn user(&self, asked: &UserRef) -> Result<Option<Arc<User>>, Fault> {
        let name = match asked {
            UserRef::Named(external) => UserName::External(external.text.clone()),
            UserRef::Known(external) => UserName::External(external.clone()),
            UserRef::Uuid(uuid) | UserRef::Both(uuid, _) => UserName::Uuid(*uuid),
            // Only commands name somebody so.
            UserRef::Called(_) => return Ok(None),
            UserRef::Subject => match self.reader.subject {
                Some(subject) => UserName::External(subject.text.clone()),
                None => return Ok(None),
            },
        };
        let user = self.store.user(self.reader.app, &name)?;
        Ok(user.filter(|user| match asked {
            UserRef::Both(_, external) => user.external.text == *external,
            _ => true,
        }))
    }
}
