//! The embedded store: one SQLite database in the data folder, in WAL mode, every commit synced.
//!
//! One connection writes, behind a lock; a few read-only ones read; a thread moves what is in the
//! WAL into the database. Must not decide anything. Next: `migrations/` for the layout, `writer`
//! for what happens when a commit fails, `apply` and `read` for what is written and looked up.

mod apply;
mod apps;
mod backup;
mod checkpoint;
mod conversations;
mod convert;
mod erase;
mod log;
mod media;
mod messages;
mod open;
mod read;
mod readers;
mod reviews;
mod rooms;
mod sessions;
#[cfg(test)]
mod tests;
mod users;
mod writer;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chat::{
    App, AppId, Conversation, ConversationId, ConversationKind, ConversationView, Event, Fault, G,
    Media, MessageView, Store, StoredSession, Topic, User, UserId,
    model::ApiKey,
    review::{Filter, Review},
    store::{
        Batch, Boot, CommitError, ConversationName, ConversationSummary, Counters, Found, ListPage,
        Need, Page, UserName,
    },
};
use parking_lot::Mutex;
use uuid::Uuid;

use self::{
    checkpoint::{Checkpointer, Gauge},
    readers::Readers,
    writer::Writer,
};
use super::{Folder, OpenError};

/// How the store behaves. The defaults suit a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of free disk space below which messages are refused, so that reading, signing in and
    /// restarting still work on a disk that fills up. 0 turns it off.
    pub free_space_floor: u64,
    /// The database may not grow past this many bytes (whole pages of 4 KiB). `None`: no limit.
    pub size_limit: Option<u64>,
    /// How long a commit waits while another process holds the database.
    pub busy_timeout: Duration,
    /// Reads that run at the same time; more wait their turn. At least 1.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            free_space_floor: 64 << 20,
            size_limit: None,
            busy_timeout: Duration::from_secs(2),
            readers: 4,
        }
    }
}

/// What the store has done since it was opened.
#[derive(Debug, Default)]
pub struct Counts {
    /// Batches committed.
    pub commits: AtomicU64,
    /// Changes in them.
    pub changes: AtomicU64,
    /// Lookups for decisions.
    pub loads: AtomicU64,
    /// Named reads.
    pub reads: AtomicU64,
}

fn count(counter: &AtomicU64, by: usize) {
    counter.fetch_add(by as u64, Ordering::Relaxed);
}

/// The embedded engine. Dropping it moves the rest of the WAL into the database and lets go of
/// the folder.
pub struct Sqlite {
    // Dropped in this order: the thread and the readers first, so that the writer is the last to
    // close and empties the WAL; then the folder's lock.
    _checkpointer: Checkpointer,
    readers: Readers,
    writer: Arc<Mutex<Writer>>,
    folder: Arc<Folder>,
    place: open::Place,
    gauge: Gauge,
    counts: Arc<Counts>,
}

impl Sqlite {
    /// Holds `folder`, which is made if it is not there, and opens the database in it: a new one,
    /// or one that this or an earlier version has written.
    pub fn open(folder: &Path, options: &Options) -> Result<Self, OpenError> {
        let folder = Arc::new(Folder::hold(folder)?);
        let place = open::Place::new(&folder, options);
        place.prepare()?;
        let gauge = Gauge::default();
        let writer = Writer::open(
            place.clone(),
            Arc::clone(&folder),
            options.free_space_floor,
            gauge.clone(),
        )?;
        let writer = Arc::new(Mutex::new(writer));
        Ok(Self {
            _checkpointer: Checkpointer::start(gauge.clone(), &place, Arc::clone(&writer))?,
            readers: Readers::new(place.clone(), options.readers),
            place,
            gauge,
            writer,
            folder,
            counts: Arc::default(),
        })
    }

    /// The folder that this store holds.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the store has done, for metrics.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Bytes that commits have written into the WAL so far.
    pub fn wal_bytes(&self) -> u64 {
        // A page of 4 KiB and the 24 bytes in front of it.
        self.gauge.written() * 4_120
    }

    fn read<T>(
        &self,
        doing: &'static str,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        count(&self.counts.reads, 1);
        self.readers.with(doing, read)
    }
}

impl Store for Sqlite {
    fn boot(&self, epoch: u32) -> Result<Vec<Boot>, Fault> {
        self.writer.lock().boot(epoch)
    }

    fn counters(&self) -> Result<Counters, Fault> {
        self.writer
            .lock()
            .look("reading the counters", read::counters)
    }

