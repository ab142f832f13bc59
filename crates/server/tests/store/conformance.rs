//! The promises of `chat::Store`, one test each, for every engine. An engine joins with one line
//! at `suite!` below.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use chat::{
    ConversationKind, ExternalId, Store, Timestamp, Topic, User,
    model::{App, Scope},
    store::{Boot, Change, CommitError, Counters, Found, Need},
};
use server::stores::{Options, Sqlite};
use tempfile::TempDir;

use crate::{
    child,
    world::{Scene, World, message, session, user},
};

/// A place where one store's data is. Opening it again, after the store before was dropped, finds
/// what that one committed.
pub(crate) trait Place {
    fn open(&self) -> Arc<dyn Store>;
    /// Opens what [`Store::backup`] wrote.
    fn open_backup(&self, folder: &Path) -> Arc<dyn Store>;
}

struct Embedded(TempDir);

impl Place for Embedded {
    fn open(&self) -> Arc<dyn Store> {
        self.open_backup(&self.0.path().join("data"))
    }
    fn open_backup(&self, folder: &Path) -> Arc<dyn Store> {
        Arc::new(Sqlite::open(folder, &Options::default()).unwrap())
    }
}

#[expect(clippy::unnecessary_wraps, reason = "other engines may not be there")]
fn embedded() -> Result<Box<dyn Place>, String> {
    Ok(Box::new(Embedded(TempDir::new().unwrap())))
}

/// Runs a promise on a fresh place. An engine that is not there is skipped aloud, and in CI fails.
fn run(engine: Result<Box<dyn Place>, String>, promise: fn(&dyn Place)) {
    match engine {
        Ok(place) => promise(&*place),
        Err(why) => skip(&why, std::env::var_os("CI").is_some()),
    }
}

fn skip(why: &str, in_ci: bool) {
    assert!(!in_ci, "CI must run every engine: {why}");
    child::say_aloud(&format!("SKIPPED: {why}"));
}

#[test]
#[should_panic(expected = "CI must run every engine")]
fn an_absent_engine_fails_in_ci() {
    skip("no such server", true);
}

macro_rules! suite {
    ($($engine:ident),*) => { $(mod $engine {
        suite!(@promises $engine:
            a_new_store_counts_from_nothing
            what_was_committed_is_found
            what_is_not_there_is_none
            apps_are_apart
            conversations_move_with_their_messages
            a_repeated_send_is_found
            counters_follow_the_batches
            everything_outlives_the_store
            a_batch_is_stored_whole_or_not_at_all
            an_empty_batch_is_stored
            history_pages_back_from_the_newest
            history_looks_at_one_moment
            texts_come_back_byte_for_byte
            starts_are_listed_oldest_first
            one_app_is_the_default
            keys_are_found_by_hash_and_by_app
            subscribing_again_is_no_fault
            ending_a_session_that_is_not_there_is_no_fault
            readers_see_whole_batches
            it_says_that_it_is_well
            a_backup_is_one_moment_of_a_working_store
            a_backup_goes_into_an_empty_folder_only
        );
    })* };
    (@promises $engine:ident: $($promise:ident)*) => { $(
        #[test]
        fn $promise() {
            super::run(super::$engine(), super::$promise);
        }
    )* };
}
suite!(embedded);

fn a_new_store_counts_from_nothing(place: &dyn Place) {
    let store = place.open();
    assert_eq!(store.counters().unwrap(), Counters::default());
    assert!(store.apps().unwrap().is_empty());
}

