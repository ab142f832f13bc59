//! Clients that come back: sees whether what they missed can be had, and brings what has left
//! memory back from the log. Sessions that only the store knows are the business of `reviving`.
//!
//! There is no second code path for what they missed: it is the same stream from an older place.

use std::sync::Arc;

use chat::{AppId, Fault, G, Subject, Timestamp};

use super::{
    Hub,
    offset::Key,
    session::{Listening, Session},
    topic::Topic,
};
/// Events read from the log at once.
const PAGE: u32 = 512;

/// Who says that it was here before.
pub(super) struct Claim {
    pub(super) app: AppId,
    pub(super) namespace: &'static str,
    /// Whom its token proves.
    pub(super) subject: Option<Subject>,
    /// Of the recovery id.
    pub(super) pid_hash: [u8; 32],
    /// The offset that it reports, if it has seen any.
    pub(super) offset: Option<String>,
}

/// What became of a claim.
pub(super) enum Returning {
    /// The session goes on, after this place.
    Resume(Arc<Session>, Key),
    /// What was missed cannot be had; who it was and what it listened to stays.
    Inherit(Arc<Session>),
    /// No such session, or somebody else's.
    Stranger,
}

impl Hub {
    /// What becomes of a claim if memory can tell. `None` if the store must be asked.
    pub(super) fn recall(&self, claim: &Claim) -> Option<Returning> {
        let session = self
            .sessions
            .lock()
            .by_pid
            .get(&claim.pid_hash)
            .map(Arc::clone)?;
        if !claim.is_of(&session) {
            return Some(Returning::Stranger);
        }
        session.keep_proven(|proof| self.holds(proof));
        let Some(from) = self.position(&session, claim.offset.as_deref()) else {
            return Some(Returning::Inherit(session));
        };
        let places = session.portrait(from).places;
        let is_here =
            |place: &Listening| place.topic.floor() <= from.max(Key::end_of(place.since)).whole();
        let all_here = places.iter().all(is_here);
        all_here.then(|| self.go_on(session, from, &places))
    }

    /// What becomes of a claim whose session is in memory, if there is one. Blocks: may read what
    /// was missed from the store.
    pub(super) fn recover(&self, claim: &Claim) -> Result<Returning, Fault> {
        let known = self
            .sessions
            .lock()
            .by_pid
            .get(&claim.pid_hash)
            .map(Arc::clone);
        let Some(session) = known else {
            return Ok(Returning::Stranger);
        };
        if !claim.is_of(&session) {
            return Ok(Returning::Stranger);
        }
        session.keep_proven(|proof| self.holds(proof));
        let Some(from) = self.position(&session, claim.offset.as_deref()) else {
            return Ok(Returning::Inherit(session));
        };
        let mut budget = Budget {
            events: self.config.replay_events,
            bytes: self.config.replay_bytes,
        };
        let places = session.portrait(from).places;
        for Listening { topic, since, .. } in &places {
            let from = from.max(Key::end_of(*since)).whole();
            if !self.fill(topic, from, &mut budget)? {
                return Ok(Returning::Inherit(session));
            }
        }
        Ok(self.go_on(session, from, &places))
    }

    /// All that was missed is in memory; the session goes on unless that is too old.
    fn go_on(&self, session: Arc<Session>, from: Key, places: &[Listening]) -> Returning {
        let age = i64::try_from(self.config.replay.as_millis()).unwrap_or(i64::MAX);
        let oldest = Timestamp(self.now().0.saturating_sub(age));
        // An event at `from` itself was seen, at least in part, however long ago that was.
        let missed = |place: &Listening| place.topic.first_after(from.g.max(place.since));
        if places
            .iter()
            .filter_map(missed)
            .any(|first| first <= oldest)
        {
            return Returning::Inherit(session);
        }
        Returning::Resume(session, from)
    }

    /// Where a client is: after the last offset that it has seen, else where its session began.
    fn position(&self, session: &Session, offset: Option<&str>) -> Option<Key> {
        match offset {
            Some(offset) => self.epochs.key(offset, self.barrier()),
            None => Some(Key::end_of(session.seed.start_g)),
        }
    }

    /// Brings back what has left memory since `from`, for this client and all others. False if it is
    /// more than a client may miss.
    fn fill(&self, topic: &Arc<Topic>, from: G, budget: &mut Budget) -> Result<bool, Fault> {
        let _one_reads_for_all = topic.filling.lock();
        loop {
            let floor = topic.floor();
            if floor <= from {
                return Ok(true);
            }
            let (mut events, mut after) = (Vec::new(), from);
            loop {
                self.metrics.store_reads.inc();
                let page = self.store.log(topic.place, after, floor, PAGE)?;
                after = page.last().map_or(floor, |last| last.g);
                let is_last = page.len() < PAGE as usize;
                if !page.iter().all(|event| budget.take(event.weight())) {
                    return Ok(false);
                }
                events.extend(page);
                if is_last {
                    break;
                }
            }
            let segments = usize::from(!events.is_empty());
            // Before they can be read: who reads them then is woken by the barrier, or sees it moved.
            if events.last().is_some_and(|last| last.g > self.barrier()) {
                self.ahead.lock().push(Arc::clone(topic));
            }
            if topic.prepend(events, from, floor) {
                self.note_segments(std::iter::once(topic).take(segments));
                return Ok(true);
            }
        }
    }
}

impl Claim {
    fn is_of(&self, session: &Session) -> bool {
        session.belongs_to(self.app, self.namespace, self.subject.as_ref())
    }
}

/// What a client may still have missed.
struct Budget {
    events: usize,
    bytes: usize,
}

impl Budget {
    fn take(&mut self, bytes: usize) -> bool {
        let left = (self.events.checked_sub(1), self.bytes.checked_sub(bytes));
        let (Some(events), Some(bytes)) = left else {
            return false;
        };
        (self.events, self.bytes) = (events, bytes);
        true
    }
}
