//! Promises about profiles, groups, who belongs to them, and the end of users and conversations.

use std::sync::Arc;

use chat::{
    ConversationId, ConversationView, Store, Timestamp, Topic, User, UserId,
    model::{Details, MemberRole, Picture, Profile},
    store::{Change, CommitError, ConversationName, Found, Need, UserName},
};

use uuid::Uuid;

use super::Place;
use crate::world::{Scene, World, list, member, message, metadata, page, user};

pub(super) fn view(store: &dyn Store, of: &ConversationView) -> Option<ConversationView> {
    let conversation = &of.conversation;
    let name = ConversationName::Id(conversation.id);
    let read = store.conversation(conversation.app, &name).unwrap();
    let need = Need::ConversationByUuid(conversation.app, conversation.uuid);
    match store.load(&need).unwrap() {
        Found::Conversation(loaded) => assert_eq!(loaded, read),
        other => panic!("asked for a conversation, got {other:?}"),
    }
    read
}

/// Ids of the members and what they are, in order.
fn members(view: &ConversationView) -> Vec<(UserId, MemberRole)> {
    let members = view.members.iter();
    members.map(|one| (one.user.id, one.role)).collect()
}

fn conversations_of(store: &dyn Store, user: UserId) -> Vec<ConversationId> {
    match store.load(&Need::ConversationsOf(user)).unwrap() {
        Found::Conversations(mut ids) => {
            ids.sort_unstable();
            ids
        }
        other => panic!("asked for conversations, got {other:?}"),
    }
}

pub(super) fn profiles_and_details_come_back_whole(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let cid = User {
        profile: Profile {
            name: Some("Cid 👩‍👩‍👧".to_owned()),
            avatar: Some(Picture::Url("https://example.org/a.png".to_owned())),
            metadata: Some(metadata("'); DROP TABLE user; --")),
        },
        ..User::clone(&scene.world.user(&scene.app, "cid"))
    };
    let cid = Arc::new(cid);
    let details = Details {
        title: Some("\"quoted\"".to_owned()),
        avatar: Some(Picture::Media(scene.world.file())),
        metadata: Some(chat::model::Metadata::default()),
        product: None,
        room: None,
    };
    let group = scene.world.group(&[&cid, &scene.ann], details);
    let made = [
        Change::User(Arc::clone(&cid)),
        Change::Conversation(group.clone()),
    ];
    store.commit(&scene.world.batch(made)).unwrap();
    assert_eq!(user(&*store, scene.app.id, "cid").as_ref(), Some(&cid));
    assert_eq!(view(&*store, &group), Some(group.clone()));

    let renamed = Arc::new(User {
        profile: Profile {
            name: None,
            avatar: Some(Picture::Media(scene.world.file())),
            metadata: None,
        },
        updated_at: Some(scene.world.now()),
        ..User::clone(&cid)
    });
    let entry = scene.world.entry(&group.conversation, &scene.ann);
    let details = Arc::new(Details {
        title: None,
        avatar: None,
        metadata: Some(metadata("x")),
        product: None,
        room: None,
    });
    let changes = [
        Change::UserUpdated(Arc::clone(&renamed)),
        Change::ConversationUpdated {
            entry,
            details: Arc::clone(&details),
        },
        Change::UserWentOffline(cid.id, Timestamp(5)),
        Change::UserWentOffline(UserId(99), Timestamp(5)),
    ];
    store.commit(&scene.world.batch(changes)).unwrap();
    let renamed = Arc::new(User {
        last_active: Timestamp(5),
        ..User::clone(&renamed)
    });
    assert_eq!(user(&*store, scene.app.id, "cid").as_ref(), Some(&renamed));
    let found = view(&*store, &group).unwrap();
    assert_eq!(found.details, details);
    assert_eq!(
        found.members[0].user, renamed,
        "members are as they are now"
    );
    assert_eq!((found.last_seq, found.last_g), (entry.seq, entry.g));
    assert_eq!((found.updated_at, found.last_message_at), (entry.at, None));
    let ann = user(&*store, scene.app.id, "ann").unwrap();
    assert_eq!(ann, scene.ann, "others are left alone");
    drop(store);
    assert_eq!(view(&*place.open(), &group), Some(found));
}

