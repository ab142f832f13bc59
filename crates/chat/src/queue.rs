//! The way in: commands wait here, in order, until the writer takes the next batch.
//!
//! Submitting never blocks. How much may wait is decided before, by those who read sockets.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::{
    actor::Actor,
    command::{Command, Outcome, Reply},
    executor::{Asker, Submission},
    refusal::Refusal,
};

/// Most commands of one batch.
const BATCH_COMMANDS: usize = 4_096;
/// Most bytes of one batch, as [`Command::weight`] counts them.
const BATCH_BYTES: usize = 4 << 20;

/// Commands on their way to the writer. Shared by everybody who asks.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Submission>,
    closed: bool,
}

impl Queue {
    /// Adds a command behind all that were added before. After [`Queue::close`] it is refused.
    pub fn submit(&self, submission: Submission) {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            submission.asker.lost();
            submission.asker.wake();
            return;
        }
        state.waiting.push_back(submission);
        // The writer sleeps only on an empty queue.
        if state.waiting.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// Submits a command that no socket asks for, and waits for its outcome, and until the barrier
    /// has moved past it.
    pub async fn run(&self, actor: Arc<Actor>, command: Command) -> Result<Reply, Refusal> {
        let (sender, receiver) = oneshot::channel();
        let asker = Arc::new(Waiter(Mutex::new(Waiting {
            sender: Some(sender),
            outcome: None,
        })));
        self.submit(Submission {
            actor,
            command,
            asker,
        });
        match receiver.await {
            Ok(outcome) => outcome.result,
            Err(_) => Err(Refusal::Unavailable),
        }
    }

    /// Whether nothing waits: then [`Queue::take`] would sleep.
    pub fn is_empty(&self) -> bool {
        self.state.lock().waiting.is_empty()
    }

    /// The next batch: everything that waits, up to the limits of a batch or a sweeping command, which
    /// has a batch of its own. Sleeps while nothing waits; there is no timer, because the next batch
    /// gathers while this one is being written. `None` once the queue is closed and empty.
    pub fn take(&self) -> Option<VecDeque<Submission>> {
        let mut state = self.state.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            self.filled.wait(&mut state);
        }
        let (mut bytes, mut count, mut swept) = (0, 0, false);
        for submission in state.waiting.iter().take(BATCH_COMMANDS) {
            let sweeps = submission.command.is_sweeping();
            if bytes >= BATCH_BYTES || swept || (sweeps && count > 0) {
                break;
            }
            bytes += submission.command.weight();
            count += 1;
            swept = sweeps;
        }
        let rest = state.waiting.split_off(count);
        Some(std::mem::replace(&mut state.waiting, rest))
    }

    /// Takes nothing more in; what waits is still written.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.filled.notify_all();
    }
}

/// Waits outside any socket's stream. Told when the barrier has passed, so that what it reads
/// next is what others see.
struct Waiter(Mutex<Waiting>);

struct Waiting {
    /// `None` once told.
    sender: Option<oneshot::Sender<Outcome>>,
    outcome: Option<Outcome>,
}

impl Asker for Waiter {
    fn answered(&self, outcome: Outcome) {
        self.0.lock().outcome = Some(outcome);
    }
    fn wake(&self) {
        let mut waiting = self.0.lock();
        let told = waiting.sender.take().zip(waiting.outcome.take());
        drop(waiting);
        if let Some((sender, outcome)) = told {
            // The one who asked may have gone away; the command is done all the same.
            let _ = sender.send(outcome);
        }
    }
    fn lost(&self) {
        self.0.lock().sender.take();
    }
}
