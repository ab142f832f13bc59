//! Whatever is asked of the domain's writer on a store: the log of every place is what was shown
//! there, and every session is what its askers were told.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chat::{
    Actor, App, Asker, Command, Effect, Event, Executor, ExternalId, Identity, Outcome, Reply,
    SessionId, Store, StoredSession, StoredSubscription, Submission, Timestamp, Topic, Turn,
};
use proptest::{
    prelude::*,
    test_runner::{TestCaseResult, TestRunner},
};
use uuid::Uuid;

use super::Place;
use crate::world::{Scene, session};

const PEOPLE: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];

/// What somebody may ask, with places in small lists for names.
#[derive(Clone, Debug)]
enum Ask {
    Register(usize),
    Open(usize, usize),
    /// Where (of those that exist), and which of the two.
    Send(usize, usize),
    /// A new session carries on with the one of this number.
    Inherit(i64),
    End(i64),
    Restart,
}

fn ask() -> impl Strategy<Value = Ask> {
    let person = || 0..PEOPLE.len();
    let session = || 1..5_i64;
    prop_oneof![
        2 => person().prop_map(Ask::Register),
        4 => (person(), person()).prop_map(|(a, b)| Ask::Open(a, b)),
        16 => (0..6_usize, 0..2_usize).prop_map(|(place, who)| Ask::Send(place, who)),
        1 => session().prop_map(Ask::Inherit),
        1 => session().prop_map(Ask::End),
        1 => Just(Ask::Restart),
    ]
}

struct Nobody;

impl Asker for Nobody {
    fn answered(&self, _: Outcome) {}
    fn wake(&self) {}
    fn lost(&self) {}
}

