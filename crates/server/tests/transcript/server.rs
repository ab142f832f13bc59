//! A server of a test's own: in a folder that goes with it, on a port of its own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chat::{
    Actor, App, AppId, Command, ExternalId, Identity, Proof, Reply, Role, Store, Subject,
    Timestamp,
    model::{ApiKey, KeyId, Scope, Secret},
    room::Standing,
};
use dialects::timestamp::read_timestamp;
use serde_json::Value;
use server::{
    clock::Clock,
    core::Core,
    hub::{Door, HubConfig},
    identity::{key, token},
    listen::{ListenConfig, Server},
    media::{MediaConfig, MediaStore},
    metrics::Metrics,
    stores::sqlite::{Options, Sqlite},
};
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot, task::JoinHandle};

use super::{
    http::{self, Request},
    in_process,
    pattern::Credentials,
    player::{Connection, Player},
    polling,
    script::AppLine,
    websocket,
};

/// How clients reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Straight into the hub, without a listener.
    InProcess,
    WebSocket,
    Polling,
}

/// A running server with some apps.
pub(crate) struct Palaver {
    way: Way,
    apps: Vec<TestApp>,
    clock: Arc<Clock>,
    running: Option<Running>,
    // After what uses them.
    folder: tempfile::TempDir,
    runtime: Runtime,
}

/// An app with its public key and its server key.
struct TestApp {
    app: Arc<App>,
    key: String,
    server_key: String,
}

struct Running {
    core: Core,
    listening: Option<Listening>,
}

struct Listening {
    address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Palaver {
    /// Starts a server with these apps. The first is the default one, and is `identity`; of the
    /// others each is what its line says first.
    pub(crate) fn start(way: Way, apps: &[AppLine], identity: Identity) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut palaver = Self {
            way,
            apps: Vec::new(),
            clock: Arc::default(),
            running: None,
            folder: tempfile::tempdir().unwrap(),
            runtime,
        };
        palaver.run();
        for (place, line) in apps.iter().enumerate() {
            let identity = if place == 0 {
                identity
            } else {
                line.identities[0]
            };
            palaver.create_app(&line.name, identity, place == 0);
        }
        palaver
    }

    fn run(&mut self) {
        let store = Sqlite::open(self.folder.path(), &Options::default()).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let metrics = Metrics::new();
        self.running = Some(self.runtime.block_on(async {
            let media = MediaConfig {
                max_bytes: 1 << 20,
                free_space_floor: 0,
            };
            let media = MediaStore::open(self.folder.path(), media).unwrap();
            let config = HubConfig {
                media: Some(Arc::new(media)),
                clock: Arc::clone(&self.clock),
                ..HubConfig::default()
            };
            let core = Core::start(store, config, metrics).unwrap();
            let listening = match self.way {
                Way::InProcess => None,
                Way::WebSocket | Way::Polling => Some(listen(&core).await),
            };
            Running { core, listening }
        }));
    }

    fn stop(&mut self) {
        let Some(Running { core, listening }) = self.running.take() else {
            return;
        };
        self.runtime.block_on(async {
            if let Some(listening) = listening {
                let _ = listening.shutdown.send(());
                listening.ended.await.unwrap();
            }
            core.stop().await;
        });
    }

    fn running(&self) -> Result<&Running, String> {
        self.running
            .as_ref()
            .ok_or_else(|| "no server runs".to_owned())
    }

    fn create_app(&mut self, name: &str, identity: Identity, is_default: bool) {
        let app = App {
            id: AppId(0),
            uuid: uuid::Uuid::from_u128(self.apps.len() as u128 + 1),
            name: name.to_owned(),
            identity,
            is_default,
            max_text_bytes: 65_536,
            secret: Secret(format!("{name}: a secret of more than 32 bytes, for HS256")),
            public_keys: String::new(),
            created_at: Timestamp(0),
        };
        let key = format!("public-key-of-{name}");
        let server_key = format!("server-key-of-{name}");
        let keys = vec![
            api_key(Scope::Client, &key),
            api_key(Scope::Server, &server_key),
        ];
        let actor = Arc::new(Actor {
            app: Arc::new(app.clone()),
            subject: None,
            scope: Scope::Server,
            proof: Proof::default(),
            session: None,
        });
        let command = Command::CreateApp {
            app: Box::new(app),
            keys,
        };
        let core = &self.running().unwrap().core;
        let reply = self
            .runtime
            .block_on(core.queue.run(actor, command))
            .unwrap();
        let Reply::AppCreated { app } = reply else {
            panic!("{reply:?}");
        };
        core.directory.reload().unwrap();
        self.apps.push(TestApp {
            app,
            key,
            server_key,
        });
    }

