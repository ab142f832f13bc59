//! The domain's writer on the embedded store: what it decides is what is on disk, whole and with
//! every reference kept.

use std::{path::Path, sync::Arc};

use chat::{
    Actor, App, AppId, Asker, Body, Command, Executor, ExternalId, Identity, KeyId, Outcome, Proof,
    Refusal, Reply, Store, Submission, Timestamp, UserRef,
    model::{ApiKey, Scope},
    query,
};
use parking_lot::Mutex;
use rusqlite::Connection;
use server::stores::{Options, Sqlite};
use tempfile::TempDir;

use crate::world::{World, page, session};

struct Nobody;

impl Asker for Nobody {
    fn answered(&self, _: Outcome) {}
    fn wake(&self) {}
    fn lost(&self) {}
}

/// The writer, started on what a folder holds.
struct Writer {
    store: Arc<Sqlite>,
    executor: Mutex<Executor>,
}

impl Writer {
    fn start(folder: &Path) -> Self {
        let store = Arc::new(Sqlite::open(folder, &Options::default()).unwrap());
        let executor = Executor::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::new(query::Nobody),
            7,
        )
        .unwrap();
        Self {
            store,
            executor: Mutex::new(executor),
        }
    }

    fn all(&self, actor: &Arc<Actor>, commands: Vec<Command>) -> Vec<Result<Reply, Refusal>> {
        let submissions = commands.into_iter().map(|command| Submission {
            actor: Arc::clone(actor),
            command,
            asker: Arc::new(Nobody),
        });
        let now = Timestamp(1_700_000_000_000);
        let turn = self.executor.lock().turn(submissions.collect(), now);
        assert!(turn.faults.is_empty(), "{:?}", turn.faults);
        let answers = turn.answers.into_iter();
        answers.map(|(_, outcome)| outcome.result).collect()
    }

    fn one(&self, actor: &Arc<Actor>, command: Command) -> Reply {
        self.all(actor, vec![command]).remove(0).unwrap()
    }
}

fn actor(app: &Arc<App>, session_id: i64) -> Arc<Actor> {
    Arc::new(Actor {
        app: Arc::clone(app),
        subject: None,
        scope: Scope::Client,
        proof: Proof::default(),
        session: Some(session(session_id)),
    })
}

fn open(user: &str, other: &str) -> Command {
    Command::OpenDirect {
        user: UserRef::Named(ExternalId::text(user)),
        other: UserRef::Named(ExternalId::text(other)),
        metadata: None,
        dialect: Some("direct"),
    }
}

#[test]
fn what_the_writer_decides_is_what_is_on_disk() {
    let place = TempDir::new().unwrap();
    let writer = Writer::start(place.path());
    let draft = World::default().app("shop");
    let operator = actor(&draft, 0);
    let key = ApiKey {
        id: KeyId(0),
        app: AppId(0),
        scope: Scope::Client,
        hash: [1; 32],
        prefix: "pk_".to_owned(),
        created_at: Timestamp(0),
        revoked_at: None,
    };
    let create = Command::CreateApp {
        app: Box::new(App {
            identity: Identity::Open,
            ..App::clone(&draft)
        }),
        keys: vec![key],
    };
    let Reply::AppCreated { app } = writer.one(&operator, create) else {
        panic!("an app was created");
    };
    let mut chats = Vec::new();
    for (number, (user, other)) in [("ann", "bob"), ("bob", "cid"), ("ann", "cid")]
        .into_iter()
        .enumerate()
    {
        let who = actor(&app, 1 + i64::try_from(number).unwrap());
        let Reply::Opened { conversation, .. } = writer.one(&who, open(user, other)) else {
            panic!("a conversation was opened");
        };
        chats.push((who, user, conversation.conversation));
    }
    // The same sends twice, with a restart in between: the second time nothing is made.
    let send_all = |writer: &Writer| -> Vec<bool> {
        let sends = |(_, user, chat): &(Arc<Actor>, &str, Arc<chat::Conversation>)| -> Vec<_> {
            let send = |number: u32| Command::Send {
                to: chat.uuid.into(),
                sender: UserRef::Known((*user).to_owned()),
                body: Body::text(format!("{user} {number}")),
                client_id: Some(number.to_string()),
            };
            (0..100).map(send).collect()
        };
        chats
            .iter()
            .flat_map(|chat| writer.all(&chat.0, sends(chat)))
            .map(|result| match result {
                Ok(Reply::Sent { repeated, .. }) => repeated,
                other => panic!("a message was sent, got {other:?}"),
            })
            .collect()
    };
    assert_eq!(send_all(&writer), [false; 300]);
    drop(writer);
    let writer = Writer::start(place.path());
    assert_eq!(send_all(&writer), [true; 300]);
    let end = Command::EndSession {
        session: session(1).id,
    };
    writer.one(&actor(&app, 1), end);
    for (_, user, chat) in &chats {
        let history = writer
            .store
            .history(chat, u64::MAX, &page(0, 1_000))
            .unwrap();
        let texts: Vec<_> = history
            .iter()
            .map(|view| view.message.body.text.clone())
            .collect();
        let wanted: Vec<_> = (0..100).map(|number| format!("{user} {number}")).collect();
        assert_eq!(texts, wanted);
    }
    drop(writer);

    let database = Connection::open(place.path().join("palaver.db")).unwrap();
    let number = |sql: &str| -> i64 { database.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(number("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    let broken = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'";
    assert_eq!(number(broken), 0);
    assert_eq!(number("SELECT count(*) FROM subscription"), 2);
    // Where each conversation is said to stand is where its messages end.
    let off = "SELECT count(*) FROM conversation AS c WHERE (last_seq, last_g) <>
        (SELECT max(seq), max(g) FROM message AS m WHERE m.conversation = c.id)";
    assert_eq!(number(off), 0);
}
