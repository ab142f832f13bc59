//! Who asks. An actor is made once per socket (or REST call) and shared by all its commands.

use std::sync::Arc;

use crate::{
    model::{App, AppId, ExternalId, Identity, KeyId, Scope, SessionId, Timestamp},
    room::Standing,
};

/// What a token says its holder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Buys.
    Customer,
    /// Sells.
    Vendor,
    /// Administers.
    Admin,
}

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The user whom the token speaks for.
    pub id: ExternalId,
    /// The role, where the token names one.
    pub role: Option<Role>,
    /// What to call the user, where the token says so.
    pub name: Option<String>,
    /// What the token says about the user as a viewer of a live stream.
    pub standing: Standing,
}

impl Subject {
    /// Of a token that says no more.
    pub fn new(id: ExternalId, role: Option<Role>) -> Self {
        Self {
            id,
            role,
            name: None,
            standing: Standing::default(),
        }
    }
}

/// Who asks, on behalf of which app.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The app in which everything happens.
    pub app: Arc<App>,
    /// Who a token proved this to be; `None` without a token.
    pub subject: Option<Subject>,
    /// With `Server` the app itself asks: it may act as anybody.
    pub scope: Scope,
    /// What the right to listen hangs on, where a key or token stands in the payload instead of the
    /// handshake: it is looked at again when the client comes back.
    pub proof: Proof,
    /// The session to which subscriptions belong; `None` for REST and the command line.
    pub session: Option<Arc<SessionSeed>>,
}

/// What the right to listen hangs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The key that was brought; it may be revoked.
    pub key: Option<KeyId>,
    /// When the token that was brought ends.
    pub until: Option<Timestamp>,
}

impl Actor {
    /// Whether the app itself asks.
    pub fn is_app(&self) -> bool {
        self.scope == Scope::Server
    }

    /// Whether it brought a key with which it may look as whomever it names, or as nobody in
    /// particular.
    pub fn looks_as_anybody(&self) -> bool {
        let has_client_key = self.proof.key.is_some() && self.app.identity == Identity::Open;
        has_client_key || self.scope == Scope::Server
    }
}

/// What is stored of a session when its first subscription is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSeed {
    /// Its id: random, so that it needs no counter.
    pub id: SessionId,
    /// The app at whose door it came in. What it listens to may belong to another one, where a
    /// dialect names its app in every payload.
    pub app: AppId,
    /// The verified subject that it is bound to, if it came with a token.
    pub subject: Option<String>,
    /// SHA-256 of its private id, which is never stored or logged.
    pub pid_hash: [u8; 32],
    /// Its public id, as in the CONNECT answer.
    pub sid: String,
    /// The Socket.IO namespace, `/` for the main one.
    pub namespace: String,
    /// The barrier when it began.
    pub start_g: u64,
}
