//! The part of a socket that others touch: the sequencer marks what is new for it and leaves
//! outcomes with it. The part that only its own connection touches is `stream`.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use chat::{Asker, G, KeyId, Outcome, Reply, View, query::QueryError};
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::{
    offset::Key,
    permits::Permits,
    session::{Collected, Session},
    topic::{Spelling, Topic},
};
use crate::listen::{Close, Handle};

/// One Socket.IO socket: a client's presence on one namespace.
pub(crate) struct Socket {
    pub(crate) session: Arc<Session>,
    pub(crate) namespace: &'static str,
    /// The key with which it came, if it named one.
    pub(crate) key: Option<KeyId>,
    pub(crate) handle: Handle,
    permits: Arc<Permits>,
    /// A bit for each of the first 63 topics that has something new; the last bit stands for `more`.
    dirty: AtomicU64,
    /// The further topics that have something new.
    more: Mutex<Vec<u32>>,
    inbox: Mutex<Inbox>,
    /// The same as in the inbox, for those who only ask.
    closed: AtomicBool,
    /// How many are about to register with a token.
    registering: AtomicUsize,
    /// Somebody has registered since this was last asked.
    registered: AtomicBool,
    /// It stands in the queue of a pool of permits.
    waits: AtomicBool,
    /// The topics that it listens to, with the numbers under which it knows them.
    slots: Mutex<Slots>,
    /// What passes and was not written yet, oldest first.
    passing: Mutex<VecDeque<Bytes>>,
}

#[derive(Default)]
struct Slots {
    taken: HashMap<chat::Topic, u32, RandomState>,
    /// Numbers whose topics it does not listen to any longer.
    free: Vec<u32>,
    next: u32,
}

#[derive(Default)]
struct Inbox {
    deliveries: VecDeque<Delivery>,
    /// The connection is gone; nobody will look in here again.
    closed: bool,
}

/// What others leave with a socket.
pub(crate) enum Delivery {
    /// It listens to a topic from now on.
    Attached {
        slot: u32,
        topic: Arc<Topic>,
        member: usize,
        cursor: Key,
        spelling: Option<Arc<Spelling>>,
    },
    /// It calls a topic so from now on.
    Respelled {
        slot: u32,
        spelling: Option<Arc<Spelling>>,
    },
    /// It does not listen to a topic any longer after this place.
    Detached { slot: u32, until: Key },
    /// A join of the connection before it was decided when it had taken over.
    Joined { place: chat::Topic, at: G },
    /// What its user had missed was handed out to the connection before it when it had taken over.
    Collected(Collected),
    /// Its oldest open command is decided.
    Decided(Outcome),
    /// Its query is answered.
    Found(Result<View, QueryError>),
    /// Its oldest open command has an unknown outcome.
    Lost,
    /// The token with which it came has expired.
    Expired,
    /// It must go, for good.
    Dismissed,
    /// Its connection is to be closed.
    Close(Close),
}

const MORE: u32 = 63;

/// Things that pass which may wait for one socket: as many as happen at once around one user.
const PASSING: usize = 128;

impl Socket {
    pub(crate) fn new(
        session: Arc<Session>,
        namespace: &'static str,
        key: Option<KeyId>,
        handle: Handle,
        permits: Arc<Permits>,
    ) -> Self {
        Self {
            session,
            namespace,
            key,
            handle,
            permits,
            dirty: AtomicU64::new(0),
            more: Mutex::default(),
            inbox: Mutex::default(),
            closed: AtomicBool::new(false),
            registering: AtomicUsize::new(0),
            registered: AtomicBool::new(false),
            slots: Mutex::default(),
            passing: Mutex::default(),
            waits: AtomicBool::new(false),
        }
    }

    /// The number for a topic that it does not listen to yet; `None` if it does.
    pub(crate) fn next_slot(&self, place: chat::Topic) -> Option<u32> {
        let mut slots = self.slots.lock();
        let Slots { taken, free, next } = &mut *slots;
        let Entry::Vacant(vacant) = taken.entry(place) else {
            return None;
        };
        let slot = free.pop().unwrap_or_else(|| {
            *next += 1;
            *next - 1
        });
        Some(*vacant.insert(slot))
    }

    /// The number of a topic that it listens to.
    pub(crate) fn slot(&self, place: chat::Topic) -> Option<u32> {
        self.slots.lock().taken.get(&place).copied()
    }

    /// It does not listen to a topic any longer after `until`. It may listen to it again from then
    /// on, under another number.
    pub(crate) fn detach(&self, place: chat::Topic, until: Key) {
        let slot = self.slots.lock().taken.remove(&place);
        if let Some(slot) = slot {
            self.deliver(Delivery::Detached { slot, until });
        }
    }

