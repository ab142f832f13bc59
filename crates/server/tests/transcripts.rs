//! Every transcript, in each kind of app that it names, over each way to the server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod transcript;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use transcript::{Deed, Palaver, Way, files, play, read};

/// How many are played at once. They mostly wait: for commits, and for time to pass.
const AT_ONCE: usize = 6;

/// Plays all of them and tells of all that went wrong, not only of the first.
fn play_all(way: Way) {
    let mut plays = Vec::new();
    let wanted = std::env::var("TRANSCRIPT").unwrap_or_default();
    for file in files() {
        if !file.to_string_lossy().contains(&wanted) {
            continue;
        }
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

/// Refusals that no client of a dialect can provoke, and why.
const NOT_IN_TRANSCRIPTS: &[(&str, &str)] = &[
    (
        "file_too_large",
        "a transcript of megabytes; tested with the hub and over HTTP",
    ),
    (
        "too_many_blocks",
        "needs a thousand users; tested with the rules",
    ),
    (
        "too_many_members",
        "needs a thousand users; tested with the rules",
    ),
    (
        "too_many_readers",
        "this machine's own are not counted; tested with the hub",
    ),
    (
        "unknown_session",
        "a client whose session has ended is given a new one",
    ),
    (
        "unavailable",
        "needs a store that fails; tested with the hub and the store",
    ),
];

/// Refusals that are told where no event is acknowledged, in a dialect whose errors have no code.
const ONLY_IN_WORDS: &[(&str, &str)] = &[
    ("token_refused", "the token's signature is wrong"),
    ("wrong_role", "the token's role must be customer or vendor"),
    ("not_present", "connect to /presence first"),
];

#[test]
fn every_refusal_is_in_a_transcript() {
    let mut missing: BTreeSet<&str> = chat::Refusal::CODES.iter().copied().collect();
    for (code, _) in NOT_IN_TRANSCRIPTS {
        assert!(missing.remove(code), "{code} is no code of a refusal");
    }
    for file in files() {
        let text = std::fs::read_to_string(file).unwrap();
        let words = |code: &str| {
            let mut only = ONLY_IN_WORDS.iter();
            only.find_map(|(other, words)| (*other == code).then_some(*words))
        };
        missing.retain(|code| match words(code) {
            Some(words) => !text.contains(words),
            None => !text.contains(&format!("\"code\":\"{code}\"")),
        });
    }
    assert!(missing.is_empty(), "no transcript has {missing:?}");
}

/// Events of the dialects, either way.
const EVENTS: &[&str] = &[
    "register_user",
    "join_chat",
    "send_message",
    "fetch_messages",
    "room_joined",
    "message_history",
    "new_message",
    "chat_list_update",
    "more_messages",
    "error",
    "room.user.join",
    "room.user.leave",
    "room.join",
    "room.leave",
    "message",
    "message.update",
    "message.delete",
    "message.seen",
    "typing.start",
    "typing.stop",
    "user.status",
    "chat",
    "joinChat",
    "joinRooms",
    "getUserChats",
    "sendMessage",
    "markAsRead",
    "deleteMessage",
    "typing",
    "stoppedTyping",
    "userChats",
    "offlineMessages",
    "loadMessages",
    "newChat",
    "receiveMessage",
    "receiveMedia",
    "updateReadReceipts",
    "messageDeleted",
    "userTyping",
    "userIsOnline",
    "userIsOffline",
    "appError",
    "registerMessages",
    "snippets",
    "conversation",
    "startWriting",
    "stopWriting",
    "info",
    "subscribe",
    "unsubscribe",
    r"App\Events\ChatMessageEvent",
    r"App\Events\MessageDeletedEvent",
    r"App\Events\UserBannedEvent",
    r"App\Events\UserUnbannedEvent",
    r"App\Events\ChatroomClearEvent",
    r"App\Events\ChatroomUpdatedEvent",
    r"App\Events\PollUpdateEvent",
    r"App\Events\PollDeleteEvent",
    r"App\Events\PinnedMessageCreatedEvent",
    r"App\Events\PinnedMessageDeletedEvent",
    r"App\Events\SubscriptionEvent",
    r"App\Events\LivestreamUpdated",
];

#[test]
fn every_event_is_in_a_transcript() {
    let mut missing: BTreeSet<&str> = EVENTS.iter().copied().collect();
    for file in files() {
        for deed in read(&file).unwrap().deeds() {
            if let Deed::Emit { name, .. }
            | Deed::Expect { name, .. }
            | Deed::ExpectPassing { name, .. } = deed
            {
                missing.remove(name.as_str());
            }
        }
    }
    assert!(missing.is_empty(), "no transcript has {missing:?}");
}

#[test]
fn every_transcript_is_played() {
    let stray: Vec<_> = files()
        .into_iter()
        .filter(|file| file.extension().is_none_or(|extension| extension != "txt"))
        .collect();
    assert!(stray.is_empty(), "these are no transcripts: {stray:?}");
    for dialect in dialects::DIALECTS {
        let name = dialect.name();
        let folder = format!("/{name}/transcripts/");
        let has_some = |file: &PathBuf| file.to_string_lossy().contains(&folder);
        assert!(files().iter().any(has_some), "{name} has no transcripts");
    }
}
