//! Promises about conversations, messages, whole batches and copies.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use chat::{
    ExternalId, User,
    model::{App, Scope},
    store::{Change, CommitError, Found, Need},
};
use tempfile::TempDir;

use super::Place;
use crate::world::{Scene, message, page, session, user};

pub(super) fn conversations_move_with_their_messages(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        bob,
        chat,
        ..
    } = Scene::new(&*store);
    let cid = world.user(&app, "cid");
    let quiet = world.direct(&ann, &cid);
    // A conversation that begins and goes on in one batch, between others' messages.
    let busy = world.direct(&bob, &cid);
    let views = [
        world.message(&busy.conversation, &bob, "1"),
        world.message(&chat, &ann, "2"),
        world.message(&busy.conversation, &cid, "3"),
        world.message(&chat, &bob, "4"),
        world.message(&chat, &ann, "5"),
    ];
    let batch = world.batch(
        [
            Change::User(cid),
            Change::Conversation(quiet.clone()),
            Change::Conversation(busy.clone()),
        ]
        .into_iter()
        .chain(views.clone().map(message)),
    );
    store.commit(&batch).unwrap();
    for (conversation, newest) in [
        (&busy.conversation, Some(&views[2])),
        (&chat, Some(&views[4])),
        (&quiet.conversation, None),
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

pub(super) fn a_repeated_send_is_found(place: &dyn Place) {
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

pub(super) fn everything_outlives_the_store(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let key = scene.world.key(&scene.app, Scope::Client);
    store
        .commit(&scene.world.batch([Change::Key(Arc::clone(&key))]))
        .unwrap();
    for number in 0..30 {
        store.commit(&scene.say(number.to_string())).unwrap();
    }
    let before = store.history(&scene.chat, u64::MAX, &page(0, 100)).unwrap();
    let counters = store.counters().unwrap();
    drop(store);

    let store = place.open();
    assert_eq!(store.counters().unwrap(), counters);
    assert_eq!(
        store.history(&scene.chat, u64::MAX, &page(0, 100)).unwrap(),
        before
    );
    assert_eq!(store.apps().unwrap(), [App::clone(&scene.app)]);
    assert_eq!(store.key(&key.hash).unwrap().as_ref(), Some(&*key));
    let again = Scene::of(&*store);
    assert_eq!((&again.ann, &again.bob), (&scene.ann, &scene.bob));
    assert_eq!(again.chat, scene.chat);
}

pub(super) fn a_batch_is_stored_whole_or_not_at_all(place: &dyn Place) {
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

pub(super) fn history_pages_back_from_the_newest(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let cid = scene.world.user(&scene.app, "cid");
    let other = scene.world.direct(&scene.ann, &cid);
    let mut changes = vec![Change::User(cid), Change::Conversation(other.clone())];
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
            &other.conversation,
            &scene.ann,
            "elsewhere",
        )));
    }
    store.commit(&scene.world.batch(changes)).unwrap();
    let texts = |offset, limit| -> Vec<String> {
        let views = store
            .history(&scene.chat, u64::MAX, &page(offset, limit))
            .unwrap();
        for view in &views {
            assert_eq!(view.conversation, scene.chat);
            assert_eq!(view.sender.id, view.message.sender);
            assert_eq!(view.message.conversation, scene.chat.id);
        }
        views
            .into_iter()
            .map(|view| view.message.body.text)
            .collect()
    };
    assert_eq!(texts(0, 3), ["7", "8", "9"]);
    assert_eq!(texts(3, 3), ["4", "5", "6"]);
    assert_eq!(texts(9, 3), ["0"]);
    assert_eq!(texts(0, u32::MAX).len(), 10);
    assert_eq!(texts(10, 3), [""; 0]);
    assert_eq!(texts(u64::MAX, 3), [""; 0]);
    assert_eq!(texts(0, 0), [""; 0]);
}

pub(super) fn history_looks_at_one_moment(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let mut moments = vec![scene.world.last_g()];
    for number in 0..5 {
        let batch = scene.say(number.to_string());
        moments.push(batch.last_g);
        store.commit(&batch).unwrap();
    }
    for (seen, at) in moments.into_iter().enumerate() {
        let views = store.history(&scene.chat, at, &page(0, 50)).unwrap();
        assert_eq!(views.len(), seen, "as of {at}");
        // What is newer does not count as passed over either.
        let but_one = store.history(&scene.chat, at, &page(1, 50)).unwrap();
        assert_eq!(but_one.len(), seen.saturating_sub(1));
    }
}

pub(super) fn texts_come_back_byte_for_byte(place: &dyn Place) {
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

pub(super) fn readers_see_whole_batches(place: &dyn Place) {
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
                        let seen = store
                            .history(&chat, u64::MAX, &page(0, u32::MAX))
                            .unwrap()
                            .len();
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
            let newest = store.history(&scene.chat, u64::MAX, &page(0, 1)).unwrap();
            assert_eq!(newest[0].message.g, scene.world.last_g());
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() <= 300);
        }
    });
}

pub(super) fn a_backup_is_one_moment_of_a_working_store(place: &dyn Place) {
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
        copy.history(&scene.chat, u64::MAX, &page(0, 1)).unwrap()[0]
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

pub(super) fn a_backup_goes_into_an_empty_folder_only(place: &dyn Place) {
    let store = place.open();
    let target = TempDir::new().unwrap();
    store.backup(target.path()).unwrap();
    let fault = store.backup(target.path()).unwrap_err();
    assert!(fault.to_string().contains("not empty"), "{fault}");
}
