//! A server of its own for each test, with apps in it, and a way to see whether something changed.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use chat::{Identity, Store, Timestamp, store::Counters};
use serde_json::{Value, json};
use server::{
    clock::{Clock, system_time},
    config::{self, Sources},
    identity::token,
    operate::{Answer as Operated, Desk, NewApp, Request},
    stores::{Options, Sqlite},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot};

use crate::client::{Answer, Ask, DEADLINE, get, post};

pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) store: Arc<Sqlite>,
    /// Moved ahead by tests of what ends by itself.
    pub(crate) clock: Arc<Clock>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
    folder: TempDir,
}

/// An app and a key for each purpose.
pub(crate) struct App {
    pub(crate) client: String,
    pub(crate) server: String,
    inner: Arc<chat::App>,
}

impl App {
    /// A user key.
    pub(crate) fn user_key(&self, username: &str) -> String {
        self.user_key_for(username, 3_600)
    }

    pub(crate) fn user_key_for(&self, username: &str, ttl: u64) -> String {
        let subject = chat::Subject::new(chat::ExternalId::text(username), None);
        token::sign(&self.inner, &subject, now(), ttl).unwrap()
    }

    /// The token of somebody with a role.
    pub(crate) fn token(&self, role: Option<chat::Role>, id: &str) -> String {
        let id = chat::ExternalId::text(id);
        let subject = chat::Subject::new(id, role);
        token::sign(&self.inner, &subject, now(), 3_600).unwrap()
    }

    /// The token of a viewer of live streams.
    pub(crate) fn viewer(&self, name: &str, standing: chat::room::Standing) -> String {
        let subject = chat::Subject {
            standing,
            ..chat::Subject::new(chat::ExternalId::text(name), None)
        };
        token::sign(&self.inner, &subject, now(), 3_600).unwrap()
    }

    /// A user key that ended a minute ago.
    pub(crate) fn old_user_key(&self, username: &str) -> String {
        let subject = chat::Subject::new(chat::ExternalId::text(username), None);
        let then = Timestamp(now().0 - 120_000);
        token::sign(&self.inner, &subject, then, 60).unwrap()
    }
}

fn now() -> Timestamp {
    system_time()
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With these settings.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        Self::begin(settings, false)
    }

    pub(crate) fn demo() -> Self {
        Self::begin(&[], true)
    }

    fn begin(settings: &[(&str, &str)], with_demo: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut flags = vec![("server.data", data.to_str().unwrap())];
        flags.extend(settings);
        let flags = flags.into_iter().map(|(name, value)| {
            let flag = format!("--set {name}");
            (flag, name.to_owned(), value.to_owned())
        });
        let config = config::load(&Sources {
            flags: flags.collect(),
            ..Sources::default()
        });
        let config = config.unwrap();
        let store = Arc::new(Sqlite::open(&data, &Options::default()).unwrap());
        let desk = || Desk::alone(Arc::clone(&store) as Arc<_>, &data).unwrap();
        let demo = with_demo.then(|| desk().demo_app().unwrap());
        let kept = Arc::clone(&store);
        let clock = Arc::new(Clock::default());
        let time = Arc::clone(&clock);
        let (stop, stopped) = oneshot::channel();
        let (told, address) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap().to_string();
                let ready = move || told.send(address).unwrap();
                let shutdown = async {
                    let _ = stopped.await;
                };
                server::run(config, kept, time, demo, listener, ready, shutdown)
                    .await
                    .unwrap();
            });
        });
        let address = address.recv_timeout(DEADLINE).expect("the server listens");
        Self {
            address,
            store,
            clock,
            stop: Some(stop),
            thread: Some(thread),
            folder,
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Makes an app while the server runs, as an operator does. The first one is the default.
    pub(crate) fn app(&self, name: &str, identity: Identity) -> App {
        let request = Request::CreateApp {
            name: name.to_owned(),
            identity,
            default: self.store.apps().unwrap().is_empty(),
            public_keys: String::new(),
        };
        let mut operator =
            server::operate::Operator::reach(&self.data(), &Options::default()).unwrap();
        let made = operator.ask(&request).unwrap();
        let Operated::AppCreated(NewApp {
            id,
            client_key,
            server_key,
            ..
        }) = made
        else {
            panic!("{made:?}");
        };
        let apps = self.store.apps().unwrap();
        let app = apps.into_iter().find(|app| app.uuid.to_string() == id);
        App {
            client: client_key,
            server: server_key,
            inner: Arc::new(app.unwrap()),
        }
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Answer {
        ask.send(&self.address)
    }

    /// Makes a user and returns its id.
    pub(crate) fn user(&self, key: &str, username: &str) -> String {
        let asked = post("/v1/user").with(key).texts(&[("username", username)]);
        text(&self.ask(&asked).good()["user"]["id"])
    }

    /// Opens the chat of two and returns its id.
    pub(crate) fn chat(&self, key: &str, one: &str, other: &str) -> String {
        let body = json!({ "usernames": [one, other] });
        text(&self.ask(&post("/v1/chat").with(key).json(&body)).good()["id"])
    }

    /// Writes a message and returns its id.
    pub(crate) fn message(&self, key: &str, chat: &str, user: &str, words: &str) -> String {
        let parts = [("chat_id", chat), ("user_id", user), ("text", words)];
        let answer = self.ask(&post("/v1/messages").with(key).texts(&parts));
        text(&answer.good()["id"])
    }

    /// The messages that a user sees, oldest first.
    pub(crate) fn messages(&self, key: &str, chat: &str, user: &str) -> Vec<Value> {
        let path = format!("/v1/messages?chat_id={chat}&user_id={user}");
        let page = self.ask(&get(&path).with(key)).good();
        page["messages"].as_array().unwrap().clone()
    }

    /// What a change would change.
    pub(crate) fn state(&self) -> (Counters, BTreeSet<String>) {
        (self.store.counters().unwrap(), self.files())
    }

    /// The names of all files, whole or not.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let media = self.data().join("media");
        let names = |folder: PathBuf| {
            let entries = fs::read_dir(folder).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
        };
        let mut files: BTreeSet<_> = names(media.clone()).collect();
        assert!(files.remove("incoming"));
        files.extend(names(media.join("incoming")).map(|name| format!("incoming/{name}")));
        files
    }

    /// Waits until the files are these: what is refused is removed in the background.
    #[track_caller]
    pub(crate) fn await_files(&self, expected: &BTreeSet<String>) {
        let deadline = Instant::now() + DEADLINE;
        while self.files() != *expected {
            let files = self.files();
            assert!(
                Instant::now() < deadline,
                "waited for {expected:?}, there are {files:?}"
            );
            thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the server ends well");
        }
    }
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}
