//! An executor over a model store, and people who ask it things.

use std::sync::Arc;

use chat::{
    Actor, App, AppId, Asker, Body, Command, ConversationView, Executor, ExternalId, Identity,
    Outcome, Proof, Refusal, Reply, SessionId, SessionSeed, Subject, Submission, Timestamp, Turn,
    UserRef,
    model::{Scope, Secret},
};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::model::Model;

pub(crate) const DIALECT: &str = "direct";

/// Hears what becomes of its commands.
#[derive(Default)]
pub(crate) struct Ear {
    pub(crate) outcomes: Mutex<Vec<Outcome>>,
    pub(crate) lost: Mutex<usize>,
    pub(crate) woken: Mutex<usize>,
}

impl Asker for Ear {
    fn answered(&self, outcome: Outcome) {
        self.outcomes.lock().push(outcome);
    }
    fn wake(&self) {
        *self.woken.lock() += 1;
    }
    fn lost(&self) {
        *self.lost.lock() += 1;
    }
}

pub(crate) struct World {
    pub(crate) store: Arc<Model>,
    pub(crate) executor: Executor,
    pub(crate) now: i64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(Arc::default())
    }

    /// A writer that starts on what a store holds.
    pub(crate) fn on(store: Arc<Model>) -> Self {
        let executor = Executor::new(Arc::clone(&store) as Arc<_>, 42).unwrap();
        Self {
            store,
            executor,
            now: 1_700_000_000_000,
        }
    }

    /// Forgets what the writer knew.
    pub(crate) fn restart(self) -> Self {
        Self {
            now: self.now,
            ..Self::on(self.store)
        }
    }

    /// Runs commands in one batch.
    pub(crate) fn turn(&mut self, commands: Vec<(Arc<Actor>, Command)>) -> Turn {
        let submissions = commands.into_iter().map(|(actor, command)| Submission {
            actor,
            command,
            asker: Arc::new(Ear::default()),
        });
        self.now += 1;
        self.executor
            .turn(submissions.collect(), Timestamp(self.now))
    }

    /// Runs commands in one batch; their results, in order.
    pub(crate) fn all(
        &mut self,
        commands: Vec<(Arc<Actor>, Command)>,
    ) -> Vec<Result<Reply, Refusal>> {
        let turn = self.turn(commands);
        assert!(turn.faults.is_empty(), "{:?}", turn.faults);
        turn.answers
            .into_iter()
            .map(|(_, outcome)| outcome.result)
            .collect()
    }

    /// Runs one command in a batch of its own.
    pub(crate) fn one(&mut self, actor: &Arc<Actor>, command: Command) -> Result<Reply, Refusal> {
        self.all(vec![(Arc::clone(actor), command)]).remove(0)
    }

    pub(crate) fn open(&mut self, actor: &Arc<Actor>, user: &str, other: &str) -> ConversationView {
        match self.one(actor, open(user, other)).unwrap() {
            Reply::Opened { conversation, .. } => conversation,
            other => panic!("opened a conversation, got {other:?}"),
        }
    }
}

pub(crate) fn app(id: i64, identity: Identity) -> Arc<App> {
    Arc::new(App {
        id: AppId(id),
        uuid: Uuid::from_u128(id.unsigned_abs().into()),
        name: format!("app {id}"),
        identity,
        is_default: false,
        max_text_bytes: 100,
        secret: Secret(String::new()),
        public_keys: String::new(),
        created_at: Timestamp(0),
    })
}

/// Someone at a socket of an app where ids are believed.
pub(crate) fn anybody() -> Arc<Actor> {
    somebody(1, Some(1))
}

pub(crate) fn somebody(app_id: i64, session: Option<i64>) -> Arc<Actor> {
    let seed = |id| {
        Arc::new(SessionSeed {
            app: AppId(app_id),
            ..SessionSeed::clone(&seed(id))
        })
    };
    Arc::new(Actor {
        app: app(app_id, Identity::Open),
        subject: None,
        scope: Scope::Client,
        proof: Proof::default(),
        session: session.map(seed),
    })
}

/// Someone at a socket of an app where a token must say who acts.
pub(crate) fn verified(subject: Option<&str>) -> Arc<Actor> {
    Arc::new(Actor {
        app: app(1, Identity::Verified),
        subject: subject.map(|id| Subject {
            id: ExternalId::text(id),
            role: None,
        }),
        scope: Scope::Client,
        proof: Proof::default(),
        session: Some(Arc::new(SessionSeed {
            subject: subject.map(str::to_owned),
            ..SessionSeed::clone(&seed(1))
        })),
    })
}

pub(crate) fn seed(id: i64) -> Arc<SessionSeed> {
    Arc::new(SessionSeed {
        id: SessionId(id),
        app: AppId(1),
        subject: None,
        pid_hash: [0; 32],
        sid: String::new(),
        namespace: "/".to_owned(),
        start_g: 0,
    })
}

pub(crate) fn register(user: &str) -> Command {
    Command::Register {
        user: named(user),
        dialect: DIALECT,
    }
}

pub(crate) fn named(user: &str) -> UserRef {
    UserRef::Named(ExternalId::text(user))
}

pub(crate) fn open(user: &str, other: &str) -> Command {
    Command::OpenDirect {
        user: named(user),
        other: named(other),
        metadata: None,
        dialect: Some(DIALECT),
    }
}

pub(crate) fn send(conversation: Uuid, sender: &str, text: &str) -> Command {
    Command::Send {
        conversation,
        sender: named(sender),
        body: Body::text(text),
        client_id: None,
    }
}

pub(crate) fn send_as(conversation: Uuid, sender: &str, text: &str, client_id: &str) -> Command {
    Command::Send {
        conversation,
        sender: named(sender),
        body: Body::text(text),
        client_id: Some(client_id.to_owned()),
    }
}

/// The message of a reply to a send, and whether it was there before.
pub(crate) fn sent(result: &Result<Reply, Refusal>) -> (&chat::Message, bool) {
    match result {
        Ok(Reply::Sent { message, repeated }) => (&message.message, *repeated),
        other => panic!("a message was sent, got {other:?}"),
    }
}

pub(crate) fn refusal(result: Result<Reply, Refusal>) -> Refusal {
    match result {
        Err(refusal) => refusal,
        Ok(reply) => panic!("a refusal was due, got {reply:?}"),
    }
}
