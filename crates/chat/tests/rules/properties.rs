//! Whatever is asked, in whatever batches, and whichever commits fail: the invariants hold.

use std::collections::{HashMap, HashSet};

use chat::{
    Body, Command, ConversationKind, ConversationView, Effect, Event, Happening, MessageView,
    Reply, SessionId, Timestamp, Turn,
    command::Destination,
    model::{Member, MemberRole},
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    model::{Failure, Rows},
    world::{
        DIALECT, World, about, add, block, call, delete_user, drop_conversation, edit, group, join,
        named, open, read, register, remove, rename, send, send_as, send_to, shown, somebody,
        typing, unblock, unsend,
    },
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
    Group(usize, Vec<usize>),
    /// Where, and who; in whose name, if in anybody's.
    Join(usize, Option<usize>),
    Leave(usize),
    Add(usize, usize, Option<usize>),
    Remove(usize, usize, Option<usize>),
    Rename(usize, Option<usize>),
    DropConversation(usize, Option<usize>),
    /// Which message (of those that exist), and in whose name.
    Edit(usize, Option<usize>),
    Unsend(usize, Option<usize>),
    Read(usize, usize),
    /// Where, who, and whether the others are told in any case.
    ReadAll(usize, usize, bool),
    /// Who, to whom, under which client id.
    SendTo(usize, usize, Option<u8>),
    /// Who sells, who buys, who writes; about which of two products.
    SendAbout(usize, usize, usize, bool),
    Block(usize, usize),
    Unblock(usize, usize),
    Hide(usize, usize),
    Collect(usize),
    Alone(usize),
    Typing(usize, usize),
    Call(usize, u8),
    DeleteUser(usize),
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

fn who() -> std::ops::Range<usize> {
    0..PEOPLE.len()
}

/// The app itself, as often as somebody.
fn by() -> impl Strategy<Value = Option<usize>> {
    prop::option::of(who())
}

/// What changes who belongs where.
fn others() -> impl Strategy<Value = Ask> {
    let place = 0..8_usize;
    prop_oneof![
        4 => (who(), prop::collection::vec(who(), 0..4)).prop_map(|(a, all)| Ask::Group(a, all)),
        4 => (place.clone(), who(), by()).prop_map(|(place, user, by)| Ask::Add(place, user, by)),
        4 => (place.clone(), who(), by()).prop_map(|(place, user, by)| Ask::Remove(place, user, by)),
        1 => (place.clone(), by()).prop_map(|(place, by)| Ask::Rename(place, by)),
        1 => (place, by()).prop_map(|(place, by)| Ask::DropConversation(place, by)),
        1 => who().prop_map(Ask::DeleteUser),
    ]
}

/// What concerns two people.
fn of_two() -> impl Strategy<Value = Ask> {
    let place = 0..8_usize;
    let client_id = prop::option::of(0..3_u8);
    prop_oneof![
        4 => (who(), who(), client_id).prop_map(|(a, b, id)| Ask::SendTo(a, b, id)),
        4 => (who(), who(), who(), any::<bool>())
            .prop_map(|(vendor, customer, who, which)| Ask::SendAbout(vendor, customer, who, which)),
        3 => (place.clone(), who(), any::<bool>())
            .prop_map(|(place, who, tells)| Ask::ReadAll(place, who, tells)),
        2 => (who(), who()).prop_map(|(user, whom)| Ask::Block(user, whom)),
        2 => (who(), who()).prop_map(|(user, whom)| Ask::Unblock(user, whom)),
        1 => (place, who()).prop_map(|(place, who)| Ask::Hide(place, who)),
        1 => who().prop_map(Ask::Collect),
        1 => who().prop_map(Ask::Alone),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let person = who();
    prop_oneof![
        1 => Just(Ask::Fence),
        2 => person.clone().prop_map(Ask::Register),
        4 => (person.clone(), person.clone()).prop_map(|(a, b)| Ask::Open(a, b)),
        12 => (0..8_usize, person, prop::bool::weighted(0.1), prop::option::of(0..3_u8))
            .prop_map(|(place, who, blank, id)| Ask::Send(place, who, blank, id)),
        3 => others(),
        6 => of_two(),
        3 => (0..8_usize, by()).prop_map(|(place, by)| Ask::Join(place, by)),
        1 => (0..8_usize).prop_map(Ask::Leave),
        3 => (0..9_usize, by()).prop_map(|(which, by)| Ask::Edit(which, by)),
        2 => (0..9_usize, by()).prop_map(|(which, by)| Ask::Unsend(which, by)),
        3 => (0..9_usize, who()).prop_map(|(which, reader)| Ask::Read(which, reader)),
        1 => (0..8_usize, who()).prop_map(|(place, user)| Ask::Typing(place, user)),
        1 => (who(), 0..3_u8).prop_map(|(user, name)| Ask::Call(user, name)),
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

/// The outside ids of what is stored.
struct Known {
    places: Vec<Uuid>,
    messages: Vec<Uuid>,
    sessions: Vec<SessionId>,
}

impl Known {
    fn of(rows: &Rows) -> Self {
        let places = rows.conversations.iter().map(|view| view.conversation.uuid);
        let messages = rows.messages.iter().rev().map(|view| view.message.uuid);
        Self {
            places: places.collect(),
            messages: messages.collect(),
            sessions: rows.sessions.iter().map(|row| row.seed.id).collect(),
        }
    }

    fn session(&self, which: usize) -> SessionId {
        self.sessions.get(which).copied().unwrap_or(SessionId(77))
    }
}

fn command(ask: &Ask, session: SessionId, known: &Known) -> Command {
    let at = |place: &usize| {
        known
            .places
            .get(*place)
            .copied()
            .unwrap_or(Uuid::from_u128(3))
    };
    let what = |which: &usize| {
        known
            .messages
            .get(*which)
            .copied()
            .unwrap_or(Uuid::from_u128(4))
    };
    let name = |by: &Option<usize>| by.map(|by| PEOPLE[by]);
    match ask {
        Ask::Fence => Command::Fence,
        Ask::Register(who) => register(PEOPLE[*who]),
        Ask::Open(a, b) => open(PEOPLE[*a], PEOPLE[*b]),
        Ask::Send(place, who, blank, client_id) => {
            let text = if *blank { " " } else { "hello" };
            match client_id {
                Some(id) => send_as(at(place), PEOPLE[*who], text, &id.to_string()),
                None => send(at(place), PEOPLE[*who], text),
            }
        }
        Ask::Group(owner, members) => {
            let members: Vec<_> = members.iter().map(|who| PEOPLE[*who]).collect();
            group(PEOPLE[*owner], &members)
        }
        Ask::Join(place, by) => join(at(place), name(by)),
        Ask::Leave(place) => Command::Leave {
            conversation: at(place).into(),
            dialect: DIALECT,
        },
        Ask::Add(place, user, by) => add(at(place), PEOPLE[*user], name(by)),
        Ask::Remove(place, user, by) => remove(at(place), PEOPLE[*user], name(by)),
        Ask::Rename(place, by) => rename(at(place), "Us", name(by)),
        Ask::DropConversation(place, by) => drop_conversation(at(place), name(by)),
        Ask::Edit(which, by) => edit(what(which), "changed", name(by)),
        Ask::Unsend(which, by) => unsend(what(which), name(by)),
        Ask::Read(which, reader) => read(what(which), PEOPLE[*reader]),
        Ask::ReadAll(place, reader, tells) => Command::MarkAllRead {
            conversation: at(place).into(),
            reader: named(PEOPLE[*reader]),
            tells: *tells,
        },
        Ask::SendTo(who, other, client_id) => Command::Send {
            to: Destination::Direct(named(PEOPLE[*other])),
            sender: named(PEOPLE[*who]),
            body: Body::text("hello"),
            client_id: client_id.map(|id| id.to_string()),
        },
        Ask::SendAbout(vendor, customer, who, which) => {
            let product = if *which { "lamp" } else { "chair" };
            let to = about(product, PEOPLE[*vendor], PEOPLE[*customer]);
            send_to(to, named(PEOPLE[*who]), "hello")
        }
        Ask::Block(user, whom) => block(PEOPLE[*user], PEOPLE[*whom]),
        Ask::Unblock(user, whom) => unblock(PEOPLE[*user], PEOPLE[*whom]),
        Ask::Hide(place, user) => Command::HideConversation {
            conversation: at(place).into(),
            user: named(PEOPLE[*user]),
        },
        Ask::Collect(user) => Command::CollectMissed {
            user: named(PEOPLE[*user]),
        },
        Ask::Alone(user) => Command::Register {
            user: named(PEOPLE[*user]),
            dialect: DIALECT,
            alone: true,
        },
        Ask::Typing(place, user) => typing(at(place), PEOPLE[*user]),
        Ask::Call(user, name) => call(PEOPLE[*user], &name.to_string()),
        Ask::DeleteUser(user) => delete_user(PEOPLE[*user]),
        Ask::End => Command::EndSession { session },
        Ask::Inherit(which) => Command::InheritSession {
            from: known.session(*which),
        },
        Ask::Seen(which) => Command::SeenSessions {
            sessions: vec![known.session(*which), SessionId(77)],
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

/// What must be true of what is stored, at any time. That a conversation's numbers have no holes the
/// model sees to itself.
fn check_rows(rows: &Rows) {
    let mut last_g = 0;
    let mut last_uuid = Uuid::nil();
    let mut counts = HashMap::new();
    let mut retries = HashSet::new();
    for view in &rows.messages {
        let message = &view.message;
        assert!(message.g > last_g, "G rises");
        assert!(message.uuid > last_uuid, "outside ids rise");
        (last_g, last_uuid) = (message.g, message.uuid);
        *counts.entry(message.conversation).or_insert(0) += 1;
        if let Some(client_id) = &message.client_id {
            let key = (message.conversation, message.sender, client_id.clone());
            assert!(retries.insert(key), "one client id, one message");
        }
    }
    assert!(rows.counters.last_g >= last_g);
    let mut keys = HashSet::new();
    for state in &rows.conversations {
        let messages = counts.remove(&state.conversation.id).unwrap_or(0);
        assert_eq!(state.messages, messages, "all are counted, and no others");
        assert!(state.last_g <= rows.counters.last_g);
        check_members(state);
        if let Some(key) = &state.conversation.key {
            assert!(keys.insert(key), "one conversation for two people");
        }
    }
    assert!(counts.is_empty(), "messages stand in conversations");
    let names: HashSet<_> = rows.users.iter().map(|user| &user.external.text).collect();
    assert_eq!(names.len(), rows.users.len(), "one user for one name");
}

fn check_members(state: &ConversationView) {
    let people: HashSet<_> = state.members.iter().map(|member| member.user.id).collect();
    assert_eq!(people.len(), state.members.len(), "everybody once");
    let is_owner = |member: &&Member| member.role == MemberRole::Owner;
    let owners = state.members.iter().filter(is_owner).count();
    match state.conversation.kind {
        ConversationKind::Direct | ConversationKind::Product => {
            assert!(people.len() <= 2 && owners == 0);
        }
        // None where the app took somebody into what all had left.
        _ => assert!(owners <= 1),
    }
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

/// Up to the first command that sweeps, which has a batch of its own.
fn one_batch(asks: &[(i64, Ask)]) -> &[(i64, Ask)] {
    let sweeps =
        |(_, ask): &(i64, Ask)| matches!(ask, Ask::DropConversation(..) | Ask::DeleteUser(_));
    let count = asks.iter().position(sweeps).unwrap_or(asks.len());
    &asks[..count.max(1).min(asks.len())]
}

/// Runs a batch, or several where something sweeps; a failure meets the first.
fn run(
    world: &mut World,
    mut asks: &[(i64, Ask)],
    mut failure: Option<Failure>,
    highest_shown: &mut u64,
) {
    loop {
        let batch = one_batch(asks);
        run_one(world, batch, failure.take(), highest_shown);
        // A batch with nothing to commit leaves the failure for later; not here.
        world.store.forget_failure();
        asks = &asks[batch.len()..];
        if asks.is_empty() {
            return;
        }
    }
}

/// Runs one batch, and checks what it shows against what is stored.
fn run_one(
    world: &mut World,
    asks: &[(i64, Ask)],
    failure: Option<Failure>,
    highest_shown: &mut u64,
) {
    let before = world.store.rows();
    let known = Known::of(&before);
    let commands: Vec<_> = (0..)
        .zip(asks)
        .map(|(number, (session, ask))| {
            let session = match ask {
                // Who carries on has a new session.
                Ask::Inherit(_) => world.now * 100 + number,
                _ => *session,
            };
            let command = command(ask, SessionId(session), &known);
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
    assert!(turn.failed || turn.faults.is_empty(), "{:?}", turn.faults);
    let mut place = 0;
    for (_, outcome) in &turn.answers {
        assert!(
            outcome.g >= place && outcome.g <= turn.last_g,
            "answers never go back"
        );
        place = outcome.g;
    }
    if !turn.committed {
        let lasts = |effect: &Effect| !matches!(effect, Effect::Pass(_));
        assert!(
            !turn.effects.iter().any(lasts),
            "what is not committed is shown to nobody"
        );
        if turn.failed && !matches!(failure, Some(Failure::UnknownButStored)) {
            assert_eq!(rows.messages.len(), before.messages.len());
        }
        return;
    }
    for g in turn.effects.iter().filter_map(g_of) {
        let is_shared = turn
            .effects
            .iter()
            .filter_map(g_of)
            .filter(|other| *other == g)
            .count()
            > 1;
        assert!(
            g > *highest_shown || (is_shared && g == *highest_shown),
            "effects come in the order of G, over all batches"
        );
        *highest_shown = g;
    }
    assert!(*highest_shown <= turn.last_g);
    check_shown(&turn, &before, &rows);
    check_sessions(asks, &turn, &before, &rows);
    // Nothing that failed left a number that is given again.
    assert!(turn.last_g >= before.counters.last_g);
}

/// What was shown and acknowledged is stored, and what is stored was shown.
fn check_shown(turn: &Turn, before: &Rows, after: &Rows) {
    let events = shown(turn);
    let gone: HashSet<_> = events.iter().filter_map(|event| deleted(event)).collect();
    // Who was deleted, or what, has taken more with it than is told of each message.
    let sweeps = after
        .last_commit
        .iter()
        .any(chat::store::Change::is_sweeping);
    let is_left = |uuid: Uuid| !gone.contains(&uuid) && !sweeps;
    let stored = |uuid: Uuid| after.messages.iter().find(|view| view.message.uuid == uuid);
    let mut newest: HashMap<Uuid, &MessageView> = HashMap::new();
    for event in &events {
        match &event.happening {
            Happening::MessageSent(view) => {
                let author = view.sender.id;
                assert!(
                    event.people().any(|person| person == author),
                    "a member wrote it"
                );
                assert_eq!(event.g, view.message.g);
                newest.insert(view.message.uuid, view);
            }
            Happening::MessageEdited(view) => {
                assert!(event.g > view.message.g);
                newest.insert(view.message.uuid, view);
            }
            Happening::Read { reader, .. } => {
                let reader = reader.id;
                assert!(
                    event.people().any(|person| person == reader),
                    "a member read it"
                );
            }
            Happening::MessageDeleted { .. } | Happening::Room(_) => {}
        }
    }
    for (uuid, view) in &newest {
        match stored(*uuid) {
            Some(row) => assert_eq!(row.message, view.message, "shown is what was stored"),
            None => assert!(!is_left(*uuid)),
        }
    }
    let old: HashSet<_> = before
        .messages
        .iter()
        .map(|view| view.message.uuid)
        .collect();
    for view in &after.messages {
        let uuid = view.message.uuid;
        assert!(
            old.contains(&uuid) || newest.contains_key(&uuid),
            "what is stored was shown"
        );
    }
    for (_, outcome) in &turn.answers {
        if let Ok(Reply::Sent {
            message,
            repeated,
            opened,
            ..
        }) = &outcome.result
        {
            let uuid = message.message.uuid;
            assert!(
                stored(uuid).is_some() || !is_left(uuid),
                "acknowledged is stored"
            );
            assert!(message.message.g <= outcome.g);
            if let Some(view) = opened {
                assert_eq!(message.message.seq, 1, "it began with this message");
                assert_eq!(view.conversation, message.conversation);
                assert_eq!(view.members.len(), 2);
            }
            assert!(*repeated || newest.contains_key(&uuid));
        }
    }
}

fn deleted(event: &Event) -> Option<Uuid> {
    match event.happening {
        Happening::MessageDeleted { message, .. } => Some(message),
        _ => None,
    }
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
        world.one(&somebody(1, None), unblock("bob", "ann")).unwrap();
        world.one(&somebody(1, None), send(chat.uuid, "ann", "last")).unwrap();
        prop_assert_eq!(world.store.rows().messages.len(), before + 1);
        check_rows(&world.store.rows());
    }
}
