//! What the writer knows: a cache of committed state plus what the current batch has changed.
//!
//! A fact that is not here makes the decision stop with [`Halt::Need`]; the executor loads it and
//! decides again. So rules read like straight code and never touch a store. How facts come to be known
//! is in `learning`.

mod learning;

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::{
    event::Topic,
    model::{
        ApiKey, App, AppId, ConversationId, ConversationKind, ConversationView, G, KeyId, Member,
        Members, MessageView, SessionId, Timestamp, User, UserId,
    },
    refusal::Refusal,
    room::{Ban, RoomName},
    session::{StoredSession, StoredSubscription},
    store::{Change, Due, Need, Newest, Numbers},
};

/// Why a decision stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Halt {
    /// Something must be looked up first.
    Need(Need),
    /// The answer is no.
    Refuse(Refusal),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(refusal)
    }
}

/// Cached facts, each known to exist or known not to. The names of the maps are those of [`Need`].
#[derive(Default)]
pub struct Facts {
    users: HashMap<UserId, Arc<User>, RandomState>,
    /// Who went offline in this batch, which the store does not know yet.
    went_offline: HashMap<UserId, Timestamp, RandomState>,
    by_external: HashMap<AppId, HashMap<String, Option<UserId>>>,
    by_user_uuid: HashMap<(AppId, Uuid), Option<UserId>, RandomState>,
    by_key: HashMap<(AppId, ConversationKind, String), Option<ConversationId>>,
    by_uuid: HashMap<(AppId, Uuid), Option<ConversationId>, RandomState>,
    conversations: HashMap<ConversationId, ConversationView, RandomState>,
    messages: HashMap<(AppId, Uuid), Option<Arc<MessageView>>, RandomState>,
    /// Ids of those who were called so when they were looked up, or later: some may be called otherwise
    /// by now.
    called: HashMap<(AppId, String), Vec<UserId>>,
    /// Whom this batch has made or renamed.
    renamed: Vec<UserId>,
    numbers: HashMap<AppId, Numbers>,
    by_number: HashMap<(AppId, RoomName), Option<ConversationId>>,
    bans: HashMap<(ConversationId, UserId), Option<Ban>, RandomState>,
    /// Who wrote when last, in rooms in slow mode: since a time, which an earlier question set.
    wrote: HashMap<ConversationId, Wrote>,
    votes: HashMap<(ConversationId, UserId), Option<u32>, RandomState>,
    /// Rooms whose votes this batch has forgotten.
    voteless: Vec<ConversationId>,
    due: HashMap<(Timestamp, u32), Due>,
    sent: HashMap<(ConversationId, UserId, String), Option<Arc<MessageView>>>,
    read_up_to: HashMap<(ConversationId, UserId), u64, RandomState>,
    newest_of_others: HashMap<(ConversationId, UserId), Option<Newest>, RandomState>,
    blocks: HashMap<UserId, Vec<UserId>, RandomState>,
    collected_up_to: HashMap<UserId, G, RandomState>,
    conversations_of: HashMap<UserId, Vec<ConversationId>>,
    heirs_of: HashMap<UserId, Vec<(ConversationId, UserId)>>,
    unsearched: HashMap<UserId, u64>,
    apps: HashMap<String, Option<Arc<App>>>,
    keys: HashMap<KeyId, Option<Arc<ApiKey>>>,
    sessions: HashMap<SessionId, Known, RandomState>,
    seen_before: HashMap<(Timestamp, u32), Vec<SessionId>>,
    /// The one that was found, if any, once it was asked for.
    leftover: Option<ConversationId>,
    knows_leftover: bool,
    held: usize,
}

/// Who wrote in a room lately.
struct Wrote {
    since: Timestamp,
    last: HashMap<UserId, Timestamp, RandomState>,
}

/// What is known of a session in this batch.
enum Known {
    /// What the batch has changed about it; nobody has asked what it was before.
    Changes(Vec<Change>),
    /// All of it.
    State(Option<Arc<StoredSession>>),
}

impl Facts {
    /// Facts kept before the cache is emptied; about 300 bytes each.
    const CAPACITY: usize = 200_000;

