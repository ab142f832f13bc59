//! Who may listen to what, as whom, and how listening ends.

use chat::{
    Command, Effect, Proof, Refusal, Reply, SessionId, Topic, UserRef,
    event::{Unsubscribe, Whose},
    model::KeyId,
};
use uuid::Uuid;

use crate::world::{
    DIALECT, World, anybody, ended, join, named, refusal, register, server, somebody, verified,
};

fn leave(conversation: Uuid) -> Command {
    Command::Leave {
        conversation: conversation.into(),
        dialect: DIALECT,
    }
}

fn deregister(user: UserRef) -> Command {
    Command::Deregister {
        user,
        dialect: DIALECT,
    }
}

/// As whom a join is answered.
fn joined(result: Result<Reply, Refusal>) -> Option<String> {
    match result {
        Ok(Reply::Opened { user, .. }) => user.map(|user| user.external.text.clone()),
        other => panic!("joined, got {other:?}"),
    }
}

/// As whom a session listens to its newest place.
fn listens_as(world: &World, session: i64) -> Option<String> {
    let rows = world.store.rows();
    let newest = rows.session(session).unwrap().subscriptions.last().unwrap();
    let user = newest.user?;
    let mut users = rows.users.iter();
    let user = users.find(|known| known.id == user).unwrap();
    Some(user.external.text.clone())
}

#[test]
fn where_ids_are_believed_everybody_listens_and_members_as_themselves() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    world.one(&anybody(), register("eve")).unwrap();
    let bob = Some("bob".to_owned());
    for (session, by, expected) in [
        (2, Some("bob"), &bob),
        (3, Some("eve"), &None),
        (4, Some("nobody"), &None),
        (5, None, &None),
    ] {
        let result = world.one(&somebody(1, Some(session)), join(club, by));
        assert_eq!(joined(result), *expected);
        assert_eq!(listens_as(&world, session), *expected);
    }
    assert_eq!(world.store.rows().users.len(), 3, "a join makes nobody");
    let by = |uuid| Command::Join {
        conversation: club.into(),
        by: Some(UserRef::Uuid(uuid)),
        spelling: None,
        dialect: DIALECT,
    };
    let bobs = by(world.user("bob").uuid);
    assert_eq!(joined(world.one(&anybody(), bobs)), bob);
    let nobodys = by(Uuid::from_u128(9));
    assert_eq!(joined(world.one(&anybody(), nobodys)), None);
    // The app's own server is believed in a verified app as well.
    assert_eq!(joined(world.one(&server(), join(club, Some("eve")))), None);
    assert_eq!(joined(world.one(&server(), join(club, Some("bob")))), bob);
    let refused = refusal(world.one(&anybody(), join(Uuid::from_u128(5), Some("bob"))));
    assert_eq!(refused, Refusal::UnknownConversation);
}

#[test]
fn in_a_verified_app_only_members_listen() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    world.one(&anybody(), register("eve")).unwrap();
    for by in [None, Some("bob")] {
        let result = world.one(&verified(Some("bob")), join(club, by));
        assert_eq!(joined(result).as_deref(), Some("bob"));
        let refused = world.refused(&verified(Some("eve")), join(club, by.map(|_| "eve")));
        assert_eq!(refused, Refusal::UnknownConversation);
        let refused = world.refused(&verified(None), join(club, by));
        assert_eq!(refused, Refusal::TokenRequired);
    }
    let refused = world.refused(&verified(Some("eve")), join(club, Some("bob")));
    assert_eq!(refused, Refusal::NotTheTokensSubject);
    let refused = world.refused(&verified(Some("new")), join(club, None));
    assert_eq!(refused, Refusal::UnknownUser);
}

#[test]
fn listening_hangs_on_what_was_brought_for_it() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    let proof = Proof {
        key: Some(KeyId(3)),
        until: Some(chat::Timestamp(7)),
    };
    let actor = chat::Actor {
        proof,
        ..chat::Actor::clone(&anybody())
    };
    world.one(&actor.into(), join(club, Some("bob"))).unwrap();
    let rows = world.store.rows();
    assert_eq!(rows.session(1).unwrap().subscriptions[0].proof, proof);
}

