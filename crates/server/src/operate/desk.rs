//! Carries out an operator's requests.
//!
//! Changes go through the same commands as everybody else's; what only looks asks the store.
//! Must not print, and must not know where a request came from.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
};

use chat::{
    Actor, App, AppId, Asker, Command, Executor, ExternalId, Fault, Identity, Outcome, Proof,
    Queue, Refusal, Reply, Role, Store, Subject, Submission, Timestamp,
    model::{ApiKey, KeyId, Scope, Secret},
    query::Nobody,
    room::Standing,
};
use dialects::timestamp::{read_timestamp, write_timestamp};
use parking_lot::{Condvar, Mutex};
use uuid::{Builder, Uuid};

use super::{Answer, AppLine, Denied, KeyLine, NewApp, NewKey, Request};
use crate::{
    clock::system_time,
    identity::{Directory, key, public, token},
    media,
};

/// The name of the demo app.
pub const DEMO_APP: &str = "demo";
/// Longest name of an app, in characters.
const MAX_NAME_CHARS: usize = 64;
/// Longest message text of a new app, in bytes.
const MAX_TEXT_BYTES: u32 = 64 * 1024;

/// Where an operator's requests are carried out. All calls block.
pub struct Desk {
    store: Arc<dyn Store>,
    /// The data folder.
    data: PathBuf,
    writer: Writer,
    /// To be reloaded after changes, where a server looks at it.
    directory: Option<Arc<Directory>>,
    /// Whether making an app with open identity is refused.
    forbids_open_apps: bool,
}

/// Who decides commands.
enum Writer {
    /// This thread, because nobody else works on the store.
    Here(Box<Mutex<Executor>>),
    /// The server's writer.
    Queue(Arc<Queue>),
}

impl Desk {
    /// A desk over the store of a data folder that nobody else works on.
    pub fn alone(store: Arc<dyn Store>, data: &Path) -> Result<Self, Denied> {
        let seed = key::random_u64().map_err(say)?;
        let executor = Executor::new(Arc::clone(&store), Arc::new(Nobody), seed).map_err(say)?;
        Ok(Self {
            store,
            data: data.to_owned(),
            writer: Writer::Here(Box::new(Mutex::new(executor))),
            directory: None,
            forbids_open_apps: false,
        })
    }

    /// A desk in a running server.
    pub fn in_server(
        store: Arc<dyn Store>,
        data: &Path,
        queue: Arc<Queue>,
        directory: Arc<Directory>,
        forbids_open_apps: bool,
    ) -> Self {
        Self {
            store,
            data: data.to_owned(),
            writer: Writer::Queue(queue),
            directory: Some(directory),
            forbids_open_apps,
        }
    }

    /// Carries out one request.
    pub fn carry_out(&self, request: &Request) -> Answer {
        self.try_to(request)
            .unwrap_or_else(|Denied(why)| Answer::Refused { why })
    }

    fn try_to(&self, request: &Request) -> Result<Answer, Denied> {
        match request {
            Request::CreateApp {
                name,
                identity,
                default,
                public_keys,
            } => self.create_app(name, *identity, *default, public_keys),
            Request::Apps => {
                let apps = self.store.apps().map_err(say)?;
                let apps = apps.iter().map(line_of_app).collect();
                Ok(Answer::Apps { apps })
            }
            Request::CreateKey { app, scope } => self.create_key(app, *scope),
            Request::RevokeKey { key } => self.revoke_key(key),
            Request::Keys { app } => {
                let keys = self.store.keys(self.find_app(app)?.id).map_err(say)?;
                let keys = keys.iter().map(line_of_key).collect();
                Ok(Answer::Keys { keys })
            }
            Request::SignToken {
                app,
                subject,
                role,
                name,
                follower_since,
                subscriber_months,
                ttl,
            } => {
                let app = self.find_app(app)?;
                let role = role.as_deref().map(read_role).transpose()?;
                let follower_since = follower_since.as_deref().map(read_time).transpose()?;
                let subject = Subject {
                    id: ExternalId::text(subject.as_str()),
                    role,
                    name: name.clone(),
                    standing: Standing {
                        follower_since,
                        subscriber_months: *subscriber_months,
                    },
                };
                let token = token::sign(&app, &subject, system_time(), *ttl).map_err(say)?;
                Ok(Answer::Token { token })
            }
            Request::Backup { folder } => self.backup(folder),
        }
    }

    /// The demo app, made if it is not there: open, and the default if there is no other yet.
    /// Nobody is given a key of it; the demo's own works while the demo is on.
    pub fn demo_app(&self) -> Result<AppId, Denied> {
        let apps = self.store.apps().map_err(say)?;
        let default = !apps.iter().any(|app| app.is_default);
        match apps.into_iter().find(|app| app.name == DEMO_APP) {
            Some(app) if app.identity == Identity::Open => return Ok(app.id),
            Some(_) => {
                let words = format!(
                    "there is an app {DEMO_APP:?} that believes no ids, so it cannot be the demo's; \
                     try another folder"
                );
                return Err(Denied(words));
            }
            None => {}
        }
        let app = self.make_app(DEMO_APP, Identity::Open, default, "", Vec::new())?;
        Ok(app.id)
    }

