//! Promises about conversations on products, who takes no messages from whom, what was missed, and
//! pages with a limit in bytes.

use std::sync::Arc;

use chat::{
    ConversationId, ConversationKind, ConversationView, MessageView, Store, Timestamp, User,
    UserId,
    model::{Details, Media},
    store::{Change, ConversationName, Found, ListPage, Need, Newest, Page},
};

use super::{Place, groups::view};
use crate::world::{Scene, World, list, message, metadata, page};

/// What a store holds beside the scene: a conversation on a product between ann, who sells, and bob.
fn sold(store: &dyn Store, scene: &mut Scene) -> ConversationView {
    let lamp = scene.world.product("lamp", &scene.ann, &scene.bob);
    let made = scene.world.batch([Change::Conversation(lamp.clone())]);
    store.commit(&made).unwrap();
    lamp
}

/// Said while the other one was there or was not.
fn said(world: &mut World, place: &ConversationView, by: &Arc<User>, there: bool) -> MessageView {
    let mut said = world.message(&place.conversation, by, "x");
    said.message.recipient_online = Some(there);
    said
}

fn hidden(place: &ConversationView, user: &User, up_to: u64) -> Change {
    Change::ConversationHidden {
        conversation: place.conversation.id,
        user: user.id,
        up_to,
    }
}

pub(super) fn what_is_about_a_product_comes_back_whole(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    // The vendor has the higher number: the order of the two is not that of numbers.
    let lamp = scene.world.product("lamp", &scene.bob, &scene.ann);
    let chair = scene.world.product("chair", &scene.bob, &scene.ann);
    let made = [&lamp, &chair].map(|view| Change::Conversation(view.clone()));
    store.commit(&scene.world.batch(made)).unwrap();
    for made in [&lamp, &chair] {
        assert_eq!(view(&*store, made).as_ref(), Some(made));
        let key = made.conversation.key.clone().unwrap();
        let name = |kind| ConversationName::Key(kind, key.clone());
        let found = |kind| store.conversation(scene.app.id, &name(kind)).unwrap();
        assert_eq!(found(ConversationKind::Product).as_ref(), Some(made));
        assert_eq!(found(ConversationKind::Direct), None);
        let elsewhere = scene.world.app("elsewhere").id;
        let found = store.conversation(elsewhere, &name(ConversationKind::Product));
        assert_eq!(found.unwrap(), None);
    }
    // What it is about stays, whatever it is called.
    let renamed = Arc::new(Details {
        title: Some("another".to_owned()),
        ..Details::clone(&lamp.details)
    });
    let entry = scene.world.entry(&lamp.conversation, &scene.ann);
    let details = Arc::clone(&renamed);
    let update = Change::ConversationUpdated { entry, details };
    store.commit(&scene.world.batch([update])).unwrap();
    assert_eq!(view(&*store, &lamp).unwrap().details, renamed);

    let mut all = Vec::new();
    for there in [None, Some(true), Some(false)] {
        let mut said = scene.world.message(&chair.conversation, &scene.ann, "x");
        said.message.recipient_online = there;
        all.push(said);
    }
    let changes = all.iter().cloned().map(message);
    store.commit(&scene.world.batch(changes)).unwrap();
    let history = store.history(&chair.conversation, u64::MAX, &page(0, 9));
    assert_eq!(history.unwrap(), all);
}

