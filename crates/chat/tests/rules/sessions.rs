//! Sessions: coming back to one, carrying on from one, and forgetting them.

use std::sync::Arc;

use chat::{
    Actor, Command, Effect, Refusal, Reply, SessionId, SessionSeed, StoredSession, Timestamp,
    Topic, Turn,
};

use crate::{
    model::Failure,
    world::{World, open, refusal, register, send, somebody, verified},
};

fn me(session: i64) -> Arc<Actor> {
    somebody(1, Some(session))
}

fn resume(session: i64, after: u64) -> Command {
    Command::ResumeSession {
        session: SessionId(session),
        after,
    }
}

fn inherit(from: i64) -> Command {
    Command::InheritSession {
        from: SessionId(from),
    }
}

fn end(session: i64) -> Command {
    Command::EndSession {
        session: SessionId(session),
    }
}

fn seen(sessions: &[i64]) -> Command {
    Command::SeenSessions {
        sessions: sessions.iter().map(|id| SessionId(*id)).collect(),
    }
}

fn forget(before: i64) -> Command {
    Command::ForgetSessions {
        before: Timestamp(before),
    }
}

fn resumed(reply: &Result<Reply, Refusal>) -> &StoredSession {
    match reply {
        Ok(Reply::Resumed { session }) => session,
        other => panic!("a session was taken over, got {other:?}"),
    }
}

/// What is to be attached, and from where.
fn attached(turn: &Turn) -> Vec<(StoredSession, u64)> {
    let attached = |effect: &Effect| match effect {
        Effect::Attach { session, after } => Some((StoredSession::clone(session), *after)),
        _ => None,
    };
    turn.effects.iter().filter_map(attached).collect()
}

fn topics(session: &StoredSession) -> Vec<Topic> {
    let all = session.subscriptions.iter();
    all.map(|subscription| subscription.topic).collect()
}

fn ids(world: &World) -> Vec<i64> {
    let rows = world.store.rows().sessions;
    rows.iter().map(|row| row.seed.id.0).collect()
}

/// A world in which session 1 has registered ann and opened her chat with bob.
fn begun() -> World {
    let mut world = World::new();
    world.one(&me(1), register("ann")).unwrap();
    world.open(&me(1), "ann", "bob");
    world
}

#[test]
fn an_ended_session_is_forgotten() {
    let mut world = World::new();
    world.one(&me(1), register("ann")).unwrap();
    world.one(&me(2), register("ann")).unwrap();
    world.one(&somebody(1, None), end(1)).unwrap();
    assert_eq!(ids(&world), [2]);
    assert_eq!(
        refusal(world.one(&me(1), resume(1, 0))),
        Refusal::UnknownSession
    );
}

#[test]
fn each_take_over_is_a_generation() {
    let mut world = begun();
    let before = world.executor.last_g();
    let stored = world.store.rows().sessions[0].clone();
    assert_eq!(stored.generation, 0);
    for generation in 1..4 {
        let turn = world.turn(vec![(me(1), resume(1, 7))]);
        let expected = StoredSession {
            generation,
            seen_at: Timestamp(world.now),
            ..stored.clone()
        };
        assert_eq!(world.store.rows().sessions[0], expected);
        assert_eq!(resumed(&turn.answers[0].1.result), &expected);
        assert_eq!(attached(&turn), [(expected, 7)]);
        assert!(turn.committed);
        assert_eq!(turn.last_g, before, "nothing happened that has a number");
        world = world.restart();
    }
}

#[test]
fn of_two_who_take_over_at_once_the_later_one_is_meant() {
    let mut world = begun();
    let turn = world.turn(vec![(me(1), resume(1, 2)), (me(1), resume(1, 1))]);
    let attached = attached(&turn);
    let generations: Vec<_> = attached
        .iter()
        .map(|(session, after)| (session.generation, *after))
        .collect();
    assert_eq!(generations, [(1, 2), (2, 1)]);
    for ((_, outcome), (session, _)) in turn.answers.iter().zip(&attached) {
        assert_eq!(resumed(&outcome.result), session);
    }
    assert_eq!(world.store.rows().sessions[0], attached[1].0);
}

