//! How many commands may wait for the writer at once. A socket is not read while there is no room.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicIsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{socket::Socket, timers};

/// How long sockets may wait for room before no more connections are taken.
const PATIENCE: Duration = Duration::from_secs(2);

/// Room for commands: an app's room lies within the server's.
///
/// Asking and taking are two steps within one poll of a connection, so the room can be overdrawn
/// by one command for each thread of the runtime, never by more.
pub(crate) struct Permits {
    capacity: isize,
    free: AtomicIsize,
    /// Sockets that are not read, and since when; the longest first.
    waiting: Mutex<VecDeque<(Arc<Socket>, Instant)>>,
    parent: Option<Arc<Permits>>,
}

impl Permits {
    /// Room for `capacity` commands, each of which also takes room in `parent`.
    pub(crate) fn new(capacity: u32, parent: Option<Arc<Self>>) -> Self {
        let capacity = isize::try_from(capacity).unwrap_or(isize::MAX);
        Self {
            capacity,
            free: AtomicIsize::new(capacity),
            waiting: Mutex::default(),
            parent,
        }
    }

    /// Whether there is room; if not, the socket is woken when there is.
    pub(crate) fn open(&self, socket: &Arc<Socket>) -> bool {
        if self.free.load(Ordering::Acquire) <= 0 {
            let mut waiting = self.waiting.lock();
            // Asked again under the lock: a release in between would not have seen the socket.
            if self.free.load(Ordering::Acquire) <= 0 {
                if socket.begin_waiting() {
                    waiting.push_back((Arc::clone(socket), timers::now()));
                }
                return false;
            }
        }
        self.parent
            .as_ref()
            .is_none_or(|parent| parent.open(socket))
    }

    /// Whether somebody has waited for room for so long that others should not come in now.
    pub(crate) fn is_saturated(&self, now: Instant) -> bool {
        let waiting = self.waiting.lock();
        let longest = waiting.front();
        longest.is_some_and(|(_, since)| now.saturating_duration_since(*since) > PATIENCE)
    }

    /// Takes room for one command.
    pub(crate) fn take(&self) {
        self.free.fetch_sub(1, Ordering::AcqRel);
        if let Some(parent) = &self.parent {
            parent.take();
        }
    }

    /// Gives back the room of one command and wakes as many as there is room for.
    pub(crate) fn release(&self) {
        if let Some(parent) = &self.parent {
            parent.release();
        }
        let free = self.free.fetch_add(1, Ordering::AcqRel) + 1;
        let mut waiting = self.waiting.lock();
        // Those who are woken may be gone or have nothing to say. When all is free nobody will
        // come by here again to wake the next ones, so then all are woken.
        let count = if free >= self.capacity {
            waiting.len()
        } else {
            usize::try_from(free).unwrap_or(0)
        };
        let count = count.min(waiting.len());
        if count == 0 {
            return;
        }
        let woken: Vec<_> = waiting.drain(..count).collect();
        drop(waiting);
        for (socket, _) in &woken {
            socket.end_waiting();
        }
    }
}