pub(super) fn a_block_is_there_until_it_is_taken_back(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        bob,
        ..
    } = Scene::new(&*store);
    let cid = world.user(&app, "cid");
    let at = Timestamp;
    let block = |user: &User, whom: &User, at| Change::Blocked {
        user: user.id,
        whom: whom.id,
        at,
    };
    let unblock = |user: &User, whom: &User| Change::Unblocked {
        user: user.id,
        whom: whom.id,
    };
    let commit = |changes: Vec<Change>| store.commit(&world.batch(changes)).unwrap();
    let blocks = |user: &User| -> Vec<UserId> {
        let found = store.blocks(user.id).unwrap();
        let ids: Vec<_> = found.iter().map(|user| user.id).collect();
        match store.load(&Need::Blocks(user.id)).unwrap() {
            Found::Users(loaded) => assert_eq!(loaded, ids),
            other => panic!("asked for users, got {other:?}"),
        }
        ids
    };
    commit(vec![
        Change::User(Arc::clone(&cid)),
        block(&ann, &cid, at(1)),
        block(&ann, &bob, at(2)),
        block(&bob, &ann, at(3)),
    ]);
    assert_eq!(blocks(&ann), [cid.id, bob.id], "the latest last");
    assert_eq!(store.blocks(ann.id).unwrap()[0], cid, "as the user is");
    assert_eq!((blocks(&bob), blocks(&cid)), (vec![ann.id], vec![]));
    // Again is nothing new.
    commit(vec![block(&ann, &cid, at(9)), unblock(&cid, &ann)]);
    assert_eq!(blocks(&ann), [cid.id, bob.id]);
    commit(vec![unblock(&ann, &cid), unblock(&ann, &cid)]);
    assert_eq!(blocks(&ann), [bob.id]);
    // And later it stands at its new place.
    commit(vec![block(&ann, &cid, at(9))]);
    assert_eq!(blocks(&ann), [bob.id, cid.id]);
    commit(vec![Change::UserDeleted(bob.id, at(10))]);
    assert_eq!((blocks(&ann), blocks(&bob)), (vec![cid.id], vec![]));
}

pub(super) fn what_was_missed_is_found_in_any_part(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let lamp = sold(&*store, &mut scene);
    let Scene {
        mut world,
        app,
        ann,
        bob,
        chat,
        ..
    } = scene;
    let cid = world.user(&app, "cid");
    let [chair, foreign] = [&ann, &bob].map(|customer| world.product("chair", &cid, customer));
    let missed = [
        said(&mut world, &lamp, &bob, false),
        said(&mut world, &chair, &cid, false),
        said(&mut world, &lamp, &bob, false),
        said(&mut world, &lamp, &bob, false),
    ];
    let others = [
        said(&mut world, &lamp, &ann, false),
        said(&mut world, &lamp, &bob, true),
        said(&mut world, &foreign, &cid, false),
        world.message(&chat, &bob, "of no product"),
    ];
    let made = [&chair, &foreign].map(|view| Change::Conversation(view.clone()));
    let all = missed.iter().chain(&others).cloned().map(message);
    let changes = [Change::User(Arc::clone(&cid))]
        .into_iter()
        .chain(made)
        .chain(all);
    store.commit(&world.batch(changes)).unwrap();
    let found = |after, up_to, part| store.missed(ann.id, after, up_to, &part).unwrap();
    assert_eq!(found(0, u64::MAX, page(0, 9)), missed);
    let [first, .., last] = [0, 1, 2, 3].map(|place: usize| missed[place].message.g);
    assert_eq!(found(first, last - 1, page(0, 9)), missed[1..3]);
    assert!(found(last, u64::MAX, page(0, 9)).is_empty());
    assert_eq!(found(0, u64::MAX, page(0, 2)), missed[2..], "the newest");
    assert_eq!(found(0, u64::MAX, page(1, 2)), missed[1..3]);
    assert_eq!(found(0, u64::MAX, page(9, 2)), []);
    let tight = Page {
        bytes: 1,
        ..page(0, 9)
    };
    assert_eq!(found(0, u64::MAX, tight), missed[3..], "one in any case");
    // What is taken back is missed no longer.
    let gone = Change::MessageDeleted {
        entry: world.entry(&lamp.conversation, &bob),
        message: Arc::new(missed[2].clone()),
    };
    store.commit(&world.batch([gone])).unwrap();
    assert_eq!(
        found(first, u64::MAX, page(0, 9)),
        [missed[1].clone(), missed[3].clone()]
    );

    let collected = |user: UserId| match store.load(&Need::CollectedUpTo(user)).unwrap() {
        Found::CollectedUpTo(g) => g,
        other => panic!("asked for a number, got {other:?}"),
    };
    let (user, up_to) = (ann.id, last);
    let batch = world.batch([Change::MissedCollected { user, up_to }]);
    store.commit(&batch).unwrap();
    assert_eq!((collected(ann.id), collected(bob.id)), (last, 0));
}