    /// Forgets everything when the cache has grown past its capacity. Only between batches.
    pub fn trim(&mut self) {
        // A retry may come much later than its first send and is then looked up again, so what
        // this batch learned about sends is not worth keeping; nor is what it learned about single
        // messages.
        self.sent.clear();
        self.messages.clear();
        self.went_offline.clear();
        self.read_up_to.clear();
        self.newest_of_others.clear();
        self.collected_up_to.clear();
        self.conversations_of.clear();
        self.heirs_of.clear();
        self.unsearched.clear();
        // Sessions are many, and asked for once, when a client comes back.
        self.sessions.clear();
        self.seen_before.clear();
        self.knows_leftover = false;
        self.due.clear();
        self.voteless.clear();
        self.renamed.clear();
        if self.held > Self::CAPACITY {
            *self = Self::default();
        }
    }

    /// The user whom the app knows under this id.
    pub fn user(&self, app: AppId, external: &str) -> Result<Option<&Arc<User>>, Halt> {
        self.by_external
            .get(&app)
            .and_then(|users| users.get(external))
            .map(|id| id.and_then(|id| self.users.get(&id)))
            .ok_or_else(|| Halt::Need(Need::User(app, external.to_owned())))
    }

    /// The user who has this outside id; one of another app is not found.
    pub fn user_by_uuid(&self, app: AppId, uuid: Uuid) -> Result<Option<&Arc<User>>, Halt> {
        match self.by_user_uuid.get(&(app, uuid)) {
            Some(id) => Ok(id.and_then(|id| self.users.get(&id))),
            None => Err(Halt::Need(Need::UserByUuid(app, uuid))),
        }
    }

    /// A user as of now.
    pub fn current(&self, user: &Arc<User>) -> Arc<User> {
        Arc::clone(self.users.get(&user.id).unwrap_or(user))
    }

    /// Members as of now.
    pub fn refreshed(&self, members: &Members) -> Members {
        let is_current = |member: &Member| {
            let known = self.users.get(&member.user.id);
            known.is_none_or(|known| Arc::ptr_eq(known, &member.user))
        };
        if members.iter().all(is_current) {
            return Arc::clone(members);
        }
        let refresh = |member: &Member| Member {
            user: self.current(&member.user),
            role: member.role,
        };
        members.iter().map(refresh).collect()
    }

    /// The conversation that has this key.
    pub fn conversation_by_key(
        &self,
        app: AppId,
        kind: ConversationKind,
        key: String,
    ) -> Result<Option<&ConversationView>, Halt> {
        let key = (app, kind, key);
        match self.by_key.get(&key) {
            Some(id) => Ok(id.and_then(|id| self.conversations.get(&id))),
            None => Err(Halt::Need(Need::ConversationByKey(key.0, key.1, key.2))),
        }
    }

    /// The users whom others see under a name, which is folded; the oldest first.
    pub fn users_called(&self, app: AppId, name: &str) -> Result<Vec<&Arc<User>>, Halt> {
        let key = (app, name.to_owned());
        let Some(ids) = self.called.get(&key) else {
            return Err(Halt::Need(Need::UsersCalled(key.0, key.1)));
        };
        let users = ids.iter().filter_map(|id| self.users.get(id));
        Ok(users.filter(|user| user.is_called(name)).collect())
    }

    /// The highest numbers given in an app.
    pub fn numbers(&self, app: AppId) -> Result<Numbers, Halt> {
        let known = self.numbers.get(&app).copied();
        known.ok_or(Halt::Need(Need::Numbers(app)))
    }

    /// The room of this name.
    pub fn room(&self, app: AppId, name: &RoomName) -> Result<Option<&ConversationView>, Halt> {
        if let RoomName::Slug(slug) = name {
            return self.conversation_by_key(app, ConversationKind::Room, slug.clone());
        }
        let key = (app, name.clone());
        match self.by_number.get(&key) {
            Some(id) => Ok(id.and_then(|id| self.conversations.get(&id))),
            None => Err(Halt::Need(Need::Room(key.0, key.1))),
        }
    }

