//! Files that people send, in the folder `media` of the data folder.
//!
//! A file comes in pieces into `media/incoming`, counted as they come; it is synced and moved to its
//! name before anything refers to it. Its name is random and cannot be guessed: who knows it may
//! read it. A picture gets a small one beside it (`thumbnail`), a file of its own. What nothing refers to
//! is removed by the `janitor`; `serve` gives files out. Must not know where a file came from, nor who
//! may send one.

mod janitor;
mod kind;
mod name;
mod serve;
mod thumbnail;

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chat::{Fault, Media, Refusal, Reply, model::MediaKind};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

pub use self::{
    janitor::{copy_files, keep_clean},
    serve::router,
};
use self::{
    kind::{HEAD_BYTES, Kind},
    name::FileName,
};
use crate::{identity::key::random_bytes, stores::folder};

/// The folder of the files, in the data folder.
const FOLDER: &str = "media";
/// The folder of those that are not whole yet, in that one.
const INCOMING: &str = "incoming";
/// Pieces are gathered up to this many bytes before they are written.
const WRITE_BYTES: usize = 256 << 10;
/// Longest title that is kept, in bytes.
const MAX_TITLE_BYTES: usize = 255;
/// Pictures that are made smaller at once: each takes a processor, and memory for what it decodes.
const PAINTERS: usize = 2;
/// How long a picture waits for that. Then it has no thumbnail.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can be set about the store of files.
#[derive(Clone, Copy, Debug)]
pub struct MediaConfig {
    /// Longest file, in bytes.
    pub max_bytes: u64,
    /// Free bytes that the disk keeps: below, no file is taken in.
    pub free_space_floor: u64,
}

/// Why a file is not kept.
#[derive(Debug)]
pub enum MediaError {
    /// It has more bytes than are allowed.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The disk is nearly full.
    NoSpace,
    /// Our fault.
    Failed(Fault),
}

impl fmt::Display for MediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "the file is longer than {limit} bytes"),
            Self::NoSpace => f.write_str("the server has no room for files just now"),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for MediaError {}

/// Keeps files.
#[derive(Debug)]
pub struct MediaStore {
    folder: PathBuf,
    config: MediaConfig,
    painters: Arc<Semaphore>,
}

impl MediaStore {
    /// The store in a data folder that this process holds. Removes what was not whole when the last
    /// process ended. Blocks.
    pub fn open(data: &Path, config: MediaConfig) -> Result<Self, Fault> {
        let fault = |error| Fault::new("opening the folder of files", error);
        let folder = data.join(FOLDER);
        let incoming = folder.join(INCOMING);
        folder::make_private(&incoming).map_err(fault)?;
        for entry in incoming.read_dir().map_err(fault)? {
            std::fs::remove_file(entry.map_err(fault)?.path()).map_err(fault)?;
        }
        folder::sync_folder(data).map_err(fault)?;
        folder::sync_folder(&folder).map_err(fault)?;
        let painters = Arc::new(Semaphore::new(PAINTERS));
        Ok(Self {
            folder,
            config,
            painters,
        })
    }

    /// Longest file, in bytes.
    pub fn max_bytes(&self) -> u64 {
        self.config.max_bytes
    }

    /// Begins to take in a file.
    pub async fn receive(self: &Arc<Self>) -> Result<Incoming, MediaError> {
        let store = Arc::clone(self);
        blocking(move || {
            store.check_space()?;
            let (file, part) = store.begin()?;
            Ok(Incoming {
                part,
                file: Some(file),
                head: Vec::new(),
                gathered: Vec::new(),
                bytes: 0,
                store,
            })
        })
        .await
    }

    /// Keeps a file that is in memory already.
    pub async fn keep(
        self: &Arc<Self>,
        bytes: Bytes,
        title: Option<String>,
    ) -> Result<Kept, MediaError> {
        let mut incoming = self.receive().await?;
        incoming.write(&bytes).await?;
        incoming.finish(title).await
    }

