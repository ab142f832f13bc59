//! Who may come in: reads what a CONNECT brings and checks it, before anything is made for it.
//!
//! A refusal is told by CONNECT_ERROR, after which a client does not try again by itself; where a
//! dialect demands a token, by the dialect's own error event behind the answer to CONNECT.

use std::{borrow::Cow, fmt, sync::Arc};

use chat::{
    App, Refusal, SessionId,
    model::{KeyId, Scope},
};
use dialects::Dialect;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Hub, returning::Claim};
use crate::{
    identity::{self, TokenError},
    listen::Peer,
};

/// What a client may bring with a CONNECT. What else it brings is for the page's own use.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Credentials {
    token: Option<String>,
    app_key: Option<String>,
    recovery: Option<bool>,
    /// What `socket.io-client` brings when it comes back.
    pid: Option<String>,
    offset: Option<String>,
}

/// A client that may come in.
pub(super) struct Admitted {
    pub(super) namespace: &'static str,
    /// What it speaks, where the namespace says so.
    pub(super) dialect: Option<&'static dyn Dialect>,
    pub(super) app: Arc<App>,
    /// The key that it brought.
    pub(super) key: Option<KeyId>,
    /// What its token proves.
    pub(super) verified: Option<identity::Verified>,
    /// Whether it gets a recovery id and offsets.
    pub(super) recovery: bool,
    /// The recovery id that it says it has.
    pub(super) pid: Option<String>,
    offset: Option<String>,
}

/// Checks who wants to come in.
pub(super) fn admit(
    hub: &Hub,
    peer: &Peer,
    namespace: &str,
    auth: Option<&serde_json::value::RawValue>,
) -> Result<Admitted, TurnedDown> {
    let spoken = |dialect: &&'static dyn Dialect| {
        let mut namespaces = dialect.namespaces().iter();
        Some((*dialect, *namespaces.find(|spoken| **spoken == namespace)?))
    };
    let Some((dialect, namespace)) = hub.config.dialects.iter().find_map(spoken) else {
        return Err(TurnedDown::Namespace);
    };
    // On the main one the first event says what is spoken.
    let dialect = (namespace != "/").then_some(dialect);
    let credentials: Credentials = match auth {
        None => Credentials::default(),
        Some(auth) => serde_json::from_str(auth.get()).map_err(TurnedDown::Auth)?,
    };
    let query = wire::engineio::Query::new(&peer.raw_query);
    let in_query = |key| query.get(key).map(Cow::into_owned);
    let (app, key) = match credentials.app_key.or_else(|| in_query("appKey")) {
        Some(text) => {
            let (app, key) = hub.directory.by_key(&text).ok_or(TurnedDown::UnknownKey)?;
            if key.scope != Scope::Client {
                return Err(TurnedDown::ServerKey);
            }
            (app, Some(key.id))
        }
        None => (hub.directory.default_app().ok_or(TurnedDown::NoApp)?, None),
    };
    let verified = match dialect.filter(|dialect| dialect.demands_token()) {
        Some(dialect) => {
            let token = credentials.token.as_deref().or(peer.token.as_deref());
            match hub.prove(&app, dialect, namespace, token) {
                Ok(verified) => Some(verified),
                Err(refusal) => {
                    let pid = credentials.pid;
                    let told = Told { refusal, pid };
                    return Err(TurnedDown::Told { dialect, told });
                }
            }
        }
        None => match &credentials.token {
            None => None,
            Some(token) => {
                let verified = identity::verify(&app, token, hub.now());
                Some(verified.map_err(TurnedDown::Token)?)
            }
        },
    };
    let breaks = |agent: &str| {
        let mut prefixes = hub.config.without_recovery.iter();
        prefixes.any(|prefix| agent.starts_with(&**prefix))
    };
    let opted_out = credentials.recovery == Some(false)
        || in_query("recovery").is_some_and(|value| value == "0")
        || peer.user_agent.as_deref().is_some_and(breaks);
    Ok(Admitted {
        namespace,
        dialect,
        app,
        key,
        verified,
        recovery: !opted_out,
        pid: credentials.pid,
        offset: credentials.offset,
    })
}

