//! The data folder: made private, held by one server at a time, watched for free space.
//!
//! Knows nothing of what is in the database. Opening it goes on in `sqlite`.

use std::{
    fmt, fs,
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The name of the lock file in a data folder.
const LOCK: &str = "palaver.lock";

/// Why a data folder cannot be used. The words say what to do about it.
#[derive(Debug)]
pub enum OpenError {
    /// Another process serves from this folder.
    Held {
        /// The folder.
        folder: PathBuf,
        /// The process that holds it, if it has said so.
        pid: Option<u32>,
    },
    /// The file is not a database of Palaver.
    Foreign(PathBuf),
    /// A later version of Palaver has written the file.
    Newer {
        /// The file.
        file: PathBuf,
        /// The version of its layout.
        found: i64,
        /// The latest version that this program knows.
        known: i64,
    },
    /// The file is damaged.
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        cause: String,
    },
    /// The folder or a file in it cannot be read or written.
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
}

impl OpenError {
    pub(crate) fn unusable(path: &Path, cause: impl fmt::Display) -> Self {
        Self::Unusable {
            path: path.to_owned(),
            cause: cause.to_string(),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { folder, pid } => {
                write!(f, "{} is in use by another palaver", folder.display())?;
                if let Some(pid) = pid {
                    write!(f, " (process {pid})")?;
                }
                f.write_str("; stop that one or choose another folder with --data")
            }
            Self::Foreign(file) => write!(
                f,
                "{} is not a database of palaver; move it away or choose another folder with --data",
                file.display()
            ),
            Self::Newer { file, found, known } => write!(
                f,
                "{} was written by a later version of palaver (layout {found}, this one knows up \
                 to {known}); start that version, or restore a backup made before the upgrade",
                file.display()
            ),
            Self::Damaged { file, cause } => write!(
                f,
                "{} is damaged ({cause}); restore a backup: move this folder away and start on the \
                 folder that the backup wrote",
                file.display()
            ),
            Self::Unusable { path, cause } => write!(
                f,
                "{} cannot be used ({cause}); it must be on a local disk, readable and writable for \
                 the user that runs palaver",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}

/// A data folder that this process holds. Dropping it lets go.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The lock lasts as long as this handle, also when the process is killed.
    _lock: File,
}

impl Folder {
    /// Makes the folder if it is not there, for its owner only, and takes its lock.
    pub fn hold(path: &Path) -> Result<Self, OpenError> {
        make_private(path).map_err(|error| OpenError::unusable(path, error))?;
        let file = path.join(LOCK);
        let unusable = |error: io::Error| OpenError::unusable(&file, error);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&file)
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who holds it is a courtesy: without it the message is shorter.
                let _ = lock.read_to_string(&mut text);
                return Err(OpenError::Held {
                    folder: path.to_owned(),
                    pid: text.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        // A full disk must not keep a server from starting, so that it can serve what is there.
        let _ = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that this process may still write on the folder's disk.
    pub fn free_space(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

/// Makes a folder that only its owner may enter; one that is there already is left as it is.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes an empty file that only its owner may read; one that is there already is left as it is.
/// Its name is on disk when this returns.
pub(crate) fn make_private_file(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Puts the names in a folder on disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}