#[test]
fn leaving_ends_ones_own_listening_and_nobody_elses() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation;
    let other = world.group("ann", &["bob"]).conversation;
    let (one, two) = (somebody(1, Some(1)), somebody(1, Some(2)));
    world.one(&one, join(club.uuid, None)).unwrap();
    world.one(&one, join(other.uuid, None)).unwrap();
    world.one(&two, join(club.uuid, Some("bob"))).unwrap();
    let turn = world.turn(vec![(one, leave(club.uuid))]);
    let end = Unsubscribe {
        whose: Whose::Session(SessionId(1)),
        topic: Topic::Conversation(club.id),
        dialect: Some(DIALECT),
        until: turn.last_g,
    };
    assert_eq!(ended(&turn), [end]);
    let rows = world.store.rows();
    let left: Vec<_> = rows
        .subscriptions()
        .iter()
        .map(|row| (row.0.0, row.1))
        .collect();
    let club = Topic::Conversation(club.id);
    assert_eq!(left, [(1, Topic::Conversation(other.id)), (2, club)]);
}

#[test]
fn leaving_what_is_not_there_or_without_a_session_is_nothing() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    let commits = world.store.commits();
    for (actor, conversation) in [
        (anybody(), Uuid::from_u128(5)),
        (somebody(2, Some(2)), club),
        (somebody(1, None), club),
    ] {
        let turn = world.turn(vec![(actor, leave(conversation))]);
        assert!(turn.effects.is_empty() && turn.answers[0].1.result.is_ok());
    }
    assert_eq!(world.store.commits(), commits);
}

#[test]
fn leaving_and_joining_again_begins_anew() {
    let mut world = World::new();
    let club = world.group("ann", &["bob"]).conversation.uuid;
    let turn = world.turn(vec![
        (anybody(), join(club, Some("ann"))),
        (anybody(), join(club, Some("ann"))),
        (anybody(), leave(club)),
        (anybody(), join(club, Some("ann"))),
    ]);
    let since = |effect: &Effect| match effect {
        Effect::Subscribe(new) => Some(new.since),
        _ => None,
    };
    let newest = turn.effects.iter().filter_map(since).max();
    let rows = world.store.rows();
    let subscriptions = &rows.session(1).unwrap().subscriptions;
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(Some(subscriptions[0].since), newest);
}

#[test]
fn a_user_who_is_not_there_cannot_be_at_a_socket() {
    let mut world = World::new();
    world.one(&anybody(), register("ann")).unwrap();
    let ann = world.user("ann");
    let at_socket = |user| Command::Register {
        user,
        dialect: DIALECT,
        alone: false,
    };
    for user in [
        UserRef::Known("eve".to_owned()),
        UserRef::Uuid(Uuid::from_u128(9)),
        UserRef::Both(ann.uuid, "eve".to_owned()),
    ] {
        let refused = world.refused(&anybody(), at_socket(user));
        assert_eq!(refused, Refusal::UnknownUser);
    }
    // One of another app is not there.
    let refused = world.refused(&somebody(2, Some(2)), at_socket(UserRef::Uuid(ann.uuid)));
    assert_eq!(refused, Refusal::UnknownUser);
    // By an outside id one may act only as whom the token names.
    let own = at_socket(UserRef::Uuid(ann.uuid));
    world.one(&verified(Some("ann")), own.clone()).unwrap();
    let refused = world.refused(&verified(Some("eve")), own.clone());
    assert_eq!(refused, Refusal::NotTheTokensSubject);
    let refused = world.refused(
        &verified(Some("eve")),
        at_socket(UserRef::Uuid(Uuid::nil())),
    );
    assert_eq!(refused, Refusal::NotTheTokensSubject);
    world.one(&server(), own).unwrap();
}

