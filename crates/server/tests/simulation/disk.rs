//! The simulated store: what is committed stays, and it fails when it is told to.

use std::{path::Path, sync::Arc};

use chat::{
    AppId, Conversation, ConversationId, ConversationKind, ConversationView, Event, Fault, G,
    MessageView, SessionId, Store, Topic, User, UserId,
    model::{ApiKey, App, Media},
    review::{Filter, Review},
    session::StoredSession,
    store::{
        Batch, Boot, Change, CommitError, ConversationName, ConversationSummary, Counters, Found,
        ListPage, Need, Page, UserName,
    },
};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::model::{Failure, Model, Rows};

/// A store, and a journal of what its commits have said about sessions.
#[derive(Default)]
pub(crate) struct Disk {
    rows: Model,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    full: bool,
    next_commit: Option<Failure>,
    unreadable: bool,
    failures: u32,
    unread: u32,
    joins: Vec<Join>,
    ended: Vec<SessionId>,
}

/// A subscription that was committed.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    pub(crate) session: SessionId,
    pub(crate) pid_hash: [u8; 32],
    pub(crate) place: Topic,
    pub(crate) since: G,
}

impl Disk {
    /// The first number of the start after the one with this epoch.
    pub(crate) fn end_of_start(&self, epoch: Option<u32>) -> G {
        let boots = self.rows.rows().boots;
        let own = boots.iter().position(|boot| Some(boot.epoch) == epoch);
        let next = own.and_then(|own| boots.get(own + 1));
        next.map_or(G::MAX, |next| next.first_g)
    }

    /// No commit fits from now on.
    pub(crate) fn fill_up(&self) {
        self.state.lock().full = true;
    }

    /// The next commit goes wrong in this way.
    pub(crate) fn fail_next_commit(&self, how: Failure) {
        self.state.lock().next_commit = Some(how);
    }

    /// Nothing can be read from now on.
    pub(crate) fn lock_up(&self) {
        self.state.lock().unreadable = true;
    }

    /// Everything works again.
    pub(crate) fn repair(&self) {
        let mut state = self.state.lock();
        state.full = false;
        state.unreadable = false;
        state.next_commit = None;
    }

    /// How often it has failed.
    pub(crate) fn failures(&self) -> u32 {
        self.state.lock().failures
    }

    /// How often it could not be read.
    pub(crate) fn unread(&self) -> u32 {
        self.state.lock().unread
    }

    /// What `at` says of what is stored.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Rows) -> T) -> T {
        self.rows.look(at)
    }

    /// What the session of this recovery id listens to, as was committed. The first word on a
    /// place counts.
    pub(crate) fn joins(&self, pid_hash: &[u8; 32]) -> Vec<Join> {
        let state = self.state.lock();
        let mut joins: Vec<Join> = Vec::new();
        for join in state.joins.iter().filter(|join| join.pid_hash == *pid_hash) {
            if !joins.iter().any(|known| known.place == join.place) {
                joins.push(join.clone());
            }
        }
        joins
    }

    /// Whether the end of a session was committed.
    pub(crate) fn has_ended(&self, session: SessionId) -> bool {
        self.state.lock().ended.contains(&session)
    }

    fn read<T>(&self, read: impl FnOnce(&Model) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut state = self.state.lock();
        if state.unreadable {
            state.failures += 1;
            state.unread += 1;
            return Err(Fault::new("reading", "the disk does not answer"));
        }
        drop(state);
        read(&self.rows)
    }

    fn note(state: &mut State, change: &Change) {
        match change {
            Change::Subscription {
                session,
                topic,
                since,
                ..
            } => state.joins.push(Join {
                session: session.id,
                pid_hash: session.pid_hash,
                place: *topic,
                since: *since,
            }),
            Change::SessionBegun(session) => {
                state
                    .joins
                    .extend(session.subscriptions.iter().map(|joined| Join {
                        session: session.seed.id,
                        pid_hash: session.seed.pid_hash,
                        place: joined.topic,
                        since: joined.since,
                    }));
            }
            Change::SessionEnded(session) => state.ended.push(*session),
            _ => {}
        }
    }
}

