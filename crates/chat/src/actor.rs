//! Who asks. An actor is made once per socket (or REST call) and shared by all its commands.

use std::sync::Arc;

use crate::model::{App, ExternalId, SessionId};

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
}

/// Who asks, on behalf of which app.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The app in which everything happens.
    pub app: Arc<App>,
    /// Who a token proved this to be; `None` without a token.
    pub subject: Option<Subject>,
    /// The session to which subscriptions belong; `None` for REST and the command line.
    pub session: Option<Arc<SessionSeed>>,
}

/// What is stored of a session when its first subscription is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSeed {
    /// Its id: random, so that it needs no counter.
    pub id: SessionId,
    /// SHA-256 of its private id, which is never stored or logged.
    pub pid_hash: [u8; 32],
    /// Its public id, as in the CONNECT answer.
    pub sid: String,
    /// The Socket.IO namespace, `/` for the main one.
    pub namespace: String,
    /// The barrier when it began.
    pub start_g: u64,
}
