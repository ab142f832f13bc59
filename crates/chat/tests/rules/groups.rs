//! Groups and what is kept with conversations: who is in them, who may change them, how they end.

use chat::{
    Command, ConversationView, Refusal, Reply, Topic, UserRef,
    command::DetailsPatch,
    decide::{MAX_MEMBERS, MAX_METADATA},
    event::{Unsubscribe, Whose},
    model::{Details, Picture},
    store::Change,
};
use serde_json::json;
use uuid::Uuid;

use crate::world::{
    World, add, anybody, drop_conversation, ended, group, join, metadata, named, open, remove,
    rename, send, server, somebody, verified,
};

/// A conversation that nobody knows.
const NOWHERE: Uuid = Uuid::from_u128(5);

fn updated(reply: Reply) -> ConversationView {
    match reply {
        Reply::Updated { conversation } => conversation,
        other => panic!("updated, got {other:?}"),
    }
}

fn with_metadata(conversation: Uuid, json: serde_json::Value) -> Command {
    Command::UpdateConversation {
        conversation,
        by: None,
        patch: DetailsPatch {
            metadata: Some(metadata(json)),
            ..DetailsPatch::default()
        },
    }
}

#[test]
fn a_group_has_its_owner_first_and_everybody_once() {
    let mut world = World::new();
    let first = world.group("ann", &["bob", "ann", "bob", "cid"]);
    assert_eq!(
        world.members(first.conversation.uuid),
        ["ANN", "bob", "cid"]
    );
    assert_eq!(world.store.rows().users.len(), 3);
    // The same people may have another one, and one may be alone.
    let second = world.group("ann", &["bob", "cid"]);
    assert_ne!(first.conversation.id, second.conversation.id);
    let alone = world.group("ann", &[]).conversation.uuid;
    assert_eq!(world.members(alone), ["ANN"]);
    world.one(&anybody(), send(alone, "ann", "hello?")).unwrap();
}

#[test]
fn a_group_is_called_what_its_owner_says() {
    let mut world = World::new();
    let details = Details {
        title: Some("Us".to_owned()),
        avatar: Some(Picture::Url("https://example.org/us.png".to_owned())),
        metadata: Some(metadata(json!({"a": 1, "gone": null}))),
        product: None,
        room: None,
    };
    let command = Command::CreateGroup {
        owner: named("ann"),
        members: Vec::new(),
        details: details.clone(),
    };
    let Ok(Reply::Opened { user, conversation }) = world.one(&anybody(), command) else {
        panic!("made");
    };
    assert_eq!(user.unwrap().external.text, "ann");
    let kept = Details {
        metadata: Some(metadata(json!({"a": 1}))),
        ..details
    };
    assert_eq!(*conversation.details, kept);
    assert_eq!(*world.view(conversation.conversation.uuid).details, kept);
}

#[test]
fn a_group_is_made_of_users_who_are_there_or_named() {
    let mut world = World::new();
    world.one(&anybody(), open("ann", "bob")).unwrap();
    let bob = world.user("bob");
    let make = |members| Command::CreateGroup {
        owner: named("ann"),
        members,
        details: Details::default(),
    };
    let known = UserRef::Both(bob.uuid, "bob".to_owned());
    world.one(&anybody(), make(vec![known])).unwrap();
    for stranger in [
        UserRef::Known("eve".to_owned()),
        UserRef::Uuid(Uuid::from_u128(7)),
        UserRef::Both(bob.uuid, "ann".to_owned()),
    ] {
        let refused = world.refused(&anybody(), make(vec![named("new"), stranger]));
        assert_eq!(refused, Refusal::UnknownUser);
    }
}