#[test]
fn a_take_over_sees_what_its_batch_did_before_it() {
    // What the earlier connection asked for is decided before, and belongs to the session.
    let mut world = begun();
    let turn = world.turn(vec![
        (me(1), open("ann", "cid")),
        (me(1), resume(1, 0)),
        (me(1), open("ann", "dan")),
    ]);
    let stored = world.store.rows().sessions[0].clone();
    assert_eq!(stored.subscriptions.len(), 4);
    let known = resumed(&turn.answers[1].1.result);
    assert_eq!(known.subscriptions, stored.subscriptions[..3]);

    // Also when all of the session is of this batch, or none of it any longer.
    let results = world.all(vec![
        (me(2), register("bob")),
        (me(2), seen(&[2, 1])),
        (me(2), resume(2, 0)),
        (me(1), end(1)),
        (me(1), resume(1, 0)),
        (me(1), register("ann")),
        (me(1), resume(1, 0)),
        (me(2), end(2)),
        (me(2), resume(2, 0)),
    ]);
    assert_eq!(resumed(&results[2]).subscriptions.len(), 1);
    assert_eq!(results[4].as_ref().err(), Some(&Refusal::UnknownSession));
    let anew = resumed(&results[6]);
    assert_eq!((anew.generation, anew.subscriptions.len()), (1, 1));
    assert_eq!(results[8].as_ref().err(), Some(&Refusal::UnknownSession));
    assert_eq!(ids(&world), [1]);
    assert_eq!(world.store.rows().session(1), Some(anew));
}

#[test]
fn a_session_is_for_whom_it_began() {
    let mut world = World::new();
    world.one(&verified(Some("ann")), register("ann")).unwrap();
    let elsewhere = SessionSeed {
        namespace: "/chat".to_owned(),
        ..SessionSeed::clone(verified(None).session.as_ref().unwrap())
    };
    let in_namespace = Arc::new(Actor {
        session: Some(Arc::new(elsewhere)),
        ..Actor::clone(&verified(Some("ann")))
    });
    let nowhere = Arc::new(Actor {
        session: None,
        ..Actor::clone(&verified(Some("ann")))
    });
    let in_app = Arc::new(Actor {
        app: somebody(2, None).app.clone(),
        ..Actor::clone(&verified(Some("ann")))
    });
    let strangers = [
        verified(None),
        verified(Some("bob")),
        in_namespace,
        in_app,
        nowhere,
    ];
    for stranger in strangers {
        for command in [resume(1, 0), inherit(1)] {
            let commits = world.store.commits();
            let turn = world.turn(vec![(Arc::clone(&stranger), command)]);
            let refused = turn.answers[0].1.result.as_ref().err();
            assert_eq!(refused, Some(&Refusal::UnknownSession), "{stranger:?}");
            assert!(turn.effects.is_empty());
            assert_eq!(world.store.commits(), commits);
        }
    }
    for command in [resume(9, 0), inherit(9)] {
        let refused = refusal(world.one(&verified(Some("ann")), command));
        assert_eq!(refused, Refusal::UnknownSession, "there is none");
    }
    world.one(&verified(Some("ann")), resume(1, 0)).unwrap();
}

#[test]
fn a_new_session_carries_on_with_everything_from_now_on() {
    let mut world = begun();
    world.one(&me(1), register("bob")).unwrap();
    let chat = world.open(&me(1), "cid", "ann").conversation;
    world.one(&me(1), resume(1, 0)).unwrap();
    let before = world.executor.last_g();
    let turn = world.turn(vec![
        (me(9), send(chat.uuid, "ann", "earlier")),
        (me(2), inherit(1)),
        (me(9), send(chat.uuid, "ann", "later")),
    ]);
    let rows = world.store.rows();
    let (earlier, new) = (rows.session(1).unwrap(), rows.session(2).unwrap());
    assert_eq!(topics(new), topics(earlier));
    assert_eq!(new.identities(), earlier.identities());
    assert_eq!(new.identities().len(), 3, "in order of first sight");
    assert_eq!(new.dialect(), Some("direct"));
    assert_eq!((new.generation, new.seen_at), (0, Timestamp(world.now)));
    assert_eq!(new.seed, *me(2).session.as_ref().unwrap());
    let places: Vec<_> = new.subscriptions.iter().map(|one| one.since).collect();
    assert_eq!(places, [before + 2, before + 3, before + 4, before + 5]);
    assert_eq!(attached(&turn), [(new.clone(), before + 5)]);
    assert_eq!(resumed(&turn.answers[1].1.result), new);
    assert_eq!(turn.answers[1].1.g, before + 5);
    assert_eq!(turn.last_g, before + 6);

    // Until it is ended, its client may come with the earlier one again; then no more.
    world.one(&me(3), inherit(1)).unwrap();
    world.one(&me(3), end(1)).unwrap();
    assert_eq!(
        refusal(world.one(&me(4), inherit(1))),
        Refusal::UnknownSession
    );
    world.one(&me(3), resume(3, 0)).unwrap();
    assert_eq!(ids(&world), [2, 3]);
}

