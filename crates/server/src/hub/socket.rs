//! The part of a socket that others touch: the sequencer marks what is new for it and leaves
//! outcomes with it. The part that only its own connection touches is `stream`.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use chat::{AppId, Asker, G, Outcome, SessionId, View, query::QueryError};
use parking_lot::Mutex;

use super::{permits::Permits, topic::Topic};
use crate::listen::Handle;

/// One Socket.IO socket: a client's presence on one namespace.
pub(crate) struct Socket {
    pub(crate) session: SessionId,
    pub(crate) app: AppId,
    pub(crate) namespace: &'static str,
    pub(crate) handle: Handle,
    permits: Arc<Permits>,
    /// A bit for each of the first 63 topics that has something new; the last bit stands for `more`.
    dirty: AtomicU64,
    /// The further topics that have something new.
    more: Mutex<Vec<u32>>,
    inbox: Mutex<VecDeque<Delivery>>,
    slots: AtomicU32,
}

/// What others leave with a socket.
pub(crate) enum Delivery {
    /// It listens to a topic from now on.
    Attached { slot: u32, topic: Arc<Topic>, member: usize, since: G },
    /// Its oldest open command is decided.
    Decided(Outcome),
    /// Its query is answered.
    Found(Result<View, QueryError>),
    /// Its oldest open command has an unknown outcome.
    Lost,
}

const MORE: u32 = 63;

impl Socket {
    pub(crate) fn new(
        session: SessionId,
        app: AppId,
        namespace: &'static str,
        handle: Handle,
        permits: Arc<Permits>,
    ) -> Self {
        Self {
            session,
            app,
            namespace,
            handle,
            permits,
            dirty: AtomicU64::new(0),
            more: Mutex::default(),
            inbox: Mutex::default(),
            slots: AtomicU32::new(0),
        }
    }

    /// The number for its next topic.
    pub(crate) fn next_slot(&self) -> u32 {
        self.slots.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that a topic has something new.
    pub(crate) fn mark(&self, slot: u32) {
        let bit = slot.min(MORE);
        if bit == MORE {
            self.more.lock().push(slot);
        }
        self.dirty.fetch_or(1 << bit, Ordering::Release);
    }

    /// Takes the numbers of all topics that have something new. To be called after the barrier was
    /// read: what is marked later is announced by a later wake.
    pub(crate) fn take_dirty(&self, into: &mut Vec<u32>) {
        let mut bits = self.dirty.swap(0, Ordering::Acquire);
        while bits != 0 {
            let slot = bits.trailing_zeros();
            bits &= bits - 1;
            if slot == MORE {
                into.append(&mut self.more.lock());
            } else {
                into.push(slot);
            }
        }
    }

    /// Leaves something. The one who leaves it wakes the socket.
    pub(crate) fn deliver(&self, delivery: Delivery) {
        self.inbox.lock().push_back(delivery);
    }

    /// Takes all that was left, oldest first.
    pub(crate) fn take_inbox(&self) -> VecDeque<Delivery> {
        std::mem::take(&mut *self.inbox.lock())
    }
}

impl Asker for Socket {
    fn answered(&self, outcome: Outcome) {
        self.permits.release();
        self.deliver(Delivery::Decided(outcome));
    }

    fn wake(&self) {
        self.handle.wake();
    }

    fn lost(&self) {
        self.permits.release();
        self.deliver(Delivery::Lost);
    }
}
