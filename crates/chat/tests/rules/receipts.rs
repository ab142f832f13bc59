//! Reading all of a conversation, and writing in one that may not be there.

use chat::{
    Command, ConversationRef, Happening, Refusal, Reply, SessionId, Turn, UserRef, event::Sign,
    store::Change,
};
use uuid::Uuid;

use crate::world::{
    World, about, anybody, named, of_product, open, opened, passed, read, read_all, register, send,
    send_to, shown, somebody, typing, unsend, verified,
};

fn tell(conversation: impl Into<ConversationRef>, reader: &str) -> Command {
    Command::MarkAllRead {
        conversation: conversation.into(),
        reader: named(reader),
        tells: true,
    }
}

/// Whether the last command of a turn changed something.
fn changed(turn: &Turn) -> bool {
    match turn.answers.last().unwrap().1.result {
        Ok(Reply::Read { changed }) => changed,
        ref other => panic!("read, got {other:?}"),
    }
}

/// The receipts that a turn shows: who, up to which message.
fn receipts(turn: &Turn) -> Vec<(String, Uuid)> {
    let receipt = |happening: &Happening| match happening {
        Happening::Read { reader, message } => Some((reader.name().to_owned(), *message)),
        _ => None,
    };
    let all = shown(turn);
    all.iter()
        .filter_map(|event| receipt(&event.happening))
        .collect()
}

fn one(world: &mut World, command: Command) -> Turn {
    world.turn(vec![(somebody(1, Some(8)), command)])
}

#[test]
fn all_is_read_up_to_what_others_wrote_last() {
    let mut world = World::new();
    let view = world.open(&anybody(), "ann", "bob");
    let chat = view.conversation.uuid;
    let turn = one(&mut world, read_all(chat, "bob"));
    assert!(
        !changed(&turn) && turn.effects.is_empty(),
        "nothing was said"
    );
    world.say(chat, "ann", "1");
    let second = world.say(chat, "ann", "2");
    world.say(chat, "bob", "mine");
    let turn = one(&mut world, read_all(chat, "bob"));
    assert!(changed(&turn));
    assert_eq!(receipts(&turn), [("bob".to_owned(), second)]);
    assert_eq!(shown(&turn)[0].origin, Some(SessionId(8)));
    let rows = world.store.rows();
    assert_eq!(rows.reads.last().unwrap().2, 2, "up to the second");
    // Nothing is new; what one writes oneself is nothing new either.
    world.say(chat, "bob", "mine too");
    let commits = world.store.commits();
    for name in [
        chat.into(),
        ConversationRef::Direct(named("ann"), named("bob")),
    ] {
        let turn = one(&mut world, read_all(name, "bob"));
        assert!(!changed(&turn) && turn.effects.is_empty());
    }
    assert_eq!(world.store.commits(), commits);
    let mut world = world.restart();
    assert!(!changed(&one(&mut world, read_all(chat, "bob"))));
    assert!(changed(&one(&mut world, read_all(chat, "ann"))));
}

#[test]
fn what_one_wrote_oneself_is_looked_through_once() {
    let mut world = World::new();
    let view = world.open(&anybody(), "ann", "bob");
    let chat = view.conversation.uuid;
    for number in 0..300 {
        world.say(chat, "ann", &number.to_string());
    }
    let turn = one(&mut world, read_all(chat, "ann"));
    assert!(!changed(&turn) && turn.effects.is_empty());
    let rows = world.store.rows();
    assert_eq!(rows.reads.last().unwrap().2, 300, "noted");
    let commits = world.store.commits();
    one(&mut world, read_all(chat, "ann"));
    assert_eq!(world.store.commits(), commits, "and not again");
    // To the other one they are as new as before.
    world.say(chat, "bob", "at last");
    assert!(changed(&one(&mut world, read_all(chat, "ann"))));
    assert!(changed(&one(&mut world, read_all(chat, "bob"))));
}

#[test]
fn reading_one_message_counts_for_reading_all() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    let first = world.say(chat, "ann", "1");
    let second = world.say(chat, "ann", "2");
    world.one(&anybody(), read(first, "bob")).unwrap();
    let turn = one(&mut world, read_all(chat, "bob"));
    assert_eq!(receipts(&turn), [("bob".to_owned(), second)]);
    let turn = one(&mut world, read(second, "bob"));
    assert!(turn.effects.is_empty() && !turn.committed);
}

#[test]
fn what_came_in_the_same_batch_is_read_too() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    world.say(chat, "ann", "before");
    let turn = world.turn(vec![
        (anybody(), send(chat, "ann", "1")),
        (anybody(), read_all(chat, "bob")),
        (anybody(), send(chat, "ann", "2")),
        (anybody(), send(chat, "bob", "mine")),
        (anybody(), read_all(chat, "bob")),
        (anybody(), read_all(chat, "bob")),
    ]);
    assert!(!changed(&turn), "the last one found nothing new");
    let rows = world.store.rows();
    let message = |text: &str| {
        let mut all = rows.messages.iter();
        let found = all.find(|view| view.message.body.text == text);
        found.unwrap().message.uuid
    };
    let bob = |text| ("bob".to_owned(), message(text));
    assert_eq!(receipts(&turn), [bob("1"), bob("2")]);
    // A conversation that begins in the batch, and a message that ends in it.
    let turn = world.turn(vec![
        (
            anybody(),
            send_to(about("lamp", "bob", "ann"), named("ann"), "first"),
        ),
        (anybody(), read_all(of_product("lamp", "bob", "ann"), "bob")),
    ]);
    assert!(changed(&turn));
}

