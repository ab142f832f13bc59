//! Takes the writer's turns, one after the other, and makes them visible.
//!
//! In this order, and no other: enter the events into their topics, mark the listeners, leave the
//! answers with the askers, move the barrier, wake everybody. Were the barrier moved while topics
//! are still being marked, a socket could write one topic's later event before another's earlier.

use std::sync::{Arc, atomic::Ordering};

use chat::{Asker, Effect, Turn, event::Subscribe, session::StoredSubscription};
use tokio::{sync::mpsc, task::yield_now};

use super::{Hub, socket::Socket, topic::Topic};

/// Turns that may wait between the writer and the sequencer.
pub const TURNS_AHEAD: usize = 2;
/// The one task that moves the barrier.
pub struct Sequencer {
    hub: Arc<Hub>,
}

impl Sequencer {
    /// For a hub; there must be only one.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    /// Works until the writer is gone.
    pub async fn run(self, mut turns: mpsc::Receiver<Turn>) {
        while let Some(turn) = turns.recv().await {
            self.turn(turn).await;
        }
    }

    async fn turn(&self, turn: Turn) {
        self.hub.entering.store(turn.last_g, Ordering::Release);
        self.enter(turn.effects);
        let topics = std::mem::take(&mut *self.hub.touched.lock());
        for topic in &topics {
            topic.seal();
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
        self.hub.note_segments(topics.iter());
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
                Effect::Subscribe(Subscribe {
                    session,
                    user,
                    proof,
                    topic,
                    dialect,
                    since,
                }) => {
                    self.hub.identify(session, user.as_slice());
                    let joined = StoredSubscription {
                        topic,
                        user,
                        proof,
                        dialect: dialect.to_owned(),
                        since,
                    };
                    self.hub.join(session, &joined);
                }
                Effect::Unsubscribe(end) => self.hub.end_listening(&end),
                Effect::Attach(session) => {
                    self.hub.identify(session.seed.id, &session.identities());
                    for joined in &session.subscriptions {
                        self.hub.join(session.seed.id, joined);
                    }
                }
                Effect::Pass(passing) => self.hub.pass(passing),
            }
        }
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
