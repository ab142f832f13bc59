//! Sessions: carrying on from one, and forgetting them.

use std::sync::Arc;

use chat::{
    Actor, AppId, Command, Effect, KeyId, Proof, Refusal, Reply, SessionId, SessionSeed,
    StoredSession, Timestamp, Topic, Turn,
    model::{ApiKey, Scope},
};

use crate::{
    model::Failure,
    world::{World, open, refusal, register, send, server, somebody, verified},
};

fn me(session: i64) -> Arc<Actor> {
    somebody(1, Some(session))
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

fn inherited(reply: &Result<Reply, Refusal>) -> &StoredSession {
    match reply {
        Ok(Reply::Inherited { session }) => session,
        other => panic!("a session was inherited, got {other:?}"),
    }
}

/// What is to be attached.
fn attached(turn: &Turn) -> Vec<StoredSession> {
    let attached = |effect: &Effect| match effect {
        Effect::Attach(session) => Some(StoredSession::clone(session)),
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
        refusal(world.one(&me(3), inherit(1))),
        Refusal::UnknownSession
    );
}

#[test]
fn an_heir_gets_what_its_batch_did_before() {
    // What the connection before asked for is decided before, and belongs to its session.
    let mut world = begun();
    let turn = world.turn(vec![
        (me(1), open("ann", "cid")),
        (me(5), inherit(1)),
        (me(1), open("ann", "dan")),
    ]);
    let rows = world.store.rows();
    assert_eq!(rows.session(1).unwrap().subscriptions.len(), 4);
    let heir = inherited(&turn.answers[1].1.result);
    assert_eq!(topics(heir), topics(rows.session(1).unwrap())[..3]);
    assert_eq!(rows.session(5), Some(heir));

    // Also when all of the session is of this batch, or none of it any longer.
    let results = world.all(vec![
        (me(2), register("bob")),
        (me(6), inherit(2)),
        (me(2), end(2)),
        (me(7), inherit(2)),
        (me(2), register("bob")),
        (me(8), inherit(2)),
        (me(8), end(8)),
    ]);
    assert_eq!(inherited(&results[1]).subscriptions.len(), 1);
    assert_eq!(results[3].as_ref().err(), Some(&Refusal::UnknownSession));
    assert_eq!(inherited(&results[5]).subscriptions.len(), 1);
    assert_eq!(ids(&world), [1, 5, 6, 2]);
}

#[test]
fn a_session_is_for_whom_it_began() {
    let mut world = World::new();
    world.one(&verified(Some("ann")), register("ann")).unwrap();
    let ann = verified(Some("ann"));
    let with = |seed| {
        Arc::new(Actor {
            session: Some(Arc::new(seed)),
            ..Actor::clone(&ann)
        })
    };
    let own = SessionSeed::clone(ann.session.as_ref().unwrap());
    let in_namespace = with(SessionSeed {
        namespace: "/chat".to_owned(),
        ..own.clone()
    });
    let nowhere = Arc::new(Actor {
        session: None,
        ..Actor::clone(&verified(Some("ann")))
    });
    let in_app = with(SessionSeed {
        app: AppId(2),
        ..own.clone()
    });
    let strangers = [
        verified(None),
        verified(Some("bob")),
        in_namespace,
        in_app,
        nowhere,
    ];
    for stranger in strangers {
        let commits = world.store.commits();
        let turn = world.turn(vec![(Arc::clone(&stranger), inherit(1))]);
        let refused = turn.answers[0].1.result.as_ref().err();
        assert_eq!(refused, Some(&Refusal::UnknownSession), "{stranger:?}");
        assert!(turn.effects.is_empty());
        assert_eq!(world.store.commits(), commits);
    }
    let refused = refusal(world.one(&verified(Some("ann")), inherit(9)));
    assert_eq!(refused, Refusal::UnknownSession, "there is none");
    let heir = SessionSeed {
        id: SessionId(2),
        ..own
    };
    let heir = Arc::new(Actor {
        session: Some(Arc::new(heir)),
        ..Actor::clone(&verified(Some("ann")))
    });
    world.one(&heir, inherit(1)).unwrap();
}

#[test]
fn a_new_session_carries_on_with_everything_from_now_on() {
    let mut world = begun();
    world.one(&me(1), register("bob")).unwrap();
    let chat = world.open(&me(1), "cid", "ann").conversation;
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
    assert_eq!(new.seen_at, Timestamp(world.now));
    assert_eq!(new.seed, *me(2).session.as_ref().unwrap());
    let places: Vec<_> = new.subscriptions.iter().map(|one| one.since).collect();
    assert_eq!(places, [before + 2, before + 3, before + 4, before + 5]);
    assert_eq!(attached(&turn), std::slice::from_ref(new));
    assert_eq!(inherited(&turn.answers[1].1.result), new);
    assert_eq!(turn.answers[1].1.g, before + 5);
    assert_eq!(turn.last_g, before + 6);

    // Until it is ended, its client may come with the earlier one again; then no more.
    world.one(&me(3), inherit(1)).unwrap();
    world.one(&me(3), end(1)).unwrap();
    assert_eq!(
        refusal(world.one(&me(4), inherit(1))),
        Refusal::UnknownSession
    );
    world.one(&me(4), inherit(3)).unwrap();
    assert_eq!(ids(&world), [2, 3, 4]);
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
    assert_eq!(at(&world, 1), late + 1);
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
        (me(1), seen(&[1])),
        (me(2), seen(&[2])),
        (me(3), open("ann", "bob")),
        (me(4), end(4)),
        (me(0), forget(long_ago)),
        (me(0), forget(long_ago)),
        (me(8), inherit(6)),
        (me(9), inherit(5)),
    ]);
    assert_eq!(ids(&world), [1, 2, 3]);
    for gone in [6, 7] {
        assert_eq!(results[gone].as_ref().err(), Some(&Refusal::UnknownSession));
    }
    // Asking for one, in vain or not, is not seeing it; what comes after that is.
    world.now += 1_000;
    let long_ago = world.now;
    let in_vain = |session| (somebody(2, Some(9)), inherit(session));
    world.all(vec![
        in_vain(1),
        in_vain(2),
        in_vain(3),
        (me(2), seen(&[2])),
        (me(3), open("ann", "cid")),
        (me(0), forget(long_ago)),
    ]);
    assert_eq!(ids(&world), [2, 3]);
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
fn what_was_not_stored_of_sessions_did_not_happen() {
    let mut world = begun();
    let before = world.store.rows().sessions;
    world.store.fail_next_commit(Failure::RolledBack);
    let commands = vec![
        (me(2), inherit(1)),
        (me(1), end(1)),
        (me(0), forget(world.now + 9)),
    ];
    let turn = world.turn(commands);
    assert!(turn.failed && turn.effects.is_empty());
    assert_eq!(world.store.rows().sessions, before);
    world.one(&me(2), inherit(1)).unwrap();
    assert_eq!(ids(&world), [1, 2]);
}

