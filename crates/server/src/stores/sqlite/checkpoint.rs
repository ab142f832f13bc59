//! Moves pages from the WAL into the database, on a thread of its own, so that a commit only ever
//! appends and syncs. Keeps the WAL bounded while commits never pause, and empties it when they do.

use std::{sync::Arc, thread::JoinHandle, time::Duration};

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, DEFAULT_NAME, wal::CheckpointMode};

use super::{open::Place, writer::Writer};
use crate::stores::OpenError;

/// Pages after which the next round is due: 16 MiB, so that a page that changes often is moved
/// once for many changes.
const ROUND: u32 = 4_096;
/// Pages in the WAL at which commits pause for the moment that the rest takes: 64 MiB.
const LIMIT: u32 = 16_384;
/// How long that moment may be when a read is in the way.
const PAUSE: Duration = Duration::from_millis(500);
/// After so long without a commit the WAL is emptied.
const IDLE: Duration = Duration::from_secs(10);
/// After a failure.
const RETRY: Duration = Duration::from_secs(1);

/// How full the WAL is. The writer shows it after each commit.
#[derive(Clone, Default)]
pub(super) struct Gauge(Arc<Shared>);

#[derive(Default)]
struct Shared {
    level: Mutex<Level>,
    changed: Condvar,
}

#[derive(Default)]
struct Level {
    /// Pages in the WAL after the last commit.
    pages: u32,
    /// Pages in the WAL at the last round.
    moved: u32,
    /// Commits seen, to tell whether any came while the thread slept.
    commits: u64,
    /// Pages that commits have ever written.
    written: u64,
    stop: bool,
}

impl Gauge {
    /// Takes note of how many pages the WAL has after a commit.
    pub(super) fn show(&self, pages: i32) {
        let pages = u32::try_from(pages).unwrap_or(0);
        let mut level = self.0.level.lock();
        let was_empty = level.pages == 0;
        // Fewer pages than before: the WAL began anew.
        let added = pages.checked_sub(level.pages).unwrap_or(pages);
        level.written += u64::from(added);
        if pages < level.pages {
            level.moved = 0;
        }
        level.pages = pages;
        level.commits += 1;
        if was_empty || level.is_due() {
            self.0.changed.notify_one();
        }
    }

    /// Pages that commits have written into the WAL so far.
    pub(super) fn written(&self) -> u64 {
        self.0.level.lock().written
    }

    /// Pages in the WAL after the last commit.
    #[cfg(test)]
    pub(super) fn pages(&self) -> u32 {
        self.0.level.lock().pages
    }

    /// Sleeps until something is to be done. Without a commit for as long as `idle` the WAL is to
    /// be emptied.
    fn wait(&self, idle: Duration) -> Task {
        let mut level = self.0.level.lock();
        loop {
            if level.stop {
                return Task::Stop;
            }
            if level.is_due() {
                level.moved = level.pages;
                return Task::Move;
            }
            if level.pages == 0 {
                self.0.changed.wait(&mut level);
                continue;
            }
            let commits = level.commits;
            let slept = self.0.changed.wait_for(&mut level, idle);
            if slept.timed_out() && level.commits == commits && !level.stop {
                return Task::Empty;
            }
        }
    }

    /// The WAL holds this many pages now, all of them moved.
    fn settle(&self, pages: u32) {
        let mut level = self.0.level.lock();
        level.pages = pages;
        level.moved = pages;
    }

    /// Sleeps after a failure, but not through the order to stop.
    fn pause(&self) {
        let mut level = self.0.level.lock();
        if !level.stop {
            self.0.changed.wait_for(&mut level, RETRY);
        }
    }

    fn stop(&self) {
        self.0.level.lock().stop = true;
        self.0.changed.notify_all();
    }
}

impl Level {
    fn is_due(&self) -> bool {
        self.pages.saturating_sub(self.moved) >= ROUND
    }
}

#[derive(Debug, PartialEq)]
enum Task {
    Move,
    Empty,
    Stop,
}

