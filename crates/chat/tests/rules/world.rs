//! An executor over a model store, and people who ask it things.

use std::{collections::HashSet, sync::Arc};

use chat::{
    Actor, App, AppId, Asker, Body, Command, ConversationRef, ConversationView, Effect, Event,
    Executor, ExternalId, Identity, Outcome, Presence, Proof, Query, Refusal, Reply, SessionId,
    SessionSeed, Subject, Submission, Timestamp, Turn, User, UserRef, View,
    command::{BodyPatch, Destination, DetailsPatch, ProductRef, ProfilePatch},
    event::{Passing, Unsubscribe},
    model::{Details, Member, MemberRole, Metadata, Product, Scope, Secret},
    query::{QueryError, Reader, Sources},
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

/// Who is there, by the app's own id.
#[derive(Default)]
pub(crate) struct Present(pub(crate) Mutex<HashSet<String>>);

impl Presence for Present {
    fn is_online(&self, user: &User) -> bool {
        self.is_present(user)
    }
    fn is_present(&self, user: &User) -> bool {
        self.0.lock().contains(&user.external.text)
    }
}

pub(crate) struct World {
    pub(crate) store: Arc<Model>,
    pub(crate) present: Arc<Present>,
    pub(crate) executor: Executor,
    pub(crate) now: i64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(Arc::default())
    }

    /// A writer that starts on what a store holds.
    pub(crate) fn on(store: Arc<Model>) -> Self {
        let present = Arc::new(Present::default());
        let (rows, people) = (Arc::clone(&store) as Arc<_>, Arc::clone(&present) as Arc<_>);
        let executor = Executor::new(rows, people, 42).unwrap();
        Self {
            store,
            present,
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

    /// Makes a group.
    pub(crate) fn group(&mut self, owner: &str, members: &[&str]) -> ConversationView {
        match self.one(&anybody(), group(owner, members)).unwrap() {
            Reply::Opened { conversation, .. } => conversation,
            other => panic!("made a group, got {other:?}"),
        }
    }

    /// Says something; the id of the message.
    pub(crate) fn say(&mut self, conversation: Uuid, who: &str, text: &str) -> Uuid {
        let said = self.one(&anybody(), send(conversation, who, text));
        sent(&said).0.uuid
    }

    /// Is told no, and nothing changes.
    pub(crate) fn refused(&mut self, actor: &Arc<Actor>, command: Command) -> Refusal {
        let (commits, last_g) = (self.store.commits(), self.executor.last_g());
        let refusal = refusal(self.one(actor, command));
        assert_eq!(self.store.commits(), commits, "nothing is stored");
        assert_eq!(self.executor.last_g(), last_g, "nothing is numbered");
        refusal
    }

    /// What a query finds now.
    pub(crate) fn look(&self, actor: &Actor, query: &Query) -> Result<View, Refusal> {
        self.look_after(actor, query, None)
    }

    /// What a query finds after a command.
    pub(crate) fn look_after(
        &self,
        actor: &Actor,
        query: &Query,
        reply: Option<&Reply>,
    ) -> Result<View, Refusal> {
        let sources = Sources {
            store: &*self.store,
            presence: &*self.present,
        };
        let reader = Reader {
            app: actor.app.id,
            users: &[],
            is_believed: actor.app.identity == Identity::Open || actor.scope == Scope::Server,
            is_server: actor.is_app(),
            subject: actor.subject.as_ref().map(|subject| &subject.id),
        };
        match chat::query::run(sources, reader, query, self.executor.last_g(), reply) {
            Ok(view) => Ok(view),
            Err(QueryError::Refused(refusal)) => Err(refusal),
            Err(QueryError::Failed(fault)) => panic!("{fault}"),
        }
    }

    /// A user is there from now on.
    pub(crate) fn comes(&self, user: &str) {
        self.present.0.lock().insert(user.to_owned());
    }

    /// A user, as stored.
    pub(crate) fn user(&self, name: &str) -> Arc<User> {
        let mut users = self.store.rows().users.into_iter();
        users.find(|user| user.external.text == name).unwrap()
    }

    /// A conversation, as stored.
    pub(crate) fn view(&self, uuid: Uuid) -> ConversationView {
        let mut all = self.store.rows().conversations.into_iter();
        all.find(|view| view.conversation.uuid == uuid).unwrap()
    }

    /// Who belongs to a conversation; the owner in capitals, moderators with a star.
    pub(crate) fn members(&self, uuid: Uuid) -> Vec<String> {
        let view = self.view(uuid);
        let name = |member: &Member| match member.role {
            MemberRole::Owner => member.user.external.text.to_uppercase(),
            MemberRole::Moderator => format!("{}*", member.user.external.text),
            MemberRole::Member => member.user.external.text.clone(),
        };
        view.members.iter().map(name).collect()
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
        subject: subject.map(|id| Subject::new(ExternalId::text(id), None)),
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
        alone: false,
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
        to: conversation.into(),
        sender: named(sender),
        body: Body::text(text),
        client_id: None,
    }
}

pub(crate) fn send_as(conversation: Uuid, sender: &str, text: &str, client_id: &str) -> Command {
    Command::Send {
        to: conversation.into(),
        sender: named(sender),
        body: Body::text(text),
        client_id: Some(client_id.to_owned()),
    }
}

/// Says something to somebody.
pub(crate) fn send_to(to: Destination, sender: UserRef, text: &str) -> Command {
    Command::Send {
        to,
        sender,
        body: Body::text(text),
        client_id: None,
    }
}

/// Into the conversation about a product, sold by one to the other.
pub(crate) fn about(product: &str, vendor: &str, customer: &str) -> Destination {
    Destination::Product {
        vendor: named(vendor),
        customer: named(customer),
        product: Box::new(Product {
            id: product.to_owned(),
            name: Some(format!("the {product}")),
            ..Product::default()
        }),
    }
}

/// The conversation about a product.
pub(crate) fn of_product(product: &str, vendor: &str, customer: &str) -> ConversationRef {
    ConversationRef::Product(ProductRef {
        product: product.to_owned(),
        vendor: named(vendor),
        customer: named(customer),
    })
}

pub(crate) fn read_all(conversation: impl Into<ConversationRef>, reader: &str) -> Command {
    Command::MarkAllRead {
        conversation: conversation.into(),
        reader: named(reader),
        tells: false,
    }
}

pub(crate) fn block(user: &str, whom: &str) -> Command {
    Command::Block {
        user: named(user),
        whom: named(whom),
    }
}

pub(crate) fn unblock(user: &str, whom: &str) -> Command {
    Command::Unblock {
        user: named(user),
        whom: named(whom),
    }
}

/// The app's own server, or an operator.
pub(crate) fn server() -> Arc<Actor> {
    Arc::new(Actor {
        app: app(1, Identity::Verified),
        subject: None,
        scope: Scope::Server,
        proof: Proof::default(),
        session: None,
    })
}

pub(crate) fn metadata(json: serde_json::Value) -> Metadata {
    serde_json::from_value(json).unwrap()
}

pub(crate) fn group(owner: &str, members: &[&str]) -> Command {
    Command::CreateGroup {
        owner: named(owner),
        members: members.iter().map(|name| named(name)).collect(),
        details: Details::default(),
    }
}

pub(crate) fn add(conversation: Uuid, user: &str, by: Option<&str>) -> Command {
    Command::AddMember {
        conversation,
        user: named(user),
        by: by.map(named),
    }
}

pub(crate) fn remove(conversation: Uuid, user: &str, by: Option<&str>) -> Command {
    Command::RemoveMember {
        conversation,
        user: named(user),
        by: by.map(named),
    }
}

pub(crate) fn join(conversation: Uuid, by: Option<&str>) -> Command {
    Command::Join {
        conversation: conversation.into(),
        by: by.map(named),
        spelling: None,
        dialect: DIALECT,
    }
}

pub(crate) fn rename(conversation: Uuid, title: &str, by: Option<&str>) -> Command {
    Command::UpdateConversation {
        conversation,
        by: by.map(named),
        patch: DetailsPatch {
            title: Some(title.to_owned()),
            ..DetailsPatch::default()
        },
    }
}

pub(crate) fn drop_conversation(conversation: Uuid, by: Option<&str>) -> Command {
    Command::DeleteConversation {
        conversation,
        by: by.map(named),
    }
}

pub(crate) fn edit(message: Uuid, text: &str, by: Option<&str>) -> Command {
    Command::EditMessage {
        message,
        by: by.map(named),
        patch: BodyPatch {
            text: Some(text.to_owned()),
            ..BodyPatch::default()
        },
    }
}

pub(crate) fn unsend(message: Uuid, by: Option<&str>) -> Command {
    Command::DeleteMessage {
        message,
        within: None,
        by: by.map(named),
    }
}

pub(crate) fn read(message: Uuid, reader: &str) -> Command {
    Command::MarkRead {
        message,
        reader: named(reader),
    }
}

pub(crate) fn typing(conversation: impl Into<ConversationRef>, user: &str) -> Command {
    Command::Typing {
        conversation: conversation.into(),
        user: named(user),
        writes: true,
    }
}

pub(crate) fn call(user: &str, name: &str) -> Command {
    Command::PutUser {
        user: ExternalId::text(user),
        patch: ProfilePatch {
            name: Some(name.to_owned()),
            ..ProfilePatch::default()
        },
    }
}

pub(crate) fn delete_user(user: &str) -> Command {
    Command::DeleteUser {
        user: UserRef::Known(user.to_owned()),
    }
}

pub(crate) fn erase_written(user: &str) -> Command {
    Command::EraseWritten {
        user: UserRef::Known(user.to_owned()),
    }
}

/// The events of a turn.
pub(crate) fn shown(turn: &Turn) -> Vec<Arc<Event>> {
    let event = |effect: &Effect| match effect {
        Effect::Show(event) => Some(Arc::clone(event)),
        _ => None,
    };
    turn.effects.iter().filter_map(event).collect()
}

/// What passes in a turn.
pub(crate) fn passed(turn: &Turn) -> Vec<Passing> {
    let passing = |effect: &Effect| match effect {
        Effect::Pass(passing) => Some(passing.clone()),
        _ => None,
    };
    turn.effects.iter().filter_map(passing).collect()
}

/// The listening that a turn ends.
pub(crate) fn ended(turn: &Turn) -> Vec<Unsubscribe> {
    let end = |effect: &Effect| match effect {
        Effect::Unsubscribe(end) => Some(*end),
        _ => None,
    };
    turn.effects.iter().filter_map(end).collect()
}

/// The message of a reply to a send, and whether it was there before.
pub(crate) fn sent(result: &Result<Reply, Refusal>) -> (&chat::Message, bool) {
    match result {
        Ok(Reply::Sent {
            message, repeated, ..
        }) => (&message.message, *repeated),
        other => panic!("a message was sent, got {other:?}"),
    }
}

/// The conversation that a message began, if it began one.
pub(crate) fn opened(result: &Result<Reply, Refusal>) -> Option<&ConversationView> {
    match result {
        Ok(Reply::Sent { opened, .. }) => opened.as_deref(),
        other => panic!("a message was sent, got {other:?}"),
    }
}

pub(crate) fn refusal(result: Result<Reply, Refusal>) -> Refusal {
    match result {
        Err(refusal) => refusal,
        Ok(reply) => panic!("a refusal was due, got {reply:?}"),
    }
}