pub(super) fn a_hidden_conversation_is_listed_with_its_next_message(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let lamp = sold(&*store, &mut scene);
    let cid = scene.world.user(&scene.app, "cid");
    let group = scene.world.group(&[&scene.ann, &cid], Details::default());
    let first = said(&mut scene.world, &lamp, &scene.bob, true);
    let there = scene.world.message(&group.conversation, &scene.ann, "x");
    let made = [
        Change::User(Arc::clone(&cid)),
        Change::Conversation(group.clone()),
    ];
    let changes = made
        .into_iter()
        .chain([first.clone(), there.clone()].map(message));
    store.commit(&scene.world.batch(changes)).unwrap();
    let listed = |user: &User| -> Vec<ConversationId> {
        let (found, total) = store.conversations(user.id, &list(0, 9)).unwrap();
        assert_eq!(total, found.len() as u64);
        let ids = found.iter().map(|one| one.conversation.conversation.id);
        ids.collect()
    };
    let (of_lamp, of_group) = (lamp.conversation.id, group.conversation.id);
    let hide = hidden(&lamp, &scene.ann, first.message.g);
    store.commit(&scene.world.batch([hide])).unwrap();
    assert_eq!(
        (listed(&scene.ann), listed(&scene.bob)),
        (vec![of_group], vec![of_lamp])
    );
    let reads = Change::Read {
        entry: scene.world.entry(&lamp.conversation, &scene.bob),
        reader: scene.bob.id,
        message: first.message.uuid,
        seq: 1,
    };
    store.commit(&scene.world.batch([reads])).unwrap();
    assert_eq!(listed(&scene.ann), [of_group], "nothing was said");
    let next = said(&mut scene.world, &lamp, &scene.ann, true);
    store
        .commit(&scene.world.batch([message(next.clone())]))
        .unwrap();
    assert_eq!(listed(&scene.ann), [of_lamp, of_group]);
    // With what came after it taken back it is hidden again.
    let hide = hidden(&lamp, &scene.ann, first.message.g);
    let gone = Change::MessageDeleted {
        entry: scene.world.entry(&lamp.conversation, &scene.ann),
        message: Arc::new(next),
    };
    store.commit(&scene.world.batch([hide, gone])).unwrap();
    assert_eq!(listed(&scene.ann), [of_group]);
    // Who comes back into a group comes in anew.
    let hide = hidden(&group, &cid, there.message.g);
    let out = Change::MemberRemoved {
        entry: scene.world.entry(&group.conversation, &scene.ann),
        user: cid.id,
        heir: None,
    };
    let back = Change::MemberAdded {
        entry: scene.world.entry(&group.conversation, &scene.ann),
        member: crate::world::member(&cid),
    };
    store.commit(&scene.world.batch([hide])).unwrap();
    assert!(listed(&cid).is_empty());
    store.commit(&scene.world.batch([out, back])).unwrap();
    assert_eq!(listed(&cid), [of_group]);
}

pub(super) fn contacts_are_those_with_whom_something_was_said(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        bob,
        chat,
        ..
    } = Scene::new(&*store);
    let others: Vec<_> = (0..4).map(|n| world.user(&app, n.to_string())).collect();
    let chats: Vec<_> = others
        .iter()
        .map(|other| world.product("lamp", &ann, other))
        .collect();
    let again = world.product("chair", &ann, &others[0]);
    let silent = world.product("sofa", &ann, &bob);
    let group = world.group(&[&ann, &others[3]], Details::default());
    let users = others.iter().map(|user| Change::User(Arc::clone(user)));
    let places = chats.iter().chain([&again, &silent, &group]);
    let changes: Vec<_> = users
        .chain(places.cloned().map(Change::Conversation))
        .collect();
    store.commit(&world.batch(changes)).unwrap();
    for place in [&chats[0], &chats[2], &chats[1], &again, &group] {
        let said = said(&mut world, place, &ann, true);
        store.commit(&world.batch([message(said)])).unwrap();
    }
    let said = world.message(&chat, &bob, "x");
    store.commit(&world.batch([message(said)])).unwrap();
    let contacts = |user: &User, kind, limit| store.contacts(user.id, kind, limit).unwrap();
    let product = ConversationKind::Product;
    let [zero, one, two] = [0, 1, 2].map(|place: usize| others[place].id);
    assert_eq!(
        contacts(&ann, product, 9),
        [zero, one, two],
        "each once, the newest first"
    );
    assert_eq!(contacts(&ann, product, 2), [zero, one]);
    assert_eq!(contacts(&others[1], product, 9), [ann.id]);
    assert_eq!(contacts(&ann, ConversationKind::Direct, 9), [bob.id]);
    assert_eq!(contacts(&ann, ConversationKind::Group, 9), [others[3].id]);
    assert!(contacts(&bob, product, 9).is_empty());
    let hide = hidden(&chats[1], &ann, u64::MAX >> 1);
    let deleted = Change::UserDeleted(two, Timestamp(9));
    store.commit(&world.batch([hide, deleted])).unwrap();
    assert_eq!(
        contacts(&ann, product, 9),
        [zero, one],
        "what is not listed is there"
    );
}

