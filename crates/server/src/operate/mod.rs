//! What an operator does from the command line: make apps and keys, sign tokens, take backups.
//!
//! [`Request`] and [`Answer`] are the closed list of it. A [`Desk`] carries a request out, inside
//! the running server or, when none runs, inside the command-line program itself; it is the same
//! code. [`Operator`] finds out which of the two it is. [`socket`] is the way between processes.

mod desk;
pub mod socket;

use std::{fmt, path::PathBuf, sync::Arc};

use chat::{Identity, model::Scope};
use serde::{Deserialize, Serialize};

pub use self::desk::{DEMO_APP, Desk};
use crate::stores::{
    OpenError,
    sqlite::{Options, Sqlite},
};

/// What an operator can ask for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Make an app with a client key and a server key.
    CreateApp {
        /// Unique on the server.
        name: String,
        /// Whether ids in payloads are believed.
        identity: Identity,
        /// Whether clients without a key belong to it.
        default: bool,
        /// PEM text or a JWK set; may be empty.
        public_keys: String,
    },
    /// List the apps.
    Apps,
    /// Make another key for an app.
    CreateKey {
        /// The app's id or name.
        app: String,
        /// What it opens.
        scope: Scope,
    },
    /// Make a key stop working.
    RevokeKey {
        /// Its number, or its text.
        key: String,
    },
    /// List the keys of an app.
    Keys {
        /// The app's id or name.
        app: String,
    },
    /// Sign a token with an app's secret.
    SignToken {
        /// The app's id or name.
        app: String,
        /// Whom it speaks for.
        subject: String,
        /// `customer`, `vendor` or `admin`.
        role: Option<String>,
        /// What others are shown.
        name: Option<String>,
        /// Since when it follows the channel (RFC 3339).
        follower_since: Option<String>,
        /// For how many months it has subscribed; 0 for who does not.
        subscriber_months: u32,
        /// Seconds until it expires.
        ttl: u64,
    },
    /// Copy the database while work goes on.
    Backup {
        /// An absolute path, of a folder that is empty or not there.
        folder: PathBuf,
    },
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The app is made; its keys and secret are told this once.
    AppCreated(NewApp),
    /// All apps, oldest first.
    Apps {
        /// One by one.
        apps: Vec<AppLine>,
    },
    /// The key is made; it is told this once.
    KeyCreated(NewKey),
    /// All keys of an app, oldest first.
    Keys {
        /// One by one.
        keys: Vec<KeyLine>,
    },
    /// A token.
    Token {
        /// Its text.
        token: String,
    },
    /// It is done.
    Done,
    /// It is not done.
    Refused {
        /// Why.
        why: String,
    },
}

/// A new app, as scripts read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewApp {
    /// Outside id.
    pub id: String,
    /// Name.
    pub name: String,
    /// For pages.
    pub client_key: String,
    /// For the app's own servers.
    pub server_key: String,
    /// For signing tokens.
    pub secret: String,
}

/// An app in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppLine {
    /// Outside id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Whether ids in payloads are believed.
    pub identity: Identity,
    /// Whether clients without a key belong to it.
    pub default: bool,
    /// RFC 3339.
    pub created_at: String,
}

/// A new key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewKey {
    /// Its number, for revoking it.
    pub id: i64,
    /// Its text.
    pub key: String,
    /// What it opens.
    pub scope: Scope,
}

/// A key in a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyLine {
    /// Its number, for revoking it.
    pub id: i64,
    /// What it opens.
    pub scope: Scope,
    /// Its first characters.
    pub prefix: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub revoked_at: Option<String>,
}

/// Why an operator's request was not carried out.
#[derive(Debug)]
pub struct Denied(pub String);

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Denied {}

/// Whoever carries out an operator's requests for one data folder.
pub enum Operator {
    /// The server that runs on it.
    Running(socket::Client),
    /// This process.
    Own(Box<Desk>),
}

impl Operator {
    /// Asks the server that runs on `data`; opens the store itself if none runs.
    pub fn reach(data: &std::path::Path, options: &Options) -> Result<Self, Denied> {
        if let Some(client) = socket::Client::connect(data)? {
            return Ok(Self::Running(client));
        }
        match Sqlite::open(data, options) {
            Ok(store) => Ok(Self::Own(Box::new(Desk::alone(Arc::new(store), data)?))),
            // A server may have started between the two steps, or be just about to listen.
            Err(held @ OpenError::Held { .. }) => match socket::Client::wait(data)? {
                Some(client) => Ok(Self::Running(client)),
                None => Err(Denied(held.to_string())),
            },
            Err(error) => Err(Denied(error.to_string())),
        }
    }

    /// Has a request carried out. Blocks.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, Denied> {
        let answer = match self {
            Self::Running(client) => client.ask(request)?,
            Self::Own(desk) => desk.carry_out(request),
        };
        match answer {
            Answer::Refused { why } => Err(Denied(why)),
            answer => Ok(answer),
        }
    }
}