fn what_was_committed_is_found(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let key = scene.world.key(&scene.app, Scope::Server);
    let mut seven = User::clone(&scene.world.user(&scene.app, "7"));
    seven.external.number = true;
    let changes = [
        Change::Key(Arc::clone(&key)),
        Change::User(Arc::new(seven.clone())),
    ];
    store.commit(&scene.world.batch(changes)).unwrap();

    let Found::App(Some(app)) = store.load(&Need::AppByName("shop".to_owned())).unwrap() else {
        panic!("no app");
    };
    assert_eq!(app, scene.app);
    let Found::Key(Some(found)) = store.load(&Need::Key(key.id)).unwrap() else {
        panic!("no key");
    };
    assert_eq!(found, key);
    assert_eq!(user(&*store, app.id, "ann").as_ref(), Some(&scene.ann));
    let number = user(&*store, app.id, "7").unwrap();
    assert!(number.external.number, "a number stays one");
    assert_eq!(*number, seven);
    let pair_key = scene.chat.key.clone().unwrap();
    for need in [
        Need::ConversationByKey(app.id, ConversationKind::Direct, pair_key),
        Need::ConversationByUuid(app.id, scene.chat.uuid),
    ] {
        let Found::Conversation(Some(view)) = store.load(&need).unwrap() else {
            panic!("no conversation");
        };
        // With both people, in the order of their ids.
        assert_eq!(view.conversation, scene.chat);
        assert_eq!((view.last_seq, view.last_g), (0, 0));
        assert_eq!(view.updated_at, scene.chat.created_at);
        assert_eq!(view.last_message_at, None);
    }
    let found = store.conversation(app.id, scene.chat.uuid).unwrap();
    assert_eq!(found, Some(scene.chat));
}

fn what_is_not_there_is_none(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        chat,
        ..
    } = Scene::new(&*store);
    let nobody = world.uuid();
    let none = |need: &Need| match store.load(need).unwrap() {
        Found::User(found) => found.is_none(),
        Found::Conversation(found) => found.is_none(),
        Found::Sent(found) => found.is_none(),
        Found::App(found) => found.is_none(),
        Found::Key(found) => found.is_none(),
    };
    let direct = ConversationKind::Direct;
    for need in [
        Need::User(app.id, "Ann".to_owned()),
        Need::User(app.id, String::new()),
        Need::ConversationByKey(app.id, direct, "1:3".to_owned()),
        Need::ConversationByKey(app.id, ConversationKind::Room, chat.key.clone().unwrap()),
        Need::ConversationByUuid(app.id, nobody),
        Need::Sent(chat.id, ann.id, "id".to_owned()),
        Need::AppByName("SHOP".to_owned()),
        Need::Key(chat::model::KeyId(1)),
    ] {
        assert!(none(&need), "{need:?}");
    }
    assert_eq!(store.key(&[9; 32]).unwrap(), None);
    assert!(store.keys(app.id).unwrap().is_empty());
    assert!(store.conversation(app.id, nobody).unwrap().is_none());
    assert!(store.history(&chat, u64::MAX, 0, 50).unwrap().is_empty());
}

fn apps_are_apart(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        chat,
        ..
    } = Scene::new(&*store);
    let other = world.app("other");
    let namesake = world.user(&other, "ann");
    let batch = world.batch([
        Change::App(Arc::clone(&other)),
        Change::User(Arc::clone(&namesake)),
    ]);
    store.commit(&batch).unwrap();
    assert_eq!(user(&*store, app.id, "ann"), Some(ann));
    assert_eq!(user(&*store, other.id, "ann"), Some(namesake));
    assert_eq!(user(&*store, other.id, "bob"), None);
    assert_eq!(store.conversation(other.id, chat.uuid).unwrap(), None);
    let need = Need::ConversationByUuid(other.id, chat.uuid);
    assert!(matches!(
        store.load(&need).unwrap(),
        Found::Conversation(None)
    ));
}

