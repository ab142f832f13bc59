//! Users: profiles, who may change them, and the end of a user.

use std::sync::Arc;

use chat::{
    Command, Happening, Refusal, Reply, Timestamp, Topic, User, UserRef,
    command::ProfilePatch,
    decide::MAX_METADATA,
    event::Whose,
    model::{Picture, Profile},
};
use serde_json::json;

use crate::world::{
    World, add, anybody, call, delete_user, edit, ended, erase_written, metadata, named, open,
    read, register, send, sent, server, shown, somebody, typing, unsend, verified,
};

fn user(result: Result<Reply, Refusal>) -> Arc<User> {
    match result {
        Ok(Reply::User { user }) => user,
        other => panic!("a user, got {other:?}"),
    }
}

fn update(name: &str, patch: ProfilePatch) -> Command {
    Command::UpdateUser {
        user: UserRef::Known(name.to_owned()),
        patch,
    }
}

fn with_metadata(json: serde_json::Value) -> ProfilePatch {
    ProfilePatch {
        metadata: Some(metadata(json)),
        ..ProfilePatch::default()
    }
}

#[test]
fn putting_makes_a_user_once_and_changes_what_is_named() {
    let mut world = World::new();
    let made = user(world.one(&anybody(), call("ann", "Ann")));
    assert_eq!((made.name(), made.updated_at), ("Ann", None));
    let picture = Picture::Url("https://example.org/ann.png".to_owned());
    let patch = ProfilePatch {
        avatar: Some(picture.clone()),
        ..with_metadata(json!({"age": 23, "gone": null}))
    };
    let put = Command::PutUser {
        user: chat::ExternalId::text("ann"),
        patch,
    };
    let changed = user(world.one(&anybody(), put.clone()));
    assert_eq!((changed.id, changed.uuid), (made.id, made.uuid));
    assert_eq!(changed.created_at, made.created_at);
    assert_eq!(changed.updated_at, Some(Timestamp(world.now)));
    assert_eq!(changed.last_active, made.last_active, "that is no visit");
    let profile = Profile {
        name: Some("Ann".to_owned()),
        avatar: Some(picture),
        metadata: Some(metadata(json!({"age": 23}))),
    };
    assert_eq!(changed.profile, profile);
    assert_eq!(world.user("ann"), changed);
    let commits = world.store.commits();
    assert_eq!(user(world.one(&anybody(), put)), changed);
    assert_eq!(world.store.commits(), commits, "there was nothing to do");
    // A user who was only mentioned is called by the id.
    world.one(&anybody(), register("bob")).unwrap();
    assert_eq!(world.user("bob").name(), "bob");
}

#[test]
fn updating_needs_the_user() {
    let mut world = World::new();
    let refused = world.refused(&anybody(), update("ann", with_metadata(json!({}))));
    assert_eq!(refused, Refusal::UnknownUser);
    world.one(&anybody(), call("ann", "Ann")).unwrap();
    let first = with_metadata(json!({"test": "test", "old": 1}));
    world.one(&anybody(), update("ann", first)).unwrap();
    let second = with_metadata(json!({"test": "test2", "age": 23, "old": null}));
    let ann = user(world.one(&anybody(), update("ann", second)));
    let merged = metadata(json!({"test": "test2", "age": 23}));
    assert_eq!(ann.profile.metadata, Some(merged));
    assert_eq!(ann.name(), "Ann");
    let elsewhere = update("ann", ProfilePatch::default());
    let refused = world.refused(&somebody(2, None), elsewhere);
    assert_eq!(refused, Refusal::UnknownUser);
}

#[test]
fn a_profile_has_so_much_metadata_and_no_more() {
    let mut world = World::new();
    let limit = MAX_METADATA;
    let too_large = Refusal::MetadataTooLarge { limit };
    let huge = with_metadata(json!({"a": "x".repeat(limit)}));
    let put = Command::PutUser {
        user: chat::ExternalId::text("ann"),
        patch: huge.clone(),
    };
    assert_eq!(world.refused(&anybody(), put), too_large);
    assert!(world.store.rows().users.is_empty());
    world.one(&anybody(), call("ann", "Ann")).unwrap();
    assert_eq!(world.refused(&anybody(), update("ann", huge)), too_large);
}