/// The thread. Dropping it stops and joins it.
pub(super) struct Checkpointer {
    gauge: Gauge,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(
        gauge: Gauge,
        place: &Place,
        writer: Arc<Mutex<Writer>>,
    ) -> Result<Self, OpenError> {
        let work = Work {
            gauge: gauge.clone(),
            place: place.clone(),
            writer,
            connection: None,
        };
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || work.run())
            .map_err(|error| place.unusable(error))?;
        Ok(Self {
            gauge,
            thread: Some(thread),
        })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.gauge.stop();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported there.
            let _ = thread.join();
        }
    }
}

struct Work {
    gauge: Gauge,
    place: Place,
    writer: Arc<Mutex<Writer>>,
    connection: Option<Connection>,
}

impl Work {
    fn run(mut self) {
        loop {
            let done = match self.gauge.wait(IDLE) {
                Task::Stop => return,
                Task::Move => self.move_pages(),
                Task::Empty => self.empty(),
            };
            if let Err(error) = done {
                // Nothing is lost: the pages are in the WAL and are moved later. A handle whose
                // sync failed is not used again.
                tracing::warn!(%error, "moving pages from the WAL into the database failed");
                self.connection = None;
                self.gauge.pause();
            }
        }
    }

    fn move_pages(&mut self) -> rusqlite::Result<()> {
        let connection = self.connected()?;
        let (pages, _) = connection.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::PASSIVE)?;
        if u32::try_from(pages).unwrap_or(0) < LIMIT {
            return Ok(());
        }
        // Commits came faster than pages could be moved, and a WAL begins anew only when all of it
        // is moved. Little is left; the writer waits for that.
        let writer = Arc::clone(&self.writer);
        let _paused = writer.lock();
        let connection = self.connected()?;
        connection.busy_timeout(PAUSE)?;
        let done = connection.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::RESTART);
        connection.busy_timeout(Duration::ZERO)?;
        match done {
            // A long read (a backup, perhaps) still needs the old pages: at the next round.
            Err(error) if is_busy(&error) => Ok(()),
            other => other.map(drop),
        }
    }

    fn empty(&mut self) -> rusqlite::Result<()> {
        let writer = Arc::clone(&self.writer);
        let _paused = writer.lock();
        let connection = self.connected()?;
        connection.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::TRUNCATE)?;
        self.gauge.settle(0);
        Ok(())
    }

    fn connected(&mut self) -> rusqlite::Result<&Connection> {
        if self.connection.is_none() {
            self.connection = Some(self.place.checkpointer()?);
        }
        let connection = self.connection.as_ref();
        Ok(connection.expect("set above"))
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(10);

    #[test]
    fn a_round_is_due_when_enough_pages_have_come() {
        let gauge = Gauge::default();
        gauge.show(ROUND.cast_signed() + 5);
        assert_eq!(gauge.wait(LONG), Task::Move);
        // Once for the same pages.
        gauge.show(ROUND.cast_signed() + 6);
        assert_eq!(gauge.wait(Duration::ZERO), Task::Empty);
        gauge.show(2 * ROUND.cast_signed() + 5);
        assert_eq!(gauge.wait(LONG), Task::Move);
        // The WAL begins anew: what it had does not count any more.
        gauge.show(7);
        assert_eq!(gauge.wait(Duration::ZERO), Task::Empty);
        gauge.show(ROUND.cast_signed());
        assert_eq!(gauge.wait(LONG), Task::Move);
        let written = 2 * u64::from(ROUND) + 5 + u64::from(ROUND);
        assert_eq!(gauge.written(), written);
    }

    #[test]
    fn an_empty_wal_is_left_alone_and_stopping_wakes() {
        let gauge = Gauge::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| gauge.wait(Duration::ZERO));
            gauge.stop();
            assert_eq!(waiting.join().unwrap(), Task::Stop);
        });
    }

    #[test]
    fn an_emptied_wal_is_not_emptied_again() {
        let gauge = Gauge::default();
        gauge.show(7);
        assert_eq!(gauge.wait(Duration::ZERO), Task::Empty);
        gauge.settle(0);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| gauge.wait(Duration::ZERO));
            gauge.show(ROUND.cast_signed());
            assert_eq!(waiting.join().unwrap(), Task::Move);
        });
    }
}
