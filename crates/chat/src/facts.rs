//! What the writer knows: a cache of committed state plus what the current batch has changed.
//!
//! A fact that is not here makes the decision stop with [`Halt::Need`]; the executor loads it and
//! decides again. So rules read like straight code and never touch a store.

use std::{collections::HashMap, sync::Arc};

use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::{
    model::{
        ApiKey, App, AppId, ConversationId, ConversationKind, ConversationView, KeyId, MessageView,
        SessionId, Timestamp, User, UserId,
    },
    refusal::Refusal,
    session::{self, StoredSession},
    store::{Change, Found, Need},
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
    users: HashMap<AppId, HashMap<String, Option<Arc<User>>>>,
    by_key: HashMap<(AppId, ConversationKind, String), Option<ConversationId>>,
    by_uuid: HashMap<(AppId, Uuid), Option<ConversationId>, RandomState>,
    conversations: HashMap<ConversationId, ConversationView, RandomState>,
    sent: HashMap<(ConversationId, UserId, String), Option<Arc<MessageView>>>,
    apps: HashMap<String, Option<Arc<App>>>,
    keys: HashMap<KeyId, Option<Arc<ApiKey>>>,
    sessions: HashMap<SessionId, Known, RandomState>,
    seen_before: HashMap<(Timestamp, u32), Vec<SessionId>>,
    held: usize,
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
        // this batch learned about sends is not worth keeping.
        self.sent.clear();
        // Sessions are many, and asked for once, when a client comes back.
        self.sessions.clear();
        self.seen_before.clear();
        if self.held > Self::CAPACITY {
            *self = Self::default();
        }
    }

    /// The user whom the app knows under this id.
    pub fn user(&self, app: AppId, external: &str) -> Result<Option<&Arc<User>>, Halt> {
        self.users
            .get(&app)
            .and_then(|users| users.get(external))
            .map(Option::as_ref)
            .ok_or_else(|| Halt::Need(Need::User(app, external.to_owned())))
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

    /// Up to `limit` sessions that were last seen before a time, when this batch began.
    pub fn sessions_seen_before(&self, time: Timestamp, limit: u32) -> Result<&[SessionId], Halt> {
        self.seen_before
            .get(&(time, limit))
            .map(Vec::as_slice)
            .ok_or(Halt::Need(Need::SessionsSeenBefore(time, limit)))
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

    /// Takes in what the store answered.
    pub fn learn(&mut self, need: Need, found: Found) {
        self.held += 1;
        match (need, found) {
            (Need::User(app, external), Found::User(user)) => {
                self.users.entry(app).or_default().insert(external, user);
            }
            (Need::ConversationByKey(app, kind, key), Found::Conversation(view)) => {
                self.by_key
                    .insert((app, kind, key), view.as_ref().map(|v| v.conversation.id));
                self.remember(view);
            }
            (Need::ConversationByUuid(app, uuid), Found::Conversation(view)) => {
                self.by_uuid
                    .insert((app, uuid), view.as_ref().map(|v| v.conversation.id));
                self.remember(view);
            }
            (Need::Sent(conversation, sender, client_id), Found::Sent(message)) => {
                self.sent.insert((conversation, sender, client_id), message);
            }
            (Need::AppByName(name), Found::App(app)) => {
                self.apps.insert(name, app);
            }
            (Need::Key(id), Found::Key(key)) => {
                self.keys.insert(id, key);
            }
            (Need::Session(id), Found::Session(stored)) => {
                let mut state = stored;
                if let Some(Known::Changes(changes)) = self.sessions.get(&id) {
                    for change in changes {
                        session::apply(&mut state, change);
                    }
                }
                self.sessions.insert(id, Known::State(state));
            }
            (Need::SessionsSeenBefore(time, limit), Found::Sessions(ids)) => {
                self.seen_before.insert((time, limit), ids);
            }
            // A store that answers another question than the one asked has a bug of its own; the
            // executor gives up on the command because the same need comes again.
            _ => {}
        }
    }

    /// A conversation that was found by one name is known by all. What this batch changed about it
    /// is newer than what the store says, so it stays.
    fn remember(&mut self, view: Option<ConversationView>) {
        let Some(view) = view else { return };
        let conversation = &view.conversation;
        self.by_uuid
            .insert((conversation.app, conversation.uuid), Some(conversation.id));
        if let Some(key) = &conversation.key {
            let key = (conversation.app, conversation.kind, key.clone());
            self.by_key.insert(key, Some(conversation.id));
        }
        self.conversations.entry(conversation.id).or_insert(view);
    }

    /// Takes in what a decision changed, so that the next one in the batch sees it.
    pub fn apply(&mut self, change: &Change) {
        self.held += 1;
        match change {
            Change::User(user) => {
                let users = self.users.entry(user.app).or_default();
                users.insert(user.external.text.clone(), Some(Arc::clone(user)));
            }
            Change::Conversation(conversation) => self.remember(Some(ConversationView {
                conversation: Arc::clone(conversation),
                last_seq: 0,
                last_g: 0,
                updated_at: conversation.created_at,
                last_message_at: None,
            })),
            Change::Message(view) => {
                let message = &view.message;
                if let Some(state) = self.conversations.get_mut(&message.conversation) {
                    state.last_seq = message.seq;
                    state.last_g = message.g;
                    state.updated_at = message.created_at;
                    state.last_message_at = Some(message.created_at);
                }
                if let Some(client_id) = &message.client_id {
                    let key = (message.conversation, message.sender, client_id.clone());
                    self.sent.insert(key, Some(Arc::clone(view)));
                }
            }
            Change::Subscription { .. }
            | Change::SessionBegun(_)
            | Change::SessionsSeen { .. }
            | Change::SessionEnded(_) => self.apply_to_sessions(change),
            Change::App(app) => {
                self.apps.insert(app.name.clone(), Some(Arc::clone(app)));
            }
            Change::Key(key) => {
                self.keys.insert(key.id, Some(Arc::clone(key)));
            }
            Change::KeyRevoked(id, at) => {
                if let Some(Some(key)) = self.keys.get_mut(id) {
                    Arc::make_mut(key).revoked_at = Some(*at);
                }
            }
        }
    }

    fn apply_to_sessions(&mut self, change: &Change) {
        for id in session::sessions_of(change) {
            let known = self.sessions.entry(*id);
            match known.or_insert_with(|| Known::Changes(Vec::new())) {
                Known::Changes(changes) => changes.push(match change {
                    Change::SessionsSeen { at, .. } => Change::SessionsSeen {
                        sessions: vec![*id],
                        at: *at,
                    },
                    change => change.clone(),
                }),
                Known::State(state) => session::apply(state, change),
            }
        }
    }
}
