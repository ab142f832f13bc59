//! Promises about messages that are edited, deleted and read, their files, and lists of conversations.

use std::sync::Arc;

use chat::{
    Event, Happening, Message, MessageView, Store, Topic, User,
    model::{Details, Picture, Profile},
    store::{Change, Found, Need},
};

use super::{Place, groups::view};
use crate::world::{Scene, World, list, message, metadata, page};

/// A message by its outside id, both ways.
fn found(store: &dyn Store, of: &MessageView) -> Option<MessageView> {
    let (app, uuid) = (of.conversation.app, of.message.uuid);
    let read = store.message(app, uuid).unwrap();
    match store.load(&Need::Message(app, uuid)).unwrap() {
        Found::Message(loaded) => {
            let (message, place) = loaded.unzip();
            assert_eq!(message.map(Arc::unwrap_or_clone), read);
            let place = place.map(|view| view.conversation);
            assert_eq!(
                place,
                read.as_ref().map(|view| Arc::clone(&view.conversation))
            );
        }
        other => panic!("asked for a message, got {other:?}"),
    }
    read
}

fn edited(of: &MessageView, world: &mut World, text: &str) -> MessageView {
    let mut new = of.clone();
    text.clone_into(&mut new.message.body.text);
    new.message.edited_at = Some(world.now());
    new
}

fn deleted(world: &mut World, of: &MessageView) -> Change {
    Change::MessageDeleted {
        entry: world.entry(&of.conversation, &of.sender),
        message: Arc::new(of.clone()),
    }
}

fn read(world: &mut World, up_to: &MessageView, reader: &User) -> Change {
    Change::Read {
        entry: world.entry(&up_to.conversation, reader),
        reader: reader.id,
        message: up_to.message.uuid,
        seq: up_to.message.seq,
    }
}

pub(super) fn messages_change_and_go(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let mut said = ["one", "two", "three"].map(|text| {
        let mut view = scene.world.message(&scene.chat, &scene.ann, text);
        view.message.client_id = Some(format!("id of {text}"));
        view
    });
    said[1].message.body.media = vec![scene.world.file()];
    said[1].message.body.metadata = Some(metadata("x"));
    let batch = scene.world.batch(said.clone().map(message));
    store.commit(&batch).unwrap();
    let last_message_at = said[2].message.created_at;
    assert_eq!(found(&*store, &said[1]), Some(said[1].clone()));

    let mut new = edited(&said[0], &mut scene.world, "uno");
    new.message.body.metadata = Some(metadata("y"));
    let edit = Change::MessageEdited {
        entry: scene.world.entry(&scene.chat, &scene.ann),
        message: Arc::new(new.clone()),
    };
    let entry = scene.world.entry(&scene.chat, &scene.ann);
    let delete = Change::MessageDeleted {
        entry,
        message: Arc::new(said[2].clone()),
    };
    store.commit(&scene.world.batch([edit, delete])).unwrap();
    assert_eq!(found(&*store, &said[0]), Some(new.clone()));
    assert_eq!(found(&*store, &said[2]), None);
    let history = |offset, limit| {
        store
            .history(&scene.chat, u64::MAX, &page(offset, limit))
            .unwrap()
    };
    assert_eq!(history(0, 9), [new.clone(), said[1].clone()]);
    assert_eq!(history(1, 9), [new.clone()], "it is not passed over either");
    let now = view(&*store, &scene.view).unwrap();
    assert_eq!((now.messages, now.last_seq, now.last_g), (2, 5, entry.g));
    assert_eq!(
        (now.updated_at, now.last_message_at),
        (entry.at, Some(last_message_at))
    );
    let sent = |id: &str| {
        let need = Need::Sent(scene.chat.id, scene.ann.id, id.to_owned());
        match store.load(&need).unwrap() {
            Found::Sent(found) => found.map(Arc::unwrap_or_clone),
            other => panic!("asked for a message, got {other:?}"),
        }
    };
    assert_eq!(sent("id of one"), Some(new));
    assert_eq!(sent("id of three"), None, "its id may be used again");
    let mut again = scene.world.message(&scene.chat, &scene.ann, "again");
    again.message.client_id = Some("id of three".to_owned());
    let batch = scene.world.batch([message(again.clone())]);
    store.commit(&batch).unwrap();
    assert_eq!(sent("id of three"), Some(again));
}

