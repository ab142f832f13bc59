//! Promises about sessions: what is found of them, and what moves them.

use std::sync::Arc;

use chat::{
    KeyId, Proof, SessionId, SessionSeed, Store, StoredSession, StoredSubscription, Timestamp,
    Topic, User,
    model::Details,
    store::{Change, Found, Need},
};

use super::Place;
use crate::world::{Scene, member, session};

fn found(store: &dyn Store, id: i64) -> Option<StoredSession> {
    let found = store.sessions(&[session(id).pid_hash]).unwrap().pop();
    match store.load(&Need::Session(SessionId(id))).unwrap() {
        Found::Session(same) => assert_eq!(same.map(Arc::unwrap_or_clone), found),
        other => panic!("asked for a session, got {other:?}"),
    }
    found
}

fn seen_before(store: &dyn Store, time: i64, limit: u32) -> Vec<i64> {
    let need = Need::SessionsSeenBefore(Timestamp(time), limit);
    match store.load(&need).unwrap() {
        Found::Sessions(ids) => ids.into_iter().map(|id| id.0).collect(),
        other => panic!("asked for sessions, got {other:?}"),
    }
}

fn stored(changes: &[&Change]) -> StoredSession {
    let mut all = None;
    for change in changes {
        let Change::Subscription {
            session,
            user,
            proof,
            topic,
            dialect,
            spelling,
            since,
            at,
        } = change
        else {
            panic!("a subscription");
        };
        let known = all.get_or_insert_with(|| StoredSession {
            seed: Arc::clone(session),
            subscriptions: Vec::new(),
            seen_at: *at,
        });
        known.seen_at = *at;
        known.subscriptions.push(StoredSubscription {
            topic: *topic,
            user: *user,
            proof: *proof,
            dialect: (*dialect).to_owned(),
            spelling: spelling.clone(),
            since: *since,
        });
    }
    all.unwrap()
}

pub(super) fn a_session_is_found_with_all_that_it_listens_to(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        ann,
        bob,
        chat,
        ..
    } = Scene::new(&*store);
    let (one, two) = (session(1), session(-2));
    // In an order that is neither that of kinds nor that of ids.
    let joins = [
        world.subscription(&one, &bob, Topic::Person(bob.id)),
        world.subscription(&one, &ann, Topic::Conversation(chat.id)),
        world.subscription(&one, &ann, Topic::Person(ann.id)),
        world.subscription(&two, &ann, Topic::Person(ann.id)),
    ];
    for join in &joins {
        store.commit(&world.batch([join.clone()])).unwrap();
    }
    let wanted = stored(&joins.each_ref()[..3]);
    assert_eq!(wanted.identities(), [bob.id, ann.id]);
    assert_eq!(found(&*store, 1), Some(wanted.clone()));
    assert_eq!(found(&*store, -2), Some(stored(&[&joins[3]])));
    assert_eq!(found(&*store, 3), None);
    // Several at once, one of them asked for twice and one unknown.
    let hashes = [1, -2, 3, 1].map(|id| session(id).pid_hash);
    let mut together = store.sessions(&hashes).unwrap();
    together.sort_by_key(|session| session.seed.id.0);
    assert_eq!(together, [stored(&[&joins[3]]), wanted.clone()]);
    assert_eq!(store.sessions(&[]).unwrap(), []);

    // Again, by somebody else and later: the first place stays, and the session was seen.
    let again = world.subscription(&one, &bob, Topic::Conversation(chat.id));
    let Change::Subscription { at, .. } = again else {
        panic!("a subscription");
    };
    store.commit(&world.batch([again])).unwrap();
    let wanted = StoredSession {
        seen_at: at,
        ..wanted
    };
    assert_eq!(found(&*store, 1), Some(wanted.clone()));
    drop(store);
    assert_eq!(found(&*place.open(), 1), Some(wanted));
}

pub(super) fn what_a_session_calls_its_topics_comes_back(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        ann,
        bob,
        chat,
        ..
    } = Scene::new(&*store);
    let here = Topic::Conversation(chat.id);
    let mut joined = |by: &User, topic, name: Option<&str>| {
        let mut join = world.subscription(&session(1), by, topic);
        if let Change::Subscription { spelling, .. } = &mut join {
            *spelling = name.map(Arc::from);
        }
        store.commit(&world.batch([join.clone()])).unwrap();
        join
    };
    let first = joined(&ann, here, Some("chatrooms.5.v2"));
    let person = joined(&ann, Topic::Person(ann.id), None);
    assert_eq!(found(&*store, 1), Some(stored(&[&first, &person])));
    // Under another name, or none, it is the same place; also where somebody else names it.
    for (by, name) in [
        (&ann, Some("chatroom_5")),
        (&bob, Some("CHATROOMS.5.V2")),
        (&bob, None),
        (&ann, Some("again")),
    ] {
        joined(by, here, name);
        let mut wanted = stored(&[&first, &person]).subscriptions;
        wanted[0].spelling = name.map(Arc::from);
        assert_eq!(found(&*store, 1).unwrap().subscriptions, wanted);
    }
    let mut taken_over = found(&*store, 1).unwrap();
    taken_over.seed = session(2);
    let begun = Change::SessionBegun(Arc::new(taken_over.clone()));
    store.commit(&world.batch([begun])).unwrap();
    drop(store);
    assert_eq!(found(&*place.open(), 2), Some(taken_over));
}

