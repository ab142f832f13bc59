//! The constant deadlines of all connections: heartbeat, pong, first CONNECT.
//!
//! A deadline that is always the same time away needs no timer wheel: the next to fall due is the oldest, so each kind is
//! one queue, and one task serves all. It only wakes connections; each looks at its own times and decides.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Shared;

/// A queue that has held so many gives memory back when it holds few.
const MUCH: usize = 1024;

/// All deadlines of one listener.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// When the next ping is to be sent.
    pub(super) ping: Queue,
    /// When a pong must have come.
    pub(super) pong: Queue,
    /// When a namespace must have been entered.
    pub(super) connect: Queue,
    changed: Arc<Notify>,
}

/// Deadlines that are all the same time away when they are set.
#[derive(Debug)]
pub(super) struct Queue {
    after: Duration,
    waiting: Mutex<VecDeque<(Instant, Weak<Shared>)>>,
    changed: Arc<Notify>,
}

impl Deadlines {
    pub(super) fn new(interval: Duration, patience: Duration, connect: Duration) -> Self {
        let changed = Arc::new(Notify::new());
        let queue = |after| Queue {
            after,
            waiting: Mutex::default(),
            changed: Arc::clone(&changed),
        };
        Self {
            ping: queue(interval),
            pong: queue(patience),
            connect: queue(connect),
            changed: Arc::clone(&changed),
        }
    }

    /// Wakes connections as they fall due, for ever.
    pub(super) async fn run(&self) {
        let mut due = Vec::new();
        loop {
            let now = Instant::now();
            let queues = [&self.ping, &self.pong, &self.connect];
            let next = queues
                .into_iter()
                .filter_map(|queue| queue.take_due(now, &mut due))
                .min();
            for shared in due.drain(..) {
                shared.wake();
            }
            due.shrink_to(MUCH);
            match next {
                Some(next) => tokio::select! {
                    () = tokio::time::sleep_until(next.into()) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }
}

impl Queue {
    /// A deadline from `now` on; gives its time.
    pub(super) fn set(&self, shared: &Arc<Shared>, now: Instant) -> Instant {
        let at = now + self.after;
        let mut waiting = self.waiting.lock();
        let first = waiting.is_empty();
        waiting.push_back((at, Arc::downgrade(shared)));
        drop(waiting);
        if first {
            self.changed.notify_one();
        }
        at
    }

    /// Moves what is due into `due`; gives the time of the next.
    fn take_due(&self, now: Instant, due: &mut Vec<Arc<Shared>>) -> Option<Instant> {
        let mut waiting = self.waiting.lock();
        while let Some((at, _)) = waiting.front() {
            if *at > now {
                let next = *at;
                if waiting.capacity() > MUCH && waiting.len() < waiting.capacity() / 8 {
                    waiting.shrink_to_fit();
                }
                return Some(next);
            }
            if let Some((_, shared)) = waiting.pop_front() {
                // Those that have ended are passed over.
                due.extend(shared.upgrade());
            }
        }
        *waiting = VecDeque::new();
        None
    }
}
