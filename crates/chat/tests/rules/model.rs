//! A store in memory, as simple as can be, which fails when it is told to.

use std::sync::Arc;

use chat::{
    AppId, Conversation, ConversationView, Fault, G, MessageView, SessionId, Store, Topic, User,
    model::{ApiKey, App},
    store::{Batch, Boot, Change, CommitError, Counters, Found, Need},
};
use parking_lot::Mutex;
use uuid::Uuid;

/// How the next commit goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    RolledBack,
    UnknownButStored,
    UnknownAndNotStored,
}

#[derive(Default)]
pub(crate) struct Model {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: Rows,
    next_commit: Option<Failure>,
    loads_fail: bool,
    loads: usize,
    commits: usize,
}

/// What is stored.
#[derive(Clone, Default)]
pub(crate) struct Rows {
    pub(crate) counters: Counters,
    pub(crate) apps: Vec<Arc<App>>,
    pub(crate) keys: Vec<ApiKey>,
    pub(crate) users: Vec<Arc<User>>,
    pub(crate) conversations: Vec<ConversationView>,
    pub(crate) messages: Vec<Arc<MessageView>>,
    pub(crate) subscriptions: Vec<(SessionId, Topic, &'static str, G)>,
    pub(crate) last_commit: Vec<Change>,
}

impl Model {
    pub(crate) fn rows(&self) -> Rows {
        self.state.lock().rows.clone()
    }

    pub(crate) fn fail_next_commit(&self, failure: Failure) {
        self.state.lock().next_commit = Some(failure);
    }

    /// The next commit goes well, whatever was said before.
    pub(crate) fn forget_failure(&self) {
        self.state.lock().next_commit = None;
    }

    pub(crate) fn fail_loads(&self, fail: bool) {
        self.state.lock().loads_fail = fail;
    }

    pub(crate) fn loads(&self) -> usize {
        self.state.lock().loads
    }

    pub(crate) fn commits(&self) -> usize {
        self.state.lock().commits
    }
}

impl Rows {
    fn find(&self, need: &Need) -> Found {
        match need {
            Need::User(app, text) => {
                let is_it = |user: &&Arc<User>| user.app == *app && user.external.text == *text;
                Found::User(self.users.iter().find(is_it).cloned())
            }
            Need::ConversationByKey(app, kind, key) => self.find_conversation(|conversation| {
                (
                    conversation.app,
                    conversation.kind,
                    conversation.key.as_ref(),
                ) == (*app, *kind, Some(key))
            }),
            Need::ConversationByUuid(app, uuid) => self.find_conversation(|conversation| {
                (conversation.app, conversation.uuid) == (*app, *uuid)
            }),
            Need::Sent(conversation, sender, client_id) => {
                let is_it = |view: &&Arc<MessageView>| {
                    let message = &view.message;
                    (
                        message.conversation,
                        message.sender,
                        message.client_id.as_ref(),
                    ) == (*conversation, *sender, Some(client_id))
                };
                Found::Sent(self.messages.iter().find(is_it).cloned())
            }
            Need::AppByName(name) => {
                Found::App(self.apps.iter().find(|app| app.name == *name).cloned())
            }
            Need::Key(id) => {
                let key = self.keys.iter().find(|key| key.id == *id);
                Found::Key(key.cloned().map(Arc::new))
            }
        }
    }

    fn find_conversation(&self, is_it: impl Fn(&Conversation) -> bool) -> Found {
        let mut all = self.conversations.iter();
        Found::Conversation(all.find(|view| is_it(&view.conversation)).cloned())
    }