    fn create_app(
        &self,
        name: &str,
        identity: Identity,
        default: bool,
        public_keys: &str,
    ) -> Result<Answer, Denied> {
        let client_key = key::make(Scope::Client).map_err(say)?;
        let server_key = key::make(Scope::Server).map_err(say)?;
        let keys = vec![
            new_key(AppId(0), Scope::Client, &client_key),
            new_key(AppId(0), Scope::Server, &server_key),
        ];
        let app = self.make_app(name, identity, default, public_keys, keys)?;
        Ok(Answer::AppCreated(NewApp {
            id: app.uuid.to_string(),
            name: app.name.clone(),
            client_key: client_key.0,
            server_key: server_key.0,
            secret: app.secret.0.clone(),
        }))
    }

    fn make_app(
        &self,
        name: &str,
        identity: Identity,
        default: bool,
        public_keys: &str,
        keys: Vec<ApiKey>,
    ) -> Result<Arc<App>, Denied> {
        let name = name.trim();
        if name.is_empty()
            || name.chars().count() > MAX_NAME_CHARS
            || name.chars().any(char::is_control)
        {
            let words = format!("the name must have 1 to {MAX_NAME_CHARS} characters on one line");
            return Err(Denied(words));
        }
        if identity == Identity::Open && self.forbids_open_apps {
            return Err(Denied(
                "this server can be reached by others and does not serve apps with open identity; \
                 make the app with --identity verified, or set \
                 identity.allow_open_on_public_address"
                    .to_owned(),
            ));
        }
        if !public_keys.is_empty() {
            public::read(public_keys)
                .map_err(|words| Denied(format!("the public keys {words}")))?;
        }
        let created_at = system_time();
        let app = App {
            id: AppId(0),
            uuid: new_uuid(created_at)?,
            name: name.to_owned(),
            identity,
            is_default: default,
            max_text_bytes: MAX_TEXT_BYTES,
            secret: key::make_secret().map_err(say)?,
            public_keys: public_keys.to_owned(),
            created_at,
        };
        let nobody = Arc::new(app.clone());
        let command = Command::CreateApp {
            app: Box::new(app),
            keys,
        };
        let reply = self.run(nobody, command).map_err(|refused| match refused {
            Refused::By(Refusal::NameTaken) => Denied(format!("there is an app {name:?} already")),
            other => other.into(),
        })?;
        let Reply::AppCreated { app } = reply else {
            return Err(Denied("the server answered something else".to_owned()));
        };
        self.reload()?;
        Ok(app)
    }

    fn create_key(&self, app: &str, scope: Scope) -> Result<Answer, Denied> {
        let app = self.find_app(app)?;
        let text = key::make(scope).map_err(say)?;
        let command = Command::CreateKey {
            key: Box::new(new_key(app.id, scope, &text)),
        };
        let Reply::KeyCreated { key: id } = self.run(Arc::new(app), command)? else {
            return Err(Denied("the server answered something else".to_owned()));
        };
        self.reload()?;
        Ok(Answer::KeyCreated(NewKey {
            id: id.0,
            key: text.0,
            scope,
        }))
    }

    fn revoke_key(&self, named: &str) -> Result<Answer, Denied> {
        let by_text = self.store.key(&key::hash(named)).map_err(say)?;
        let id = match (by_text, named.parse()) {
            (Some(key), _) => key.id,
            (None, Ok(number)) => KeyId(number),
            (None, Err(_)) => {
                let words = "no such key; give its number (see `palaver key list`) or its text";
                return Err(Denied(words.to_owned()));
            }
        };
        let unknown = || Denied(format!("no key has the number {}", id.0));
        let app = self.app_of_key(id)?.ok_or_else(unknown)?;
        self.run(Arc::new(app), Command::RevokeKey { key: id })?;
        self.reload()?;
        Ok(Answer::Done)
    }

    fn backup(&self, folder: &Path) -> Result<Answer, Denied> {
        if !folder.is_absolute() {
            return Err(Denied("the folder must be an absolute path".to_owned()));
        }
        self.store.backup(folder).map_err(say)?;
        media::copy_files(&self.data, folder)
            .map_err(|error| Denied(format!("copying the files of messages: {error}")))?;
        Ok(Answer::Done)
    }

    /// The app whose key this is.
    fn app_of_key(&self, key: KeyId) -> Result<Option<App>, Denied> {
        for app in self.store.apps().map_err(say)? {
            let keys = self.store.keys(app.id).map_err(say)?;
            if keys.iter().any(|found| found.id == key) {
                return Ok(Some(app));
            }
        }
        Ok(None)
    }