#[test]
fn being_seen_only_moves_forward() {
    let mut world = begun();
    world.one(&me(2), register("bob")).unwrap();
    let late = world.now + 1_000;
    world.now = late;
    world.one(&me(0), seen(&[1, 77])).unwrap();
    let at = |world: &World, id| world.store.rows().session(id).unwrap().seen_at.0;
    assert_eq!(at(&world, 1), late + 1);
    assert!(at(&world, 2) < late);
    // The clock went back.
    world.now = 5;
    world.one(&me(0), seen(&[1])).unwrap();
    world.one(&me(1), resume(1, 0)).unwrap();
    world.open(&me(1), "ann", "cid");
    assert_eq!(at(&world, 1), late + 1);
    assert_eq!(ids(&world), [1, 2], "nothing else came of it");
}

#[test]
fn who_was_not_seen_for_long_is_forgotten() {
    let mut world = World::new();
    for session in 1..=4 {
        world.one(&me(session), register("ann")).unwrap();
    }
    let third = world.store.rows().session(3).unwrap().seen_at.0;
    let result = world.one(&me(0), forget(third));
    assert!(matches!(result, Ok(Reply::Forgotten { more: false })));
    assert_eq!(ids(&world), [3, 4]);
    let commits = world.store.commits();
    world.one(&me(0), forget(third)).unwrap();
    assert_eq!(world.store.commits(), commits, "there was nothing to do");
}

#[test]
fn whom_the_batch_has_seen_is_not_forgotten() {
    let mut world = World::new();
    for session in 1..=6 {
        world.one(&me(session), register("ann")).unwrap();
    }
    let long_ago = world.now + 1;
    world.now += 1_000;
    let results = world.all(vec![
        (me(1), resume(1, 0)),
        (me(2), seen(&[2])),
        (me(3), open("ann", "bob")),
        (me(4), end(4)),
        (me(0), forget(long_ago)),
        (me(0), forget(long_ago)),
        (me(6), resume(6, 0)),
        (me(5), resume(5, 0)),
        (me(1), resume(1, 0)),
    ]);
    assert_eq!(ids(&world), [1, 2, 3]);
    for gone in [6, 7] {
        assert_eq!(results[gone].as_ref().err(), Some(&Refusal::UnknownSession));
    }
    assert_eq!(resumed(&results[8]).generation, 2);
    // Asking for one in vain is not seeing it.
    world.now += 1_000;
    let long_ago = world.now;
    world.all(vec![
        (somebody(2, Some(1)), resume(1, 0)),
        (me(0), forget(long_ago)),
    ]);
    assert!(ids(&world).is_empty());
}

#[test]
fn forgetting_goes_in_steps() {
    let mut world = World::new();
    let joins = (1..=450).map(|session| (me(session), register("ann")));
    world.all(joins.collect());
    let later = world.now + 1;
    let mut left = Vec::new();
    loop {
        let result = world.one(&me(0), forget(later));
        left.push(ids(&world).len());
        match result {
            Ok(Reply::Forgotten { more: true }) => {}
            Ok(Reply::Forgotten { more: false }) => break,
            other => panic!("forgot some, got {other:?}"),
        }
    }
    assert_eq!(left, [250, 50, 0]);
}

#[test]
fn a_take_over_that_was_not_stored_did_not_happen() {
    let mut world = begun();
    let before = world.store.rows().sessions;
    world.store.fail_next_commit(Failure::RolledBack);
    let commands = vec![
        (me(1), resume(1, 0)),
        (me(2), inherit(1)),
        (me(1), end(1)),
        (me(0), forget(world.now + 9)),
    ];
    let turn = world.turn(commands);
    assert!(turn.failed && turn.effects.is_empty());
    assert_eq!(world.store.rows().sessions, before);
    let result = world.one(&me(1), resume(1, 0));
    assert_eq!(resumed(&result).generation, 1);
}

#[test]
fn sessions_are_looked_up_once_a_batch_and_not_kept() {
    let mut world = begun();
    for _ in 0..2 {
        let loads = world.store.loads();
        world.all((0..5).map(|_| (me(1), resume(1, 0))).collect());
        assert_eq!(world.store.loads(), loads + 1);
    }
}