pub(super) fn the_newest_of_others_is_nobodys_own(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let newest = |chat: ConversationId, user: UserId| match store
        .load(&Need::NewestOfOthers(chat, user))
        .unwrap()
    {
        Found::Newest(newest) => newest,
        other => panic!("asked for a message, got {other:?}"),
    };
    let by = [&scene.ann, &scene.bob, &scene.ann, &scene.ann];
    let said = by.map(|sender| scene.world.message(&scene.chat, sender, "x"));
    let changes = said.clone().map(message);
    store.commit(&scene.world.batch(changes)).unwrap();
    let name = |place: usize| {
        let MessageView { message, .. } = &said[place];
        let (seq, uuid) = (message.seq, message.uuid);
        Some(Newest { seq, uuid })
    };
    let (chat, ann, bob) = (scene.chat.id, scene.ann.id, scene.bob.id);
    assert_eq!((newest(chat, ann), newest(chat, bob)), (name(1), name(3)));
    assert_eq!(newest(chat, UserId(9)), name(3));
    store
        .commit(&scene.world.batch([Change::ReadThrough {
            conversation: chat,
            reader: ann,
            seq: 2,
        }]))
        .unwrap();
    assert_eq!(newest(chat, ann), None, "it is read");
    assert_eq!(newest(chat, bob), name(3));
    let gone = [1, 3].map(|place: usize| Change::MessageDeleted {
        entry: scene.world.entry(&scene.chat, &scene.ann),
        message: Arc::new(said[place].clone()),
    });
    store.commit(&scene.world.batch(gone)).unwrap();
    assert_eq!((newest(chat, ann), newest(chat, bob)), (None, name(2)));
}

pub(super) fn a_page_has_room_for_so_many_bytes(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let lamp = sold(&*store, &mut scene);
    let text = |bytes: usize| "x".repeat(bytes);
    for (place, sizes) in [
        (Arc::clone(&scene.chat), [1_000, 10_000, 1_000, 1_000]),
        (
            Arc::clone(&lamp.conversation),
            [1_000, 1_000, 1_000, 10_000],
        ),
    ] {
        let said = sizes.map(|bytes| {
            let mut said = scene.world.message(&place, &scene.bob, text(bytes));
            said.message.recipient_online = Some(false);
            said
        });
        store.commit(&scene.world.batch(said.map(message))).unwrap();
    }
    let room = |limit, bytes| Page {
        bytes,
        ..page(0, limit)
    };
    let sizes = |views: Vec<MessageView>| -> Vec<usize> {
        views
            .iter()
            .map(|view| view.message.body.text.len())
            .collect()
    };
    let history =
        |chat, limit, bytes| sizes(store.history(chat, u64::MAX, &room(limit, bytes)).unwrap());
    // What each takes beside its text is not promised, but it is less than half a kilobyte.
    let chat = &scene.chat;
    assert_eq!(history(chat, 9, usize::MAX), [1_000, 10_000, 1_000, 1_000]);
    assert_eq!(history(chat, 9, 3_000), [1_000, 1_000]);
    assert_eq!(
        history(chat, 9, 12_000),
        [1_000, 1_000],
        "and not the one that fits behind it"
    );
    assert_eq!(history(chat, 9, 14_000), [10_000, 1_000, 1_000]);
    assert_eq!(history(chat, 1, usize::MAX), [1_000]);
    assert_eq!(history(chat, 9, 0), [1_000], "the newest, whatever it has");
    assert_eq!(history(&lamp.conversation, 9, 5_000), [10_000]);
    let missed = |bytes| {
        let found = store.missed(scene.ann.id, 0, u64::MAX, &room(9, bytes));
        sizes(found.unwrap())
    };
    assert_eq!(missed(usize::MAX), [1_000, 1_000, 1_000, 10_000]);
    assert_eq!(missed(0), [10_000]);
    assert_eq!(missed(11_900), [1_000, 10_000]);
    // A list has it for all together, and of each the newest.
    let listed = |messages| {
        let page = ListPage {
            messages,
            ..list(0, 9)
        };
        let (found, total) = store.conversations(scene.ann.id, &page).unwrap();
        assert_eq!(total, 2);
        let sizes = found.into_iter().map(|one| sizes(one.messages));
        sizes.collect::<Vec<_>>()
    };
    assert_eq!(
        listed(room(2, usize::MAX)),
        [vec![1_000, 10_000], vec![1_000, 1_000]]
    );
    assert_eq!(listed(room(2, 13_000)), [vec![1_000, 10_000], vec![1_000]]);
    assert_eq!(listed(room(2, 0)), [vec![10_000], vec![1_000]]);
    assert_eq!(listed(room(1, 0)), [vec![10_000], vec![1_000]]);
    // Metadata counts too.
    let mut said = scene.world.message(&scene.chat, &scene.bob, "x");
    let long = text(5_000);
    said.message.body.metadata = Some(metadata(&long));
    store.commit(&scene.world.batch([message(said)])).unwrap();
    assert_eq!(history(chat, 9, 5_000), [1]);
    assert_eq!(history(chat, 9, 7_500), [1_000, 1]);
}

