//! Rules about sessions: who may go on with one, and when it is forgotten.

use std::sync::Arc;

use super::Draft;
use crate::{
    actor::Proof,
    command::Reply,
    event::Effect,
    facts::Halt,
    model::{SessionId, Timestamp},
    refusal::Refusal,
    session::{StoredSession, StoredSubscription},
    store::Change,
};

/// Sessions forgotten in one step: about a millisecond of the writer's time.
const FORGET_STEP: u32 = 200;

impl Draft<'_> {
    pub(super) fn inherit_session(&mut self, from: SessionId) -> Result<Reply, Halt> {
        let earlier = self.session_of_asker(from)?;
        let own = self.actor.session.as_ref().ok_or(Refusal::UnknownSession)?;
        let mut standing = Vec::new();
        for subscription in &earlier.subscriptions {
            if self.facts.still_stands(subscription) && self.holds(&subscription.proof)? {
                standing.push(subscription);
            }
        }
        let subscriptions = standing.into_iter().map(|subscription| StoredSubscription {
            // Each has its own, as if it had been joined again: so their order stays.
            since: self.mint.g(),
            ..subscription.clone()
        });
        let subscriptions = subscriptions.collect();
        let session = Arc::new(StoredSession {
            seed: Arc::clone(own),
            subscriptions,
            seen_at: self.now,
        });
        self.changes
            .push(Change::SessionBegun(Arc::clone(&session)));
        self.effects.push(Effect::Attach(Arc::clone(&session)));
        Ok(Reply::Inherited { session })
    }

    /// Whether what a right to listen hangs on still holds.
    fn holds(&self, proof: &Proof) -> Result<bool, Halt> {
        let works = match proof.key {
            Some(key) => {
                let key = self.facts.key(key)?;
                key.is_some_and(|key| key.revoked_at.is_none())
            }
            None => true,
        };
        Ok(works && proof.until.is_none_or(|until| self.now < until))
    }

    /// A stored session, if whoever asks is what it is bound to.
    fn session_of_asker(&self, id: SessionId) -> Result<Arc<StoredSession>, Halt> {
        let known = self.facts.session(id)?.ok_or(Refusal::UnknownSession)?;
        let is_bound_so = self.actor.session.as_ref().is_some_and(|own| {
            own.app == known.seed.app
                && own.subject == known.seed.subject
                && own.namespace == known.seed.namespace
        });
        if is_bound_so {
            Ok(Arc::clone(known))
        } else {
            Err(Refusal::UnknownSession.into())
        }
    }

    pub(super) fn see_sessions(&mut self, sessions: &[SessionId]) -> Reply {
        let (sessions, at) = (sessions.to_vec(), self.now);
        self.changes.push(Change::SessionsSeen { sessions, at });
        Reply::Done
    }

    pub(super) fn forget_sessions(&mut self, before: Timestamp) -> Result<Reply, Halt> {
        let old = self.facts.sessions_seen_before(before, FORGET_STEP)?;
        let more = old.len() >= FORGET_STEP as usize;
        let gone = old
            .iter()
            .filter(|id| self.facts.is_still_older(**id, before));
        self.changes
            .extend(gone.map(|id| Change::SessionEnded(*id)));
        Ok(Reply::Forgotten { more })
    }
}