#[test]
fn a_group_holds_so_many_and_no_more() {
    let mut world = World::new();
    let names: Vec<_> = (0..=MAX_MEMBERS).map(|n| n.to_string()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let limit = MAX_MEMBERS;
    let too_many = Refusal::TooManyMembers { limit };
    let refused = world.refused(&anybody(), group("ann", &names[..MAX_MEMBERS]));
    assert_eq!(refused, too_many, "the owner counts");
    let refused = world.refused(&anybody(), group("0", &names));
    assert_eq!(refused, too_many);
    let full = world.group("0", &names[..MAX_MEMBERS]).conversation.uuid;
    assert_eq!(world.members(full).len(), MAX_MEMBERS);
    let refused = world.refused(&anybody(), add(full, "eve", None));
    assert_eq!(refused, too_many);
    // Who is in it already takes no room.
    world.one(&anybody(), add(full, "0", None)).unwrap();
    world.one(&anybody(), remove(full, "7", None)).unwrap();
    world.one(&anybody(), add(full, "eve", None)).unwrap();
}

#[test]
fn a_large_group_is_made_of_people_whom_the_writer_has_forgotten() {
    let mut world = World::new();
    let names: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    world.group("ann", &names);
    let mut world = world.restart();
    world.group("ann", &names);
    assert_eq!(world.store.rows().users.len(), 101);
}

#[test]
fn members_take_others_in() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    let before = world.view(club);
    let Ok(Reply::Membership { user, unchanged }) =
        world.one(&anybody(), add(club, "cid", Some("bob")))
    else {
        panic!("taken in");
    };
    assert_eq!((user.external.text.as_str(), unchanged), ("cid", false));
    assert_eq!(world.members(club), ["ANN", "bob", "cid"]);
    let after = world.view(club);
    assert_eq!(after.last_seq, before.last_seq + 1);
    assert_eq!(after.last_g, world.executor.last_g());
    world.one(&anybody(), send(club, "cid", "hi")).unwrap();
    let commits = world.store.commits();
    let again = world.one(&anybody(), add(club, "cid", Some("ann")));
    assert!(matches!(
        again,
        Ok(Reply::Membership {
            unchanged: true,
            ..
        })
    ));
    assert_eq!(world.store.commits(), commits, "there was nothing to do");
}

#[test]
fn the_owner_and_oneself_put_members_out() {
    let mut world = World::new();
    let club = world.group("ann", &["bob", "cid", "dan"]).conversation;
    let uuid = club.uuid;
    let refused = world.refused(&anybody(), remove(uuid, "cid", Some("bob")));
    assert_eq!(refused, Refusal::NotAllowed);
    let turn = world.turn(vec![(anybody(), remove(uuid, "cid", Some("ann")))]);
    let end = Unsubscribe {
        whose: Whose::User(world.user("cid").id),
        topic: Topic::Conversation(club.id),
        dialect: None,
        until: turn.last_g,
    };
    assert_eq!(ended(&turn), [end]);
    world
        .one(&anybody(), remove(uuid, "bob", Some("bob")))
        .unwrap();
    world.one(&anybody(), remove(uuid, "dan", None)).unwrap();
    assert_eq!(world.members(uuid), ["ANN"]);
    let refused = world.refused(&anybody(), send(uuid, "cid", "still here?"));
    assert_eq!(refused, Refusal::UnknownConversation);
    let refused = world.refused(&anybody(), remove(uuid, "cid", Some("ann")));
    assert_eq!(refused, Refusal::NotAMember);
    let refused = world.refused(&anybody(), remove(uuid, "cid", Some("cid")));
    assert_eq!(refused, Refusal::UnknownConversation, "a stranger now");
}

#[test]
fn whoever_came_next_owns_what_the_owner_leaves() {
    let mut world = World::new();
    let club = world.group("ann", &["bob", "cid"]).conversation.uuid;
    world
        .one(&anybody(), remove(club, "ann", Some("ann")))
        .unwrap();
    assert_eq!(world.members(club), ["BOB", "cid"]);
    // In the same batch too, and where it is the app that puts the owner out.
    let results = world.all(vec![
        (anybody(), remove(club, "bob", None)),
        (anybody(), add(club, "ann", Some("cid"))),
        (anybody(), remove(club, "cid", Some("ann"))),
        (anybody(), remove(club, "ann", Some("cid"))),
    ]);
    assert_eq!(results[2].as_ref().err(), Some(&Refusal::NotAllowed));
    assert!(results[3].is_ok(), "cid owns it");
    // A group without members is there for the app alone.
    world
        .one(&anybody(), remove(club, "cid", Some("cid")))
        .unwrap();
    assert!(world.members(club).is_empty());
    let refused = world.refused(&anybody(), add(club, "cid", Some("cid")));
    assert_eq!(refused, Refusal::UnknownConversation);
    world.one(&anybody(), add(club, "cid", None)).unwrap();
    assert_eq!(world.members(club), ["cid"]);
}