/// The files among these that are there.
fn kept(store: &dyn Store, files: &[Media]) -> Vec<usize> {
    let is_kept = |file: &Media| store.media(&file.name).unwrap().is_some();
    (0..files.len())
        .filter(|place| is_kept(&files[*place]))
        .collect()
}

pub(super) fn all_files_of_a_message_go_with_it(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        ann,
        bob,
        chat,
        ..
    } = Scene::new(&*store);
    // The even ones are pictures, and the small one of each comes after it.
    let pictures: Vec<_> = (0..4).map(|_| world.picture()).collect();
    let small = |file: &Media| Media::clone(file.thumbnail.as_ref().unwrap());
    let files: Vec<_> = pictures
        .iter()
        .flat_map(|file| [file.clone(), small(file)])
        .collect();
    let commit = |world: &World, changes: Vec<Change>| {
        store.commit(&world.batch(changes)).unwrap();
        kept(&*store, &files)
    };
    let mut sent = |sender: &Arc<User>, places: &[usize]| {
        let mut view = world.message(&chat, sender, "");
        view.message.body.media = places
            .iter()
            .map(|place| pictures[*place].clone())
            .collect();
        view
    };
    let both = sent(&ann, &[0, 1]);
    // Twice in one message, and again in another.
    let twice = sent(&bob, &[1, 1, 2]);
    let said = [both.clone(), twice.clone()].map(message).to_vec();
    assert_eq!(commit(&world, said), [0, 1, 2, 3, 4, 5]);
    let history = store.history(&chat, u64::MAX, &page(0, 9)).unwrap();
    assert_eq!(
        history,
        [both.clone(), twice.clone()],
        "with their small pictures"
    );

    let mut new = both.clone();
    new.message.body.media = vec![pictures[3].clone()];
    let edit = Change::MessageEdited {
        entry: world.entry(&chat, &ann),
        message: Arc::new(new.clone()),
    };
    assert_eq!(commit(&world, vec![edit]), [2, 3, 4, 5, 6, 7]);
    let gone = Change::MessageDeleted {
        entry: world.entry(&chat, &ann),
        message: Arc::new(new),
    };
    assert_eq!(commit(&world, vec![gone]), [2, 3, 4, 5]);
    // A small picture may be sent as a picture of its own, and stays as long.
    let mut alone = world.message(&chat, &ann, "");
    alone.message.body.media = vec![small(&pictures[1])];
    assert_eq!(commit(&world, vec![message(alone)]), [2, 3, 4, 5]);
    let gone = Change::UserDeleted(bob.id, world.now());
    assert_eq!(commit(&world, vec![gone]), [3]);
    let gone = Change::ConversationDeleted(chat.id, world.now());
    assert!(commit(&world, vec![gone]).is_empty());
}
