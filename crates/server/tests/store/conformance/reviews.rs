//! Promises about filters, and about what waits to be looked at.

use std::sync::Arc;

use chat::{
    Body, Conversation, ConversationId, Store, User,
    review::{Filter, FilterAction, Matter, Report, Review},
    room::Badge,
    store::{Change, Found, Need},
};
use uuid::Uuid;

use super::Place;
use crate::world::{Scene, World, message, metadata};

fn filter(world: &mut World, words: &str, room: Option<&Arc<Conversation>>) -> Arc<Filter> {
    Arc::new(Filter {
        id: world.uuid(),
        app: chat::AppId(1),
        words: words.to_owned(),
        action: match room {
            Some(_) => FilterAction::Block,
            None => FilterAction::Hold,
        },
        room: room.map(Arc::clone),
    })
}

fn waits(
    world: &mut World,
    place: &Arc<Conversation>,
    sender: &Arc<User>,
    matter: Matter,
) -> Arc<Review> {
    Arc::new(Review {
        id: world.uuid(),
        conversation: Arc::clone(place),
        sender: Arc::clone(sender),
        at: world.now(),
        matter,
    })
}

/// With everything that a message can have.
fn held(world: &mut World) -> Matter {
    Matter::Held {
        body: Body {
            text: "od\u{e9}".to_owned(),
            media: vec![world.picture()],
            metadata: Some(metadata(r#"{"a":1}"#)),
            reply_to: Some(world.uuid()),
        },
        badges: vec![Badge {
            kind: "subscriber".to_owned(),
            text: "Subscriber".to_owned(),
            count: Some(3),
        }],
        client_id: Some("try-1".to_owned()),
    }
}

fn report(world: &mut World, by: &Arc<User>, reason: &str) -> Report {
    Report {
        by: Arc::clone(by),
        reason: reason.to_owned(),
        at: world.now(),
    }
}

fn all(store: &dyn Store, room: Option<ConversationId>) -> Vec<Arc<Review>> {
    store.reviews(chat::AppId(1), room, 0, 99).unwrap()
}

fn found(store: &dyn Store, id: Uuid) -> Option<Arc<Review>> {
    match store.load(&Need::Review(chat::AppId(1), id)).unwrap() {
        Found::Review(found) => found.map(|(review, _)| review),
        other => panic!("asked for what waits, got {other:?}"),
    }
}

fn open(store: &dyn Store) -> u64 {
    match store.load(&Need::OpenReviews(chat::AppId(1))).unwrap() {
        Found::OpenReviews(count) => count,
        other => panic!("asked how much waits, got {other:?}"),
    }
}

pub(super) fn filters_are_there_until_they_are_taken_back(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let (ann, bob) = (Arc::clone(&scene.ann), Arc::clone(&scene.bob));
    let world = &mut scene.world;
    let room = world.room("live", &[&ann, &bob]);
    let filters = [
        filter(world, "b\u{e4}d*", None),
        filter(world, "odd", Some(&room.conversation)),
    ];
    let made = [Change::Conversation(room.clone())].into_iter();
    let added = filters.iter().cloned().map(Change::FilterAdded);
    store.commit(&world.batch(made.chain(added))).unwrap();
    drop(store);
    let store = place.open();
    let listed = || store.filters(chat::AppId(1)).unwrap();
    assert_eq!(listed(), filters);
    match store.load(&Need::Filters(chat::AppId(1))).unwrap() {
        Found::Filters(found) => assert_eq!(found, filters),
        other => panic!("asked for filters, got {other:?}"),
    }
    assert!(store.filters(chat::AppId(2)).unwrap().is_empty());
    let deleted = Change::ConversationDeleted(room.conversation.id, scene.world.now());
    store.commit(&scene.world.batch([deleted])).unwrap();
    assert_eq!(listed(), filters[..1], "that of the room goes with it");
    let removed = Change::FilterRemoved(chat::AppId(1), filters[0].id);
    store.commit(&scene.world.batch([removed])).unwrap();
    assert!(listed().is_empty());
}

pub(super) fn what_waits_comes_back_whole(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let (ann, bob, chat) = (
        Arc::clone(&scene.ann),
        Arc::clone(&scene.bob),
        Arc::clone(&scene.chat),
    );
    let world = &mut scene.world;
    let said = world.message(&chat, &bob, "rude");
    let matter = held(world);
    let first = waits(world, &chat, &ann, matter);
    let matter = Matter::Reported {
        message: Arc::new(said.clone()),
        reports: vec![report(world, &ann, "so rude")],
    };
    let second = waits(world, &chat, &bob, matter);
    let opened = [
        message(said.clone()),
        Change::ReviewOpened(Arc::clone(&first)),
        Change::ReviewOpened(Arc::clone(&second)),
    ];
    store.commit(&world.batch(opened)).unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(
        all(&*store, None),
        [Arc::clone(&first), Arc::clone(&second)]
    );
    assert_eq!(all(&*store, Some(chat.id)).len(), 2);
    assert!(all(&*store, Some(ConversationId(9))).is_empty());
    let page = store.reviews(chat::AppId(1), None, 1, 1).unwrap();
    assert_eq!(page, [Arc::clone(&second)]);
    let beyond = store.reviews(chat::AppId(1), None, u64::MAX, 9).unwrap();
    assert!(beyond.is_empty());
    assert!(
        store
            .reviews(chat::AppId(2), None, 0, 9)
            .unwrap()
            .is_empty()
    );
    assert_eq!(found(&*store, first.id), Some(Arc::clone(&first)));
    let elsewhere = store.load(&Need::Review(chat::AppId(2), first.id)).unwrap();
    assert!(matches!(elsewhere, Found::Review(None)));
    let of = Need::ReviewOf(chat::AppId(1), said.message.uuid);
    assert!(matches!(
        store.load(&of).unwrap(),
        Found::Review(Some((review, _))) if review == second
    ));
    let held_as = |id: &str| Need::HeldAs(chat.id, ann.id, id.to_owned());
    assert!(matches!(
        store.load(&held_as("try-1")).unwrap(),
        Found::HeldAs(true)
    ));
    assert!(matches!(
        store.load(&held_as("try-2")).unwrap(),
        Found::HeldAs(false)
    ));
    assert_eq!(open(&*store), 2);
    // Another report, and the message says something else by now.
    let mut again = Review::clone(&second);
    if let Matter::Reported { reports, .. } = &mut again.matter {
        reports.push(report(&mut scene.world, &bob, ""));
    }
    let reported = Change::Reported {
        review: Arc::new(again.clone()),
    };
    store.commit(&scene.world.batch([reported])).unwrap();
    assert_eq!(found(&*store, second.id), Some(Arc::new(again)));
    for review in [&first, &second, &second] {
        let closed = Change::ReviewClosed(Arc::clone(review));
        store.commit(&scene.world.batch([closed])).unwrap();
    }
    assert!(all(&*store, None).is_empty());
    assert_eq!(open(&*store), 0);
}

pub(super) fn what_waits_goes_with_what_it_hangs_on(place: &dyn Place) {
    enum Goes {
        Message,
        Sender,
        Conversation,
    }
    for goes in [Goes::Message, Goes::Sender, Goes::Conversation] {
        let place = place.another();
        let store = place.open();
        let mut scene = Scene::new(&*store);
        let (ann, bob, chat) = (
            Arc::clone(&scene.ann),
            Arc::clone(&scene.bob),
            Arc::clone(&scene.chat),
        );
        let world = &mut scene.world;
        let said = world.message(&chat, &bob, "rude");
        let matter = held(world);
        let Matter::Held { body, .. } = &matter else {
            panic!("held");
        };
        let file = body.media[0].name.clone();
        let first = waits(world, &chat, &bob, matter);
        let reports = vec![report(world, &ann, "so rude"), report(world, &bob, "")];
        let matter = Matter::Reported {
            message: Arc::new(said.clone()),
            reports,
        };
        let second = waits(world, &chat, &bob, matter);
        let opened = [
            message(said.clone()),
            Change::ReviewOpened(first),
            Change::ReviewOpened(second),
        ];
        store.commit(&world.batch(opened)).unwrap();
        assert!(store.media(&file).unwrap().is_some(), "its file is kept");
        let (change, left) = match goes {
            Goes::Message => {
                let entry = world.entry(&chat, &bob);
                let message = Arc::new(said);
                (Change::MessageDeleted { entry, message }, 1)
            }
            Goes::Sender => (Change::UserDeleted(bob.id, world.now()), 0),
            Goes::Conversation => (Change::ConversationDeleted(chat.id, world.now()), 0),
        };
        store.commit(&world.batch([change])).unwrap();
        assert_eq!(all(&*store, None).len(), left);
        assert_eq!(open(&*store), left as u64);
        assert_eq!(store.media(&file).unwrap().is_some(), left > 0);
    }
}