#[test]
fn two_people_stay_two() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    for command in [
        add(chat, "cid", Some("ann")),
        remove(chat, "bob", Some("ann")),
        remove(chat, "ann", Some("ann")),
        remove(chat, "cid", None),
    ] {
        assert_eq!(world.refused(&anybody(), command), Refusal::FixedMembers);
    }
}

#[test]
fn strangers_are_told_the_same_as_of_what_is_not_there() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    world.one(&anybody(), open("eve", "dan")).unwrap();
    let unknown = Refusal::UnknownConversation;
    for conversation in [club, chat, NOWHERE] {
        for command in [
            add(conversation, "eve", Some("eve")),
            add(conversation, "eve", None),
            remove(conversation, "bob", Some("eve")),
            remove(conversation, "eve", None),
            rename(conversation, "Mine", Some("eve")),
            drop_conversation(conversation, Some("eve")),
            drop_conversation(conversation, None),
            join(conversation, None),
            join(conversation, Some("eve")),
        ] {
            let refused = world.refused(&verified(Some("eve")), command.clone());
            assert_eq!(refused, unknown, "{command:?}");
            let refused = world.refused(&verified(None), command.clone());
            assert_eq!(refused, Refusal::TokenRequired, "{command:?}");
            // The app of another tenant has no power here either.
            let refused = world.refused(&somebody(2, None), command.clone());
            assert!(
                [unknown.clone(), Refusal::UnknownUser].contains(&refused),
                "{command:?}: {refused:?}"
            );
        }
        for command in [
            add(conversation, "eve", Some("ann")),
            rename(conversation, "Mine", Some("ann")),
            drop_conversation(conversation, Some("ann")),
            join(conversation, Some("ann")),
        ] {
            let refused = world.refused(&verified(Some("eve")), command);
            assert_eq!(refused, Refusal::NotTheTokensSubject);
        }
    }
    // Who acts must be there, also where the app believes.
    let refused = world.refused(&anybody(), rename(club, "Mine", Some("nobody")));
    assert_eq!(refused, Refusal::UnknownUser);
    let refused = world.refused(&verified(Some("new")), rename(club, "Mine", None));
    assert_eq!(refused, Refusal::UnknownUser);
    assert_eq!(world.members(club), ["ANN", "bob"]);
}

#[test]
fn an_app_and_its_own_server_need_not_say_who_acts() {
    for actor in [anybody(), server()] {
        let mut world = World::new();
        let club = world.group("ann", &["bob"]).conversation.uuid;
        for command in [
            rename(club, "Us", None),
            add(club, "cid", None),
            remove(club, "ann", None),
            drop_conversation(club, None),
        ] {
            world.one(&actor, command).unwrap();
        }
        assert!(world.store.rows().conversations.is_empty());
    }
    // A token speaks for its own subject.
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    let bob = verified(Some("bob"));
    world.one(&bob, rename(club, "Us", None)).unwrap();
    let refused = world.refused(&bob, drop_conversation(club, None));
    assert_eq!(refused, Refusal::NotAllowed);
    world.one(&bob, remove(club, "bob", None)).unwrap();
    assert_eq!(world.members(club), ["ANN"]);
}

#[test]
fn a_change_says_who_made_it() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    let commands = [
        (anybody(), rename(club, "Us", Some("bob"))),
        (server(), add(club, "cid", None)),
    ];
    world.all(commands.to_vec());
    let entry = |change: &Change| match change {
        Change::ConversationUpdated { entry, .. } | Change::MemberAdded { entry, .. } => {
            Some((entry.actor, entry.origin.map(|session| session.0)))
        }
        _ => None,
    };
    let bob = world.user("bob").id;
    let rows = world.store.rows();
    let entries: Vec<_> = rows.last_commit.iter().filter_map(entry).collect();
    assert_eq!(entries, [(Some(bob), Some(1)), (None, None)]);
}