    fn app(&self, name: Option<&str>) -> Result<&TestApp, String> {
        let wanted = |app: &&TestApp| name.is_none_or(|name| app.app.name == name);
        self.apps
            .iter()
            .find(wanted)
            .ok_or_else(|| format!("there is no app {name:?}"))
    }
}

impl Drop for Palaver {
    fn drop(&mut self) {
        self.stop();
    }
}

fn api_key(scope: Scope, text: &str) -> ApiKey {
    ApiKey {
        id: KeyId(0),
        app: AppId(0),
        scope,
        hash: key::hash(text),
        prefix: key::prefix(text),
        created_at: Timestamp(0),
        revoked_at: None,
    }
}

async fn listen(core: &Core) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server {
        config: ListenConfig {
            // Clients that are dropped at a restart never come to hear of it.
            shutdown_timeout: Duration::from_millis(200),
            ..ListenConfig::default()
        },
        tls: None,
        router: axum::Router::new(),
        accept: Arc::new(Door(Arc::clone(&core.hub))),
        metrics: Arc::default(),
    };
    let (shutdown, stopped) = oneshot::channel();
    let ended = tokio::spawn(server.serve(listener, async {
        let _ = stopped.await;
    }));
    Listening {
        address,
        shutdown,
        ended,
    }
}

impl Credentials for Palaver {
    fn key(&self, app: &str) -> Result<String, String> {
        Ok(self.app(Some(app))?.key.clone())
    }

    fn token(&self, subject: &Value, app: Option<&str>, aging: bool) -> Result<String, String> {
        // Tokens are good for 5 s more than they say.
        const AGING: (i64, u64) = (-10_000, 9);
        const FRESH: (i64, u64) = (0, 3_600);
        let id = match subject {
            Value::Object(fields) => &fields["id"],
            id => id,
        };
        let (number, text) = match id {
            Value::String(text) => (false, text.clone()),
            other => (true, other.to_string()),
        };
        let role = match subject["role"].as_str() {
            None => None,
            Some("customer") => Some(Role::Customer),
            Some("vendor") => Some(Role::Vendor),
            Some("admin") => Some(Role::Admin),
            Some(other) => return Err(format!("{other} is no role")),
        };
        let since = subject["follower_since"].as_str();
        let standing = Standing {
            follower_since: since.and_then(read_timestamp),
            subscriber_months: subject["subscriber_months"].as_u64().unwrap_or(0) as u32,
        };
        let subject = Subject {
            id: ExternalId { text, number },
            role,
            name: subject["name"].as_str().map(str::to_owned),
            standing,
        };
        let (since, ttl) = if aging { AGING } else { FRESH };
        let now = Timestamp(self.clock.now().0 + since);
        token::sign(&self.app(app)?.app, &subject, now, ttl).map_err(|error| error.to_string())
    }

    fn user_key(&self, subject: Option<&Value>) -> Result<String, String> {
        let app = self.app(None)?;
        match (app.app.identity, subject) {
            (Identity::Verified, Some(subject)) | (_, Some(subject @ Value::Object(_))) => {
                self.token(subject, None, false)
            }
            _ => Ok(app.key.clone()),
        }
    }

    fn server_key(&self) -> Result<String, String> {
        Ok(self.app(None)?.server_key.clone())
    }
}

impl Player for Palaver {
    fn request(&mut self, request: &Request) -> Result<(u16, Value), String> {
        let core = &self.running()?.core;
        self.runtime.block_on(http::ask(core, request))
    }

    fn open(&mut self, query: &[(String, String)]) -> Result<Box<dyn Connection>, String> {
        let mut keys = String::new();
        for (key, value) in query {
            keys.extend(["&", key, "=", value]);
        }
        let running = self.running()?;
        match (&running.listening, self.way) {
            (Some(listening), Way::WebSocket) => websocket::open(listening.address, &keys),
            (Some(listening), _) => polling::open(listening.address, &keys),
            (None, _) => in_process::open(&running.core, self.runtime.handle(), &keys),
        }
    }

    fn restart(&mut self) -> Result<(), String> {
        self.stop();
        self.run();
        Ok(())
    }

    fn advance(&mut self, by: Duration) -> Result<(), String> {
        self.clock.advance(by);
        let core = &self.running()?.core;
        self.runtime.block_on(core.end_due());
        Ok(())
    }
}
