//! Every transcript, in each kind of app that it names, over each way to the server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod transcript;

use transcript::{Palaver, Way, files, play, read};

/// Plays all of them and tells of all that went wrong, not only of the first.
fn play_all(way: Way) {
    let mut played = 0;
    let mut failures = Vec::new();
    for file in files() {
        let script = match read(&file) {
            Ok(script) => script,
            Err(error) => {
                failures.push(error);
                continue;
            }
        };
        for &identity in script.identities() {
            let mut palaver = Palaver::start(way, &script.apps, identity);
            played += 1;
            if let Err(failure) = play(&script, identity, &mut palaver) {
                failures.push(format!("[{way:?}, {identity:?} app] {failure}"));
            }
        }
    }
    assert!(played > 0, "there are no transcripts");
    assert!(
        failures.is_empty(),
        "{} of {played} plays went wrong:\n\n{}",
        failures.len(),
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