impl Store for Disk {
    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let mut state = self.state.lock();
        let failure = match state.next_commit.take() {
            None if state.full => Some(Failure::RolledBack),
            failure => failure,
        };
        let is_stored = matches!(failure, None | Some(Failure::UnknownButStored));
        if is_stored {
            self.rows.commit(batch)?;
            for change in &batch.changes {
                Self::note(&mut state, change);
            }
        }
        let fault = || Fault::new("committing", "simulated");
        state.failures += u32::from(failure.is_some());
        match failure {
            None => Ok(()),
            Some(Failure::RolledBack) => Err(CommitError::RolledBack(fault())),
            Some(Failure::UnknownButStored | Failure::UnknownAndNotStored) => {
                Err(CommitError::Unknown(fault()))
            }
        }
    }

    fn boot(&self, epoch: u32) -> Result<Vec<Boot>, Fault> {
        self.rows.boot(epoch)
    }
    fn counters(&self) -> Result<Counters, Fault> {
        self.rows.counters()
    }
    fn load(&self, need: &Need) -> Result<Found, Fault> {
        self.read(|rows| rows.load(need))
    }
    fn apps(&self) -> Result<Vec<App>, Fault> {
        self.rows.apps()
    }
    fn key(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, Fault> {
        self.rows.key(hash)
    }
    fn keys(&self, app: AppId) -> Result<Vec<ApiKey>, Fault> {
        self.rows.keys(app)
    }
    fn conversation(
        &self,
        app: AppId,
        name: &ConversationName,
    ) -> Result<Option<ConversationView>, Fault> {
        self.read(|rows| rows.conversation(app, name))
    }
    fn conversations(
        &self,
        user: UserId,
        page: &ListPage,
    ) -> Result<(Vec<ConversationSummary>, u64), Fault> {
        self.read(|rows| rows.conversations(user, page))
    }
    fn history(
        &self,
        conversation: &Arc<Conversation>,
        at: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault> {
        self.read(|rows| rows.history(conversation, at, page))
    }
    fn missed(
        &self,
        user: UserId,
        after: G,
        up_to: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault> {
        self.read(|rows| rows.missed(user, after, up_to, page))
    }
    fn contacts(
        &self,
        user: UserId,
        kind: ConversationKind,
        limit: u32,
    ) -> Result<Vec<UserId>, Fault> {
        self.read(|rows| rows.contacts(user, kind, limit))
    }
    fn blocks(&self, user: UserId) -> Result<Vec<Arc<User>>, Fault> {
        self.read(|rows| rows.blocks(user))
    }
    fn vote(&self, room: ConversationId, user: UserId) -> Result<Option<u32>, Fault> {
        self.read(|rows| rows.vote(room, user))
    }
    fn filters(&self, app: AppId) -> Result<Vec<Arc<Filter>>, Fault> {
        self.read(|rows| rows.filters(app))
    }
    fn reviews(
        &self,
        app: AppId,
        room: Option<ConversationId>,
        offset: u64,
        limit: u32,
    ) -> Result<Vec<Arc<Review>>, Fault> {
        self.read(|rows| rows.reviews(app, room, offset, limit))
    }
    fn message(&self, app: AppId, uuid: Uuid) -> Result<Option<MessageView>, Fault> {
        self.read(|rows| rows.message(app, uuid))
    }
    fn user(&self, app: AppId, name: &UserName) -> Result<Option<Arc<User>>, Fault> {
        self.read(|rows| rows.user(app, name))
    }
    fn users(&self, ids: &[UserId]) -> Result<Vec<Arc<User>>, Fault> {
        self.read(|rows| rows.users(ids))
    }
    fn media(&self, name: &str) -> Result<Option<Media>, Fault> {
        self.read(|rows| rows.media(name))
    }
    fn sessions(&self, pid_hashes: &[[u8; 32]]) -> Result<Vec<StoredSession>, Fault> {
        self.read(|rows| rows.sessions(pid_hashes))
    }
    fn log(&self, place: Topic, after: G, up_to: G, limit: u32) -> Result<Vec<Arc<Event>>, Fault> {
        self.read(|rows| rows.log(place, after, up_to, limit))
    }
    fn check(&self) -> Result<(), Fault> {
        self.read(Model::check)
    }
    fn backup(&self, folder: &Path) -> Result<(), Fault> {
        self.rows.backup(folder)
    }
}