pub(super) fn a_session_without_a_token_is_bound_to_nobody(place: &dyn Place) {
    let store = place.open();
    let Scene { mut world, ann, .. } = Scene::new(&*store);
    let seed = Arc::new(SessionSeed {
        subject: None,
        ..SessionSeed::clone(&session(1))
    });
    let join = world.subscription(&seed, &ann, Topic::Person(ann.id));
    store.commit(&world.batch([join])).unwrap();
    assert_eq!(found(&*store, 1).unwrap().seed, seed);
}

pub(super) fn a_session_may_begin_with_all_that_it_listens_to(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        ann,
        bob,
        chat,
        ..
    } = Scene::new(&*store);
    let joins = [
        world.subscription(&session(1), &bob, Topic::Person(bob.id)),
        world.subscription(&session(1), &ann, Topic::Conversation(chat.id)),
    ];
    store.commit(&world.batch(joins.clone())).unwrap();
    let earlier = found(&*store, 1).unwrap();
    let mut new = StoredSession {
        seed: session(2),
        seen_at: world.now(),
        ..earlier.clone()
    };
    for subscription in &mut new.subscriptions {
        subscription.since = world.g();
    }
    let begun = Change::SessionBegun(Arc::new(new.clone()));
    store.commit(&world.batch([begun])).unwrap();
    assert_eq!(found(&*store, 2), Some(new.clone()));
    assert_eq!(found(&*store, 1), Some(earlier));
    store
        .commit(&world.batch([Change::SessionEnded(SessionId(1))]))
        .unwrap();
    assert_eq!(found(&*store, 1), None);
    assert_eq!(found(&*store, 2), Some(new));
}

pub(super) fn a_session_follows_its_changes(place: &dyn Place) {
    let store = place.open();
    let Scene { mut world, ann, .. } = Scene::new(&*store);
    let mut join = |id| world.subscription(&session(id), &ann, Topic::Person(ann.id));
    let joins = [join(1), join(2)];
    store.commit(&world.batch(joins)).unwrap();
    let (one, two) = (found(&*store, 1).unwrap(), found(&*store, 2).unwrap());
    let seen = |sessions: &[i64], at| Change::SessionsSeen {
        sessions: sessions.iter().map(|id| SessionId(*id)).collect(),
        at: Timestamp(at),
    };
    let after = |changes: Vec<Change>| {
        store.commit(&world.batch(changes)).unwrap();
        found(&*store, 1).map(|session| session.seen_at.0)
    };
    let late = one.seen_at.0 + 1_000;
    assert_eq!(after(vec![seen(&[1], late)]), Some(late));
    // A clock that went back does not make it look older.
    assert_eq!(after(vec![seen(&[1], 5)]), Some(late));
    assert_eq!(
        after(vec![seen(&[77, 1], late + 5), seen(&[], late + 9)]),
        Some(late + 5)
    );
    assert_eq!(after(vec![seen(&[77], late)]), Some(late + 5));
    assert_eq!(found(&*store, 77), None);
    assert_eq!(found(&*store, 2), Some(two), "another one's is left alone");
    let last = found(&*store, 1).unwrap();
    assert_eq!(last.subscriptions, one.subscriptions);

    assert_eq!(after(vec![Change::SessionEnded(SessionId(1))]), None);
    // Who ends it in the same batch as it comes back has ended it; its id is free again.
    let join = world.subscription(&session(1), &ann, Topic::Person(ann.id));
    let changes = vec![
        join.clone(),
        seen(&[1], late),
        Change::SessionEnded(SessionId(1)),
        join.clone(),
    ];
    store.commit(&world.batch(changes)).unwrap();
    assert_eq!(found(&*store, 1), Some(stored(&[&join])));
}

pub(super) fn the_longest_forgotten_sessions_are_listed_first(place: &dyn Place) {
    let store = place.open();
    let Scene { mut world, ann, .. } = Scene::new(&*store);
    assert!(seen_before(&*store, i64::MAX, 10).is_empty());
    for id in 1..=5 {
        let join = world.subscription(&session(id), &ann, Topic::Person(ann.id));
        store.commit(&world.batch([join])).unwrap();
    }
    let seen = |ids: &[i64], at| {
        let change = Change::SessionsSeen {
            sessions: ids.iter().map(|id| SessionId(*id)).collect(),
            at: Timestamp(at),
        };
        store.commit(&world.batch([change])).unwrap();
    };
    let hour = 1_800_000_000_000;
    seen(&[1, 4], hour + 30);
    seen(&[2], hour + 20);
    seen(&[5], hour + 10);
    seen(&[3], hour + 40);
    assert_eq!(seen_before(&*store, i64::MAX, 10), [5, 2, 1, 4, 3]);
    assert_eq!(seen_before(&*store, hour + 30, 10), [5, 2]);
    assert_eq!(seen_before(&*store, i64::MAX, 2), [5, 2]);
    assert!(seen_before(&*store, hour, 10).is_empty());
    assert!(seen_before(&*store, i64::MIN, 10).is_empty());
    assert!(seen_before(&*store, i64::MAX, 0).is_empty());
    store
        .commit(&world.batch([Change::SessionEnded(SessionId(2))]))
        .unwrap();
    assert_eq!(seen_before(&*store, hour + 30, 10), [5]);
}

