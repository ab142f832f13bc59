//! Clients that come back while memory does not know them, or not all that they missed: after a
//! restart all of them at once.
//!
//! Whoever waits is looked up together, by one read. So a crowd costs the store a read every now and
//! then, not one for each client, and takes a few threads, not hundreds.

use std::{
    collections::{HashSet, VecDeque},
    mem,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use chat::{Fault, G, StoredSession, StoredSubscription, User, UserId, event::Unsubscribe};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, oneshot},
    time,
};

use super::{
    Hub,
    returning::{Claim, Returning},
    session::Session,
    timers,
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

    /// Brings back those sessions of a group that only the store knows.
    fn revive(&self, group: &[Waiter]) -> Result<(), Reported> {
        let mut unknown: HashSet<_> = group.iter().map(|waiter| waiter.claim.pid_hash).collect();
        {
            let sessions = self.sessions.lock();
            unknown.retain(|pid_hash| !sessions.by_pid.contains_key(pid_hash));
        }
        let unknown: Vec<_> = unknown.into_iter().collect();
        for hashes in unknown.chunks(TOGETHER) {
            self.metrics.store_reads.inc();
            let read_at = self.entering.load(Ordering::Acquire);
            let found = self.store.sessions(hashes);
            let found = found.map_err(|fault| report(&fault))?;
            let users = self.registered_in(&found);
            let users = users.map_err(|fault| report(&fault))?;
            for stored in found {
                self.revive_one(stored, &users, read_at);
            }
        }
        Ok(())
    }

    /// Those who have registered in sessions with a token.
    fn registered_in(&self, found: &[StoredSession]) -> Result<Vec<Arc<User>>, Fault> {
        let subscriptions = found.iter().flat_map(|session| &session.subscriptions);
        let users: Vec<_> = subscriptions.filter_map(registrant).collect();
        if users.is_empty() {
            return Ok(Vec::new());
        }
        self.metrics.store_reads.inc();
        self.store.users(&users)
    }

    /// Takes in a session as the store knew it at `read_at` or later.
    fn revive_one(&self, stored: StoredSession, users: &[Arc<User>], read_at: G) {
        let session = Arc::new(Session::new(stored.seed, stored.seen_at));
        // What is stored of it began with that.
        session.begin_greeting();
        for subscription in stored.subscriptions {
            // The store leaves out those to which there is no right any longer; whether the key or
            // token still holds with which it was asked for is known here.
            if !self.holds(&subscription.proof) {
                continue;
            }
            if let Some(user) = subscription.user {
                session.identify(user);
            }
            let Some(dialect) = dialects::by_name(&subscription.dialect) else {
                continue;
            };
            session.speak(dialect);
            let user = registrant(&subscription);
            if let Some(user) = users.iter().find(|known| Some(known.id) == user) {
                session.register(user);
            }
            let namespace = &session.seed.namespace;
            let floor = || self.entering.load(Ordering::Acquire);
            let topic = self.topic(subscription.topic, dialect, namespace, floor);
            session.listen(&topic, &subscription);
        }
        // Another group may have revived it at the same time; there must be only one.
        let session = self.sessions.lock().insert(session, true);
        // What has ended since, when the session was not here yet to be told.
        for end in self.ended.lock().since(read_at) {
            session.unlisten(&end);
        }
    }
}

/// Who has registered with a token, if a subscription says so.
fn registrant(subscription: &StoredSubscription) -> Option<UserId> {
    let dialect = dialects::by_name(&subscription.dialect)?;
    match subscription.topic {
        chat::Topic::Person(user) if dialect.registers_by_token() => Some(user),
        _ => None,
    }
}

/// The listening that has ended lately, for sessions that were being read meanwhile.
#[derive(Default)]
pub(super) struct Ended(VecDeque<(Instant, Unsubscribe)>);

impl Ended {
    /// Longer than a read of the store takes.
    const KEPT: Duration = Duration::from_mins(1);

    pub(super) fn note(&mut self, end: Unsubscribe) {
        let now = timers::now();
        let is_old = |(at, _): &mut (Instant, Unsubscribe)| now.duration_since(*at) > Self::KEPT;
        while self.0.pop_front_if(is_old).is_some() {}
        self.0.push_back((now, end));
    }

    fn since(&self, g: G) -> Vec<Unsubscribe> {
        // They were noted in the order of their places.
        let first = self.0.partition_point(|(_, end)| end.until <= g);
        self.0.range(first..).map(|(_, end)| *end).collect()
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