pub(super) fn members_stand_in_the_order_of_joining(place: &dyn Place) {
    use MemberRole::{Member, Owner};
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        bob,
        ..
    } = Scene::new(&*store);
    let [cid, dan] = ["cid", "dan"].map(|name| world.user(&app, name));
    // In an order that is not that of ids.
    let group = world.group(&[&cid, &ann], Details::default());
    let chat = Arc::clone(&group.conversation);
    let made = [
        Change::User(Arc::clone(&cid)),
        Change::User(Arc::clone(&dan)),
        Change::Conversation(group.clone()),
    ];
    store.commit(&world.batch(made)).unwrap();
    let roles = || members(&view(&*store, &group).unwrap());
    assert_eq!(roles(), [(cid.id, Owner), (ann.id, Member)]);

    let mut added = |user: &Arc<User>| Change::MemberAdded {
        entry: world.entry(&chat, &cid),
        member: member(user),
    };
    let changes = [added(&dan), added(&bob)];
    store.commit(&world.batch(changes)).unwrap();
    let read = Change::Read {
        entry: world.entry(&chat, &ann),
        reader: ann.id,
        message: Uuid::nil(),
        seq: 2,
    };
    store.commit(&world.batch([read])).unwrap();
    let read_up_to = |user: UserId| match store.load(&Need::ReadUpTo(chat.id, user)).unwrap() {
        Found::ReadUpTo(seq) => seq,
        other => panic!("asked for a number, got {other:?}"),
    };
    assert_eq!((read_up_to(ann.id), read_up_to(dan.id)), (2, 0));
    let removed = |entry, user: &User, heir: Option<&User>| Change::MemberRemoved {
        entry,
        user: user.id,
        heir: heir.map(|heir| heir.id),
    };
    let changes = [
        removed(world.entry(&chat, &cid), &ann, None),
        removed(world.entry(&chat, &cid), &cid, Some(&dan)),
    ];
    let last = world.batch(changes);
    store.commit(&last).unwrap();
    let found = view(&*store, &group).unwrap();
    assert_eq!(members(&found), [(dan.id, Owner), (bob.id, Member)]);
    assert_eq!((found.last_seq, found.last_g), (5, last.last_g));
    assert!(conversations_of(&*store, cid.id).is_empty());
    assert_eq!(conversations_of(&*store, bob.id).len(), 2);
    assert_eq!(read_up_to(ann.id), 0);

    let back = Change::MemberAdded {
        entry: world.entry(&chat, &dan),
        member: member(&ann),
    };
    store.commit(&world.batch([back])).unwrap();
    let roles = members(&view(&*store, &group).unwrap());
    assert_eq!(roles, [(dan.id, Owner), (bob.id, Member), (ann.id, Member)]);
    assert_eq!(read_up_to(ann.id), 0, "who comes back has read nothing");
}

pub(super) fn a_person_is_told_from_the_joining_on(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        ann,
        bob,
        ..
    } = Scene::new(&*store);
    let group = world.group(&[&ann], Details::default());
    let chat = Arc::clone(&group.conversation);
    let made = Change::Conversation(group.clone());
    store.commit(&world.batch([made])).unwrap();
    let told = |user: &User| -> Vec<u64> {
        let events = store.log(Topic::Person(user.id), 0, u64::MAX, 99).unwrap();
        events.iter().map(|event| event.g).collect()
    };
    let say = |world: &mut crate::world::World| {
        let view = world.message(&chat, &ann, "x");
        store.commit(&world.batch([message(view)])).unwrap();
        world.last_g()
    };
    let first = say(&mut world);
    let entry = world.entry(&chat, &ann);
    let added = Change::MemberAdded {
        entry,
        member: member(&bob),
    };
    store.commit(&world.batch([added])).unwrap();
    let second = say(&mut world);
    assert_eq!(
        (told(&ann), told(&bob)),
        (vec![first, second], vec![second])
    );

    let removed = Change::MemberRemoved {
        entry: world.entry(&chat, &ann),
        user: bob.id,
        heir: None,
    };
    store.commit(&world.batch([removed])).unwrap();
    let third = say(&mut world);
    assert_eq!(
        (told(&ann), told(&bob)),
        (vec![first, second, third], vec![])
    );
    let added = Change::MemberAdded {
        entry: world.entry(&chat, &ann),
        member: member(&bob),
    };
    store.commit(&world.batch([added])).unwrap();
    let fourth = say(&mut world);
    assert_eq!(told(&bob), [fourth]);
}