impl Hub {
    /// Who comes in where a dialect demands a token: the person whom the dialect makes of its subject.
    pub(crate) fn prove(
        &self,
        app: &App,
        dialect: &dyn Dialect,
        namespace: &str,
        token: Option<&str>,
    ) -> Result<identity::Verified, Refusal> {
        let token = token.ok_or(Refusal::TokenRequired)?;
        let mut verified =
            identity::verify(app, token, self.now()).map_err(|error| match error {
                TokenError::Missing => Refusal::TokenRequired,
                other => Refusal::TokenRefused {
                    why: other.to_string(),
                },
            })?;
        dialect.admit(namespace, Some(&verified.subject))?;
        verified.subject.id = dialect.person(&verified.subject);
        Ok(verified)
    }
}

impl Admitted {
    /// It brought neither a token nor a key.
    pub(super) fn is_anonymous(&self) -> bool {
        self.verified.is_none() && self.key.is_none()
    }

    /// What it says about having been here before.
    pub(super) fn claim(&self) -> Option<Claim> {
        let pid = self.pid.as_deref().filter(|_| self.recovery)?;
        Some(Claim {
            app: self.app.id,
            namespace: self.namespace,
            subject: self
                .verified
                .as_ref()
                .map(|verified| verified.subject.clone()),
            pid_hash: hash(pid),
            offset: self.offset.clone(),
        })
    }
}

/// What is kept of a recovery id.
pub(super) fn hash(pid: &str) -> [u8; 32] {
    Sha256::digest(pid.as_bytes()).into()
}

/// The names of a new session.
pub(super) struct Names {
    pub(super) session: SessionId,
    pub(super) sid: String,
    /// Private: whoever has it can go on with the session. Never logged; stored hashed.
    pub(super) pid: String,
}

impl Names {
    pub(super) fn random() -> Result<Self, TurnedDown> {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let mut random = [0; 8 + 15 + 16];
        getrandom::fill(&mut random).map_err(|_| TurnedDown::NoRandomness)?;
        let (id, rest) = random.split_at(8);
        let (sid, pid) = rest.split_at(15);
        let id = id.iter().fold(0, |id, byte| (id << 8) | i64::from(*byte));
        Ok(Self {
            session: SessionId(id & i64::MAX),
            sid: URL_SAFE_NO_PAD.encode(sid),
            pid: URL_SAFE_NO_PAD.encode(pid),
        })
    }
}

/// What a client is told by its dialect.
pub(super) struct Told {
    pub(super) refusal: Refusal,
    /// The recovery id that it brought.
    pub(super) pid: Option<String>,
}

/// Why a client does not come in. CONNECT is answered by CONNECT_ERROR, with the code as `data.code`
/// beside the words, unless its dialect tells it.
pub(super) enum TurnedDown {
    /// Its dialect tells it, by an event between the answer to CONNECT and a DISCONNECT.
    Told {
        dialect: &'static dyn Dialect,
        told: Told,
    },
    /// No dialect is spoken in this namespace.
    Namespace,
    /// `auth` is not of its form.
    Auth(serde_json::Error),
    /// The key that was brought is none, or not any longer.
    UnknownKey,
    /// A key was brought that must stay on the app's own servers.
    ServerKey,
    /// No key was brought, and there is no default app.
    NoApp,
    /// The token is refused.
    Token(identity::TokenError),
    /// Our fault.
    NoRandomness,
}

impl TurnedDown {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Told { told, .. } => told.refusal.code(),
            Self::Namespace => "unknown_namespace",
            Self::Auth(_) => "invalid_auth",
            Self::UnknownKey => "unknown_key",
            Self::ServerKey => "server_key",
            Self::NoApp => "key_required",
            Self::Token(error) => error.code(),
            Self::NoRandomness => "internal",
        }
    }
}

impl fmt::Display for TurnedDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told { told, .. } => told.refusal.fmt(f),
            // The words of the reference server, for which clients may look.
            Self::Namespace => f.write_str("Invalid namespace"),
            Self::Auth(error) => write!(
                f,
                "auth: token and appKey must be strings, recovery a boolean ({error})"
            ),
            Self::UnknownKey => f.write_str("appKey: no such key"),
            Self::ServerKey => f.write_str(
                "appKey: is a server key, which no client should have; use a client key",
            ),
            Self::NoApp => f.write_str("appKey: is needed here"),
            Self::Token(error) => write!(f, "token: {error}"),
            Self::NoRandomness => f.write_str("the server has no random numbers"),
        }
    }
}
