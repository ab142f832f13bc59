//! Removes files to which nothing refers: their message is gone, or never came to be.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use chat::{Fault, Store};
use tokio::{task::spawn_blocking, time};

use super::{FOLDER, FileName, MediaStore};
use crate::stores::folder;

/// Younger files may belong to a command that is still under way.
const MIN_AGE: Duration = Duration::from_hours(1);
/// Time between two rounds.
const EVERY: Duration = Duration::from_hours(1);

/// Looks through the files at once, and then every hour. Never ends.
pub async fn keep_clean(media: Arc<MediaStore>, store: Arc<dyn Store>) {
    let mut ticks = time::interval(EVERY);
    loop {
        ticks.tick().await;
        let (media, store) = (Arc::clone(&media), Arc::clone(&store));
        let cleaned = spawn_blocking(move || clean(&media.folder, &*store, MIN_AGE)).await;
        match cleaned {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(removed)) => tracing::info!(removed, "removed files that nothing refers to"),
            // Whatever it is, it is looked at again in an hour.
            Ok(Err(fault)) => tracing::warn!(%fault, "files were not looked through"),
        }
    }
}

/// One round over `folder`: how many files were removed. Blocks.
pub(super) fn clean(folder: &Path, store: &dyn Store, min_age: Duration) -> Result<u64, Fault> {
    let fault = |error: io::Error| Fault::new("looking through the files", error);
    let mut removed = 0;
    for entry in folder.read_dir().map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let name = entry.file_name();
        // What has no name of ours, we did not put there.
        let Some(name) = name.to_str().and_then(FileName::parse) else {
            continue;
        };
        let changed = match entry.metadata().and_then(|about| about.modified()) {
            Ok(changed) => changed,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(fault(error)),
        };
        // A time to come is no age; the clock will get there.
        let age = SystemTime::now().duration_since(changed);
        let is_old = age.is_ok_and(|age| age >= min_age);
        if !is_old || store.media(name.as_str())?.is_some() {
            continue;
        }
        match fs::remove_file(entry.path()) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(fault(error)),
        }
    }
    Ok(removed)
}

/// Copies the files in the data folder `from` into the data folder `to`, each synced. To be called
/// after the database was copied: a file to which that copy refers is there then, unless what refers
/// to it has been deleted since. Blocks.
pub fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    let (from, target) = (from.join(FOLDER), to.join(FOLDER));
    folder::make_private(&target)?;
    let entries = match from.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(FileName::parse) else {
            continue;
        };
        let copy = target.join(name.as_str());
        match fs::copy(entry.path(), &copy) {
            Ok(_) => fs::File::open(&copy)?.sync_all()?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    folder::sync_folder(&target)?;
    folder::sync_folder(to)
}
