//! Takes the writer's turns, one after the other, and makes them visible.
//!
//! In this order, and no other: enter the events into their topics, mark the listeners, leave the
//! answers with the askers, move the barrier, wake everybody. Were the barrier moved while topics
//! are still being marked, a socket could write one topic's later event before another's earlier.
//! Waking a large topic goes on between the turns that follow (`lap`).

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
};

use chat::{Asker, Effect, Turn, event::Subscribe, session::StoredSubscription};
use tokio::{sync::mpsc, task::yield_now};

use super::{Hub, topic::Topic};

/// Turns that may wait between the writer and the sequencer.
pub const TURNS_AHEAD: usize = 2;
/// Bytes that may be entered before everybody is woken. What nobody has been told of must not come
/// near the memory budget: who falls out of that is closed.
const UNWOKEN: usize = 1 << 20;

/// How many listeners are handled between two yields, so that many of them do not hold up all others.
#[derive(Clone, Copy, Debug)]
pub struct Strides {
    /// When they are marked, which costs little beside waking them.
    pub mark: usize,
    /// When they are woken.
    pub wake: usize,
}

impl Default for Strides {
    fn default() -> Self {
        Self {
            mark: 1_024,
            wake: 32,
        }
    }
}

/// The one task that moves the barrier.
pub struct Sequencer {
    hub: Arc<Hub>,
    strides: Strides,
    /// Topics whose members are being woken.
    waking: VecDeque<Arc<Topic>>,
    /// Bytes entered since everybody was last woken.
    unwoken: usize,
}

impl Sequencer {
    /// For a hub; there must be only one.
    pub fn new(hub: Arc<Hub>, strides: Strides) -> Self {
        Self {
            hub,
            strides,
            waking: VecDeque::new(),
            unwoken: 0,
        }
    }

    /// Works until the writer is gone.
    pub async fn run(mut self, mut turns: mpsc::Receiver<Turn>) {
        loop {
            if self.waking.is_empty() {
                let Some(turn) = turns.recv().await else {
                    break;
                };
                self.turn(turn).await;
            } else {
                if self.unwoken < UNWOKEN
                    && let Ok(turn) = turns.try_recv()
                {
                    self.turn(turn).await;
                }
                self.wake_some();
            }
            if self.waking.is_empty() {
                self.unwoken = 0;
            } else {
                yield_now().await;
            }
        }
    }

    /// Wakes some members of the topic whose turn it is.
    fn wake_some(&mut self) {
        if let Some(topic) = self.waking.pop_front()
            && topic.wake_some(self.strides.wake)
        {
            self.waking.push_back(topic);
        }
    }

    async fn turn(&mut self, turn: Turn) {
        self.hub.entering.store(turn.last_g, Ordering::Release);
        self.enter(turn.effects);
        let topics = std::mem::take(&mut *self.hub.touched.lock());
        self.unwoken += topics.iter().map(|topic| topic.seal()).sum::<usize>();
        self.mark_members(&topics).await;
        let is_unknown = !turn.lost.is_empty();
        let askers = leave_answers(turn.answers, turn.lost);
        if is_unknown {
            self.hub.break_off(turn.last_g);
        }
        self.hub.barrier.fetch_max(turn.last_g, Ordering::AcqRel);
        self.hub.metrics.barrier.set(turn.last_g);
        for asker in &askers {
            asker.wake();
        }
        let ahead = std::mem::take(&mut *self.hub.ahead.lock());
        for topic in topics.iter().chain(&ahead) {
            if topic.begin_waking() && topic.wake_some(self.strides.wake) {
                self.waking.push_back(Arc::clone(topic));
            }
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
                    spelling,
                    since,
                }) => {
                    self.hub.identify(session, user.as_slice());
                    let joined = StoredSubscription {
                        topic,
                        user,
                        proof,
                        dialect: dialect.to_owned(),
                        spelling,
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

    async fn mark_members(&self, topics: &[Arc<Topic>]) {
        let mut room = self.strides.mark;
        for topic in topics {
            let mut next = Some(0);
            while let Some(from) = next {
                next = topic.mark_some(from, &mut room);
                if room == 0 {
                    yield_now().await;
                    room = self.strides.mark;
                }
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