    /// An app by its outside id or its name.
    fn find_app(&self, named: &str) -> Result<App, Denied> {
        let apps = self.store.apps().map_err(say)?;
        let uuid = Uuid::parse_str(named).ok();
        apps.into_iter()
            .find(|app| Some(app.uuid) == uuid || app.name == named)
            .ok_or_else(|| Denied(format!("there is no app {named:?}; see `palaver app list`")))
    }

    fn reload(&self) -> Result<(), Denied> {
        match &self.directory {
            Some(directory) => directory.reload().map_err(say),
            None => Ok(()),
        }
    }

    fn run(&self, app: Arc<App>, command: Command) -> Result<Reply, Refused> {
        let actor = Arc::new(Actor {
            app,
            subject: None,
            scope: Scope::Server,
            proof: Proof::default(),
            session: None,
        });
        match &self.writer {
            Writer::Here(executor) => {
                let submission = Submission {
                    actor,
                    command,
                    asker: Arc::new(Waiter::default()),
                };
                let turn = executor
                    .lock()
                    .turn(VecDeque::from([submission]), system_time());
                if let Some(fault) = turn.faults.into_iter().next() {
                    return Err(Refused::Fault(fault));
                }
                match turn.answers.into_iter().next() {
                    Some((_, outcome)) => outcome.result.map_err(Refused::By),
                    None => Err(Refused::By(Refusal::Unavailable)),
                }
            }
            Writer::Queue(queue) => {
                let waiter = Arc::new(Waiter::default());
                queue.submit(Submission {
                    actor,
                    command,
                    asker: Arc::clone(&waiter) as Arc<dyn Asker>,
                });
                waiter.wait().map_err(Refused::By)
            }
        }
    }
}

/// Why a command was not carried out.
enum Refused {
    By(Refusal),
    Fault(Fault),
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::By(refusal) => say(refusal),
            Refused::Fault(fault) => say(fault),
        }
    }
}

/// Lets a thread wait for the server's writer.
#[derive(Default)]
struct Waiter {
    result: Mutex<Option<Result<Reply, Refusal>>>,
    there: Condvar,
}

impl Waiter {
    fn wait(&self) -> Result<Reply, Refusal> {
        let mut result = self.result.lock();
        loop {
            if let Some(result) = result.take() {
                return result;
            }
            self.there.wait(&mut result);
        }
    }

    fn put(&self, result: Result<Reply, Refusal>) {
        *self.result.lock() = Some(result);
        self.there.notify_all();
    }
}

impl Asker for Waiter {
    fn answered(&self, outcome: Outcome) {
        self.put(outcome.result);
    }
    fn wake(&self) {}
    fn lost(&self) {
        self.put(Err(Refusal::Unavailable));
    }
}

fn say(words: impl std::fmt::Display) -> Denied {
    Denied(words.to_string())
}

fn new_key(app: AppId, scope: Scope, text: &Secret) -> ApiKey {
    ApiKey {
        id: KeyId(0),
        app,
        scope,
        hash: key::hash(&text.0),
        prefix: key::prefix(&text.0),
        created_at: system_time(),
        revoked_at: None,
    }
}

/// A version 7 UUID. The writer's own rise strictly; apps need only be different.
fn new_uuid(at: Timestamp) -> Result<Uuid, Denied> {
    let random = key::random_bytes::<10>().map_err(say)?;
    let ms = u64::try_from(at.0).unwrap_or(0);
    Ok(Builder::from_unix_timestamp_millis(ms, &random).into_uuid())
}

fn show_time(at: Timestamp) -> String {
    let mut json = String::new();
    write_timestamp(&mut json, at);
    json.trim_matches('"').to_owned()
}

fn line_of_app(app: &App) -> AppLine {
    AppLine {
        id: app.uuid.to_string(),
        name: app.name.clone(),
        identity: app.identity,
        default: app.is_default,
        created_at: show_time(app.created_at),
    }
}

fn line_of_key(key: &ApiKey) -> KeyLine {
    KeyLine {
        id: key.id.0,
        scope: key.scope,
        prefix: key.prefix.clone(),
        created_at: show_time(key.created_at),
        revoked_at: key.revoked_at.map(show_time),
    }
}

fn read_time(text: &str) -> Result<Timestamp, Denied> {
    let words = || "the time must be like 2026-03-01T12:30:05Z".to_owned();
    read_timestamp(text).ok_or_else(|| Denied(words()))
}

fn read_role(text: &str) -> Result<Role, Denied> {
    match text {
        "customer" => Ok(Role::Customer),
        "vendor" => Ok(Role::Vendor),
        "admin" => Ok(Role::Admin),
        _ => Err(Denied(
            "the role must be customer, vendor or admin".to_owned(),
        )),
    }
}