fn conversations_move_with_their_messages(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        bob,
        chat,
    } = Scene::new(&*store);
    let cid = world.user(&app, "cid");
    let quiet = world.direct(&ann, &cid);
    // A conversation that begins and goes on in one batch, between others' messages.
    let busy = world.direct(&bob, &cid);
    let views = [
        world.message(&busy, &bob, "1"),
        world.message(&chat, &ann, "2"),
        world.message(&busy, &cid, "3"),
        world.message(&chat, &bob, "4"),
        world.message(&chat, &ann, "5"),
    ];
    let batch = world.batch(
        [
            Change::User(cid),
            Change::Conversation(Arc::clone(&quiet)),
            Change::Conversation(Arc::clone(&busy)),
        ]
        .into_iter()
        .chain(views.clone().map(message)),
    );
    store.commit(&batch).unwrap();
    for (conversation, newest) in [
        (&busy, Some(&views[2])),
        (&chat, Some(&views[4])),
        (&quiet, None),
    ] {
        let need = Need::ConversationByUuid(app.id, conversation.uuid);
        let Found::Conversation(Some(view)) = store.load(&need).unwrap() else {
            panic!("no conversation");
        };
        assert_eq!(view.last_seq, newest.map_or(0, |view| view.message.seq));
        assert_eq!(view.last_g, newest.map_or(0, |view| view.message.g));
        let at = newest.map(|view| view.message.created_at);
        assert_eq!(view.last_message_at, at);
        assert_eq!(view.updated_at, at.unwrap_or(conversation.created_at));
    }
}

fn a_repeated_send_is_found(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        ann,
        bob,
        chat,
        ..
    } = Scene::new(&*store);
    let mut first = world.message(&chat, &ann, "hello");
    first.message.client_id = Some("try-1".to_owned());
    first.message.origin = Some(session(-5).id);
    let mut from_bob = world.message(&chat, &bob, "hello too");
    from_bob.message.client_id = Some("try-1".to_owned());
    let without = world.message(&chat, &ann, "no id");
    let batch = world.batch([first.clone(), from_bob.clone(), without].map(message));
    store.commit(&batch).unwrap();
    let sent = |sender: &User, client_id: &str| {
        let need = Need::Sent(chat.id, sender.id, client_id.to_owned());
        match store.load(&need).unwrap() {
            Found::Sent(found) => found.map(|view| (*view).clone()),
            other => panic!("asked for a message, got {other:?}"),
        }
    };
    assert_eq!(sent(&ann, "try-1"), Some(first));
    assert_eq!(sent(&bob, "try-1"), Some(from_bob));
    assert_eq!(sent(&ann, "TRY-1"), None);
    assert_eq!(sent(&ann, ""), None);
}

fn counters_follow_the_batches(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    assert_eq!(store.counters().unwrap(), scene.world.counters());
    let key = scene.world.key(&scene.app, Scope::Client);
    let said = scene.world.message(&scene.chat, &scene.ann, "x");
    store
        .commit(&scene.world.batch([Change::Key(key), message(said)]))
        .unwrap();
    assert_eq!(store.counters().unwrap(), scene.world.counters());
    // A number that was given and skipped is not given again either.
    scene.world.g();
    let said = scene.say("y");
    let last_g = said.last_g + 3;
    store
        .commit(&chat::store::Batch { last_g, ..said })
        .unwrap();
    assert_eq!(store.counters().unwrap().last_g, last_g);
    drop(store);
    assert_eq!(place.open().counters().unwrap().last_g, last_g);
}

fn everything_outlives_the_store(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let key = scene.world.key(&scene.app, Scope::Client);
    store
        .commit(&scene.world.batch([Change::Key(Arc::clone(&key))]))
        .unwrap();
    for number in 0..30 {
        store.commit(&scene.say(number.to_string())).unwrap();
    }
    let before = store.history(&scene.chat, u64::MAX, 0, 100).unwrap();
    let counters = store.counters().unwrap();
    drop(store);

    let store = place.open();
    assert_eq!(store.counters().unwrap(), counters);
    assert_eq!(
        store.history(&scene.chat, u64::MAX, 0, 100).unwrap(),
        before
    );
    assert_eq!(store.apps().unwrap(), [App::clone(&scene.app)]);
    assert_eq!(store.key(&key.hash).unwrap().as_ref(), Some(&*key));
    let again = Scene::of(&*store);
    assert_eq!((&again.ann, &again.bob), (&scene.ann, &scene.bob));
    assert_eq!(again.chat, scene.chat);
}