pub(super) fn listening_ends_with_what_it_hangs_on(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        ann,
        bob,
        chat,
        ..
    } = Scene::new(&*store);
    let group = world.group(&[&ann, &bob], Details::default());
    let id = group.conversation.id;
    let (in_group, in_chat) = (Topic::Conversation(id), Topic::Conversation(chat.id));
    let mut as_the_app = world.subscription(&session(2), &ann, in_group);
    if let Change::Subscription { user, .. } = &mut as_the_app {
        *user = None;
    }
    let changes = [
        Change::Conversation(group.clone()),
        world.subscription(&session(1), &bob, in_group),
        world.subscription(&session(1), &bob, in_chat),
        world.subscription(&session(1), &bob, Topic::Person(bob.id)),
        world.subscription(&session(1), &ann, Topic::Person(ann.id)),
        as_the_app,
    ];
    store.commit(&world.batch(changes)).unwrap();
    let topics = |id| -> Vec<Topic> {
        let found = found(&*store, id).unwrap();
        found.subscriptions.iter().map(|one| one.topic).collect()
    };
    let people = [Topic::Person(bob.id), Topic::Person(ann.id)];
    assert_eq!(topics(1), [&[in_group, in_chat], &people[..]].concat());
    let who = found(&*store, 2).unwrap().identities();
    assert_eq!((topics(2), who), (vec![in_group], vec![]));

    let removed = Change::MemberRemoved {
        entry: world.entry(&group.conversation, &ann),
        user: bob.id,
        heir: None,
    };
    store.commit(&world.batch([removed])).unwrap();
    assert_eq!(topics(1), [&[in_chat], &people[..]].concat());
    assert_eq!(topics(2), [in_group], "the app needs no membership");
    let added = Change::MemberAdded {
        entry: world.entry(&group.conversation, &ann),
        member: member(&bob),
    };
    store.commit(&world.batch([added])).unwrap();
    assert_eq!(
        topics(1),
        [&[in_chat], &people[..]].concat(),
        "not again by itself"
    );
    // Who asks anew listens from then on.
    let join = world.subscription(&session(1), &bob, in_group);
    store.commit(&world.batch([join])).unwrap();
    let newest = found(&*store, 1).unwrap().subscriptions.pop().unwrap();
    assert_eq!((newest.topic, newest.since), (in_group, world.last_g()));

    let left = Change::Unsubscription {
        session: session(1).id,
        topic: Topic::Person(ann.id),
        dialect: "direct",
    };
    let other_dialect = Change::Unsubscription {
        session: session(1).id,
        topic: in_chat,
        dialect: "another",
    };
    let unknown = Change::Unsubscription {
        session: session(9).id,
        topic: in_chat,
        dialect: "direct",
    };
    let batch = world.batch([left, other_dialect, unknown]);
    store.commit(&batch).unwrap();
    assert_eq!(topics(1), [in_chat, Topic::Person(bob.id), in_group]);
    let deleted = Change::ConversationDeleted(id, world.now());
    store.commit(&world.batch([deleted])).unwrap();
    assert_eq!(topics(1), [in_chat, Topic::Person(bob.id)]);
    assert!(topics(2).is_empty());
    let deleted = Change::UserDeleted(bob.id, world.now());
    store.commit(&world.batch([deleted])).unwrap();
    assert!(topics(1).is_empty(), "nor to what another one is in");
}

pub(super) fn a_session_keeps_what_its_listening_hangs_on(place: &dyn Place) {
    let store = place.open();
    let Scene {
        mut world,
        app,
        ann,
        chat,
        ..
    } = Scene::new(&*store);
    let other = world.app("other");
    let seed = Arc::new(SessionSeed {
        app: other.id,
        ..SessionSeed::clone(&session(1))
    });
    let mut joins = [Topic::Conversation(chat.id), Topic::Person(ann.id)]
        .map(|topic| world.subscription(&seed, &ann, topic));
    let proofs = [
        Proof {
            key: Some(KeyId(5)),
            until: None,
        },
        Proof {
            key: None,
            until: Some(Timestamp(1_900_000_000_000)),
        },
    ];
    for (join, brought) in joins.iter_mut().zip(proofs) {
        if let Change::Subscription { proof, .. } = join {
            *proof = brought;
        }
    }
    let wanted = stored(&joins.each_ref());
    let changes = [Change::App(Arc::clone(&other))].into_iter().chain(joins);
    store.commit(&world.batch(changes)).unwrap();
    let session = found(&*store, 1).unwrap();
    assert_eq!(session, wanted);
    assert_ne!(session.seed.app, app.id, "it came in at another door");
}
