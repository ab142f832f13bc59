//! What the store in memory keeps of sessions.

use std::sync::Arc;

use chat::{G, SessionId, StoredSession, StoredSubscription, Topic, store::Change};

use super::Rows;

impl Rows {
    /// The session of this id.
    pub(crate) fn session(&self, id: i64) -> Option<&StoredSession> {
        self.sessions
            .iter()
            .find(|row| row.seed.id == SessionId(id))
    }

    /// All subscriptions, session by session.
    pub(crate) fn subscriptions(&self) -> Vec<(SessionId, Topic, &str, G)> {
        let of = |row: &'_ StoredSession| {
            let id = row.seed.id;
            let all = row.subscriptions.clone();
            all.into_iter().map(move |one| (id, one.topic, one.since))
        };
        let all = self.sessions.iter().flat_map(of);
        all.map(|(id, topic, since)| (id, topic, "direct", since))
            .collect()
    }

    pub(super) fn apply_to_sessions(&mut self, change: &Change) {
        match change {
            Change::Subscription { .. } => self.subscribe(change),
            Change::SessionBegun(session) => {
                assert!(self.session(session.seed.id.0).is_none(), "it is new");
                self.sessions.push(StoredSession::clone(session));
            }
            Change::Unsubscription { session, topic, .. } => {
                let all = self.sessions.iter_mut();
                for row in all.filter(|row| row.seed.id == *session) {
                    row.subscriptions.retain(|one| one.topic != *topic);
                }
            }
            Change::SessionsSeen { sessions, at } => {
                let all = self.sessions.iter_mut();
                for row in all.filter(|row| sessions.contains(&row.seed.id)) {
                    row.seen_at = row.seen_at.max(*at);
                }
            }
            Change::SessionEnded(id) => self.sessions.retain(|row| row.seed.id != *id),
            _ => {}
        }
    }

    fn subscribe(&mut self, change: &Change) {
        let Change::Subscription {
            session,
            user,
            proof,
            topic,
            dialect,
            spelling,
            since,
            at,
        } = change
        else {
            return;
        };
        if self.session(session.id.0).is_none() {
            self.sessions.push(StoredSession {
                seed: Arc::clone(session),
                subscriptions: Vec::new(),
                seen_at: *at,
            });
        }
        let mut rows = self.sessions.iter_mut();
        let row = rows.find(|row| row.seed.id == session.id).unwrap();
        row.seen_at = row.seen_at.max(*at);
        let mut old = row.subscriptions.iter_mut();
        if let Some(old) = old.find(|old| old.topic == *topic) {
            old.spelling.clone_from(spelling);
        } else {
            row.subscriptions.push(StoredSubscription {
                topic: *topic,
                user: *user,
                proof: *proof,
                dialect: (*dialect).to_owned(),
                spelling: spelling.clone(),
                since: *since,
            });
        }
    }
}