#[test]
fn in_a_verified_app_a_profile_is_its_owners_and_the_apps() {
    let mut world = World::new();
    let (ann, bob) = (verified(Some("ann")), verified(Some("bob")));
    let commands = [
        call("ann", "Ann"),
        update("ann", with_metadata(json!({"a": 1}))),
        erase_written("ann"),
        delete_user("ann"),
    ];
    for (command, actor) in commands.into_iter().zip([&ann, &server(), &ann, &ann]) {
        let refused = world.refused(&verified(None), command.clone());
        assert_eq!(refused, Refusal::TokenRequired);
        let refused = world.refused(&bob, command.clone());
        assert_eq!(refused, Refusal::NotTheTokensSubject);
        world.one(actor, command).unwrap();
    }
    assert!(world.store.rows().users.is_empty());
}

#[test]
fn a_new_name_is_shown_from_the_next_message_on() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    world.say(chat, "ann", "before");
    // In the same batch already; also the one who only reads it has the new name there.
    let turn = world.turn(vec![
        (anybody(), call("ann", "Ann")),
        (anybody(), call("bob", "Bob")),
        (anybody(), send(chat, "ann", "after")),
    ]);
    let events = shown(&turn);
    let Happening::MessageSent(message) = &events[0].happening else {
        panic!("a message, got {events:?}");
    };
    assert_eq!(message.sender.name(), "Ann");
    let names = |members: &[chat::model::Member]| -> Vec<String> {
        let names = members.iter().map(|member| member.user.name().to_owned());
        names.collect()
    };
    assert_eq!(names(&events[0].scene.members), ["Ann", "Bob"]);
    let opened = world.open(&anybody(), "ann", "bob");
    assert_eq!(names(&opened.members), ["Ann", "Bob"]);
    world.one(&anybody(), call("ann", "Anna")).unwrap();
    let turn = world.turn(vec![(anybody(), send(chat, "bob", "later"))]);
    assert_eq!(names(&shown(&turn)[0].scene.members), ["Anna", "Bob"]);
    // An old message that is edited is shown with its author as known now.
    let message = world.say(chat, "ann", "old");
    let turn = world.turn(vec![
        (anybody(), call("ann", "Annabel")),
        (anybody(), edit(message, "new", None)),
    ]);
    let events = shown(&turn);
    let Happening::MessageEdited(message) = &events[0].happening else {
        panic!("an edit, got {events:?}");
    };
    assert_eq!(message.sender.name(), "Annabel");
}

#[test]
fn going_offline_is_remembered_of_who_is_still_there() {
    let mut world = World::new();
    world.one(&anybody(), call("ann", "Ann")).unwrap();
    let ann = world.user("ann");
    let offline = |user, at| Command::UserWentOffline {
        user,
        at: Timestamp(at),
    };
    // The next one in the batch sees it.
    let results = world.all(vec![
        (server(), offline(ann.id, 9)),
        (anybody(), call("ann", "Anna")),
    ]);
    let changed = user(results.into_iter().nth(1).unwrap());
    assert_eq!(changed.last_active, Timestamp(9));
    assert_eq!(world.user("ann").last_active, Timestamp(9));
    world.one(&anybody(), delete_user("ann")).unwrap();
    world.one(&server(), offline(ann.id, 10)).unwrap();
    assert!(world.store.rows().users.is_empty());
}