#[test]
fn a_message_that_goes_before_it_is_read_leaves_what_was_before_it() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    world.say(chat, "ann", "1");
    let second = world.say(chat, "ann", "2");
    let turn = world.turn(vec![
        (anybody(), unsend(second, None)),
        (anybody(), read_all(chat, "bob")),
    ]);
    // The receipt may name what is gone: it is read up to there.
    assert!(changed(&turn));
    let rows = world.store.rows();
    assert_eq!(rows.reads.last().unwrap().2, 2);
    let [.., Change::Read { message, .. }] = &*rows.last_commit else {
        panic!("a receipt, got {:?}", rows.last_commit);
    };
    assert_eq!(receipts(&turn), [("bob".to_owned(), *message)]);
}

#[test]
fn it_is_said_again_where_that_is_asked() {
    let mut world = World::new();
    let said = world.one(
        &anybody(),
        send_to(about("lamp", "bob", "ann"), named("ann"), "hello"),
    );
    let view = opened(&said).unwrap().clone();
    let chat = view.conversation.uuid;
    let first = one(&mut world, tell(chat, "bob"));
    assert!(changed(&first) && passed(&first).is_empty());
    assert_eq!(receipts(&first).len(), 1, "once, and not twice");
    let again = one(&mut world, tell(chat, "bob"));
    assert!(!changed(&again) && !again.committed);
    let [passing] = &*passed(&again) else {
        panic!("it is said again, got {:?}", again.effects);
    };
    assert_eq!(passing.sign, Sign::ReadAgain);
    assert_eq!(passing.user.name(), "bob");
    assert_eq!(passing.origin, Some(SessionId(8)));
    assert!(
        passing
            .people()
            .eq(view.members.iter().map(|member| member.user.id))
    );
    let again = one(&mut world, read_all(chat, "bob"));
    assert!(again.effects.is_empty(), "where it is not asked, it is not");
}

#[test]
fn a_stranger_reads_nothing() {
    let mut world = World::new();
    let chat = world.open(&anybody(), "ann", "bob").conversation.uuid;
    world.say(chat, "ann", "1");
    world.one(&anybody(), register("eve")).unwrap();
    for (place, reader) in [
        (chat.into(), "eve"),
        (chat.into(), "nobody"),
        (Uuid::from_u128(6).into(), "bob"),
        (ConversationRef::Direct(named("ann"), named("eve")), "ann"),
        (of_product("lamp", "ann", "bob"), "ann"),
    ] {
        for command in [read_all(place.clone(), reader), tell(place.clone(), reader)] {
            let refused = world.refused(&anybody(), command);
            assert_eq!(refused, Refusal::UnknownConversation);
        }
    }
    let refused = world.refused(&verified(Some("ann")), read_all(chat, "bob"));
    assert_eq!(refused, Refusal::NotTheTokensSubject);
    let refused = world.refused(&verified(None), read_all(chat, "bob"));
    assert_eq!(refused, Refusal::TokenRequired);
}

#[test]
fn a_group_is_read_by_each_for_themselves() {
    let mut world = World::new();
    let all = world.group("ann", &["bob", "cid"]).conversation.uuid;
    let of_cid = world.say(all, "cid", "1");
    let of_ann = world.say(all, "ann", "2");
    let turn = one(&mut world, read_all(all, "ann"));
    assert_eq!(receipts(&turn), [("ann".to_owned(), of_cid)]);
    let turn = one(&mut world, read_all(all, "bob"));
    assert_eq!(receipts(&turn), [("bob".to_owned(), of_ann)]);
}

#[test]
fn typing_where_nobody_has_spoken_yet_is_dropped() {
    let mut world = World::new();
    let direct = || ConversationRef::Direct(named("ann"), named("bob"));
    let lamp = || of_product("lamp", "bob", "ann");
    for place in [direct(), lamp()] {
        let turn = one(&mut world, typing(place, "ann"));
        assert!(matches!(turn.answers[0].1.result, Ok(Reply::Done)));
        assert!(turn.effects.is_empty() && !turn.committed);
    }
    assert!(world.store.rows().users.is_empty(), "and makes nobody");
    world.one(&anybody(), open("ann", "bob")).unwrap();
    world
        .one(
            &anybody(),
            send_to(about("lamp", "bob", "ann"), named("bob"), "hello"),
        )
        .unwrap();
    for place in [direct(), lamp()] {
        let turn = one(&mut world, typing(place.clone(), "ann"));
        let [passing] = &*passed(&turn) else {
            panic!("it is told, got {:?}", turn.effects);
        };
        let names = passing
            .scene
            .members
            .iter()
            .map(|member| member.user.name());
        assert!(names.eq(passing.people().map(|id| {
            let mut members = passing.scene.members.iter();
            members
                .find(|member| member.user.id == id)
                .unwrap()
                .user
                .name()
        })));
        assert_eq!(passing.people().count(), 2, "both are told in person");
        // A stranger learns nothing, not even whether it is there.
        let turn = one(&mut world, typing(place, "eve"));
        assert!(matches!(turn.answers[0].1.result, Ok(Reply::Done)));
        assert!(turn.effects.is_empty());
    }
    let all = world.group("ann", &["bob"]).conversation.uuid;
    let turn = one(&mut world, typing(all, "ann"));
    assert_eq!(passed(&turn)[0].people().count(), 0, "who listens there is");
    // Who acts is looked at all the same.
    let refused = world.refused(&verified(Some("bob")), typing(direct(), "ann"));
    assert_eq!(refused, Refusal::NotTheTokensSubject);
    let by_subject = Command::Typing {
        conversation: ConversationRef::Direct(UserRef::Subject, named("ann")),
        user: UserRef::Subject,
        writes: false,
    };
    let turn = world.turn(vec![(verified(Some("bob")), by_subject)]);
    assert_eq!(passed(&turn)[0].sign, Sign::Stopped);
}