fn a_batch_is_stored_whole_or_not_at_all(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    store.commit(&scene.say("before")).unwrap();
    let counters = store.counters().unwrap();
    // The second user has the first one's id in the app, which the rules would never do.
    let new = scene.world.user(&scene.app, "new");
    let twice = scene.world.user(&scene.app, "new");
    let said = scene.world.message(&scene.chat, &scene.ann, "never");
    let batch = scene
        .world
        .batch([message(said), Change::User(new), Change::User(twice)]);
    let refused = store.commit(&batch);
    assert!(
        matches!(refused, Err(CommitError::RolledBack(_))),
        "{refused:?}"
    );
    assert_eq!(store.counters().unwrap(), counters);
    assert_eq!(user(&*store, scene.app.id, "new"), None);
    assert_eq!(scene.texts(&*store), ["before"]);
    scene.unsay();
    store.commit(&scene.say("after")).unwrap();
    assert_eq!(scene.texts(&*store), ["before", "after"]);
}

fn an_empty_batch_is_stored(place: &dyn Place) {
    let store = place.open();
    let batch = chat::store::Batch {
        last_g: 3,
        ..Default::default()
    };
    store.commit(&batch).unwrap();
    assert_eq!(store.counters().unwrap().last_g, 3);
}

fn history_pages_back_from_the_newest(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let cid = scene.world.user(&scene.app, "cid");
    let other = scene.world.direct(&scene.ann, &cid);
    let mut changes = vec![Change::User(cid), Change::Conversation(Arc::clone(&other))];
    for number in 0..10 {
        let sender = if number % 2 == 0 {
            &scene.ann
        } else {
            &scene.bob
        };
        changes.push(message(scene.world.message(
            &scene.chat,
            sender,
            number.to_string(),
        )));
        changes.push(message(scene.world.message(
            &other,
            &scene.ann,
            "elsewhere",
        )));
    }
    store.commit(&scene.world.batch(changes)).unwrap();
    let page = |offset, limit| -> Vec<String> {
        let views = store.history(&scene.chat, u64::MAX, offset, limit).unwrap();
        for view in &views {
            assert_eq!(view.conversation, scene.chat);
            assert_eq!(view.sender.id, view.message.sender);
            assert_eq!(view.message.conversation, scene.chat.id);
        }
        views.into_iter().map(|view| view.message.text).collect()
    };
    assert_eq!(page(0, 3), ["7", "8", "9"]);
    assert_eq!(page(3, 3), ["4", "5", "6"]);
    assert_eq!(page(9, 3), ["0"]);
    assert_eq!(page(0, u32::MAX).len(), 10);
    assert_eq!(page(10, 3), [""; 0]);
    assert_eq!(page(u64::MAX, 3), [""; 0]);
    assert_eq!(page(0, 0), [""; 0]);
}

fn history_looks_at_one_moment(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let mut moments = vec![scene.world.last_g()];
    for number in 0..5 {
        let batch = scene.say(number.to_string());
        moments.push(batch.last_g);
        store.commit(&batch).unwrap();
    }
    for (seen, at) in moments.into_iter().enumerate() {
        let views = store.history(&scene.chat, at, 0, 50).unwrap();
        assert_eq!(views.len(), seen, "as of {at}");
        // What is newer does not count as passed over either.
        let but_one = store.history(&scene.chat, at, 1, 50).unwrap();
        assert_eq!(but_one.len(), seen.saturating_sub(1));
    }
}

