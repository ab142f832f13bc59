//! Opening the database: is it ours, is it whole, is it of a version that we know; then bringing it
//! up to date. Every connection is made here, so every connection is set up alike.

use std::{
    ffi::c_int,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chat::room::folded;
use refinery::{Migration, Runner, Target};
use rusqlite::{
    Connection, ErrorCode, MAIN_DB, OpenFlags,
    ffi::{SQLITE_CANTOPEN, SQLITE_READONLY},
    functions::FunctionFlags,
};

use super::Options;
use crate::stores::{
    Folder, OpenError,
    folder::{make_private_file, sync_folder},
};

/// The name of the database in the data folder.
pub(super) const FILE: &str = "palaver.db";
/// "Plvr": how a database says that it is one of ours (SQLite's `application_id`).
const APPLICATION: i64 = 0x506c_7672;
/// How every SQLite database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const PAGE_BYTES: u64 = 4_096;
/// Page caches, in KiB. They fill by use.
const WRITER_CACHE: i64 = 32 << 10;
const READER_CACHE: i64 = 4 << 10;

/// The steps from an empty database to the current layout, oldest first. A step that was released
/// never changes; its number is the version of the layout that it leads to.
const STEPS: &[(&str, &str)] = &[
    ("V1__first", include_str!("migrations/V1__first.sql")),
    ("V2__seen", include_str!("migrations/V2__seen.sql")),
    ("V3__groups", include_str!("migrations/V3__groups.sql")),
    ("V4__products", include_str!("migrations/V4__products.sql")),
    ("V5__searched", include_str!("migrations/V5__searched.sql")),
    ("V6__rooms", include_str!("migrations/V6__rooms.sql")),
    ("V7__reviews", include_str!("migrations/V7__reviews.sql")),
];

/// The version of the layout that this program reads and writes.
#[expect(clippy::cast_possible_wrap, reason = "a handful of steps")]
pub(super) const LATEST: i64 = STEPS.len() as i64;

/// Where the database is and how to open it.
#[derive(Clone)]
pub(super) struct Place {
    file: Arc<Path>,
    size_limit: Option<u64>,
    busy_timeout: Duration,
}

impl Place {
    pub(super) fn new(folder: &Folder, options: &Options) -> Self {
        Self {
            file: folder.path().join(FILE).into(),
            size_limit: options.size_limit,
            busy_timeout: options.busy_timeout,
        }
    }

    /// Makes the database if there is none, refuses one that is not ours, migrates an older one.
    pub(super) fn prepare(&self) -> Result<(), OpenError> {
        self.migrate(LATEST)
    }

    /// Brings the database to a version of the layout; tests stop at earlier ones.
    pub(super) fn migrate(&self, version: i64) -> Result<(), OpenError> {
        look_like_a_database(&self.file)?;
        make_private_file(&self.file).map_err(|error| OpenError::unusable(&self.file, error))?;
        let mut connection = self.touch().map_err(|error| self.refuse(&error))?;
        self.identify(&connection)?;
        set_up(&connection)
            .and_then(|()| teach(&connection))
            .map_err(|error| self.refuse(&error))?;
        run_steps(&mut connection, version).map_err(|cause| {
            let error = std::error::Error::source(&cause);
            match error.and_then(|error| error.downcast_ref::<rusqlite::Error>()) {
                // A full disk or another process, say: the file is as it was.
                Some(error) => self.refuse(error),
                None => self.damaged(&cause),
            }
        })?;
        connection
            .pragma_update(None, "user_version", version)
            .map_err(|error| self.refuse(&error))?;
        // The names of the WAL and its index are on disk before anything relies on them.
        let folder = self.file.parent().unwrap_or(&self.file);
        sync_folder(folder).map_err(|error| OpenError::unusable(folder, error))
    }

    /// Is it ours, and of a version that we know?
    fn identify(&self, connection: &Connection) -> Result<(), OpenError> {
        let number = |sql: &str| {
            connection
                .query_row(sql, [], |row| row.get::<_, i64>(0))
                .map_err(|error| self.refuse(&error))
        };
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        match number("PRAGMA application_id")? {
            APPLICATION => {}
            // Nothing is in it: a new file, or one whose making was cut short.
            0 if tables == 0 => connection
                .pragma_update(None, "application_id", APPLICATION)
                .map_err(|error| self.refuse(&error))?,
            _ => return Err(OpenError::Foreign(self.file.to_path_buf())),
        }
        let found = number("PRAGMA user_version")?;
        if found > LATEST {
            return Err(OpenError::Newer {
                file: self.file.to_path_buf(),
                found,
                known: LATEST,
            });
        }
        Ok(())
    }

    /// The connection that writes.
    pub(super) fn writer(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect()?;
        // What is erased is gone from the file, not only from the tables.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "cache_size", -WRITER_CACHE)?;
        connection.set_prepared_statement_cache_capacity(64);
        if let Some(bytes) = self.size_limit {
            let pages = i64::try_from(bytes / PAGE_BYTES).unwrap_or(i64::MAX);
            connection.pragma_update(None, "max_page_count", pages)?;
        }
        Ok(connection)
    }

    /// A connection that can only read.
    pub(super) fn reader(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(self.busy_timeout)?;
        connection.pragma_update(None, "cache_size", -READER_CACHE)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(connection)
    }

    /// A connection that moves pages from the WAL into the database. It does not wait for others:
    /// what it cannot do now it does next time.
    pub(super) fn checkpointer(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect()?;
        connection.busy_timeout(Duration::ZERO)?;
        Ok(connection)
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = self.touch()?;
        set_up(&connection)?;
        Ok(connection)
    }

    /// Opens the file without changing anything about it: it may not be ours.
    fn touch(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(self.busy_timeout)?;
        if connection.is_readonly(MAIN_DB)? {
            return Err(failure(SQLITE_READONLY, "the file can only be read"));
        }
        Ok(connection)
    }

    pub(super) fn unusable(&self, cause: impl std::fmt::Display) -> OpenError {
        OpenError::unusable(&self.file, cause)
    }

    pub(super) fn refuse(&self, error: &rusqlite::Error) -> OpenError {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => OpenError::Foreign(self.file.to_path_buf()),
            Some(ErrorCode::DatabaseCorrupt) => self.damaged(error),
            _ => OpenError::unusable(&self.file, error),
        }
    }

    fn damaged(&self, cause: &impl ToString) -> OpenError {
        OpenError::Damaged {
            file: self.file.to_path_buf(),
            cause: cause.to_string(),
        }
    }
}

