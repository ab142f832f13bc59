//! The connection that writes, and what becomes of a batch when something fails.
//!
//! Before COMMIT nothing is on disk that counts: roll back, say so. When COMMIT itself fails the
//! WAL may or may not hold the batch, and the same handle must not be asked again: a sync that
//! failed once can succeed the second time without having written. So the connection is closed, a
//! new one moves whatever the WAL holds into the database, empties the WAL, and then the commit
//! counter in the database says which it was.

use std::sync::Arc;

use chat::{
    Fault,
    room::{RoomNews, RoomNote},
    store::{Batch, Boot, Change, CommitError},
};
use rusqlite::{Connection, DEFAULT_NAME, ErrorCode, hooks::Wal, wal::CheckpointMode};

use super::{apply, checkpoint::Gauge, open::Place, read};
use crate::stores::{Folder, OpenError};

const COMMITTING: &str = "committing a batch";

pub(super) struct Writer {
    place: Place,
    folder: Arc<Folder>,
    free_space_floor: u64,
    gauge: Gauge,
    /// `None` after a failure that makes the handle doubtful, until it can be opened again.
    connection: Option<Connection>,
    /// Batches in the database, as far as is known.
    commits: i64,
}

/// Where writing a batch failed.
enum Failure {
    /// Before COMMIT, or COMMIT refused in a way that is certain.
    Before(rusqlite::Error),
    /// COMMIT failed in the middle.
    Within(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Before(error)
    }
}

impl Writer {
    pub(super) fn open(
        place: Place,
        folder: Arc<Folder>,
        free_space_floor: u64,
        gauge: Gauge,
    ) -> Result<Self, OpenError> {
        let mut writer = Self {
            place,
            folder,
            free_space_floor,
            gauge,
            connection: None,
            commits: 0,
        };
        let opened = writer.place.writer();
        let adopted = opened.and_then(|connection| writer.adopt(connection));
        match adopted {
            Ok(()) => Ok(writer),
            Err(error) => Err(writer.place.refuse(&error)),
        }
    }