/// The writer on a store, and what everybody was shown and told.
struct History {
    store: Arc<dyn Store>,
    executor: Executor,
    app: Arc<App>,
    clock: i64,
    /// Who is in which conversation.
    chats: Vec<(Uuid, [&'static str; 2])>,
    shown: BTreeMap<Topic, Vec<Arc<Event>>>,
    sessions: HashMap<i64, StoredSession>,
    next_session: i64,
}

impl History {
    fn new(place: &dyn Place) -> Self {
        let store = place.open();
        let scene = Scene::new(&*store);
        Self {
            executor: Executor::new(Arc::clone(&store), 5).unwrap(),
            app: Arc::new(App {
                identity: Identity::Open,
                ..App::clone(&scene.app)
            }),
            store,
            clock: 1_800_000_000_000,
            chats: vec![(scene.chat.uuid, ["ann", "bob"])],
            shown: BTreeMap::new(),
            sessions: HashMap::new(),
            next_session: 100,
        }
    }

    /// The session that asks, and what for.
    fn command(&mut self, asker: i64, ask: &Ask) -> (i64, Command) {
        let name = |who: &usize| ExternalId::text(PEOPLE[*who]);
        match ask {
            Ask::Register(user) => {
                let user = name(user);
                let dialect = "direct";
                (asker, Command::Register { user, dialect })
            }
            Ask::Open(user, other) => {
                let (user, other, dialect) = (name(user), name(other), "direct");
                let open = Command::OpenDirect {
                    user,
                    other,
                    dialect,
                };
                (asker, open)
            }
            Ask::Send(place, who) => {
                let (conversation, pair) = self.chats[place % self.chats.len()];
                let send = Command::Send {
                    conversation,
                    sender: ExternalId::text(pair[*who]),
                    text: format!("{asker} says"),
                    client_id: None,
                };
                (asker, send)
            }
            Ask::Inherit(from) => {
                self.next_session += 1;
                let from = SessionId(*from);
                (self.next_session, Command::InheritSession { from })
            }
            Ask::End(id) => {
                let session = SessionId(*id);
                (*id, Command::EndSession { session })
            }
            Ask::Restart => (asker, Command::Fence),
        }
    }

    fn turn(&mut self, asks: &[(i64, Ask)]) {
        if asks.iter().any(|(_, ask)| matches!(ask, Ask::Restart)) {
            self.executor = Executor::new(Arc::clone(&self.store), 6).unwrap();
        }
        self.clock += 1;
        let mut commands = Vec::new();
        let mut submissions = std::collections::VecDeque::new();
        for (asker, ask) in asks {
            let (asker, command) = self.command(*asker, ask);
            submissions.push_back(Submission {
                actor: Arc::new(Actor {
                    app: Arc::clone(&self.app),
                    subject: None,
                    session: Some(session(asker)),
                }),
                command: command.clone(),
                asker: Arc::new(Nobody),
            });
            commands.push((asker, command));
        }
        let turn = self.executor.turn(submissions, Timestamp(self.clock));
        assert!(!turn.failed && turn.faults.is_empty(), "{:?}", turn.faults);
        self.note(&commands, &turn);
    }

    /// Takes down what a turn showed and told.
    fn note(&mut self, commands: &[(i64, Command)], turn: &Turn) {
        for effect in &turn.effects {
            let Effect::Show(event) = effect else {
                continue;
            };
            let people = event.people().map(Topic::Person);
            for place in people.chain([Topic::Conversation(event.conversation().id)]) {
                let shown = self.shown.entry(place).or_default();
                shown.push(Arc::clone(event));
            }
        }
        let mut joins = turn.effects.iter().filter_map(|effect| match effect {
            Effect::Subscribe(chat::event::Subscribe { topic, since, .. }) => {
                Some((*topic, *since))
            }
            _ => None,
        });
        for ((asker, command), (_, outcome)) in commands.iter().zip(&turn.answers) {
            match &outcome.result {
                Ok(Reply::Registered { user }) => {
                    let join = joins.next().unwrap();
                    self.join(*asker, user, join);
                }
                Ok(Reply::Opened { user, conversation }) => {
                    let join = joins.next().unwrap();
                    self.join(*asker, user, join);
                    let pair = &conversation.conversation.pair;
                    let pair = [0, 1].map(|one| {
                        let external = pair[one].external.text.as_str();
                        *PEOPLE.iter().find(|name| **name == external).unwrap()
                    });
                    let chat = (conversation.conversation.uuid, pair);
                    if !self.chats.contains(&chat) {
                        self.chats.push(chat);
                    }
                }
                Ok(Reply::Inherited { session }) => {
                    self.sessions.insert(*asker, StoredSession::clone(session));
                }
                _ => {}
            }
            if matches!(command, Command::EndSession { .. }) {
                self.sessions.remove(asker);
            }
        }
    }

    fn join(&mut self, asker: i64, user: &chat::User, (topic, since): (Topic, u64)) {
        let known = self.sessions.entry(asker).or_insert_with(|| StoredSession {
            seed: session(asker),
            app: user.app,
            subject: None,
            subscriptions: Vec::new(),
            seen_at: Timestamp(0),
        });
        known.seen_at = Timestamp(self.clock);
        if known.subscriptions.iter().all(|one| one.topic != topic) {
            known.subscriptions.push(StoredSubscription {
                topic,
                user: user.id,
                dialect: "direct".to_owned(),
                since,
            });
        }
    }

    fn check(&self, ranges: &[(u64, u64, u32)]) -> TestCaseResult {
        let last = self.executor.last_g();
        for (place, shown) in &self.shown {
            let all = self.store.log(*place, 0, last, u32::MAX).unwrap();
            prop_assert_eq!(&all, shown, "{:?}", place);
            for (from, to, limit) in ranges {
                let (after, up_to) = (from % (last + 1), to % (last + 2));
                let page = self.store.log(*place, after, up_to, *limit).unwrap();
                let mut due: Vec<_> = shown.iter().map(Arc::clone).collect();
                due.retain(|event| after < event.g && event.g <= up_to);
                due.truncate(*limit as usize);
                prop_assert_eq!(page, due, "{:?} {}..={}", place, after, up_to);
            }
        }
        for id in (0..5).chain(100..=self.next_session) {
            let found = self.store.sessions(&[session(id).pid_hash]).unwrap();
            prop_assert_eq!(found.first(), self.sessions.get(&id), "session {}", id);
        }
        Ok(())
    }
}

pub(super) fn any_history_is_told_again_as_it_was_shown(place: &dyn Place) {
    let batch = prop::collection::vec((1..5_i64, ask()), 1..12);
    let batches = prop::collection::vec(batch, 1..12);
    let ranges = prop::collection::vec((any::<u64>(), any::<u64>(), 0..40_u32), 8);
    let config = ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let tried = TestRunner::new(config).run(&(batches, ranges), |(batches, ranges)| {
        let place = place.another();
        let mut history = History::new(&*place);
        for batch in &batches {
            history.turn(batch);
        }
        history.check(&ranges)
    });
    if let Err(failed) = tried {
        panic!("{failed}");
    }
}