fn texts_come_back_byte_for_byte(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let texts = [
        " spaces around \r\n\t".to_owned(),
        "👩‍👩‍👧‍👦🏳️‍🌈 e\u{301} é".to_owned(),
        "שלום עולם \u{202e}مرحبا".to_owned(),
        "nul \0 inside".to_owned(),
        "'); DROP TABLE message; --".to_owned(),
        "x".repeat(20_000),
        "😀".repeat(20_000),
    ];
    for text in &texts {
        store.commit(&scene.say(text.as_str())).unwrap();
    }
    assert_eq!(scene.texts(&*store), texts);
    let name = "o'brien\0\u{1f600}";
    let strange = scene.world.user(&scene.app, name);
    store
        .commit(&scene.world.batch([Change::User(Arc::clone(&strange))]))
        .unwrap();
    assert_eq!(user(&*store, scene.app.id, name), Some(strange));
    assert_eq!(user(&*store, scene.app.id, "o'brien"), None);
    assert_eq!(
        ExternalId::text(name),
        scene.world.user(&scene.app, name).external
    );
}

fn starts_are_listed_oldest_first(place: &dyn Place) {
    let store = place.open();
    let first = Boot {
        epoch: u32::MAX,
        first_g: 1,
    };
    assert_eq!(store.boot(u32::MAX).unwrap(), [first]);
    let mut scene = Scene::new(&*store);
    store.commit(&scene.say("x")).unwrap();
    drop(store);
    let store = place.open();
    let second = Boot {
        epoch: 0,
        first_g: scene.world.last_g() + 1,
    };
    assert_eq!(store.boot(0).unwrap(), [first, second]);
    drop(store);
    // Nothing happened in between: both could have given the same numbers, and gave none.
    let store = place.open();
    let third = Boot { epoch: 7, ..second };
    assert_eq!(store.boot(7).unwrap(), [first, second, third]);
    assert!(store.boot(7).is_err(), "an epoch names one start");
}

fn one_app_is_the_default(place: &dyn Place) {
    let store = place.open();
    let mut world = World::default();
    let mut make = |name: &str, is_default| {
        let app = Arc::new(App {
            is_default,
            ..App::clone(&world.app(name))
        });
        store
            .commit(&world.batch([Change::App(Arc::clone(&app))]))
            .unwrap();
        app
    };
    for (name, is_default) in [("a", true), ("b", false), ("c", true), ("d", false)] {
        make(name, is_default);
    }
    let apps: Vec<_> = store
        .apps()
        .unwrap()
        .into_iter()
        .map(|app| (app.name, app.is_default))
        .collect();
    let expected = [("a", false), ("b", false), ("c", true), ("d", false)];
    assert_eq!(apps, expected.map(|(name, it)| (name.to_owned(), it)));
}

fn keys_are_found_by_hash_and_by_app(place: &dyn Place) {
    let store = place.open();
    let Scene { mut world, app, .. } = Scene::new(&*store);
    let other = world.app("other");
    let [first, foreign, second] = [&app, &other, &app].map(|app| world.key(app, Scope::Client));
    let keys = [&first, &foreign, &second].map(|key| Change::Key(Arc::clone(key)));
    let changes = [Change::App(Arc::clone(&other))].into_iter().chain(keys);
    store.commit(&world.batch(changes)).unwrap();
    let ids = |app| -> Vec<_> { store.keys(app).unwrap().iter().map(|key| key.id).collect() };
    assert_eq!(ids(app.id), [first.id, second.id]);
    assert_eq!(ids(other.id), [foreign.id]);
    assert_eq!(store.key(&foreign.hash).unwrap().as_ref(), Some(&*foreign));

    let at = Timestamp(1_800_000_000_000);
    store
        .commit(&world.batch([Change::KeyRevoked(first.id, at)]))
        .unwrap();
    let revoked = store.key(&first.hash).unwrap().unwrap();
    assert_eq!(
        revoked.revoked_at,
        Some(at),
        "it is found, and said to be revoked"
    );
    assert_eq!(store.key(&second.hash).unwrap().unwrap().revoked_at, None);
}