/// What every connection that may write is set to.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let words = "this disk does not support write-ahead logging";
        return Err(failure(SQLITE_CANTOPEN, words));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // What is decided refers to what is there; looking it up again would make every send read.
    connection.pragma_update(None, "foreign_keys", false)?;
    // A thread of its own moves pages; a commit should only ever append and sync.
    connection.pragma_update(None, "wal_autocheckpoint", 0)
}

/// A failure in words of our own.
pub(super) fn failure(code: c_int, words: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(words.to_owned()))
}

/// Refuses what is no SQLite database before SQLite touches it: it would write into it.
fn look_like_a_database(file: &Path) -> Result<(), OpenError> {
    let mut start = [0; MAGIC.len()];
    let mut opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::unusable(file, error)),
    };
    match opened.metadata() {
        Ok(metadata) if metadata.is_file() && metadata.len() == 0 => return Ok(()),
        Ok(metadata) if !metadata.is_file() => {
            return Err(OpenError::unusable(file, "it is not a file"));
        }
        _ => {}
    }
    match opened.read_exact(&mut start) {
        Ok(()) if start == *MAGIC => Ok(()),
        Ok(()) => Err(OpenError::Foreign(PathBuf::from(file))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(OpenError::Foreign(PathBuf::from(file)))
        }
        Err(error) => Err(OpenError::unusable(file, error)),
    }
}

/// What the steps call and SQLite does not have.
fn teach(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("folded", 1, flags, |call| {
        Ok(folded(call.get_raw(0).as_str()?))
    })
}

/// Runs the steps that are still missing, each in a transaction of its own.
fn run_steps(connection: &mut Connection, version: i64) -> Result<(), refinery::Error> {
    let steps = STEPS
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql))
        .collect::<Result<Vec<_>, _>>()?;
    let target = Target::Version(i32::try_from(version).unwrap_or(i32::MAX));
    Runner::new(&steps).set_target(target).run(connection)?;
    Ok(())
}