#[test]
fn what_is_not_named_stays_and_metadata_is_merged() {
    let mut world = World::new();
    let club = world.group("ann", &[]).conversation.uuid;
    world
        .one(&anybody(), rename(club, "Us", Some("ann")))
        .unwrap();
    world
        .one(
            &anybody(),
            with_metadata(club, json!({"a": {"b": 1}, "c": 2})),
        )
        .unwrap();
    let reply = world.one(
        &anybody(),
        with_metadata(club, json!({"a": {"d": 3}, "c": null, "e": false})),
    );
    let view = updated(reply.unwrap());
    assert_eq!(view.details.title.as_deref(), Some("Us"));
    let merged = metadata(json!({"a": {"d": 3}, "e": false}));
    assert_eq!(view.details.metadata, Some(merged));
    assert_eq!(view.details, world.view(club).details);
    assert_eq!(view.last_seq, 3);
    let commits = world.store.commits();
    let same = world.one(&anybody(), with_metadata(club, json!({"e": false})));
    assert_eq!(updated(same.unwrap()), view);
    assert_eq!(world.store.commits(), commits, "there was nothing to do");
}

#[test]
fn metadata_has_a_limit_that_counts_what_is_there() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    // {"a":"xxx"} has 8 bytes beside the letters.
    let letters = |count: usize| "x".repeat(count);
    let limit = MAX_METADATA;
    let too_large = Refusal::MetadataTooLarge { limit };
    let refused = world.refused(
        &anybody(),
        with_metadata(chat, json!({"a": letters(limit - 7)})),
    );
    assert_eq!(refused, too_large);
    let full = with_metadata(chat, json!({"a": letters(limit - 8)}));
    world.one(&anybody(), full).unwrap();
    let refused = world.refused(&anybody(), with_metadata(chat, json!({"b": 1})));
    assert_eq!(refused, too_large, "together it is too much");
    let instead = with_metadata(chat, json!({"a": null, "b": 1}));
    world.one(&anybody(), instead).unwrap();
    let huge = Some(metadata(json!({"a": letters(limit)})));
    for command in [
        Command::OpenDirect {
            user: named("ann"),
            other: named("cid"),
            metadata: huge.clone(),
            dialect: None,
        },
        Command::CreateGroup {
            owner: named("ann"),
            members: Vec::new(),
            details: Details {
                metadata: huge,
                ..Details::default()
            },
        },
    ] {
        assert_eq!(world.refused(&anybody(), command), too_large);
    }
}

#[test]
fn a_conversation_of_two_has_metadata_and_no_title() {
    let mut world = World::new();
    let opened = |kept| Command::OpenDirect {
        user: named("ann"),
        other: named("bob"),
        metadata: Some(metadata(kept)),
        dialect: None,
    };
    world.one(&anybody(), opened(json!({"a": 1}))).unwrap();
    // What is there already is not changed by opening it.
    let again = world.one(&anybody(), opened(json!({"a": 2})));
    let Ok(Reply::Opened { conversation, .. }) = again else {
        panic!("opened");
    };
    let uuid = conversation.conversation.uuid;
    let kept = conversation.details.metadata.clone();
    assert_eq!(kept, Some(metadata(json!({"a": 1}))));
    world
        .one(&verified(Some("bob")), with_metadata(uuid, json!({"b": 2})))
        .unwrap();
    let kept = world.view(uuid).details.metadata.clone();
    assert_eq!(kept, Some(metadata(json!({"a": 1, "b": 2}))));
    for patch in [
        DetailsPatch {
            title: Some("Us".to_owned()),
            ..DetailsPatch::default()
        },
        DetailsPatch {
            avatar: Some(Picture::Url("https://example.org/us.png".to_owned())),
            ..DetailsPatch::default()
        },
    ] {
        let command = Command::UpdateConversation {
            conversation: uuid,
            by: None,
            patch,
        };
        assert_eq!(world.refused(&anybody(), command), Refusal::NotAllowed);
    }
}

