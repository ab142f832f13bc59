//! What is kept of a session beyond its connection, and how changes move it.
//!
//! Must not know transports or recovery ids in the clear. Next: `decide` for the rules of carrying
//! on from a session, `store` for the changes.

use std::sync::Arc;

use crate::{
    actor::{Proof, SessionSeed},
    event::Topic,
    model::{G, SessionId, Timestamp, UserId},
    store::Change,
};

/// A session as stored: who it is and what it listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// Its names, and where it began.
    pub seed: Arc<SessionSeed>,
    /// What it listens to, oldest first.
    pub subscriptions: Vec<StoredSubscription>,
    /// When it was last known to be live.
    pub seen_at: Timestamp,
}

/// One thing that a session listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSubscription {
    /// To what.
    pub topic: Topic,
    /// The user as whom it listens, if that is known.
    pub user: Option<UserId>,
    /// What its right to listen hangs on.
    pub proof: Proof,
    /// Through which dialect, by its name.
    pub dialect: String,
    /// What the session calls it, where it says so.
    pub spelling: Option<Arc<str>>,
    /// It is shown what has a higher G.
    pub since: G,
}

impl StoredSession {
    /// The dialect that the session speaks; `None` when it listens to nothing.
    pub fn dialect(&self) -> Option<&str> {
        self.subscriptions
            .first()
            .map(|subscription| &*subscription.dialect)
    }

    /// The users as whom it listens, in order of first sight.
    pub fn identities(&self) -> Vec<UserId> {
        let mut users = Vec::new();
        for subscription in &self.subscriptions {
            users.extend(subscription.user.filter(|user| !users.contains(user)));
        }
        users
    }

    fn see(&mut self, at: Timestamp) {
        self.seen_at = self.seen_at.max(at);
    }

    fn subscribe(&mut self, new: StoredSubscription) {
        let is_same = |old: &&mut StoredSubscription| {
            (old.topic, old.dialect.as_str()) == (new.topic, new.dialect.as_str())
        };
        match self.subscriptions.iter_mut().find(is_same) {
            Some(old) => {
                if old.user == new.user {
                    old.proof = new.proof;
                }
                old.spelling = new.spelling;
            }
            None => self.subscriptions.push(new),
        }
    }
}

/// The sessions that a change is about.
pub(crate) fn sessions_of(change: &Change) -> &[SessionId] {
    match change {
        Change::Subscription { session, .. } => std::slice::from_ref(&session.id),
        Change::SessionBegun(session) => std::slice::from_ref(&session.seed.id),
        Change::Unsubscription { session, .. } | Change::SessionEnded(session) => {
            std::slice::from_ref(session)
        }
        Change::SessionsSeen { sessions, .. } => sessions,
        _ => &[],
    }
}

/// What a change that is about a session makes of it.
pub fn apply(state: &mut Option<Arc<StoredSession>>, change: &Change) {
    match (change, state.as_mut().map(Arc::make_mut)) {
        (
            Change::Subscription {
                session,
                user,
                proof,
                topic,
                dialect,
                spelling,
                since,
                at,
            },
            known,
        ) => {
            let subscription = StoredSubscription {
                topic: *topic,
                user: *user,
                proof: *proof,
                dialect: (*dialect).to_owned(),
                spelling: spelling.clone(),
                since: *since,
            };
            if let Some(known) = known {
                known.see(*at);
                known.subscribe(subscription);
            } else {
                *state = Some(Arc::new(StoredSession {
                    seed: Arc::clone(session),
                    subscriptions: vec![subscription],
                    seen_at: *at,
                }));
            }
        }
        (Change::SessionBegun(session), _) => *state = Some(Arc::clone(session)),
        (Change::Unsubscription { topic, dialect, .. }, Some(known)) => {
            let is_other =
                |old: &StoredSubscription| old.topic != *topic || old.dialect != *dialect;
            known.subscriptions.retain(is_other);
        }
        (Change::SessionsSeen { at, .. }, Some(known)) => known.see(*at),
        (Change::SessionEnded(_), _) => *state = None,
        // What is not stored cannot be left or seen; all else is about no session.
        _ => {}
    }
}