    /// A conversation that was looked up just now, as it is after what this batch has changed.
    pub fn conversation_now(&self, view: &ConversationView) -> Option<&ConversationView> {
        self.conversations.get(&view.conversation.id)
    }

    /// The ban of a user in a room, also one that has ended.
    pub fn ban(&self, room: ConversationId, user: UserId) -> Result<Option<Ban>, Halt> {
        let known = self.bans.get(&(room, user)).copied();
        known.ok_or(Halt::Need(Need::Ban(room, user)))
    }

    /// When a user wrote last in a room, if that was after a time.
    pub fn wrote_since(
        &self,
        room: ConversationId,
        since: Timestamp,
        user: UserId,
    ) -> Result<Option<Timestamp>, Halt> {
        let known = self.wrote.get(&room).filter(|wrote| wrote.since <= since);
        let known = known.ok_or(Halt::Need(Need::WroteSince(room, since)))?;
        Ok(known.last.get(&user).copied().filter(|at| *at > since))
    }

    /// Which answer a user chose in a room's poll.
    pub fn vote(&self, room: ConversationId, user: UserId) -> Result<Option<u32>, Halt> {
        let known = self.votes.get(&(room, user)).copied();
        known.ok_or(Halt::Need(Need::Vote(room, user)))
    }

    /// What had ended in rooms when this batch began.
    pub fn due(&self, now: Timestamp, limit: u32) -> Result<&Due, Halt> {
        let known = self.due.get(&(now, limit));
        known.ok_or(Halt::Need(Need::Due(now, limit)))
    }

    /// The conversation that has this outside id; one of another app is not found. What one app
    /// asked in vain says nothing to another.
    pub fn conversation_by_uuid(
        &self,
        app: AppId,
        uuid: Uuid,
    ) -> Result<Option<&ConversationView>, Halt> {
        match self.by_uuid.get(&(app, uuid)) {
            Some(id) => Ok(id.and_then(|id| self.conversations.get(&id))),
            None => Err(Halt::Need(Need::ConversationByUuid(app, uuid))),
        }
    }

    /// The message that has this outside id, with its conversation; one of another app is not found,
    /// nor one that was cleared from its room.
    pub fn message(
        &self,
        app: AppId,
        uuid: Uuid,
    ) -> Result<Option<(&Arc<MessageView>, &ConversationView)>, Halt> {
        match self.messages.get(&(app, uuid)) {
            Some(found) => Ok(found.as_ref().and_then(|message| {
                let view = self.conversations.get(&message.conversation.id)?;
                view.shows(message).then_some((message, view))
            })),
            None => Err(Halt::Need(Need::Message(app, uuid))),
        }
    }

    /// Whether somebody else than its author has read a message.
    pub fn is_seen(&self, message: &MessageView) -> bool {
        let is_reader = |((conversation, user), seq): (&(ConversationId, UserId), &u64)| {
            *conversation == message.conversation.id
                && *user != message.sender.id
                && *seq >= message.message.seq
        };
        message.seen || self.read_up_to.iter().any(is_reader)
    }

    /// Up to which sequence number a member has read; 0 when nothing is read.
    pub fn read_up_to(&self, conversation: ConversationId, user: UserId) -> Result<u64, Halt> {
        self.read_up_to
            .get(&(conversation, user))
            .copied()
            .ok_or(Halt::Need(Need::ReadUpTo(conversation, user)))
    }

    /// The newest message that somebody else than `user` wrote; one that is read may be left out.
    pub fn newest_of_others(
        &self,
        conversation: ConversationId,
        user: UserId,
    ) -> Result<Option<Newest>, Halt> {
        self.newest_of_others
            .get(&(conversation, user))
            .copied()
            .ok_or(Halt::Need(Need::NewestOfOthers(conversation, user)))
    }

    /// Whom a user blocks.
    pub fn blocks(&self, user: UserId) -> Result<&[UserId], Halt> {
        self.blocks
            .get(&user)
            .map(Vec::as_slice)
            .ok_or(Halt::Need(Need::Blocks(user)))
    }

