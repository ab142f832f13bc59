//! Takes the writer's turns, one after the other, and makes them visible.
//!
//! In this order, and no other: enter the events into their topics, mark the listeners, leave the
//! answers with the askers, move the barrier, wake everybody. Were the barrier moved while topics
//! are still being marked, a socket could write one topic's later event before another's earlier.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

use chat::{Asker, Effect, Turn};
use tokio::{sync::mpsc, task::yield_now};

use super::{Hub, socket::Socket, topic::Topic};

/// Turns that may wait between the writer and the sequencer.
pub const TURNS_AHEAD: usize = 2;
/// How long what happened stays in memory, if the budget allows.
const RECENT: Duration = Duration::from_mins(5);

/// The one task that moves the barrier.
pub struct Sequencer {
    hub: Arc<Hub>,
    /// Every segment in memory, oldest first.
    segments: VecDeque<Sealed>,
}

/// A segment that a topic keeps.
struct Sealed {
    topic: Weak<Topic>,
    at: Instant,
}

impl Sequencer {
    /// For a hub; there must be only one.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            segments: VecDeque::new(),
        }
    }

    /// Works until the writer is gone.
    pub async fn run(mut self, mut turns: mpsc::Receiver<Turn>) {
        while let Some(turn) = turns.recv().await {
            self.turn(turn).await;
        }
    }

    async fn turn(&mut self, turn: Turn) {
        self.enter(turn.effects);
        let topics = std::mem::take(&mut *self.hub.touched.lock());
        let now = Instant::now();
        for topic in &topics {
            topic.seal();
            let topic = Arc::downgrade(topic);
            self.segments.push_back(Sealed { topic, at: now });
        }
        for_each_member(&topics, |socket, slot| socket.mark(slot)).await;
        let is_unknown = !turn.lost.is_empty();
        let askers = leave_answers(turn.answers, turn.lost);
        self.hub.barrier.fetch_max(turn.last_g, Ordering::AcqRel);
        self.hub.metrics.barrier.set(turn.last_g);
        for asker in &askers {
            asker.wake();
        }
        for_each_member(&topics, |socket, _| socket.handle.wake()).await;
        if is_unknown {
            self.hub.break_off();
        }
        self.forget(now);
    }

    fn enter(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Show(event) => {
                    let Some(bus) = self.hub.bus() else { continue };
                    bus.publish(chat::Topic::Conversation(event.conversation().id), &event);
                    for person in event.people() {
                        bus.publish(chat::Topic::Person(person), &event);
                    }
                }
                Effect::Subscribe {
                    session,
                    topic,
                    dialect,
                    since,
                } => {
                    self.hub.join(session, topic, dialect, since);
                }
                Effect::Attach { session, after } => {
                    for subscription in &session.subscriptions {
                        let (topic, dialect) = (subscription.topic, &subscription.dialect);
                        let since = subscription.since.max(after);
                        self.hub.join(session.seed.id, topic, dialect, since);
                    }
                }
            }
        }
    }

    /// Lets go of what is over the budget or too old.
    fn forget(&mut self, now: Instant) {
        let held = &self.hub.topic_bytes;
        while let Some(oldest) = self.segments.front() {
            let fits = held.load(Ordering::Relaxed) <= self.hub.config.recent_bytes;
            let topic = oldest.topic.upgrade();
            if topic.is_some() && fits && now.duration_since(oldest.at) < RECENT {
                break;
            }
            if let Some(topic) = topic {
                topic.drop_oldest();
            }
            self.segments.pop_front();
        }
        self.hub
            .metrics
            .topic_bytes
            .set(held.load(Ordering::Relaxed) as u64);
    }
}

/// Yields now and then, so that a large conversation does not hold up the others.
async fn for_each_member(topics: &[Arc<Topic>], mut act: impl FnMut(&Arc<Socket>, u32)) {
    for topic in topics {
        let mut next = Some(0);
        while let Some(from) = next {
            next = topic.each_member(from, &mut act);
            if next.is_some() {
                yield_now().await;
            }
        }
    }
}

/// Gives every asker its outcomes; returns each asker of a row once.
fn leave_answers(
    answers: Vec<(Arc<dyn Asker>, chat::Outcome)>,
    lost: Vec<Arc<dyn Asker>>,
) -> Vec<Arc<dyn Asker>> {
    let mut askers: Vec<Arc<dyn Asker>> = Vec::new();
    let mut note = |asker: Arc<dyn Asker>| {
        if !askers.last().is_some_and(|last| Arc::ptr_eq(last, &asker)) {
            askers.push(asker);
        }
    };
    for (asker, outcome) in answers {
        asker.answered(outcome);
        note(asker);
    }
    for asker in lost {
        asker.lost();
        note(asker);
    }
    askers
}
