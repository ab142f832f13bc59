//! Clients that come back while memory does not know them, or not all that they missed: after a
//! restart all of them at once.
//!
//! Whoever waits is looked up together, by one read. So a crowd costs the store a read every now and
//! then, not one for each client, and takes a few threads, not hundreds.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chat::{Fault, StoredSession};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, oneshot},
    time,
};

use super::{
    Hub,
    returning::{Claim, Returning},
    session::Session,
};
use crate::listen::Handle;

/// Between two lookups, so that a crowd gathers. Whoever comes alone does not wait.
const PAUSE: Duration = Duration::from_millis(20);
/// Sessions looked up by one read.
const TOGETHER: usize = 1_000;
/// Groups that are looked up at the same time: what some of them missed may take long to read.
const AT_ONCE: usize = 4;

/// Those who wait to be looked up. There is one for each connection at most, for a connection is
/// not read while it waits.
pub(super) struct Lookups {
    waiting: Mutex<Waiting>,
    turns: Arc<Semaphore>,
}

#[derive(Default)]
struct Waiting {
    line: Vec<Waiter>,
    /// Whether a task takes them from here.
    is_served: bool,
}

struct Waiter {
    claim: Claim,
    answer: oneshot::Sender<Returning>,
    handle: Handle,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Hub {
    /// Asks the store about a claim. The connection is woken when there is an answer; the channel
    /// closes without one if the store cannot be read.
    pub(super) fn look_up(
        self: &Arc<Self>,
        claim: Claim,
        handle: Handle,
    ) -> oneshot::Receiver<Returning> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.lookups.waiting.lock();
        waiting.line.push(Waiter {
            claim,
            answer: sender,
            handle,
        });
        if !mem::replace(&mut waiting.is_served, true) {
            tokio::spawn(serve(Arc::clone(self)));
        }
        answer
    }

    /// Looks up a group of those who wait. Blocks.
    fn answer_all(&self, mut group: Vec<Waiter>) {
        // Some have gone away meanwhile.
        group.retain(|waiter| !waiter.answer.is_closed());
        let revived = self.revive(&group);
        for Waiter {
            claim,
            answer,
            handle,
        } in group
        {
            let returning = revived.clone().and_then(|()| {
                let returning = self.recover(&claim);
                returning.map_err(|fault| report(&fault))
            });
            match returning {
                Ok(returning) => drop(answer.send(returning)),
                Err(Reported) => drop(answer),
            }
            handle.wake();
        }
    }

    /// Brings back those sessions of a group that only the store knows, or knows better.
    fn revive(&self, group: &[Waiter]) -> Result<(), Reported> {
        let mut unknown: HashSet<_> = group.iter().map(|waiter| waiter.claim.pid_hash).collect();
        {
            let sessions = self.sessions.lock();
            let is_unsure = |session: &Arc<Session>| session.is_doubtful();
            unknown.retain(|pid_hash| sessions.by_pid.get(pid_hash).is_none_or(is_unsure));
        }
        let unknown: Vec<_> = unknown.into_iter().collect();
        for hashes in unknown.chunks(TOGETHER) {
            self.metrics.store_reads.inc();
            let found = self.store.sessions(hashes);
            for stored in found.map_err(|fault| report(&fault))? {
                self.revive_one(stored);
            }
            let sessions = self.sessions.lock();
            let known = hashes.iter().filter_map(|hash| sessions.by_pid.get(hash));
            known.for_each(|session| session.trust());
        }
        Ok(())
    }

    fn revive_one(&self, stored: StoredSession) {
        let users = stored.identities();
        let pid_hash = stored.seed.pid_hash;
        // One that is in doubt is in memory already.
        let known = self.sessions.lock().by_pid.get(&pid_hash).map(Arc::clone);
        let session = known.unwrap_or_else(|| {
            let (seed, app) = (stored.seed, stored.app);
            Arc::new(Session::new(seed, app, stored.subject, stored.seen_at))
        });
        for user in users {
            session.identify(user);
        }
        for subscription in stored.subscriptions {
            let Some(dialect) = dialects::by_name(&subscription.dialect) else {
                continue;
            };
            session.speak(dialect);
            let namespace = &session.seed.namespace;
            let floor = || self.entering.load(Ordering::Acquire);
            let topic = self.topic(subscription.topic, dialect, namespace, floor);
            session.listen(&topic, subscription.since);
        }
        // Another group may have revived it at the same time; there must be only one.
        self.sessions.lock().insert(session, true);
    }
}

/// Takes those who wait from the line until nobody does.
async fn serve(hub: Arc<Hub>) {
    loop {
        let Ok(turn) = Arc::clone(&hub.lookups.turns).acquire_owned().await else {
            return;
        };
        let group = {
            let mut waiting = hub.lookups.waiting.lock();
            waiting.is_served = !waiting.line.is_empty();
            mem::take(&mut waiting.line)
        };
        if group.is_empty() {
            return;
        }
        let here = Arc::clone(&hub);
        (hub.reads)(Box::new(move || {
            here.answer_all(group);
            drop(turn);
        }));
        time::sleep(PAUSE).await;
    }
}

/// A fault that is in the log. Said once for a whole group, not once for each client.
#[derive(Clone)]
struct Reported;

fn report(fault: &Fault) -> Reported {
    tracing::error!(%fault, "clients that came back could not be looked up");
    Reported
}
