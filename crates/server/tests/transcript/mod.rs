//! Transcripts: conversations as data, and what plays them. See `docs/dialects/transcripts.md`.
//!
//! `script` reads a file, `pattern` compares values, `run` plays the lines, `server` starts what
//! they are played with; `in_process`, `websocket` and `polling` are the ways to it, `http` is
//! beside them. `network` is a second reader of what `stream` shows.

mod http;
mod in_process;
mod network;
mod pattern;
mod player;
mod polling;
mod run;
mod script;
mod server;
#[cfg(test)]
mod tests;
mod websocket;

use std::path::{Path, PathBuf};

pub(crate) use run::play;
pub(crate) use script::{Deed, Script};
pub(crate) use server::{Palaver, Way};

/// All transcripts of all dialects, by file.
pub(crate) fn files() -> Vec<PathBuf> {
    let dialects = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialects/src");
    let mut files = Vec::new();
    for dialect in std::fs::read_dir(dialects).unwrap() {
        let folder = dialect.unwrap().path().join("transcripts");
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    files.sort();
    files
}

/// Reads one of them.
pub(crate) fn read(file: &Path) -> Result<Script, String> {
    let mut parts = file.iter().rev().map(|part| part.to_string_lossy());
    let (name, dialect) = (parts.next().unwrap(), parts.nth(1).unwrap());
    let text = std::fs::read_to_string(file).unwrap();
    Script::parse(&format!("{dialect}/{name}"), &text)
}
