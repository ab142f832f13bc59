//! Whatever is asked, in whatever batches, and whichever commits fail: the invariants hold.

use std::collections::{HashMap, HashSet};

use chat::{Command, Effect, Happening, Reply, SessionId, Timestamp, Turn};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    model::{Failure, Rows},
    world::{World, open, register, send, send_as, somebody},
};

const PEOPLE: [&str; 4] = ["ann", "bob", "cid", "dan"];

/// What somebody may ask, with places in small lists for names.
#[derive(Clone, Debug)]
enum Ask {
    Fence,
    Register(usize),
    Open(usize, usize),
    /// Where (of those that exist), who, whether the text is blank, under which client id.
    Send(usize, usize, bool, Option<u8>),
    End,
    /// From which (of the sessions that exist).
    Inherit(usize),
    Seen(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<(i64, Ask)>),
    Fail(Failure, Vec<(i64, Ask)>),
    Restart,
    /// Those last seen so many batches ago.
    Forget(i64),
}

fn ask() -> impl Strategy<Value = Ask> {
    let person = 0..PEOPLE.len();
    prop_oneof![
        1 => Just(Ask::Fence),
        2 => person.clone().prop_map(Ask::Register),
        4 => (person.clone(), person.clone()).prop_map(|(a, b)| Ask::Open(a, b)),
        12 => (0..8_usize, person, prop::bool::weighted(0.1), prop::option::of(0..3_u8))
            .prop_map(|(place, who, blank, id)| Ask::Send(place, who, blank, id)),
        1 => Just(Ask::End),
        3 => (0..5_usize).prop_map(Ask::Inherit),
        1 => (0..5_usize).prop_map(Ask::Seen),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let batch = || prop::collection::vec((0..3_i64, ask()), 0..12);
    let failure = prop_oneof![
        Just(Failure::RolledBack),
        Just(Failure::UnknownButStored),
        Just(Failure::UnknownAndNotStored),
    ];
    prop_oneof![
        8 => batch().prop_map(Step::Batch),
        1 => (failure, batch()).prop_map(|(failure, batch)| Step::Fail(failure, batch)),
        1 => Just(Step::Restart),
        1 => (0..9_i64).prop_map(Step::Forget),
    ]
}

fn command(ask: &Ask, session: SessionId, known: &[Uuid], sessions: &[SessionId]) -> Command {
    let stored = |which: usize| sessions.get(which).copied().unwrap_or(SessionId(77));
    match ask {
        Ask::Fence => Command::Fence,
        Ask::Register(who) => register(PEOPLE[*who]),
        Ask::Open(a, b) => open(PEOPLE[*a], PEOPLE[*b]),
        Ask::Send(place, who, blank, client_id) => {
            let uuid = known.get(*place).copied().unwrap_or(Uuid::from_u128(3));
            let text = if *blank { " " } else { "hello" };
            match client_id {
                Some(id) => send_as(uuid, PEOPLE[*who], text, &id.to_string()),
                None => send(uuid, PEOPLE[*who], text),
            }
        }
        Ask::End => Command::EndSession { session },
        Ask::Inherit(which) => Command::InheritSession {
            from: stored(*which),
        },
        Ask::Seen(which) => Command::SeenSessions {
            sessions: vec![stored(*which), SessionId(77)],
        },
    }
}

/// The number of an effect; inheriting has one for each subscription.
fn g_of(effect: &Effect) -> Option<u64> {
    match effect {
        Effect::Show(event) => Some(event.g),
        Effect::Subscribe(chat::event::Subscribe { since, .. }) => Some(*since),
        Effect::Unsubscribe(end) => Some(end.until),
        Effect::Attach(session) => session.subscriptions.last().map(|one| one.since),
        Effect::Pass(_) => None,
    }
}

/// What must be true of what is stored, at any time.
fn check_rows(rows: &Rows) {
    let mut last_g = 0;
    let mut last_uuid = Uuid::nil();
    let mut seqs = HashMap::new();
    let mut retries = HashSet::new();
    for view in &rows.messages {
        let message = &view.message;
        assert!(message.g > last_g, "G rises");
        assert!(message.uuid > last_uuid, "outside ids rise");
        (last_g, last_uuid) = (message.g, message.uuid);
        let seq = seqs.entry(message.conversation).or_insert(0);
        *seq += 1;
        assert_eq!(message.seq, *seq, "a conversation's numbers have no gap");
        let mut places = rows.conversations.iter();
        let place = places.find(|place| place.conversation.id == message.conversation);
        assert!(place.unwrap().has(message.sender), "only members write");
        if let Some(client_id) = &message.client_id {
            let key = (message.conversation, message.sender, client_id.clone());
            assert!(retries.insert(key), "one client id, one message");
        }
    }
    assert!(rows.counters.last_g >= last_g);
    let mut pairs = HashSet::new();
    for state in &rows.conversations {
        let pair: Vec<_> = state.members.iter().map(|member| member.user.id).collect();
        assert!(
            pair[0] < pair[1] && pairs.insert(pair),
            "one conversation for two people"
        );
        let last_seq = seqs.get(&state.conversation.id).copied().unwrap_or(0);
        assert_eq!(state.last_seq, last_seq);
    }
    let names: HashSet<_> = rows.users.iter().map(|user| &user.external.text).collect();
    assert_eq!(names.len(), rows.users.len(), "one user for one name");
}

/// What was answered about sessions is what is stored of them.
fn check_sessions(asks: &[(i64, Ask)], turn: &Turn, before: &Rows, after: &Rows) {
    let mut known: HashSet<_> = before.sessions.iter().map(|row| row.seed.id).collect();
    let mut answered = HashMap::new();
    for ((session, ask), (_, outcome)) in asks.iter().zip(&turn.answers) {
        match (ask, &outcome.result) {
            (Ask::End, _) => {
                known.remove(&SessionId(*session));
                answered.remove(&SessionId(*session));
            }
            (Ask::Inherit(_), Ok(Reply::Inherited { session })) => {
                assert!(known.insert(session.seed.id), "it is new");
                answered.insert(session.seed.id, session);
            }
            _ => {}
        }
    }
    for row in &after.sessions {
        let id = row.seed.id;
        let places = row.subscriptions.iter().map(|one| one.since);
        assert!(places.is_sorted(), "the oldest first");
        if let Some(answer) = answered.remove(&id) {
            assert!(row.subscriptions.starts_with(&answer.subscriptions));
        }
    }
    assert!(answered.is_empty(), "what was answered is stored");
}

/// Runs one batch, and checks what it shows against what is stored.
fn run(world: &mut World, asks: &[(i64, Ask)], failure: Option<Failure>, highest_shown: &mut u64) {
    let before = world.store.rows();
    let known: Vec<_> = before
        .conversations
        .iter()
        .map(|view| view.conversation.uuid)
        .collect();
    let sessions: Vec<_> = before.sessions.iter().map(|row| row.seed.id).collect();
    let commands: Vec<_> = (0..)
        .zip(asks)
        .map(|(number, (session, ask))| {
            let session = match ask {
                // Who carries on has a new session.
                Ask::Inherit(_) => world.now * 100 + number,
                _ => *session,
            };
            let command = command(ask, SessionId(session), &known, &sessions);
            (somebody(1, Some(session)), command)
        })
        .collect();
    if let Some(failure) = failure {
        world.store.fail_next_commit(failure);
    }
    let commits = world.store.commits();
    let turn = world.turn(commands);
    let tried = world.store.commits() > commits;
    let rows = world.store.rows();
    check_rows(&rows);

    assert_eq!(
        turn.answers.len() + turn.lost.len(),
        asks.len(),
        "everybody is told"
    );
    assert_eq!(turn.committed, tried && failure.is_none());
    assert_eq!(turn.failed, tried && failure.is_some());
    let mut place = 0;
    for (_, outcome) in &turn.answers {
        assert!(
            outcome.g >= place && outcome.g <= turn.last_g,
            "answers never go back"
        );
        place = outcome.g;
    }
    if !turn.committed {
        assert!(
            turn.effects.is_empty(),
            "what is not committed is shown to nobody"
        );
        if turn.failed && !matches!(failure, Some(Failure::UnknownButStored)) {
            assert_eq!(rows.messages.len(), before.messages.len());
        }
        return;
    }
    let mut shown = Vec::new();
    for effect in &turn.effects {
        if let Some(g) = g_of(effect) {
            assert!(
                g > *highest_shown,
                "effects come in the order of G, over all batches"
            );
            *highest_shown = g;
        }
        if let Effect::Show(event) = effect {
            let Happening::MessageSent(view) = &event.happening else {
                panic!("nothing else is asked for here: {event:?}");
            };
            shown.push(view.clone());
        }
    }
    assert!(*highest_shown <= turn.last_g);
    assert_eq!(
        shown,
        rows.messages[before.messages.len()..],
        "shown is what was stored"
    );
    for (_, outcome) in &turn.answers {
        if let Ok(Reply::Sent { message, repeated }) = &outcome.result {
            assert!(rows.messages.contains(message), "acknowledged is stored");
            assert!(message.message.g <= outcome.g);
            if !repeated {
                assert!(shown.contains(message));
            }
        }
    }
    check_sessions(asks, &turn, &before, &rows);
    // Nothing that failed left a number that is given again.
    assert!(turn.last_g >= before.counters.last_g);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_commands_keeps_the_invariants(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new();
        let mut highest_shown = 0;
        for step in steps {
            match step {
                Step::Batch(asks) => run(&mut world, &asks, None, &mut highest_shown),
                Step::Fail(failure, asks) => {
                    run(&mut world, &asks, Some(failure), &mut highest_shown);
                    // A batch with nothing to commit leaves the failure for later; not here.
                    world.store.forget_failure();
                }
                Step::Restart => world = world.restart(),
                Step::Forget(ago) => {
                    let (before, limit) = (world.store.rows().sessions, world.now - ago);
                    let before = before.iter().filter(|row| row.seen_at.0 >= limit);
                    let left: Vec<_> = before.cloned().collect();
                    let forget = Command::ForgetSessions { before: Timestamp(limit) };
                    world.one(&somebody(1, None), forget).unwrap();
                    prop_assert_eq!(world.store.rows().sessions, left);
                }
            }
        }
        // After all that the writer still writes.
        let chat = world.open(&somebody(1, None), "ann", "bob").conversation;
        let before = world.store.rows().messages.len();
        world.one(&somebody(1, None), send(chat.uuid, "ann", "last")).unwrap();
        prop_assert_eq!(world.store.rows().messages.len(), before + 1);
        check_rows(&world.store.rows());
    }
}