pub(super) fn the_log_tells_of_edits_deletions_and_receipts(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let world = &mut scene.world;
    let said = ["one", "two"].map(|text| world.message(&scene.chat, &scene.ann, text));
    let mut changes: Vec<_> = said.clone().map(message).into();
    let first = edited(&said[0], world, "uno");
    let mut second = edited(&first, world, "eins");
    second.seen = true;
    for message in [&first, &second] {
        changes.push(Change::MessageEdited {
            entry: world.entry(&scene.chat, &scene.ann),
            message: Arc::new(message.clone()),
        });
    }
    changes.push(read(world, &said[1], &scene.bob));
    let gone = edited(&said[1], world, "never told");
    changes.push(Change::MessageEdited {
        entry: world.entry(&scene.chat, &scene.ann),
        message: Arc::new(gone),
    });
    changes.push(deleted(world, &said[1]));
    // In pieces or at once, it is the same.
    let (head, tail) = changes.split_at(3);
    for part in [head, tail] {
        store.commit(&world.batch(part.to_vec())).unwrap();
    }
    let sent = second.message.g;
    let now = |seen| {
        Arc::new(MessageView {
            seen,
            ..second.clone()
        })
    };
    let due = [
        (sent, None, Happening::MessageSent(now(false))),
        (sent + 2, Some(7), Happening::MessageEdited(now(false))),
        (sent + 3, Some(7), Happening::MessageEdited(now(true))),
        (
            sent + 4,
            Some(7),
            Happening::Read {
                reader: Arc::clone(&scene.bob),
                message: said[1].message.uuid,
            },
        ),
        (
            sent + 6,
            Some(7),
            Happening::MessageDeleted {
                message: said[1].message.uuid,
                by: Some(scene.ann.id),
            },
        ),
    ];
    for place in [
        Topic::Conversation(scene.chat.id),
        Topic::Person(scene.ann.id),
    ] {
        let log = store.log(place, 0, u64::MAX, 99).unwrap();
        let told = |event: &Arc<Event>| {
            let origin = event.origin.map(|session| session.0);
            (event.g, origin, event.happening.clone())
        };
        assert_eq!(log.iter().map(told).collect::<Vec<_>>(), due);
        // What is not told does not end a page.
        let page = store.log(place, sent, u64::MAX, 4).unwrap();
        assert_eq!(page[..], log[1..]);
    }
}

pub(super) fn a_message_is_seen_when_somebody_else_has_read_it(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let cid = scene.world.user(&scene.app, "cid");
    let group = scene
        .world
        .group(&[&scene.ann, &scene.bob, &cid], Details::default());
    let chat = Arc::clone(&group.conversation);
    let said = [&scene.ann, &cid, &scene.ann, &cid].map(|sender| {
        let mut view = scene.world.message(&chat, sender, "x");
        view.message.client_id = Some("once".to_owned() + &view.message.seq.to_string());
        view
    });
    let changes = [Change::User(Arc::clone(&cid)), Change::Conversation(group)];
    let changes = changes.into_iter().chain(said.clone().map(message));
    store.commit(&scene.world.batch(changes)).unwrap();
    let seen = || {
        let history = store.history(&chat, u64::MAX, &page(0, 9)).unwrap();
        for view in &history {
            assert_eq!(found(&*store, view).as_ref(), Some(view));
            let Message {
                sender, client_id, ..
            } = &view.message;
            let need = Need::Sent(chat.id, *sender, client_id.clone().unwrap());
            let Found::Sent(Some(sent)) = store.load(&need).unwrap() else {
                panic!("it was sent");
            };
            assert_eq!(*sent, *view);
        }
        let (listed, _) = store.conversations(cid.id, &list(0, 1)).unwrap();
        assert_eq!(listed[0].messages, history[3..]);
        history.iter().map(|view| view.seen).collect::<Vec<_>>()
    };
    assert_eq!(seen(), [false; 4]);
    let mut reads = |up_to: usize, reader: &User| {
        let change = read(&mut scene.world, &said[up_to], reader);
        store.commit(&scene.world.batch([change])).unwrap();
    };
    reads(3, &cid);
    assert_eq!(seen(), [true, false, true, false], "not by its author");
    reads(1, &scene.ann);
    assert_eq!(seen(), [true, true, true, false]);
    reads(3, &scene.bob);
    assert_eq!(seen(), [true; 4]);
}