#[test]
fn who_leaves_the_socket_is_not_told_in_person_any_longer() {
    let mut world = World::new();
    let one = somebody(1, Some(1));
    world.one(&one, register("ann")).unwrap();
    world.one(&one, register("bob")).unwrap();
    world.one(&somebody(1, Some(2)), register("ann")).unwrap();
    let ann = world.user("ann").id;
    let turn = world.turn(vec![(one, deregister(named("ann")))]);
    assert!(matches!(
        turn.answers[0].1.result,
        Ok(Reply::Deregistered { user: Some(user) }) if user == ann
    ));
    assert_eq!(ended(&turn)[0].whose, Whose::Session(SessionId(1)));
    let rows = world.store.rows();
    let left: Vec<_> = rows
        .subscriptions()
        .iter()
        .map(|row| (row.0.0, row.1))
        .collect();
    let bob = Topic::Person(world.user("bob").id);
    assert_eq!(left, [(1, bob), (2, Topic::Person(ann))]);
    // Of nobody nothing ends, and nobody is made.
    let turn = world.turn(vec![(anybody(), deregister(named("nobody")))]);
    assert!(matches!(
        turn.answers[0].1.result,
        Ok(Reply::Deregistered { user: None })
    ));
    assert!(turn.effects.is_empty());
    assert_eq!(world.store.rows().users.len(), 2);
}

#[test]
fn who_comes_alone_puts_out_whoever_was_at_the_socket() {
    let mut world = World::new();
    let alone = |user: &str| Command::Register {
        user: named(user),
        dialect: DIALECT,
        alone: true,
    };
    let replaced = |result: Result<Reply, Refusal>| match result {
        Ok(Reply::Registered { user, replaced }) => (user.external.text.clone(), replaced),
        other => panic!("registered, got {other:?}"),
    };
    let me = || somebody(1, Some(8));
    for user in ["ann", "bob"] {
        world.one(&me(), register(user)).unwrap();
    }
    let [ann, bob] = ["ann", "bob"].map(|name| world.user(name).id);
    let place = Topic::Conversation(world.group("ann", &["bob"]).conversation.id);
    let club = world.store.rows().conversations[0].conversation.uuid;
    world.one(&me(), join(club, Some("ann"))).unwrap();
    let topics = |world: &World, session| -> Vec<Topic> {
        let rows = world.store.rows();
        let all = rows.session(session).unwrap().subscriptions.iter();
        all.map(|one| one.topic).collect()
    };
    let turn = world.turn(vec![(me(), alone("cid"))]);
    let cid = world.user("cid").id;
    let result = turn.answers[0].1.result.clone();
    assert_eq!(replaced(result), ("cid".to_owned(), vec![ann, bob]));
    let over: Vec<_> = ended(&turn)
        .iter()
        .map(|end| (end.whose, end.topic))
        .collect();
    let mine = Whose::Session(SessionId(8));
    assert_eq!(
        over,
        [(mine, Topic::Person(ann)), (mine, Topic::Person(bob))]
    );
    // What was joined is not what one is told in person.
    assert_eq!(topics(&world, 8), [place, Topic::Person(cid)]);
    // Whoever carries on with the session gets nothing of those before.
    let carried = Command::InheritSession { from: SessionId(8) };
    world.one(&somebody(1, Some(9)), carried).unwrap();
    assert_eq!(topics(&world, 9), [place, Topic::Person(cid)]);
    // Oneself again, and in the same batch.
    assert_eq!(
        replaced(world.one(&me(), alone("cid"))),
        ("cid".to_owned(), vec![])
    );
    let results = world.all(vec![
        (me(), alone("dan")),
        (me(), alone("ann")),
        (me(), alone("ann")),
    ]);
    let dan = world.user("dan").id;
    let due = [("dan", vec![cid]), ("ann", vec![dan]), ("ann", vec![])];
    let due = due.map(|(name, who)| (name.to_owned(), who));
    assert!(results.into_iter().map(replaced).eq(due));
    assert_eq!(topics(&world, 8), [place, Topic::Person(ann)]);
    // Other sockets are as they were, and one that is refused is too.
    assert_eq!(topics(&world, 9), [place, Topic::Person(cid)]);
    let refused = world.refused(&verified(None), alone("eve"));
    assert_eq!(refused, Refusal::TokenRequired);
    // Without a session there is nobody to put out.
    assert_eq!(
        replaced(world.one(&somebody(1, None), alone("bob"))),
        ("bob".to_owned(), vec![])
    );
}