    /// Nothing is known under this number any more.
    pub(crate) fn free_slot(&self, slot: u32) {
        self.slots.lock().free.push(slot);
    }

    /// Leaves something that passes; the oldest gives way where there is too much.
    pub(crate) fn pass(&self, frame: Bytes) {
        let mut passing = self.passing.lock();
        if passing.len() == PASSING {
            passing.pop_front();
        }
        passing.push_back(frame);
    }

    /// Takes what passes.
    pub(crate) fn take_passing(&self) -> VecDeque<Bytes> {
        std::mem::take(&mut *self.passing.lock())
    }

    /// Notes that it waits for a permit. False if it did already.
    pub(crate) fn begin_waiting(&self) -> bool {
        !self.waits.swap(true, Ordering::AcqRel)
    }

    /// There may be a permit now.
    pub(crate) fn end_waiting(&self) {
        self.waits.store(false, Ordering::Release);
        self.handle.wake();
    }

    /// Whether somebody is about to register with a token.
    pub(crate) fn is_registering(&self) -> bool {
        self.registering.load(Ordering::Acquire) > 0
    }

    /// Whether somebody has registered since this was last asked.
    pub(crate) fn take_registered(&self) -> bool {
        self.registered.load(Ordering::Relaxed) && self.registered.swap(false, Ordering::AcqRel)
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

    /// Leaves something; the one who leaves it wakes the socket. False when the connection is gone.
    pub(crate) fn deliver(&self, delivery: Delivery) -> bool {
        let mut inbox = self.inbox.lock();
        if !inbox.closed {
            inbox.deliveries.push_back(delivery);
        }
        !inbox.closed
    }

    /// Takes all that was left, oldest first.
    pub(crate) fn take_inbox(&self) -> VecDeque<Delivery> {
        std::mem::take(&mut self.inbox.lock().deliveries)
    }

    /// Another connection goes on with the session: this one stops at once, and what is still
    /// decided for it goes nowhere.
    pub(crate) fn take_over(&self) {
        self.deliver(Delivery::Close(Close::TakenOver));
        self.close();
        self.handle.wake();
    }

    /// Whether it takes nothing more in.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes nothing more in.
    pub(crate) fn close(&self) {
        self.inbox.lock().closed = true;
        self.closed.store(true, Ordering::Release);
    }
}

impl Asker for Socket {
    fn answered(&self, outcome: Outcome) {
        self.permits.release();
        let joined = match &outcome.result {
            Ok(Reply::Opened { conversation, .. }) => {
                Some(chat::Topic::Conversation(conversation.conversation.id))
            }
            Ok(Reply::Registered { user, .. }) => Some(chat::Topic::Person(user.id)),
            _ => None,
        };
        if let Ok(Reply::Registered { user, .. }) = &outcome.result {
            self.session.register(user);
        }
        let collected = match outcome.result {
            Ok(Reply::Missed { after, up_to }) => Some(Collected {
                at: outcome.g,
                after,
                up_to,
            }),
            _ => None,
        };
        if let Some(collected) = collected {
            self.session.collect(collected);
        }
        if let Ok(Reply::Registered { .. } | Reply::Inherited { .. }) = &outcome.result {
            self.registered.store(true, Ordering::Release);
        }
        let at = outcome.g;
        if self.deliver(Delivery::Decided(outcome)) {
            return;
        }
        let Some(heir) = self.session.heir() else {
            return;
        };
        // Who has taken over listens to it already, and will not join again by itself.
        if let Some(place) = joined {
            heir.registered.store(true, Ordering::Release);
            heir.deliver(Delivery::Joined { place, at });
        }
        if let Some(collected) = collected {
            heir.deliver(Delivery::Collected(collected));
        }
    }

    fn wake(&self) {
        self.handle.wake();
        if let (true, Some(heir)) = (self.is_closed(), self.session.heir()) {
            heir.handle.wake();
        }
    }

    fn lost(&self) {
        self.permits.release();
        self.deliver(Delivery::Lost);
    }
}

/// Asks for a socket that is not read meanwhile: it registers somebody with a token.
pub(crate) struct Registering(Arc<Socket>);

impl Registering {
    pub(crate) fn begin(socket: &Arc<Socket>) -> Arc<Self> {
        socket.registering.fetch_add(1, Ordering::AcqRel);
        Arc::new(Self(Arc::clone(socket)))
    }
}

impl Asker for Registering {
    fn answered(&self, outcome: Outcome) {
        self.0.answered(outcome);
        self.0.registering.fetch_sub(1, Ordering::AcqRel);
    }

    fn wake(&self) {
        self.0.wake();
    }

    fn lost(&self) {
        self.0.lost();
    }
}
