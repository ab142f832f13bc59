//! Who takes no messages from whom, what is not listed for a while, and what was missed.

use chat::{
    Command, ConversationKind, ConversationRef, Query, Refusal, Reply, UserRef, View,
    command::Destination, store::Change,
};
use uuid::Uuid;

use crate::world::{
    World, about, anybody, block, call, delete_user, named, of_product, opened, passed, send,
    send_as, send_to, sent, somebody, typing, unblock, verified,
};

fn to(other: &str) -> Destination {
    Destination::Direct(named(other))
}

fn blocked(world: &World, user: &str) -> Vec<String> {
    let query = Query::Blocks { user: named(user) };
    match world.look(&anybody(), &query) {
        Ok(View::Users(users)) => users
            .iter()
            .map(|user| user.external.text.clone())
            .collect(),
        other => panic!("users, got {other:?}"),
    }
}

#[test]
fn whoever_is_blocked_does_not_write_to_the_one_alone() {
    let mut world = World::new();
    let direct = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let lamp = || about("lamp", "bob", "ann");
    world
        .one(&anybody(), send_to(lamp(), named("ann"), "hello"))
        .unwrap();
    let all = world.group("ann", &["bob"]).conversation.uuid;
    let known = ConversationRef::Direct(named("ann"), named("bob"));
    let ways = || {
        [
            send(direct, "ann", "x"),
            send_to(to("bob"), named("ann"), "x"),
            send_to(Destination::Conversation(known.clone()), named("ann"), "x"),
            send_to(lamp(), named("ann"), "x"),
            send_to(about("chair", "bob", "ann"), named("ann"), "x"),
        ]
    };
    world.one(&anybody(), block("bob", "ann")).unwrap();
    assert_eq!(blocked(&world, "bob"), ["ann"]);
    let mut world = world.restart();
    for command in ways() {
        // One conversation is not there yet.
        assert_eq!(world.refused(&anybody(), command), Refusal::Blocked);
    }
    // A stranger is not told so.
    let lamp_again = send_to(about("lamp", "bob", "ann"), named("eve"), "x");
    assert_eq!(world.refused(&anybody(), lamp_again), Refusal::NotAllowed);
    // Among others they hear each other, and the one who blocks may write.
    world.one(&anybody(), send(all, "ann", "x")).unwrap();
    world.one(&anybody(), send(direct, "bob", "x")).unwrap();
    world
        .one(&anybody(), send_to(lamp(), named("bob"), "x"))
        .unwrap();

    world.one(&anybody(), unblock("bob", "ann")).unwrap();
    assert!(blocked(&world, "bob").is_empty());
    for command in ways() {
        world.one(&anybody(), command).unwrap();
    }
}

#[test]
fn a_block_counts_from_its_place_in_the_batch_on() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let results = world.all(vec![
        (anybody(), send(chat, "ann", "1")),
        (anybody(), block("bob", "ann")),
        (anybody(), send(chat, "ann", "2")),
        (anybody(), unblock("bob", "ann")),
        (anybody(), send(chat, "ann", "3")),
        (anybody(), block("bob", "ann")),
    ]);
    let refused: Vec<_> = results.into_iter().map(Result::err).collect();
    let no = Some(Refusal::Blocked);
    assert_eq!(refused, [None, None, no, None, None, None]);
    assert_eq!(blocked(&world, "bob"), ["ann"]);
}

#[test]
fn what_was_sent_before_the_block_is_acknowledged_again() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let try_it = || send_as(chat, "ann", "hello", "a");
    world.one(&anybody(), try_it()).unwrap();
    world.one(&anybody(), block("bob", "ann")).unwrap();
    assert!(sent(&world.one(&anybody(), try_it())).1);
}

#[test]
fn a_blocked_persons_typing_is_told_to_nobody() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    world.one(&anybody(), block("bob", "ann")).unwrap();
    let mut told = |user| {
        let turn = world.turn(vec![(anybody(), typing(chat, user))]);
        assert!(matches!(turn.answers[0].1.result, Ok(Reply::Done)));
        passed(&turn).len()
    };
    assert_eq!((told("ann"), told("bob")), (0, 1));
}

#[test]
fn blocking_twice_is_blocking_once() {
    let mut world = World::new();
    for user in ["ann", "bob"] {
        world.one(&anybody(), call(user, user)).unwrap();
    }
    for (twice, left) in [(block("ann", "bob"), 1), (unblock("ann", "bob"), 0)] {
        let commits = world.store.commits();
        for _ in 0..2 {
            world.one(&anybody(), twice.clone()).unwrap();
        }
        world.all(vec![(anybody(), twice.clone()), (anybody(), twice)]);
        assert_eq!(world.store.commits(), commits + 1);
        assert_eq!(world.store.rows().blocks.len(), left);
    }
}