    /// Removes a file to which nothing refers, because what would have was refused, and its
    /// thumbnail. That they are gone already is no fault; what cannot be removed now is left to the
    /// janitor.
    pub fn discard(&self, media: &Media) {
        if let Some(name) = FileName::parse(&media.name) {
            drop_soon(self.folder.join(name.as_str()));
        }
        if let Some(thumbnail) = &media.thumbnail {
            self.discard(thumbnail);
        }
    }

    /// An empty file, for what is not whole yet.
    fn begin(&self) -> Result<(File, Scrap), MediaError> {
        let path = self.folder.join(INCOMING).join(FileName::random_part()?);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        Ok((file, Scrap(Some(path))))
    }

    /// Gives a whole file its name. Whichever step fails, there is one file to be removed.
    fn settle(
        &self,
        file: &File,
        part: Scrap,
        kind: Kind,
    ) -> Result<(FileName, Scrap), MediaError> {
        let name = FileName::random(kind.extension)?;
        let place = self.folder.join(name.as_str());
        file.sync_all().map_err(failed)?;
        let renamed = part.0.as_ref().map(|part| std::fs::rename(part, &place));
        renamed.ok_or_else(broken)?.map_err(failed)?;
        Ok((name, part.moved_to(place)))
    }

    /// Keeps the thumbnail of a file.
    fn settle_thumbnail(&self, bytes: &[u8]) -> Result<(Media, Scrap), MediaError> {
        let kind = kind::detect(bytes);
        let (mut file, part) = self.begin()?;
        file.write_all(bytes).map_err(failed)?;
        let (name, scrap) = self.settle(&file, part, kind)?;
        let media = Media {
            name: name.into_string(),
            kind: kind.use_as,
            mime: kind.mime.to_owned(),
            bytes: bytes.len() as u64,
            title: None,
            thumbnail: None,
        };
        Ok((media, scrap))
    }

    fn check_space(&self) -> Result<(), MediaError> {
        let disk = rustix::fs::statvfs(&self.folder).map_err(|error| failed(error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < self.config.free_space_floor {
            tracing::warn!(free, "files are refused: the disk is nearly full");
            return Err(MediaError::NoSpace);
        }
        Ok(())
    }
}

/// A file on its way in. Dropped before it is finished it leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    store: Arc<MediaStore>,
    part: Scrap,
    /// `None` only while it is being written, or after that failed.
    file: Option<File>,
    head: Vec<u8>,
    gathered: Vec<u8>,
    bytes: u64,
}

impl Incoming {
    /// Takes in the next piece.
    ///
    /// # Errors
    /// [`MediaError::TooLarge`] as soon as the file is; after an error nothing more can be written.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), MediaError> {
        self.bytes += piece.len() as u64;
        let limit = self.store.config.max_bytes;
        if self.bytes > limit {
            self.file = None;
            return Err(MediaError::TooLarge { limit });
        }
        let wanted = HEAD_BYTES.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend(piece.iter().take(wanted));
        self.gathered.extend_from_slice(piece);
        if self.gathered.len() >= WRITE_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), MediaError> {
        let gathered = std::mem::take(&mut self.gathered);
        let store = Arc::clone(&self.store);
        let file = self.file.take();
        let file = blocking(move || {
            store.check_space()?;
            let mut file = file.ok_or_else(broken)?;
            file.write_all(&gathered).map_err(failed)?;
            Ok(file)
        })
        .await?;
        self.file = Some(file);
        Ok(())
    }

