//! Promises about apps, keys, people, sessions and counters.

use std::sync::Arc;

use chat::{
    App, ConversationId, ConversationKind, Timestamp, Topic, User, UserId,
    model::Scope,
    room::RoomName,
    store::{Boot, Change, ConversationName, Counters, Found, Need, Numbers, UserName},
};

use super::Place;
use crate::world::{Scene, World, list, message, page, session, user};

pub(super) fn a_new_store_counts_from_nothing(place: &dyn Place) {
    let store = place.open();
    assert_eq!(store.counters().unwrap(), Counters::default());
    assert!(store.apps().unwrap().is_empty());
}

pub(super) fn what_was_committed_is_found(place: &dyn Place) {
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
        assert_eq!(view, scene.view);
    }
    for name in [
        ConversationName::Uuid(scene.chat.uuid),
        ConversationName::Id(scene.chat.id),
    ] {
        let found = store.conversation(app.id, &name).unwrap();
        assert_eq!(found, Some(scene.view.clone()));
    }
    for name in [
        UserName::External("bob".to_owned()),
        UserName::Uuid(scene.bob.uuid),
        UserName::Id(scene.bob.id),
    ] {
        let found = store.user(app.id, &name).unwrap();
        assert_eq!(found, Some(Arc::clone(&scene.bob)));
    }
    let Found::User(found) = store
        .load(&Need::UserByUuid(app.id, scene.bob.uuid))
        .unwrap()
    else {
        panic!("asked for a user");
    };
    assert_eq!(found, Some(scene.bob));
}

#[expect(clippy::too_many_lines, reason = "one line for each need")]
pub(super) fn what_is_not_there_is_none(place: &dyn Place) {
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
        Found::Session(found) => found.is_none(),
        Found::Sessions(found) => found.is_empty(),
        Found::Message(found) => found.is_none(),
        Found::ReadUpTo(found) => found == 0,
        Found::Conversations(found) => found.is_empty(),
        Found::Newest(found) => found.is_none(),
        Found::Users(found) => found.is_empty(),
        Found::CollectedUpTo(found) => found == 0,
        Found::Heirs(found) => found.is_empty(),
        Found::Unsearched(found) => found == 0,
        Found::Leftover(found) => found.is_none(),
        Found::People(found) => found.is_empty(),
        Found::Numbers(found) => found == Numbers::default(),
        Found::Ban(found) => found.is_none(),
        Found::Wrote(found) => found.is_empty(),
        Found::Vote(found) => found.is_none(),
        Found::Filters(found) => found.is_empty(),
        Found::Review(found) => found.is_none(),
        Found::HeldAs(found) => !found,
        Found::OpenReviews(found) => found == 0,
        Found::Due(found) => found.rooms.is_empty() && found.bans.is_empty(),
    };
    let direct = ConversationKind::Direct;
    for need in [
        Need::User(app.id, "Ann".to_owned()),
        Need::User(app.id, String::new()),
        Need::ConversationByKey(app.id, direct, "1:3".to_owned()),
        Need::ConversationByKey(app.id, ConversationKind::Room, chat.key.clone().unwrap()),
        Need::ConversationByUuid(app.id, nobody),
        Need::Sent(chat.id, ann.id, "id".to_owned()),
        Need::UserByUuid(app.id, nobody),
        Need::UserByUuid(app.id, chat.uuid),
        Need::Message(app.id, nobody),
        Need::ReadUpTo(chat.id, ann.id),
        Need::ReadUpTo(chat.id, UserId(9)),
        Need::ConversationsOf(UserId(9)),
        Need::NewestOfOthers(chat.id, ann.id),
        Need::NewestOfOthers(ConversationId(9), ann.id),
        Need::Blocks(ann.id),
        Need::Blocks(UserId(9)),
        Need::CollectedUpTo(ann.id),
        Need::CollectedUpTo(UserId(9)),
        Need::Leftover,
        Need::UsersCalled(app.id, "Ann".to_owned()),
        Need::UsersCalled(app.id, String::new()),
        Need::Numbers(chat::AppId(9)),
        Need::Room(app.id, RoomName::Slug("ann".to_owned())),
        Need::Room(app.id, RoomName::Channel(1)),
        Need::Room(app.id, RoomName::Chatroom(chat.id.0)),
        Need::Ban(chat.id, ann.id),
        Need::WroteSince(chat.id, Timestamp(i64::MIN)),
        Need::Vote(chat.id, ann.id),
        Need::Due(Timestamp(i64::MAX), 9),
        Need::Filters(app.id),
        Need::Review(app.id, nobody),
        Need::ReviewOf(app.id, nobody),
        Need::HeldAs(chat.id, ann.id, "id".to_owned()),
        Need::OpenReviews(app.id),
        Need::HeirsOf(ann.id),
        Need::HeirsOf(UserId(9)),
        Need::Unsearched(ann.id),
        Need::Unsearched(UserId(9)),
        Need::AppByName("SHOP".to_owned()),
        Need::Key(chat::model::KeyId(1)),
        Need::Session(chat::SessionId(1)),
        Need::SessionsSeenBefore(Timestamp(i64::MAX), 9),
    ] {
        assert!(none(&need), "{need:?}");
    }
    assert_eq!(store.key(&[9; 32]).unwrap(), None);
    assert!(store.keys(app.id).unwrap().is_empty());
    let conversation = |name| store.conversation(app.id, &name).unwrap();
    assert_eq!(conversation(ConversationName::Uuid(nobody)), None);
    assert_eq!(conversation(ConversationName::Id(ConversationId(9))), None);
    let found = |name| store.user(app.id, &name).unwrap();
    assert_eq!(found(UserName::Uuid(nobody)), None);
    assert_eq!(found(UserName::External("Bob".to_owned())), None);
    assert_eq!(found(UserName::Id(UserId(9))), None);
    assert_eq!(store.message(app.id, nobody).unwrap(), None);
    assert_eq!(store.media("nobody.png").unwrap(), None);
    assert_eq!(
        store.conversations(ann.id, &list(0, 9)).unwrap(),
        (Vec::new(), 0)
    );
    assert!(
        store
            .history(&chat, u64::MAX, &page(0, 50))
            .unwrap()
            .is_empty()
    );
}