#[test]
fn one_blocks_somebody_who_is_there_and_somebody_else() {
    let mut world = World::new();
    world.one(&anybody(), call("ann", "Ann")).unwrap();
    let nobody = || UserRef::Known("bob".to_owned());
    for (user, whom) in [(named("ann"), nobody()), (nobody(), named("ann"))] {
        let command = Command::Block {
            user: user.clone(),
            whom: whom.clone(),
        };
        assert_eq!(world.refused(&anybody(), command), Refusal::UnknownUser);
        let command = Command::Unblock { user, whom };
        assert_eq!(world.refused(&anybody(), command), Refusal::UnknownUser);
    }
    // Naming somebody does not make them.
    assert_eq!(
        world.refused(&anybody(), block("ann", "bob")),
        Refusal::UnknownUser
    );
    assert_eq!(world.store.rows().users.len(), 1);
    assert_eq!(
        world.refused(&anybody(), block("ann", "ann")),
        Refusal::SamePerson
    );
    world.one(&anybody(), call("bob", "Bob")).unwrap();
    for command in [block("ann", "bob"), unblock("ann", "bob")] {
        let refused = world.refused(&verified(Some("bob")), command.clone());
        assert_eq!(refused, Refusal::NotTheTokensSubject);
        let refused = world.refused(&verified(None), command.clone());
        assert_eq!(refused, Refusal::TokenRequired);
        assert_eq!(
            world.refused(&somebody(2, None), command),
            Refusal::UnknownUser
        );
    }
}

#[test]
fn one_blocks_so_many_and_no_more() {
    let mut world = World::new();
    world.one(&anybody(), call("ann", "Ann")).unwrap();
    let limit = 1_000;
    for number in 0..=limit {
        let name = number.to_string();
        let results = world.all(vec![
            (anybody(), call(&name, &name)),
            (anybody(), block("ann", &name)),
        ]);
        let due = (number == limit).then_some(Refusal::TooManyBlocks { limit });
        assert_eq!(results[1].clone().err(), due);
    }
    // One for another.
    world.one(&anybody(), unblock("ann", "7")).unwrap();
    world.one(&anybody(), block("ann", "1000")).unwrap();
    assert_eq!(world.store.rows().blocks.len(), limit);
}

#[test]
fn a_block_ends_with_either_of_the_two() {
    for gone in ["ann", "bob"] {
        let mut world = World::new();
        world.open(&anybody(), "ann", "bob");
        world.one(&anybody(), block("bob", "ann")).unwrap();
        world.one(&anybody(), delete_user(gone)).unwrap();
        // Whoever has the name now is somebody else.
        let said = world.one(&anybody(), send_to(to("bob"), named("ann"), "hello"));
        assert!(opened(&said).is_some(), "{gone} is gone");
    }
}

fn hide(conversation: ConversationRef, user: &str) -> Command {
    Command::HideConversation {
        conversation,
        user: named(user),
    }
}

fn listed(world: &World, user: &str) -> Vec<Uuid> {
    let query = Query::Conversations {
        user: named(user),
        kind: None,
        offset: 0,
        limit: 9,
        message_offset: 0,
        message_limit: 1,
    };
    match world.look(&anybody(), &query) {
        Ok(View::Conversations {
            conversations,
            total,
            ..
        }) => {
            assert_eq!(total, conversations.len() as u64);
            let uuids = conversations
                .iter()
                .map(|one| one.conversation.conversation.uuid);
            uuids.collect()
        }
        other => panic!("conversations, got {other:?}"),
    }
}

#[test]
fn a_hidden_conversation_comes_back_with_the_next_message() {
    let mut world = World::new();
    let lamp = || about("lamp", "bob", "ann");
    let first = world.one(&anybody(), send_to(lamp(), named("ann"), "hello"));
    let uuid = opened(&first).unwrap().conversation.uuid;
    world.one(&anybody(), hide(uuid.into(), "ann")).unwrap();
    assert_eq!(
        (listed(&world, "ann"), listed(&world, "bob")),
        (vec![], vec![uuid])
    );
    // It is only not listed.
    let history = Query::History {
        conversation: uuid.into(),
        viewer: Some(named("ann")),
        before: None,
        offset: 0,
        limit: 9,
    };
    assert!(matches!(
        world.look(&anybody(), &history),
        Ok(View::History { messages, .. }) if messages.len() == 1
    ));
    world
        .one(&anybody(), crate::world::read_all(uuid, "bob"))
        .unwrap();
    assert!(
        listed(&world, "ann").is_empty(),
        "a receipt is nothing said"
    );
    world.one(&anybody(), send(uuid, "ann", "and")).unwrap();
    assert_eq!(listed(&world, "ann"), [uuid]);
    // In one batch with a message it is hidden up to there, whichever its name.
    let results = world.all(vec![
        (anybody(), send(uuid, "ann", "1")),
        (anybody(), hide(of_product("lamp", "bob", "ann"), "ann")),
    ]);
    assert!(results.iter().all(Result::is_ok));
    assert!(listed(&world, "ann").is_empty());
    for (place, user) in [
        (uuid.into(), "eve"),
        (
            ConversationRef::OfKind(uuid, ConversationKind::Direct),
            "ann",
        ),
        (of_product("chair", "bob", "ann"), "ann"),
    ] {
        let refused = world.refused(&anybody(), hide(place, user));
        assert_eq!(refused, Refusal::UnknownConversation);
    }
    let refused = world.refused(&verified(Some("bob")), hide(uuid.into(), "ann"));
    assert_eq!(refused, Refusal::NotTheTokensSubject);
}