#[test]
fn a_deleted_user_is_gone_with_all_that_was_written() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation;
    let club = world.group("ann", &["bob"]).conversation;
    world.open(&anybody(), "bob", "cid");
    let hers = world.say(chat.uuid, "ann", "mine");
    let his = world.say(club.uuid, "bob", "his");
    let ann = world.user("ann");
    let turn = world.turn(vec![(anybody(), delete_user("ann"))]);
    let until = turn.last_g;
    let expected = [
        (Topic::Person(ann.id), Whose::Everybody, until),
        (Topic::Conversation(chat.id), Whose::User(ann.id), until),
        (Topic::Conversation(club.id), Whose::User(ann.id), until),
    ];
    let ends: Vec<_> = ended(&turn)
        .iter()
        .map(|end| (end.topic, end.whose, end.until))
        .collect();
    assert_eq!(ends, expected);
    assert_eq!(world.members(club.uuid), ["BOB"]);

    // Nothing is done as her, to her, or to what she wrote.
    for (command, expected) in [
        (send(club.uuid, "ann", "late"), Refusal::UnknownConversation),
        (typing(club.uuid, "ann"), Refusal::UnknownConversation),
        (edit(hers, "changed", None), Refusal::UnknownMessage),
        (unsend(hers, None), Refusal::UnknownMessage),
        (read(his, "ann"), Refusal::UnknownMessage),
        (delete_user("ann"), Refusal::UnknownUser),
        (send(chat.uuid, "bob", "hello?"), Refusal::UnknownUser),
    ] {
        let refused = world.refused(&anybody(), command.clone());
        assert_eq!(refused, expected, "{command:?}");
    }
    let by_uuid = Command::Register {
        user: UserRef::Uuid(ann.uuid),
        dialect: "minchat",
        alone: false,
    };
    assert_eq!(world.refused(&anybody(), by_uuid), Refusal::UnknownUser);
    world
        .one(&anybody(), send(club.uuid, "bob", "alone"))
        .unwrap();

    // Her name is free for somebody else, who has nothing of hers.
    let next = user(world.one(&anybody(), call("ann", "Another")));
    assert_ne!((next.id, next.uuid), (ann.id, ann.uuid));
    let fresh = world.open(&anybody(), "ann", "bob");
    assert_ne!(fresh.conversation.id, chat.id);
    let refused = world.refused(&anybody(), send(club.uuid, "ann", "me?"));
    assert_eq!(refused, Refusal::UnknownConversation);
    world
        .one(&anybody(), add(club.uuid, "ann", Some("bob")))
        .unwrap();
    let said = world.one(&anybody(), send(club.uuid, "ann", "me!"));
    assert_eq!(sent(&said).0.sender, next.id);
}

#[test]
fn what_a_user_wrote_is_erased_step_by_step_until_little_is_left() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation;
    for (count, steps) in [(90, 0), (1_958, 2)] {
        let said = (0..count).map(|_| (anybody(), send(club.uuid, "ann", "x")));
        world.all(said.collect());
        world.say(club.uuid, "bob", "his");
        let commits = world.store.commits();
        let mut taken = 0;
        while let Reply::Forgotten { more: true } =
            world.one(&anybody(), erase_written("ann")).unwrap()
        {
            taken += 1;
        }
        assert_eq!(taken, steps, "of {count}");
        assert_eq!(world.store.commits(), commits + steps);
    }
    let ann = world.user("ann");
    let rows = world.store.rows();
    let hers = rows.messages.iter().filter(|view| view.sender.id == ann.id);
    assert_eq!(hers.count(), 49);
    world.one(&anybody(), delete_user("ann")).unwrap();
    assert_eq!(world.view(club.uuid).messages, 2);
    let refused = world.refused(&anybody(), erase_written("ann"));
    assert_eq!(refused, Refusal::UnknownUser);
}

#[test]
fn users_are_deleted_by_whatever_name_they_are_known() {
    let mut world = World::new();
    let refused = world.refused(&anybody(), delete_user("ann"));
    assert_eq!(refused, Refusal::UnknownUser);
    world.one(&anybody(), open("ann", "bob")).unwrap();
    let (ann, bob) = (world.user("ann"), world.user("bob"));
    let delete = |user| Command::DeleteUser { user };
    for user in [
        UserRef::Uuid(uuid::Uuid::from_u128(4)),
        UserRef::Both(ann.uuid, "bob".to_owned()),
    ] {
        assert_eq!(
            world.refused(&anybody(), delete(user)),
            Refusal::UnknownUser
        );
    }
    let foreign = delete(UserRef::Uuid(ann.uuid));
    let refused = world.refused(&somebody(2, None), foreign.clone());
    assert_eq!(refused, Refusal::UnknownUser);
    world.one(&anybody(), foreign).unwrap();
    let both = delete(UserRef::Both(bob.uuid, "bob".to_owned()));
    world.one(&anybody(), both).unwrap();
    assert!(world.store.rows().users.is_empty());
    let refused = world.refused(&anybody(), delete(named("bob")));
    assert_eq!(refused, Refusal::UnknownUser, "a deletion makes nobody");
}