pub(super) fn apps_are_apart(place: &dyn Place) {
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
    let said = world.message(&chat, &ann, "here");
    let batch = world.batch([
        Change::App(Arc::clone(&other)),
        Change::User(Arc::clone(&namesake)),
        message(said.clone()),
    ]);
    store.commit(&batch).unwrap();
    assert_eq!(user(&*store, app.id, "ann"), Some(Arc::clone(&ann)));
    assert_eq!(user(&*store, other.id, "ann"), Some(namesake));
    assert_eq!(user(&*store, other.id, "bob"), None);
    for name in [
        ConversationName::Uuid(chat.uuid),
        ConversationName::Id(chat.id),
    ] {
        assert_eq!(store.conversation(other.id, &name).unwrap(), None);
    }
    for name in [UserName::Uuid(ann.uuid), UserName::Id(ann.id)] {
        assert_eq!(store.user(other.id, &name).unwrap(), None);
    }
    let need = Need::UserByUuid(other.id, ann.uuid);
    assert!(matches!(store.load(&need).unwrap(), Found::User(None)));
    let need = Need::Message(other.id, said.message.uuid);
    assert!(matches!(store.load(&need).unwrap(), Found::Message(None)));
    let uuid = said.message.uuid;
    assert_eq!(store.message(other.id, uuid).unwrap(), None);
    assert_eq!(store.message(app.id, uuid).unwrap(), Some(said));
    let need = Need::ConversationByUuid(other.id, chat.uuid);
    assert!(matches!(
        store.load(&need).unwrap(),
        Found::Conversation(None)
    ));
}

pub(super) fn counters_follow_the_batches(place: &dyn Place) {
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

pub(super) fn an_empty_batch_is_stored(place: &dyn Place) {
    let store = place.open();
    let batch = chat::store::Batch {
        last_g: 3,
        ..Default::default()
    };
    store.commit(&batch).unwrap();
    assert_eq!(store.counters().unwrap().last_g, 3);
}

pub(super) fn starts_are_listed_oldest_first(place: &dyn Place) {
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

pub(super) fn one_app_is_the_default(place: &dyn Place) {
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

pub(super) fn keys_are_found_by_hash_and_by_app(place: &dyn Place) {
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

pub(super) fn subscribing_again_is_no_fault(place: &dyn Place) {
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

pub(super) fn ending_a_session_that_is_not_there_is_no_fault(place: &dyn Place) {
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

pub(super) fn it_says_that_it_is_well(place: &dyn Place) {
    let store = place.open();
    store.check().unwrap();
    let mut scene = Scene::new(&*store);
    store.commit(&scene.say("x")).unwrap();
    store.check().unwrap();
}