/// What ann is handed out.
fn collected(world: &mut World, limit: u32) -> Vec<String> {
    let reply = world.one(&anybody(), Command::CollectMissed { user: named("ann") });
    let reply = reply.unwrap();
    let query = Query::Missed {
        user: named("ann"),
        limit,
    };
    // Asked again about the same answer, it is the same.
    let look = || match world.look_after(&anybody(), &query, Some(&reply)) {
        Ok(View::Messages(all)) => all.into_iter().map(|view| view.message.body.text).collect(),
        other => panic!("messages, got {other:?}"),
    };
    let first: Vec<_> = look();
    assert_eq!(first, look());
    first
}

#[test]
fn what_was_missed_is_handed_out_once() {
    let mut world = World::new();
    world.one(&anybody(), call("ann", "Ann")).unwrap();
    assert!(collected(&mut world, 9).is_empty());
    let say =
        |product, vendor, sender, text| send_to(about(product, vendor, "ann"), named(sender), text);
    world
        .one(&anybody(), say("lamp", "bob", "bob", "1"))
        .unwrap();
    world
        .one(&anybody(), say("lamp", "bob", "ann", "mine"))
        .unwrap();
    world
        .one(&anybody(), say("chair", "cid", "cid", "2"))
        .unwrap();
    world
        .one(
            &anybody(),
            send_to(to("ann"), named("bob"), "of no product"),
        )
        .unwrap();
    world
        .one(&anybody(), say("lamp", "bob", "bob", "3"))
        .unwrap();
    // Somebody else's are not hers.
    world
        .one(
            &anybody(),
            send_to(about("lamp", "bob", "dan"), named("bob"), "no"),
        )
        .unwrap();
    assert_eq!(collected(&mut world, 9), ["1", "2", "3"]);
    assert!(collected(&mut world, 9).is_empty());
    let mut world = world.restart();
    assert!(collected(&mut world, 9).is_empty());

    world.comes("ann");
    world
        .one(&anybody(), say("lamp", "bob", "bob", "seen"))
        .unwrap();
    world.present.0.lock().clear();
    for text in ["4", "5", "6"] {
        world
            .one(&anybody(), say("lamp", "bob", "bob", text))
            .unwrap();
    }
    assert_eq!(collected(&mut world, 2), ["5", "6"], "the newest");
    assert!(
        collected(&mut world, 9).is_empty(),
        "the rest is in the history"
    );
}

#[test]
fn what_is_missed_meanwhile_is_for_the_next_time() {
    let mut world = World::new();
    let say = |text| send_to(about("lamp", "bob", "ann"), named("bob"), text);
    world.one(&anybody(), say("1")).unwrap();
    let collect = || Command::CollectMissed { user: named("ann") };
    let results = world.all(vec![
        (anybody(), say("2")),
        (anybody(), collect()),
        (anybody(), say("3")),
        (anybody(), collect()),
        (anybody(), say("4")),
    ]);
    let query = Query::Missed {
        user: named("ann"),
        limit: 9,
    };
    let texts = |reply: &Result<Reply, Refusal>| -> Vec<String> {
        let reply = reply.as_ref().unwrap();
        match world.look_after(&anybody(), &query, Some(reply)) {
            Ok(View::Messages(all)) => all.into_iter().map(|view| view.message.body.text).collect(),
            other => panic!("messages, got {other:?}"),
        }
    };
    assert_eq!(texts(&results[1]), ["1", "2"]);
    assert_eq!(texts(&results[3]), ["3"]);
    // Without the command before it nothing is handed out.
    assert!(texts(&results[0]).is_empty());
    assert_eq!(collected(&mut world, 9), ["4"]);
    let collect = Command::CollectMissed { user: named("eve") };
    assert_eq!(world.refused(&anybody(), collect), Refusal::UnknownUser);
    let last = world.store.rows().last_commit;
    assert!(matches!(&*last, [Change::MissedCollected { .. }]));
}