#[test]
fn sessions_are_looked_up_once_a_batch_and_not_kept() {
    let mut world = begun();
    for round in [10, 20] {
        let loads = world.store.loads();
        world.all((0..5).map(|one| (me(round + one), inherit(1))).collect());
        assert_eq!(world.store.loads(), loads + 1);
    }
}

#[test]
fn an_heir_is_given_only_what_its_proofs_still_open() {
    let mut world = World::new();
    let key = Command::CreateKey {
        key: Box::new(ApiKey {
            id: KeyId(0),
            app: AppId(1),
            scope: Scope::Client,
            hash: [1; 32],
            prefix: String::new(),
            created_at: Timestamp(0),
            revoked_at: None,
        }),
    };
    let (kept, revoked) = (KeyId(1), KeyId(2));
    world.all(vec![(server(), key.clone()), (server(), key)]);
    let now = world.now;
    let later = Some(Timestamp(now + 1_000_000));
    let by = |key, until| {
        Arc::new(Actor {
            proof: Proof { key, until },
            ..Actor::clone(&me(1))
        })
    };
    for (name, actor) in [
        ("ann", by(Some(kept), None)),
        ("bob", by(Some(revoked), None)),
        ("cid", by(None, later)),
        ("dan", by(None, Some(Timestamp(now + 3)))),
    ] {
        world.one(&actor, register(name)).unwrap();
    }
    let results = world.all(vec![
        (server(), Command::RevokeKey { key: revoked }),
        (me(5), inherit(1)),
    ]);
    let people: Vec<_> = topics(inherited(&results[1]));
    let (ann, cid) = (world.user("ann").id, world.user("cid").id);
    assert_eq!(people, [Topic::Person(ann), Topic::Person(cid)]);
}