    fn load(&self, need: &Need) -> Result<Found, Fault> {
        count(&self.counts.loads, 1);
        // The writer's connection: it alone asks, and its page cache is the warm one.
        self.writer
            .lock()
            .look("looking up what a command needs", |connection| {
                read::load(connection, need)
            })
    }

    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.writer.lock().commit(batch)?;
        count(&self.counts.commits, 1);
        count(&self.counts.changes, batch.changes.len());
        Ok(())
    }

    fn apps(&self) -> Result<Vec<App>, Fault> {
        self.read("reading the apps", apps::apps)
    }

    fn key(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>, Fault> {
        self.read("reading a key", |connection| {
            apps::key_by_hash(connection, hash)
        })
    }

    fn keys(&self, app: AppId) -> Result<Vec<ApiKey>, Fault> {
        self.read("reading the keys of an app", |connection| {
            apps::keys(connection, app)
        })
    }

    fn conversation(
        &self,
        app: AppId,
        name: &ConversationName,
    ) -> Result<Option<ConversationView>, Fault> {
        self.read("reading a conversation", |connection| {
            conversations::by_name(connection, app, name)
        })
    }

    fn conversations(
        &self,
        user: UserId,
        page: &ListPage,
    ) -> Result<(Vec<ConversationSummary>, u64), Fault> {
        self.read("reading the conversations of a user", |connection| {
            conversations::spoken(connection, user, page)
        })
    }

    fn history(
        &self,
        conversation: &Arc<Conversation>,
        at: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault> {
        self.read("reading the history of a conversation", |connection| {
            messages::history(connection, conversation, at, page)
        })
    }

    fn missed(
        &self,
        user: UserId,
        after: G,
        up_to: G,
        page: &Page,
    ) -> Result<Vec<MessageView>, Fault> {
        self.read("reading what a user missed", |connection| {
            conversations::missed(connection, user, after, up_to, page)
        })
    }

    fn contacts(
        &self,
        user: UserId,
        kind: ConversationKind,
        limit: u32,
    ) -> Result<Vec<UserId>, Fault> {
        self.read("reading with whom a user talks", |connection| {
            conversations::contacts(connection, user, kind, limit)
        })
    }

    fn blocks(&self, user: UserId) -> Result<Vec<Arc<User>>, Fault> {
        self.read("reading whom a user blocks", |connection| {
            users::blocks(connection, user)
        })
    }

    fn vote(&self, room: ConversationId, user: UserId) -> Result<Option<u32>, Fault> {
        self.read("reading a vote", |connection| {
            rooms::vote(connection, room, user)
        })
    }

    fn filters(&self, app: AppId) -> Result<Vec<Arc<Filter>>, Fault> {
        self.read("reading the filters of an app", |connection| {
            reviews::filters(connection, app)
        })
    }

    fn reviews(
        &self,
        app: AppId,
        room: Option<ConversationId>,
        offset: u64,
        limit: u32,
    ) -> Result<Vec<Arc<Review>>, Fault> {
        self.read("reading what waits to be looked at", |connection| {
            reviews::waiting(connection, app, room, offset, limit)
        })
    }

    fn message(&self, app: AppId, uuid: Uuid) -> Result<Option<MessageView>, Fault> {
        let found = self.read("reading a message", |connection| {
            messages::by_uuid(connection, app, uuid)
        })?;
        Ok(found.map(|(message, _)| message))
    }

    fn user(&self, app: AppId, name: &UserName) -> Result<Option<Arc<User>>, Fault> {
        self.read("reading a user", |connection| {
            users::by_name(connection, app, name)
        })
    }

    fn users(&self, ids: &[UserId]) -> Result<Vec<Arc<User>>, Fault> {
        self.read("reading users", |connection| users::by_ids(connection, ids))
    }

    fn media(&self, name: &str) -> Result<Option<Media>, Fault> {
        self.read("looking up a file", |connection| {
            media::by_name(connection, name)
        })
    }

    fn sessions(&self, pid_hashes: &[[u8; 32]]) -> Result<Vec<StoredSession>, Fault> {
        self.read("reading sessions", |connection| {
            sessions::by_pids(connection, pid_hashes)
        })
    }

    fn log(&self, place: Topic, after: G, up_to: G, limit: u32) -> Result<Vec<Arc<Event>>, Fault> {
        self.read("reading the log of a place", |connection| {
            log::read(connection, place, after, up_to, limit)
        })
    }

    fn check(&self) -> Result<(), Fault> {
        const PATIENCE: Duration = Duration::from_secs(2);
        self.read("checking the database", |connection| {
            read::counters(connection).map(drop)
        })?;
        self.writer
            .try_lock_for(PATIENCE)
            .ok_or_else(|| {
                Fault::new(
                    "checking the database",
                    "a commit takes longer than 2 seconds",
                )
            })?
            .check()
    }

    fn backup(&self, folder: &Path) -> Result<(), Fault> {
        backup::copy(&self.place, folder)
    }
}
