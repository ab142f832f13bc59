//! What is kept of a session beyond its connection, and how changes move it.
//!
//! Must not know transports or recovery ids in the clear. Next: `decide` for the rules of carrying
//! on from a session, `store` for the changes.

use std::sync::Arc;

use crate::{
    actor::SessionSeed,
    event::Topic,
    model::{AppId, G, SessionId, Timestamp, UserId},
    store::Change,
};

/// A session as stored: who it is, and what it listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSession {
    /// Its names, and where it began.
    pub seed: Arc<SessionSeed>,
    /// Its app.
    pub app: AppId,
    /// The verified subject it is bound to, if any.
    pub subject: Option<String>,
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
    /// The user as whom it listens.
    pub user: UserId,
    /// Through which dialect, by its name.
    pub dialect: String,
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
            if !users.contains(&subscription.user) {
                users.push(subscription.user);
            }
        }
        users
    }

    fn see(&mut self, at: Timestamp) {
        self.seen_at = self.seen_at.max(at);
    }

    fn subscribe(&mut self, new: StoredSubscription) {
        let same = |old: &StoredSubscription| {
            (old.topic, old.dialect.as_str()) == (new.topic, new.dialect.as_str())
        };
        if !self.subscriptions.iter().any(same) {
            self.subscriptions.push(new);
        }
    }
}

/// The sessions that a change is about.
pub(crate) fn sessions_of(change: &Change) -> &[SessionId] {
    match change {
        Change::Subscription { session, .. } => std::slice::from_ref(&session.id),
        Change::SessionBegun(session) => std::slice::from_ref(&session.seed.id),
        Change::SessionEnded(session) => std::slice::from_ref(session),
        Change::SessionsSeen { sessions, .. } => sessions,
        Change::User(_)
        | Change::Conversation(_)
        | Change::Message(_)
        | Change::App(_)
        | Change::Key(_)
        | Change::KeyRevoked(..) => &[],
    }
}

/// What a change that is about a session makes of it.
pub fn apply(state: &mut Option<Arc<StoredSession>>, change: &Change) {
    match (change, state.as_mut().map(Arc::make_mut)) {
        (
            Change::Subscription {
                session,
                app,
                user,
                subject,
                topic,
                dialect,
                since,
                at,
            },
            known,
        ) => {
            let subscription = StoredSubscription {
                topic: *topic,
                user: *user,
                dialect: (*dialect).to_owned(),
                since: *since,
            };
            if let Some(known) = known {
                known.see(*at);
                known.subscribe(subscription);
            } else {
                *state = Some(Arc::new(StoredSession {
                    seed: Arc::clone(session),
                    app: *app,
                    subject: subject.clone(),
                    subscriptions: vec![subscription],
                    seen_at: *at,
                }));
            }
        }
        (Change::SessionBegun(session), _) => *state = Some(Arc::clone(session)),
        (Change::SessionsSeen { at, .. }, Some(known)) => known.see(*at),
        (Change::SessionEnded(_), _) => *state = None,
        // What is not stored cannot be seen; all else is about no session.
        _ => {}
    }
}