pub(super) fn a_deleted_user_leaves_nothing(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        bob,
        chat,
        view: direct,
    } = Scene::new(&*store);
    let cid = world.user(&app, "cid");
    let [left, shared] = [(); 2].map(|()| world.group(&[&ann, &bob, &cid], Details::default()));
    let said = [
        world.message(&chat, &bob, "mine"),
        world.message(&chat, &ann, "of another"),
        world.message(&chat, &bob, "mine too"),
        world.message(&left.conversation, &bob, "where I am no longer"),
        world.message(&shared.conversation, &cid, "not to me"),
    ];
    let read = Change::Read {
        entry: world.entry(&chat, &bob),
        reader: bob.id,
        message: said[1].message.uuid,
        seq: 2,
    };
    let removed = Change::MemberRemoved {
        entry: world.entry(&left.conversation, &ann),
        user: bob.id,
        heir: None,
    };
    let made = [
        Change::User(Arc::clone(&cid)),
        Change::Conversation(left.clone()),
        Change::Conversation(shared.clone()),
    ];
    let changes = made.into_iter().chain(said.clone().map(message));
    let changes = changes.chain([read, removed]);
    store.commit(&world.batch(changes)).unwrap();
    let before = view(&*store, &direct).unwrap();
    assert_eq!(before.messages, 3);
    assert!(store.history(&chat, u64::MAX, &page(0, 9)).unwrap()[1].seen);

    world.g();
    let deleted = Change::UserDeleted(bob.id, world.now());
    store.commit(&world.batch([deleted])).unwrap();
    for name in [
        UserName::External("bob".to_owned()),
        UserName::Uuid(bob.uuid),
        UserName::Id(bob.id),
    ] {
        assert_eq!(store.user(app.id, &name).unwrap(), None);
    }
    assert!(conversations_of(&*store, bob.id).is_empty());
    // What is not that user's stays.
    let after = view(&*store, &direct).unwrap();
    assert_eq!(members(&after), members(&before)[..1]);
    assert_eq!(after.messages, 1);
    assert_eq!(
        (after.last_seq, after.last_g),
        (before.last_seq, before.last_g)
    );
    let history = store.history(&chat, u64::MAX, &page(0, 9)).unwrap();
    assert_eq!(history, [said[1].clone()], "and nobody has seen it");
    assert_eq!(view(&*store, &left).unwrap().messages, 0);
    assert_eq!(members(&view(&*store, &shared).unwrap()).len(), 2);
    let (listed, total) = store.conversations(ann.id, &list(0, 9)).unwrap();
    assert_eq!(total, 2);
    assert_eq!(listed[1].messages, said[1..2]);
    for place in [Topic::Conversation(chat.id), Topic::Person(ann.id)] {
        let log = store.log(place, 0, u64::MAX, 9).unwrap();
        let told: Vec<_> = log.iter().map(|event| event.g).collect();
        assert_eq!(told.iter().filter(|g| **g == said[1].message.g).count(), 1);
        assert!(
            told.iter()
                .all(|g| [said[1].message.g, said[4].message.g].contains(g))
        );
    }
    // The app's own id is free, and whoever gets it is somebody else.
    let namesake = world.user(&app, "bob");
    let batch = world.batch([Change::User(Arc::clone(&namesake))]);
    store.commit(&batch).unwrap();
    assert_eq!(user(&*store, app.id, "bob"), Some(namesake));
    assert_eq!(store.counters().unwrap(), world.counters());
}

pub(super) fn a_deleted_conversation_leaves_nothing(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let other = scene
        .world
        .group(&[&scene.bob, &scene.ann], Details::default());
    let made = Change::Conversation(other.clone());
    let elsewhere = scene
        .world
        .message(&other.conversation, &scene.bob, "stays");
    let said = scene.world.message(&scene.chat, &scene.ann, "goes");
    let read = Change::Read {
        entry: scene.world.entry(&scene.chat, &scene.bob),
        reader: scene.bob.id,
        message: said.message.uuid,
        seq: 1,
    };
    let changes = [
        made,
        message(elsewhere.clone()),
        message(said.clone()),
        read,
    ];
    store.commit(&scene.world.batch(changes)).unwrap();
    let deleted = Change::ConversationDeleted(scene.chat.id, scene.world.now());
    scene.world.g();
    store.commit(&scene.world.batch([deleted])).unwrap();
    let app = scene.app.id;
    assert_eq!(view(&*store, &scene.view), None);
    assert_eq!(store.message(app, said.message.uuid).unwrap(), None);
    assert!(
        store
            .history(&scene.chat, u64::MAX, &page(0, 9))
            .unwrap()
            .is_empty()
    );
    let here = Topic::Conversation(scene.chat.id);
    assert!(store.log(here, 0, u64::MAX, 9).unwrap().is_empty());
    for someone in [scene.ann.id, scene.bob.id] {
        assert_eq!(conversations_of(&*store, someone), [other.conversation.id]);
        let (listed, total) = store.conversations(someone, &list(0, 9)).unwrap();
        assert_eq!((listed.len(), total), (1, 1));
        let log = store.log(Topic::Person(someone), 0, u64::MAX, 9).unwrap();
        assert_eq!(log.len(), 1);
        assert_eq!(log[0].g, elsewhere.message.g);
    }
    // The two may begin anew.
    let again = scene.world.direct(&scene.ann, &scene.bob);
    let made = Change::Conversation(again.clone());
    store.commit(&scene.world.batch([made])).unwrap();
    assert_eq!(view(&*store, &again), Some(again));
}

