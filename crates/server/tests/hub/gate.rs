//! A store whose commits can be held up or made to fail, and whose reads can fail, so that a test decides what happens.

use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use chat::{
    AppId, Conversation, ConversationId, ConversationKind, ConversationView, Event, Fault, G,
    Media, MessageView, SessionId, Store, Topic, User, UserId,
    model::{ApiKey, App},
    review::{Filter, Review},
    session::StoredSession,
    store::{
        Batch, Boot, Change, CommitError, ConversationName, ConversationSummary, Counters, Found,
        ListPage, Need, Page, UserName,
    },
};
use parking_lot::{Condvar, Mutex};
use server::{
    core::Core,
    hub::HubConfig,
    stores::sqlite::{Options, Sqlite},
};
use uuid::Uuid;

use crate::client::{DEADLINE, core_over};

pub(crate) struct Gate {
    store: Sqlite,
    held: Mutex<bool>,
    changed: Condvar,
    waiting: Mutex<usize>,
    next: Mutex<Option<Failure>>,
    reads_fail: AtomicBool,
    /// Sessions that inherited from another and have not ended.
    heirs: Mutex<HashSet<SessionId>>,
}

/// How a commit fails.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failure {
    /// Nothing is stored.
    RolledBack,
    /// All is stored, but the writer cannot know.
    UnknownButStored,
}

impl Gate {
    pub(crate) fn before(store: Sqlite) -> Self {
        Self {
            store,
            held: Mutex::new(false),
            changed: Condvar::new(),
            waiting: Mutex::new(0),
            next: Mutex::new(None),
            reads_fail: AtomicBool::new(false),
            heirs: Mutex::default(),
        }
    }

    /// Lets no commit through from now on.
    pub(crate) fn hold(&self) {
        *self.held.lock() = true;
    }

    /// Lets commits through again.
    pub(crate) fn open(&self) {
        *self.held.lock() = false;
        self.changed.notify_all();
    }

    /// Whether sessions can be looked up.
    pub(crate) fn fail_reads(&self, fail: bool) {
        self.reads_fail.store(fail, Ordering::Relaxed);
    }

    /// How many sessions that inherited from another have not ended.
    pub(crate) fn heirs(&self) -> usize {
        self.heirs.lock().len()
    }

    /// Has the next commit fail.
    pub(crate) fn fail_next(&self, failure: Failure) {
        *self.next.lock() = Some(failure);
    }

    /// Waits until a commit is being held up.
    pub(crate) async fn reached(&self) {
        let begun = Instant::now();
        while !self.is_waiting() {
            assert!(begun.elapsed() < DEADLINE, "nothing came to the store");
            tokio::task::yield_now().await;
        }
    }

    /// Whether a commit is being held up.
    fn is_waiting(&self) -> bool {
        *self.waiting.lock() > 0
    }
}

/// A core with a gate before its store.
pub(crate) async fn gated_core(folder: &Path, config: HubConfig) -> (Arc<Gate>, Core) {
    let store = Sqlite::open(folder, &Options::default()).unwrap();
    let gate = Arc::new(Gate::before(store));
    let core = core_over(Arc::clone(&gate) as _, config).await;
    (gate, core)
}

impl Store for Gate {
    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut held = self.held.lock();
        *self.waiting.lock() += 1;
        while *held {
            self.changed.wait(&mut held);
        }
        *self.waiting.lock() -= 1;
        drop(held);
        for change in &batch.changes {
            match change {
                Change::SessionBegun(session) => drop(self.heirs.lock().insert(session.seed.id)),
                Change::SessionEnded(session) => drop(self.heirs.lock().remove(session)),
                _ => {}
            }
        }
        let fault = || Fault::new("committing", "as the test wants it");
        match self.next.lock().take() {
            None => self.store.commit(batch),
            Some(Failure::RolledBack) => Err(CommitError::RolledBack(fault())),
            Some(Failure::UnknownButStored) => {
                self.store.commit(batch)?;
                Err(CommitError::Unknown(fault()))
            }
        }
    }

    fn boot(&self, epoch: u32) -> Result<Vec<Boot>, Fault> {
        self.store.boot(epoch)
    }
    fn counters(&self) -> Result<Counters, Fault> {
        self.store.counters()
    }
    fn load(&self, need: &Need) -> Result<Found, Fault> {
        self.store.load(need)
    }
    fn apps(&self) -> Result<Vec<App>, Fault> {
        self.store.apps()
    }
    fn key(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, Fault> {
        self.store.key(hash)
    }
    fn keys(&self, app: AppId) -> Result<Vec<ApiKey>, Fault> {
        self.store.keys(app)
    }
    fn conversation(
        &self,
        app: AppId,
        name: &ConversationName,
    ) -> Result<Option<ConversationView>, Fault> {
        self.store.conversation(app, name)
    }
    fn conversations(
        &self,
        user: UserId,
        page: &ListPage,
    ) -> Result<(Vec<ConversationSummary>, u64), Fault> {
        self.store.conversations(user, page)
    }
    fn history(
        &self,
        conversation: &Arc<Conversation>,
        at: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault> {
        self.store.history(conversation, at, page)
    }
    fn missed(
        &self,
        user: UserId,
        after: G,
        up_to: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault> {
        self.store.missed(user, after, up_to, page)
    }
    fn contacts(
        &self,
        user: UserId,
        kind: ConversationKind,
        limit: u32,
    ) -> Result<Vec<UserId>, Fault> {
        self.store.contacts(user, kind, limit)
    }
    fn blocks(&self, user: UserId) -> Result<Vec<Arc<User>>, Fault> {
        self.store.blocks(user)
    }
    fn vote(&self, room: ConversationId, user: UserId) -> Result<Option<u32>, Fault> {
        self.store.vote(room, user)
    }
    fn filters(&self, app: AppId) -> Result<Vec<Arc<Filter>>, Fault> {
        self.store.filters(app)
    }
    fn reviews(
        &self,
        app: AppId,
        room: Option<ConversationId>,
        offset: u64,
        limit: u32,
    ) -> Result<Vec<Arc<Review>>, Fault> {
        self.store.reviews(app, room, offset, limit)
    }
    fn message(&self, app: AppId, uuid: Uuid) -> Result<Option<MessageView>, Fault> {
        self.store.message(app, uuid)
    }
    fn user(&self, app: AppId, name: &UserName) -> Result<Option<Arc<User>>, Fault> {
        self.store.user(app, name)
    }
    fn users(&self, ids: &[UserId]) -> Result<Vec<Arc<User>>, Fault> {
        self.store.users(ids)
    }
    fn media(&self, name: &str) -> Result<Option<Media>, Fault> {
        self.store.media(name)
    }
    fn sessions(&self, pid_hashes: &[[u8; 32]]) -> Result<Vec<StoredSession>, Fault> {
        if self.reads_fail.load(Ordering::Relaxed) {
            return Err(Fault::new("reading sessions", "told to fail"));
        }
        self.store.sessions(pid_hashes)
    }
    fn log(&self, place: Topic, after: G, up_to: G, limit: u32) -> Result<Vec<Arc<Event>>, Fault> {
        self.store.log(place, after, up_to, limit)
    }
    fn check(&self) -> Result<(), Fault> {
        self.store.check()
    }
    fn backup(&self, folder: &Path) -> Result<(), Fault> {
        self.store.backup(folder)
    }
}