    /// The file is whole: gives it its name, and if it is a picture, a thumbnail. When this returns
    /// both are on disk.
    ///
    /// # Errors
    /// Nothing of it is left then.
    pub async fn finish(mut self, title: Option<String>) -> Result<Kept, MediaError> {
        self.flush().await?;
        let kind = kind::detect(&self.head);
        let thumbnail = self.make_thumbnail(kind).await;
        blocking(move || {
            let store = &self.store;
            let file = self.file.as_ref().ok_or_else(broken)?;
            let (name, file) = store.settle(file, self.part, kind)?;
            let thumbnail = thumbnail.map(|bytes| store.settle_thumbnail(&bytes));
            let (thumbnail, small) = thumbnail.transpose()?.unzip();
            folder::sync_folder(&store.folder).map_err(failed)?;
            Ok(Kept {
                media: Media {
                    name: name.into_string(),
                    kind: kind.use_as,
                    mime: kind.mime.to_owned(),
                    bytes: self.bytes,
                    title: title.as_deref().and_then(tidy_title),
                    thumbnail: thumbnail.map(Box::new),
                },
                files: [Some(file), small],
            })
        })
        .await
    }

    async fn make_thumbnail(&self, kind: Kind) -> Option<Vec<u8>> {
        if !matches!(kind.use_as, MediaKind::Image | MediaKind::Gif) {
            return None;
        }
        let painters = Arc::clone(&self.store.painters);
        let turn = timeout(PATIENCE, painters.acquire_owned()).await.ok()?;
        let path = self.part.0.clone()?;
        let made = spawn_blocking(move || {
            let _turn = turn;
            thumbnail::make(&path, kind.mime)
        });
        // A decoder that panics has met a picture that nobody should look at.
        made.await.ok()?
    }
}

/// A file that is kept, but to which nothing refers yet. Dropped without [`Kept::release`] it is
/// removed, and its thumbnail with it.
#[derive(Debug)]
pub struct Kept {
    media: Media,
    files: [Option<Scrap>; 2],
}

impl Kept {
    /// What it is.
    pub fn media(&self) -> &Media {
        &self.media
    }

    /// From now on something may refer to it: to be called before the command that says so is
    /// submitted. If the command is refused, [`MediaStore::discard`] removes the file; if nobody can
    /// say what came of it, the janitor will find out.
    pub fn release(mut self) -> Media {
        for file in self.files.iter_mut().flatten() {
            file.0 = None;
        }
        self.media
    }
}

/// Whether something may refer to the file that came with a command, by what came of the command.
pub(crate) fn is_in_use(result: &Result<Reply, Refusal>) -> bool {
    match result {
        Ok(Reply::Sent { repeated, .. }) => !repeated,
        // Nobody can say whether it was stored; the janitor will find out.
        Ok(_) | Err(Refusal::Unavailable) => true,
        Err(_) => false,
    }
}

/// A file that is removed when this is dropped.
#[derive(Debug)]
struct Scrap(Option<PathBuf>);

impl Scrap {
    /// The file has another name now.
    fn moved_to(mut self, place: PathBuf) -> Self {
        self.0 = Some(place);
        self
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            drop_soon(path);
        }
    }
}

/// Removes a file, on a thread that may block where there is one.
fn drop_soon(path: PathBuf) {
    let remove = move || match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "a file that nobody needs is left for the janitor");
        }
        _ => {}
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(remove)),
        Err(_) => remove(),
    }
}

/// The last part of a path, without what a terminal or a header could stumble over.
fn tidy_title(title: &str) -> Option<String> {
    let last = title.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut tidy: String = last.chars().filter(|c| !c.is_control()).collect();
    tidy.truncate(tidy.floor_char_boundary(MAX_TITLE_BYTES));
    let tidy = tidy.trim();
    (!tidy.is_empty()).then(|| tidy.to_owned())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MediaError> + Send + 'static,
) -> Result<T, MediaError> {
    spawn_blocking(work).await.unwrap_or_else(|_| Err(broken()))
}

fn failed(error: io::Error) -> MediaError {
    if error.kind() == io::ErrorKind::StorageFull {
        return MediaError::NoSpace;
    }
    MediaError::Failed(Fault::new("keeping a file", error))
}

fn broken() -> MediaError {
    MediaError::Failed(Fault::new("keeping a file", "writing it had failed before"))
}

#[cfg(test)]
mod tests;