pub(super) fn a_batch_that_erases_is_stored_whole_or_not_at_all(place: &dyn Place) {
    let store = place.open();
    let mut scene = Scene::new(&*store);
    let group = scene
        .world
        .group(&[&scene.ann, &scene.bob], Details::default());
    let mut said = [
        scene.world.message(&scene.chat, &scene.bob, "one"),
        scene.world.message(&group.conversation, &scene.ann, "two"),
        scene
            .world
            .message(&group.conversation, &scene.ann, "three"),
    ];
    let file = scene.world.file();
    said[1].message.body.media = vec![file.clone()];
    let made = Change::Conversation(group.clone());
    let changes = [made].into_iter().chain(said.clone().map(message));
    store.commit(&scene.world.batch(changes)).unwrap();
    let everything = || {
        let (ann, bob) = (scene.ann.id, scene.bob.id);
        (
            [&scene.view, &group].map(|one| view(&*store, one)),
            [ann, bob].map(|who| store.log(Topic::Person(who), 0, u64::MAX, 99).unwrap()),
            [ann, bob].map(|who| store.conversations(who, &list(0, 99)).unwrap()),
            ["ann", "bob"].map(|name| user(&*store, scene.app.id, name)),
            store.media(&file.name).unwrap(),
            store.counters().unwrap(),
        )
    };
    let before = everything();
    let mut edited = said[2].clone();
    "four".clone_into(&mut edited.message.body.text);
    let twice = scene.world.user(&scene.app, "new");
    let changes = [
        Change::MessageEdited {
            entry: scene.world.entry(&group.conversation, &scene.ann),
            message: Arc::new(edited),
        },
        Change::MessageDeleted {
            entry: scene.world.entry(&group.conversation, &scene.ann),
            message: Arc::new(said[1].clone()),
        },
        Change::MemberRemoved {
            entry: scene.world.entry(&group.conversation, &scene.ann),
            user: scene.bob.id,
            heir: None,
        },
        Change::UserDeleted(scene.bob.id, Timestamp(1)),
        Change::ConversationDeleted(scene.chat.id, Timestamp(1)),
        Change::User(Arc::clone(&twice)),
        Change::User(twice),
    ];
    let refused = store.commit(&scene.world.batch(changes.clone()));
    assert!(
        matches!(refused, Err(CommitError::RolledBack(_))),
        "{refused:?}"
    );
    assert_eq!(everything(), before);
    // It was the last one that would not go in.
    store
        .commit(&scene.world.batch(changes[..6].to_vec()))
        .unwrap();
    assert_ne!(everything(), before);
}

pub(super) fn a_group_whose_owner_goes_has_an_heir(place: &dyn Place) {
    use MemberRole::{Member, Owner};
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        bob,
        ..
    } = Scene::new(&*store);
    let cid = world.user(&app, "cid");
    let [many, alone, foreign, left] = [
        &[&ann, &cid, &bob][..],
        &[&ann],
        &[&bob, &ann],
        &[&ann, &cid],
    ]
    .map(|people| world.group(people, Details::default()));
    let groups = [&many, &alone, &foreign, &left].map(|view| Change::Conversation(view.clone()));
    let changes = [Change::User(Arc::clone(&cid))].into_iter().chain(groups);
    store.commit(&world.batch(changes)).unwrap();
    let heirs = |user: &User| match store.load(&Need::HeirsOf(user.id)).unwrap() {
        Found::Heirs(mut heirs) => {
            heirs.sort_unstable();
            heirs
        }
        other => panic!("asked for heirs, got {other:?}"),
    };
    let (of_many, of_left) = (many.conversation.id, left.conversation.id);
    assert_eq!(
        heirs(&ann),
        [(of_many, cid.id), (of_left, cid.id)],
        "the next in the order of joining"
    );
    let removed = |world: &mut World, from: &ConversationView| Change::MemberRemoved {
        entry: world.entry(&from.conversation, &ann),
        user: cid.id,
        heir: None,
    };
    let out = [&many, &left].map(|from| removed(&mut world, from));
    let back = Change::MemberAdded {
        entry: world.entry(&many.conversation, &ann),
        member: member(&cid),
    };
    store
        .commit(&world.batch(out.into_iter().chain([back])))
        .unwrap();
    assert_eq!(
        heirs(&ann),
        [(of_many, bob.id)],
        "who comes back comes last"
    );
    assert_eq!(heirs(&bob), [(foreign.conversation.id, ann.id)]);
    assert!(heirs(&cid).is_empty());
    let gone = [
        Change::Inherited(of_many, bob.id),
        Change::UserDeleted(ann.id, Timestamp(9)),
    ];
    store.commit(&world.batch(gone)).unwrap();
    let now = view(&*store, &many).unwrap();
    assert_eq!(members(&now), [(bob.id, Owner), (cid.id, Member)]);
    assert_eq!(heirs(&bob), [(of_many, cid.id)]);
    assert!(heirs(&ann).is_empty());
}