    /// Up to where what a user missed was handed out.
    pub fn collected_up_to(&self, user: UserId) -> Result<G, Halt> {
        self.collected_up_to
            .get(&user)
            .copied()
            .ok_or(Halt::Need(Need::CollectedUpTo(user)))
    }

    /// The conversations to which a user belonged when this batch began.
    pub fn conversations_of(&self, user: UserId) -> Result<&[ConversationId], Halt> {
        self.conversations_of
            .get(&user)
            .map(Vec::as_slice)
            .ok_or(Halt::Need(Need::ConversationsOf(user)))
    }

    /// Who came next in the groups that a user owned when this batch began.
    pub fn heirs_of(&self, user: UserId) -> Result<&[(ConversationId, UserId)], Halt> {
        self.heirs_of
            .get(&user)
            .map(Vec::as_slice)
            .ok_or(Halt::Need(Need::HeirsOf(user)))
    }

    /// How much there was to look through for what a user wrote when this batch began.
    pub fn unsearched(&self, user: UserId) -> Result<u64, Halt> {
        self.unsearched
            .get(&user)
            .copied()
            .ok_or(Halt::Need(Need::Unsearched(user)))
    }

    /// The message that an earlier try of the same send made.
    pub fn sent(
        &self,
        conversation: ConversationId,
        sender: UserId,
        client_id: &str,
    ) -> Result<Option<&Arc<MessageView>>, Halt> {
        let key = (conversation, sender, client_id.to_owned());
        match self.sent.get(&key) {
            Some(found) => Ok(found.as_ref()),
            None => Err(Halt::Need(Need::Sent(key.0, key.1, key.2))),
        }
    }

    /// The app that has this name.
    pub fn app(&self, name: &str) -> Result<Option<&Arc<App>>, Halt> {
        self.apps
            .get(name)
            .map(Option::as_ref)
            .ok_or_else(|| Halt::Need(Need::AppByName(name.to_owned())))
    }

    /// The key that has this id.
    pub fn key(&self, id: KeyId) -> Result<Option<&Arc<ApiKey>>, Halt> {
        self.keys
            .get(&id)
            .map(Option::as_ref)
            .ok_or(Halt::Need(Need::Key(id)))
    }

    /// The session that has this id, if it is stored and has not ended.
    pub fn session(&self, id: SessionId) -> Result<Option<&Arc<StoredSession>>, Halt> {
        match self.sessions.get(&id) {
            Some(Known::State(state)) => Ok(state.as_ref()),
            Some(Known::Changes(_)) | None => Err(Halt::Need(Need::Session(id))),
        }
    }

    /// Whether nothing in this batch has ended what a session listened to when the batch began.
    pub fn still_stands(&self, subscription: &StoredSubscription) -> bool {
        match (subscription.topic, subscription.user) {
            (Topic::Conversation(id), Some(user)) => {
                let view = self.conversations.get(&id);
                view.is_none_or(|view| view.has(user))
            }
            (Topic::Conversation(_), None) | (Topic::Person(_), _) => true,
        }
    }

    /// Up to `limit` sessions that were last seen before a time, when this batch began.
    pub fn sessions_seen_before(&self, time: Timestamp, limit: u32) -> Result<&[SessionId], Halt> {
        self.seen_before
            .get(&(time, limit))
            .map(Vec::as_slice)
            .ok_or(Halt::Need(Need::SessionsSeenBefore(time, limit)))
    }

    /// A deleted conversation of which something was left when this batch began.
    pub fn leftover(&self) -> Result<Option<ConversationId>, Halt> {
        if self.knows_leftover {
            Ok(self.leftover)
        } else {
            Err(Halt::Need(Need::Leftover))
        }
    }

    /// Whether a session that the store calls old still is after what this batch has changed.
    pub fn is_still_older(&self, id: SessionId, time: Timestamp) -> bool {
        match self.sessions.get(&id) {
            None => true,
            // Whatever changes a session has just seen it, or ends it.
            Some(Known::Changes(_)) => false,
            Some(Known::State(state)) => state.as_ref().is_some_and(|known| known.seen_at < time),
        }
    }
}