pub(super) fn conversations_are_listed_by_their_newest_message(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        view: quiet,
        ..
    } = Scene::new(&*store);
    let mut chats = Vec::new();
    let mut said = Vec::new();
    for number in 0..60 {
        let other = world.user(&app, number.to_string());
        let chat = world.direct(&ann, &other);
        let view = world.message(&chat.conversation, &other, "x");
        let changes = [
            Change::User(other),
            Change::Conversation(chat.clone()),
            message(view.clone()),
        ];
        store.commit(&world.batch(changes)).unwrap();
        chats.push(chat.conversation.id);
        said.push(view);
    }
    let listed = |offset, limit| {
        let (found, total) = store.conversations(ann.id, &list(offset, limit)).unwrap();
        for one in &found {
            let conversation = &one.conversation;
            assert_eq!(view(&*store, conversation).as_ref(), Some(conversation));
            let newest = store.history(&conversation.conversation, u64::MAX, &page(0, 1));
            assert_eq!(newest.unwrap(), one.messages);
        }
        let ids = found.iter().map(|one| one.conversation.conversation.id);
        (ids.collect::<Vec<_>>(), total)
    };
    let newest_first =
        |chats: &[chat::ConversationId]| -> Vec<_> { chats.iter().rev().copied().collect() };
    let all = newest_first(&chats);
    assert_eq!(listed(0, 25), (all[..25].to_vec(), 60));
    assert_eq!(listed(50, 25), (all[50..].to_vec(), 60));
    for beyond in [60, u64::MAX] {
        assert_eq!(listed(beyond, 25), (Vec::new(), 60));
    }
    assert_eq!(listed(0, 0), (Vec::new(), 60));

    // Something new comes to the front; what is taken back counts no longer.
    let new = world.message(&said[0].conversation, &ann, "new");
    let gone = deleted(&mut world, &said[59]);
    let batch = world.batch([message(new.clone()), gone]);
    store.commit(&batch).unwrap();
    let moved = chats.remove(0);
    chats.pop();
    chats.push(moved);
    assert_eq!(listed(0, 3), (newest_first(&chats)[..3].to_vec(), 59));
    let gone = deleted(&mut world, &new);
    store.commit(&world.batch([gone])).unwrap();
    let moved = chats.pop().unwrap();
    chats.insert(0, moved);
    assert_eq!(listed(0, 99), (newest_first(&chats), 59));
    // Said and taken back at once.
    let new = world.message(&quiet.conversation, &ann, "never mind");
    let gone = deleted(&mut world, &new);
    store.commit(&world.batch([message(new), gone])).unwrap();
    assert_eq!(listed(0, 99), (newest_first(&chats), 59));
    assert_eq!(view(&*store, &quiet).unwrap().messages, 0);
}

pub(super) fn files_are_there_as_long_as_something_refers_to_them(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        bob,
        chat,
        ..
    } = Scene::new(&*store);
    let files: Vec<_> = (0..8).map(|_| world.file()).collect();
    let kept = || -> Vec<usize> {
        let is_kept = |file: &chat::Media| match store.media(&file.name).unwrap() {
            Some(found) => {
                assert_eq!(found, *file);
                true
            }
            None => false,
        };
        (0..8).filter(|place| is_kept(&files[*place])).collect()
    };
    let commit = |world: &World, changes: Vec<Change>| {
        store.commit(&world.batch(changes)).unwrap();
        kept()
    };
    let with = |of: &Arc<User>, file: usize| {
        let profile = Profile {
            avatar: Some(Picture::Media(files[file].clone())),
            ..Profile::default()
        };
        let updated_at = Some(chat::Timestamp(9));
        Arc::new(User {
            profile,
            updated_at,
            ..User::clone(of)
        })
    };
    let details = |file: usize| Details {
        avatar: Some(Picture::Media(files[file].clone())),
        ..Details::default()
    };
    let sent = |world: &mut World, file: usize| {
        let mut view = world.message(&chat, &bob, "");
        view.message.body.media = vec![files[file].clone()];
        view
    };
    let cid = with(&world.user(&app, "cid"), 0);
    let group = world.group(&[&cid, &ann], details(1));
    // One is sent twice.
    let said = [2, 3, 3].map(|file| sent(&mut world, file));
    let made = [
        Change::User(Arc::clone(&cid)),
        Change::Conversation(group.clone()),
    ];
    let changes = made.into_iter().chain(said.clone().map(message)).collect();
    assert_eq!(commit(&world, changes), [0, 1, 2, 3]);

    let mut new = said[0].clone();
    new.message.body.media = vec![files[4].clone()];
    let mut same = said[1].clone();
    "with words".clone_into(&mut same.message.body.text);
    let edits = [new.clone(), same].map(|message| Change::MessageEdited {
        entry: world.entry(&chat, &bob),
        message: Arc::new(message),
    });
    let renamed = Change::ConversationUpdated {
        entry: world.entry(&group.conversation, &ann),
        details: Arc::new(details(5)),
    };
    let changes = edits
        .into_iter()
        .chain([Change::UserUpdated(with(&cid, 6)), renamed]);
    assert_eq!(commit(&world, changes.collect()), [3, 4, 5, 6]);
    let gone = deleted(&mut world, &said[2]);
    assert_eq!(
        commit(&world, vec![gone]),
        [3, 4, 5, 6],
        "it is still sent once"
    );
    let gone = deleted(&mut world, &said[1]);
    assert_eq!(commit(&world, vec![gone]), [4, 5, 6]);
    let changes = vec![Change::UserDeleted(cid.id, world.now())];
    assert_eq!(commit(&world, changes), [4, 5]);
    let changes = vec![Change::ConversationDeleted(
        group.conversation.id,
        world.now(),
    )];
    assert_eq!(commit(&world, changes), [4]);
    let mine = sent(&mut world, 7);
    assert_eq!(commit(&world, vec![message(mine)]), [4, 7]);
    let changes = vec![Change::UserDeleted(bob.id, world.now())];
    assert!(commit(&world, changes).is_empty());
}
