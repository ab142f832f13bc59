//! Every transcript, in each kind of app that it names, over each way to the server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod transcript;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use transcript::{Palaver, Way, files, play, read};

/// How many are played at once. They mostly wait: for commits, and for time to pass.
const AT_ONCE: usize = 6;

/// Plays all of them and tells of all that went wrong, not only of the first.
fn play_all(way: Way) {
    let mut plays = Vec::new();
    for file in files() {
        let script = read(&file).unwrap_or_else(|error| panic!("{error}"));
        let script = Arc::new(script);
        for &identity in script.identities() {
            plays.push((Arc::clone(&script), identity));
        }
    }
    assert!(!plays.is_empty(), "there are no transcripts");
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((script, identity)) = plays.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let mut palaver = Palaver::start(way, &script.apps, *identity);
                    if let Err(failure) = play(script, *identity, &mut palaver) {
                        let failure = format!("[{way:?}, {identity:?} app] {failure}");
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} plays went wrong:\n\n{}",
        failures.len(),
        plays.len(),
        failures.join("\n\n")
    );
}

#[test]
fn all_are_played_without_sockets() {
    play_all(Way::InProcess);
}

#[test]
fn all_are_played_over_websocket() {
    play_all(Way::WebSocket);
}

#[test]
fn all_are_played_over_polling() {
    play_all(Way::Polling);
}