    /// Writes a batch and syncs it.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        self.check_space(batch).map_err(CommitError::RolledBack)?;
        let connection = match self.connected() {
            Ok(connection) => connection,
            Err(error) => return Err(CommitError::RolledBack(Fault::new(COMMITTING, error))),
        };
        let written = write(connection, batch);
        let expected = self.commits + 1;
        match written {
            Ok(()) => {
                self.commits = expected;
                Ok(())
            }
            Err(Failure::Before(error)) => {
                self.roll_back(&error);
                Err(CommitError::RolledBack(Fault::new(COMMITTING, error)))
            }
            Err(Failure::Within(error)) => self.find_out(expected, &error),
        }
    }

    /// Notes a start of the server.
    pub(super) fn boot(&mut self, epoch: u32) -> Result<Vec<Boot>, Fault> {
        const DOING: &str = "noting the start of the server";
        let fault = |error| Fault::new(DOING, error);
        let connection = self.connected().map_err(fault)?;
        connection
            .execute(
                "INSERT INTO boot (epoch, first_g) SELECT ?1, last_g + 1 FROM node",
                [epoch],
            )
            .map_err(fault)?;
        read::boots(connection).map_err(fault)
    }

    /// Reads committed state through the writer's connection.
    pub(super) fn look<T>(
        &mut self,
        doing: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Fault> {
        let result = self.connected().and_then(read);
        result.map_err(|error| {
            self.doubt(&error);
            Fault::new(doing, error)
        })
    }

    /// Whether a batch could be begun now.
    pub(super) fn check(&mut self) -> Result<(), Fault> {
        let result = self
            .connected()
            .and_then(|connection| connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK"));
        result.map_err(|error| {
            self.roll_back(&error);
            Fault::new("checking the writer", error)
        })
    }

    /// The connection, opened again if a failure has closed it.
    fn connected(&mut self) -> rusqlite::Result<&Connection> {
        if self.connection.is_none() {
            self.reopen()?;
        }
        let connection = self.connection.as_ref();
        Ok(connection.expect("reopening sets it or fails"))
    }

    /// Opens a fresh handle after a failure. Whatever the WAL holds is moved into the database with
    /// writes of our own, and the WAL is emptied: after this nothing hangs on an earlier handle's
    /// failed sync, and what a failed commit left behind can neither vanish nor come back.
    fn reopen(&mut self) -> rusqlite::Result<()> {
        let connection = self.place.writer()?;
        connection.wal_checkpoint_v2(DEFAULT_NAME, CheckpointMode::TRUNCATE)?;
        self.adopt(connection)
    }

    fn adopt(&mut self, mut connection: Connection) -> rusqlite::Result<()> {
        self.commits = connection.query_row("SELECT commits FROM node", [], |row| row.get(0))?;
        let gauge = self.gauge.clone();
        connection.wal_hook(Some(move |_: &mut Wal, pages| {
            gauge.show(pages);
            Ok(())
        }))?;
        self.connection = Some(connection);
        Ok(())
    }

    fn check_space(&self, batch: &Batch) -> Result<(), Fault> {
        let grows = |change: &Change| {
            matches!(
                change,
                Change::Message(_)
                    | Change::MessageEdited { .. }
                    | Change::UserUpdated(_)
                    | Change::ConversationUpdated { .. }
                    | Change::RoomNoted {
                        note: RoomNote::News(RoomNews::Other { .. } | RoomNews::Livestream(_)),
                        ..
                    }
            )
        };
        if self.free_space_floor == 0 || !batch.changes.iter().any(grows) {
            return Ok(());
        }
        let fault = |cause: String| Fault::new(COMMITTING, cause);
        let free = self
            .folder
            .free_space()
            .map_err(|error| fault(error.to_string()))?;
        if free >= self.free_space_floor {
            return Ok(());
        }
        Err(fault(format!(
            "only {free} bytes of disk space are left, the floor is {}",
            self.free_space_floor
        )))
    }

    /// Ends a transaction that did not get as far as COMMIT.
    fn roll_back(&mut self, error: &rusqlite::Error) {
        self.doubt(error);
        if let Some(connection) = &self.connection
            && !connection.is_autocommit()
            && connection.execute_batch("ROLLBACK").is_err()
        {
            self.connection = None;
        }
    }

    /// Closes the handle after an error that says something about the handle or the disk.
    fn doubt(&mut self, error: &rusqlite::Error) {
        if !is_harmless(error) {
            self.connection = None;
        }
    }

    /// Looks up whether a batch is stored whose COMMIT failed.
    pub(super) fn find_out(
        &mut self,
        expected: i64,
        error: &rusqlite::Error,
    ) -> Result<(), CommitError> {
        self.connection = None;
        match self.reopen() {
            Ok(()) if self.commits >= expected => {
                tracing::warn!(%error, "a commit failed, but its batch turned out to be stored");
                Ok(())
            }
            Ok(()) => Err(CommitError::RolledBack(Fault::new(COMMITTING, error))),
            Err(second) => {
                let cause = format!("{error}; then opening the database again: {second}");
                Err(CommitError::Unknown(Fault::new(COMMITTING, cause)))
            }
        }
    }
}

/// Whether the handle can be used further after this error.
fn is_harmless(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        None => true,
        Some(code) => matches!(
            code,
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::ConstraintViolation
                | ErrorCode::TooBig
        ),
    }
}

fn write(connection: &Connection, batch: &Batch) -> Result<(), Failure> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    apply::batch(connection, batch)?;
    let committed = connection.prepare_cached("COMMIT")?.execute([]);
    match committed {
        Ok(_) => Ok(()),
        // The disk was full before the batch's last frame was in the WAL, or the lock was not to be
        // had: without its last frame a batch does not count.
        Err(error) if is_harmless(&error) => Err(Failure::Before(error)),
        Err(error) => Err(Failure::Within(error)),
    }
}