fn subscribing_again_is_no_fault(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        ann,
        chat,
        ..
    } = Scene::new(&*store);
    let (one, two) = (session(1), session(-2));
    let topic = Topic::Conversation(chat.id);
    for _ in 0..2 {
        let changes = [
            world.subscription(&one, &ann, topic),
            world.subscription(&one, &ann, Topic::Person(ann.id)),
            world.subscription(&two, &ann, topic),
        ];
        store.commit(&world.batch(changes)).unwrap();
    }
    assert_eq!(store.counters().unwrap(), world.counters());
}

fn ending_a_session_that_is_not_there_is_no_fault(place: &dyn Place) {
    let store = place.open();
    let Scene { mut world, ann, .. } = Scene::new(&*store);
    let one = session(1);
    let joins = world.subscription(&one, &ann, Topic::Person(ann.id));
    store.commit(&world.batch([joins])).unwrap();
    for _ in 0..2 {
        store
            .commit(&world.batch([Change::SessionEnded(one.id)]))
            .unwrap();
    }
    // Its id is free again.
    let joins = world.subscription(&one, &ann, Topic::Person(ann.id));
    store.commit(&world.batch([joins])).unwrap();
}

fn readers_see_whole_batches(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let done = AtomicBool::new(false);
    let chat = Arc::clone(&scene.chat);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = 0;
                    while !done.load(Ordering::Relaxed) {
                        let seen = store.history(&chat, u64::MAX, 0, u32::MAX).unwrap().len();
                        assert!(seen % 3 == 0 && seen >= last, "{seen} after {last}");
                        last = seen;
                    }
                    last
                })
            })
            .collect();
        for _ in 0..100 {
            let views = [(); 3].map(|()| scene.world.message(&scene.chat, &scene.bob, "x"));
            store
                .commit(&scene.world.batch(views.map(message)))
                .unwrap();
            // What is committed is there for whoever looks after it.
            let newest = store.history(&scene.chat, u64::MAX, 0, 1).unwrap();
            assert_eq!(newest[0].message.g, scene.world.last_g());
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() <= 300);
        }
    });
}

fn it_says_that_it_is_well(place: &dyn Place) {
    let store = place.open();
    store.check().unwrap();
    let mut scene = Scene::new(&*store);
    store.commit(&scene.say("x")).unwrap();
    store.check().unwrap();
}

fn a_backup_is_one_moment_of_a_working_store(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    for number in 0..50 {
        store.commit(&scene.say(number.to_string())).unwrap();
    }
    let target = TempDir::new().unwrap();
    let folder = target.path().join("copy");
    let copied = AtomicBool::new(false);
    thread::scope(|scope| {
        let backup = scope.spawn(|| {
            let result = store.backup(&folder);
            copied.store(true, Ordering::Release);
            result
        });
        loop {
            store.commit(&scene.say("meanwhile")).unwrap();
            if copied.load(Ordering::Acquire) {
                break;
            }
        }
        backup.join().unwrap().unwrap();
    });
    let copy = place.open_backup(&folder);
    let all = scene.texts(&*store);
    let in_copy = scene.texts(&*copy);
    assert!(in_copy.len() >= 50 && all.starts_with(&in_copy));
    assert_eq!(
        copy.history(&scene.chat, u64::MAX, 0, 1).unwrap()[0]
            .message
            .g,
        copy.counters().unwrap().last_g,
        "messages and counters are of the same moment"
    );
    // It is a store like any other.
    let mut restored = Scene::of(&*copy);
    copy.commit(&restored.say("goes on")).unwrap();
    assert_eq!(restored.texts(&*copy).len(), in_copy.len() + 1);
}

fn a_backup_goes_into_an_empty_folder_only(place: &dyn Place) {
    let store = place.open();
    let target = TempDir::new().unwrap();
    store.backup(target.path()).unwrap();
    let fault = store.backup(target.path()).unwrap_err();
    assert!(fault.to_string().contains("not empty"), "{fault}");
}