#[test]
fn a_deleted_conversation_is_gone_for_everybody() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation;
    let message = world.say(club.uuid, "bob", "hi");
    let refused = world.refused(&anybody(), drop_conversation(club.uuid, Some("bob")));
    assert_eq!(refused, Refusal::NotAllowed);
    let turn = world.turn(vec![(anybody(), drop_conversation(club.uuid, Some("ann")))]);
    let end = Unsubscribe {
        whose: Whose::Everybody,
        topic: Topic::Conversation(club.id),
        dialect: None,
        until: turn.last_g,
    };
    assert_eq!(ended(&turn), [end]);
    let unknown = Refusal::UnknownConversation;
    for command in [
        send(club.uuid, "ann", "anybody?"),
        join(club.uuid, None),
        add(club.uuid, "cid", None),
        drop_conversation(club.uuid, Some("ann")),
    ] {
        assert_eq!(world.refused(&anybody(), command), unknown);
    }
    let refused = world.refused(&anybody(), crate::world::unsend(message, None));
    assert_eq!(refused, Refusal::UnknownMessage);
}

#[test]
fn each_of_two_may_delete_their_conversation_and_open_another() {
    let mut world = World::new();
    for who in ["ann", "bob"] {
        let first = world.open(&anybody(), "ann", "bob").conversation;
        world.say(first.uuid, "ann", "hi");
        let own = verified(Some(who));
        world
            .one(&own, drop_conversation(first.uuid, None))
            .unwrap();
        assert!(world.store.rows().messages.is_empty());
        let second = world.open(&anybody(), "ann", "bob");
        assert_ne!(second.conversation.id, first.id);
        assert_eq!(second.last_seq, 0);
    }
}

#[test]
fn an_heir_is_not_given_what_its_batch_has_ended() {
    // Somebody is put out, and comes back with a session that the store still knows otherwise.
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    let bob = |session| somebody(1, Some(session));
    world.one(&bob(3), join(club, Some("bob"))).unwrap();
    let inherit = Command::InheritSession {
        from: chat::SessionId(3),
    };
    let results = world.all(vec![
        (anybody(), remove(club, "bob", Some("ann"))),
        (bob(4), inherit),
    ]);
    let Ok(Reply::Inherited { session }) = &results[1] else {
        panic!("inherited, got {results:?}");
    };
    assert!(session.subscriptions.is_empty());
}

#[test]
fn a_group_whose_owner_is_deleted_belongs_to_whoever_came_next() {
    let mut world = World::new();
    let club = world.group("ann", &["bob", "cid"]).conversation.uuid;
    let other = world.group("bob", &["ann"]).conversation.uuid;
    let alone = world.group("ann", &[]).conversation.uuid;
    world
        .one(&anybody(), crate::world::delete_user("ann"))
        .unwrap();
    assert_eq!(world.members(club), ["BOB", "cid"]);
    assert_eq!(world.members(other), ["BOB"]);
    assert!(world.members(alone).is_empty());
    // The heir may do what an owner may.
    world
        .one(&anybody(), remove(club, "cid", Some("bob")))
        .unwrap();
    world
        .one(&anybody(), drop_conversation(club, Some("bob")))
        .unwrap();
}

#[test]
fn what_a_deleted_conversation_left_is_erased_step_by_step() {
    let mut world = World::new();
    let steps = |world: &mut World| {
        let mut steps = 0;
        while let Ok(Reply::Forgotten { more: true }) =
            world.one(&anybody(), Command::EraseLeftovers)
        {
            steps += 1;
        }
        steps
    };
    let commits = world.store.commits();
    assert_eq!(steps(&mut world), 0);
    assert_eq!(
        world.store.commits(),
        commits,
        "nothing is written for nothing"
    );
    for count in [1, 1_200] {
        let club = world.group("ann", &[]).conversation.uuid;
        let said = (0..count).map(|_| (anybody(), send(club, "ann", "x")));
        world.all(said.collect());
        world
            .one(&anybody(), drop_conversation(club, None))
            .unwrap();
    }
    // Also after a start.
    let mut world = world.restart();
    assert_eq!(
        steps(&mut world),
        4,
        "one for the small, three for the large"
    );
    assert!(world.store.rows().leftovers.is_empty());
}