    fn apply(&mut self, batch: &Batch) {
        let counters = &mut self.counters;
        counters.last_g = counters.last_g.max(batch.last_g);
        for change in &batch.changes {
            match change {
                Change::User(user) => {
                    counters.last_user = user.id.0;
                    counters.last_uuid = user.uuid;
                    self.users.push(Arc::clone(user));
                }
                Change::Conversation(conversation) => {
                    counters.last_conversation = conversation.id.0;
                    counters.last_uuid = conversation.uuid;
                    self.conversations.push(ConversationView {
                        conversation: Arc::clone(conversation),
                        last_seq: 0,
                        last_g: 0,
                        updated_at: conversation.created_at,
                        last_message_at: None,
                    });
                }
                Change::Message(view) => {
                    let message = &view.message;
                    counters.last_uuid = message.uuid;
                    self.messages.push(Arc::clone(view));
                    for state in &mut self.conversations {
                        if state.conversation.id == message.conversation {
                            state.last_seq = message.seq;
                            state.last_g = message.g;
                            state.updated_at = message.created_at;
                            state.last_message_at = Some(message.created_at);
                        }
                    }
                }
                Change::Subscription {
                    session,
                    topic,
                    dialect,
                    since,
                    ..
                } => {
                    let is_it = |row: &(SessionId, Topic, &str, G)| {
                        (row.0, row.1, row.2) == (session.id, *topic, *dialect)
                    };
                    if !self.subscriptions.iter().any(is_it) {
                        self.subscriptions
                            .push((session.id, *topic, dialect, *since));
                    }
                }
                Change::SessionEnded(id) => self.subscriptions.retain(|row| row.0 != *id),
                Change::App(app) => {
                    counters.last_app = app.id.0;
                    self.apps.push(Arc::clone(app));
                }
                Change::Key(key) => {
                    counters.last_key = key.id.0;
                    self.keys.push(ApiKey::clone(key));
                }
                Change::KeyRevoked(id, at) => {
                    for key in self.keys.iter_mut().filter(|key| key.id == *id) {
                        key.revoked_at = Some(*at);
                    }
                }
            }
        }
        self.last_commit.clone_from(&batch.changes);
    }
}

impl Store for Model {
    fn boot(&self, epoch: u32) -> Result<Vec<Boot>, Fault> {
        let first_g = self.counters()?.last_g + 1;
        Ok(vec![Boot { epoch, first_g }])
    }

    fn counters(&self) -> Result<Counters, Fault> {
        Ok(self.state.lock().rows.counters)
    }

    fn load(&self, need: &Need) -> Result<Found, Fault> {
        let mut state = self.state.lock();
        state.loads += 1;
        if state.loads_fail {
            return Err(Fault::new("loading", "told to fail"));
        }
        Ok(state.rows.find(need))
    }

    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut state = self.state.lock();
        state.commits += 1;
        let fault = || Fault::new("committing", "told to fail");
        match state.next_commit.take() {
            None => {
                state.rows.apply(batch);
                Ok(())
            }
            Some(Failure::RolledBack) => Err(CommitError::RolledBack(fault())),
            Some(Failure::UnknownButStored) => {
                state.rows.apply(batch);
                Err(CommitError::Unknown(fault()))
            }
            Some(Failure::UnknownAndNotStored) => Err(CommitError::Unknown(fault())),
        }
    }

    fn apps(&self) -> Result<Vec<App>, Fault> {
        Ok(self.rows().apps.iter().map(|app| App::clone(app)).collect())
    }

    fn key(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, Fault> {
        Ok(self.rows().keys.into_iter().find(|key| key.hash == *hash))
    }

    fn keys(&self, app: AppId) -> Result<Vec<ApiKey>, Fault> {
        let keys = self.rows().keys.into_iter();
        Ok(keys.filter(|key| key.app == app).collect())
    }

    fn conversation(&self, app: AppId, uuid: Uuid) -> Result<Option<Arc<Conversation>>, Fault> {
        match self.rows().find(&Need::ConversationByUuid(app, uuid)) {
            Found::Conversation(view) => Ok(view.map(|view| view.conversation)),
            _ => Ok(None),
        }
    }

    fn history(
        &self,
        conversation: &Arc<Conversation>,
        at: G,
        offset: u64,
        limit: u32,
    ) -> Result<Vec<MessageView>, Fault> {
        let rows = self.rows();
        let mut found: Vec<_> = rows
            .messages
            .iter()
            .rev()
            .filter(|view| view.message.conversation == conversation.id && view.message.g <= at)
            .skip(usize::try_from(offset).unwrap())
            .take(limit as usize)
            .map(|view| MessageView::clone(view))
            .collect();
        found.reverse();
        Ok(found)
    }

    fn check(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn backup(&self, _: &std::path::Path) -> Result<(), Fault> {
        Err(Fault::new("backing up", "a model has no files"))
    }
}
