//! A copy of the database while work goes on. Restoring is starting on the folder it was put in.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chat::Fault;
use rusqlite::{
    Connection,
    backup::{Backup, StepResult},
    ffi::SQLITE_BUSY,
};

use super::open::{FILE, Place, failure};
use crate::stores::folder::{make_private, make_private_file, sync_folder};

const DOING: &str = "backing up";

/// Copies what is committed now into `folder`. The name of the database appears there only when
/// all of it is on disk, so half a copy is never taken for a whole one.
pub(super) fn copy(place: &Place, folder: &Path) -> Result<(), Fault> {
    let fault = |error: io::Error| Fault::new(DOING, format!("{}: {error}", folder.display()));
    make_private(folder).map_err(fault)?;
    if fs::read_dir(folder).map_err(fault)?.next().is_some() {
        let cause = format!("{} is not empty; name a new folder", folder.display());
        return Err(Fault::new(DOING, cause));
    }
    let unfinished = folder.join(format!("{FILE}.unfinished"));
    make_private_file(&unfinished).map_err(fault)?;
    let copied = copy_pages(place, &unfinished)
        .map_err(|error| Fault::new(DOING, error))
        .and_then(|()| fs::rename(&unfinished, folder.join(FILE)).map_err(fault));
    match copied {
        Ok(()) => sync_folder(folder).map_err(fault),
        Err(fault) => {
            remove(&unfinished);
            Err(fault)
        }
    }
}

/// All pages in one step: what is read is one state, and commits go on in the WAL meanwhile.
fn copy_pages(place: &Place, to: &Path) -> rusqlite::Result<()> {
    let source = place.reader()?;
    let mut target = Connection::open(to)?;
    let step = Backup::new(&source, &mut target)?.step(-1)?;
    match step {
        StepResult::Done => Ok(()),
        _ => Err(failure(
            SQLITE_BUSY,
            "the database is locked by another process",
        )),
    }
}

/// Takes away what a failed backup left.
fn remove(unfinished: &Path) {
    for end in ["", "-journal", "-wal", "-shm"] {
        let mut name = unfinished.as_os_str().to_owned();
        name.push(end);
        // The failure that is told is the first one.
        let _ = fs::remove_file(PathBuf::from(name));
    }
}
