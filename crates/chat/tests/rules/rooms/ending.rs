//! What ends by itself: timeouts, pins, polls. The clock is the test's.

use chat::{Command, Refusal, Reply};

use super::{ban, in_room, message, pin, poll, say, stage, state, token, told, unban, vote};
use crate::world::{World, server, shown};

/// Has what is over end; what everybody is told.
fn end(world: &mut World) -> Vec<String> {
    told(world, &server(), Command::EndDue)
}

#[test]
fn a_timeout_ends_by_itself() {
    let mut world = stage();
    let started = world.now;
    assert_eq!(
        told(&mut world, &token("mod"), in_room(ban("bob", Some(1)))),
        ["banned bob for 1 by mod"]
    );
    let until = state_until(&world);
    assert_eq!(until, started + 1 + 60_000);
    world.now = until - 3;
    assert!(end(&mut world).is_empty(), "before it is over");
    assert!(matches!(
        world.refused(&token("bob"), say("let me")),
        Refusal::Banned { until: Some(_) }
    ));
    // It is over, although nobody was told yet.
    world.one(&token("bob"), say("at last")).unwrap();
    assert_eq!(end(&mut world), ["timed in bob"]);
    assert!(end(&mut world).is_empty(), "once");
}

fn state_until(world: &World) -> i64 {
    world.store.rows().bans[0].until.unwrap().0
}

#[test]
fn a_ban_that_took_the_place_of_a_timeout_stays() {
    for restarts in [false, true] {
        let mut world = stage();
        world.one(&server(), in_room(ban("bob", Some(1)))).unwrap();
        if restarts {
            world = world.restart();
        }
        world.now += 60_001;
        // In the batch that would end the timeout.
        let turn = world.turn(vec![
            (server(), in_room(ban("bob", None))),
            (server(), Command::EndDue),
            (token("bob"), say("free?")),
        ]);
        assert_eq!(shown(&turn).len(), 1);
        let refused = turn.answers[2].1.result.clone().unwrap_err();
        assert_eq!(refused, Refusal::Banned { until: None });
        // A ban that is over and was not told of is told of when it is lifted, and not again.
        world.one(&server(), in_room(ban("bob", Some(1)))).unwrap();
        world.now += 60_001;
        let turn = world.turn(vec![
            (server(), in_room(unban("bob"))),
            (server(), Command::EndDue),
            (server(), Command::EndDue),
        ]);
        assert_eq!(shown(&turn).len(), 1);
    }
}

#[test]
fn a_pin_expires_and_goes_with_its_message() {
    let mut world = stage();
    world.one(&token("bob"), say("second")).unwrap();
    let (first, second) = (
        message(&world, "hello").uuid,
        message(&world, "second").uuid,
    );
    world.one(&token("mod"), in_room(pin(first, 10))).unwrap();
    // Another one takes its place, with its own time.
    world.now += 9_000;
    assert_eq!(
        told(&mut world, &token("mod"), in_room(pin(second, 10))),
        ["pinned second for 10 by mod"]
    );
    world.now += 9_000;
    assert!(end(&mut world).is_empty());
    let mut world = world.restart();
    world.now += 1_000;
    assert_eq!(end(&mut world), ["unpinned"]);
    assert_eq!(state(&world).pin, None);
    world.one(&server(), in_room(pin(second, 10))).unwrap();
    let delete = |message| chat::room::RoomAct::DeleteMessage { message };
    assert_eq!(
        told(&mut world, &token("mod"), in_room(delete(second))),
        ["unpinned", "deleted by somebody"]
    );
    // Also by the command of the other dialects, in the batch that pins it.
    let turn = world.turn(vec![
        (server(), in_room(pin(first, 10))),
        (token("bob"), crate::world::unsend(first, None)),
    ]);
    assert!(turn.answers[1].1.result.is_err(), "bob is no member");
    let turn = world.turn(vec![
        (server(), crate::world::unsend(first, None)),
        (server(), in_room(pin(first, 10))),
    ]);
    assert_eq!(shown(&turn).len(), 2);
    assert_eq!(
        turn.answers[1].1.result.clone().unwrap_err(),
        Refusal::UnknownMessage
    );
    assert_eq!(state(&world).pin, None);
}

#[test]
fn a_poll_ends_is_shown_for_a_while_and_goes() {
    let mut world = stage();
    world.one(&server(), in_room(poll("Tea?"))).unwrap();
    let opened = world.now;
    world.one(&token("bob"), in_room(vote(2))).unwrap();
    world.now = opened + 30_000 - 2;
    assert_eq!(end(&mut world), ["Tea? [0, 1]"], "what was not told yet");
    assert_eq!(end(&mut world), ["Tea? [0, 1] ended"]);
    assert!(end(&mut world).is_empty());
    let refused = world.refused(&token("zoe"), in_room(vote(1)));
    assert_eq!(refused, Refusal::NoPoll);
    let mut world = world.restart();
    world.now = opened + 45_000 - 2;
    assert!(end(&mut world).is_empty());
    assert_eq!(end(&mut world), ["poll gone"]);
    assert!(end(&mut world).is_empty());
    assert!(
        world.store.rows().votes.is_empty(),
        "nothing is left behind"
    );
    assert_eq!(state(&world).poll, None);
}

#[test]
fn a_server_that_was_down_tells_one_thing_after_the_other() {
    let mut world = stage();
    let hello = message(&world, "hello").uuid;
    for act in [ban("bob", Some(1)), pin(hello, 1), poll("Tea?")] {
        world.one(&server(), in_room(act)).unwrap();
    }
    let mut world = world.restart();
    world.now += 3_600_000;
    let first = end(&mut world);
    assert_eq!(first, ["unpinned", "Tea? [0, 0] ended", "timed in bob"]);
    assert_eq!(end(&mut world), ["poll gone"]);
    assert!(end(&mut world).is_empty());
}

#[test]
fn what_is_over_ends_in_steps() {
    let mut world = stage();
    for user in 0..130 {
        let name = format!("u{user}");
        world.one(&server(), in_room(ban(&name, Some(1)))).unwrap();
    }
    world.now += 60_001;
    let mut steps = 0;
    loop {
        steps += 1;
        match world.one(&server(), Command::EndDue) {
            Ok(Reply::Forgotten { more: true }) => {}
            Ok(Reply::Forgotten { more: false }) => break,
            other => panic!("a step, got {other:?}"),
        }
    }
    assert_eq!(steps, 2);
    assert!(world.store.rows().bans.is_empty());
}
