//! What happened lately at one place, in one dialect, as finished bytes that all its readers share.
//!
//! A topic is a (conversation or person) x dialect x namespace. The sequencer appends one segment
//! per turn; readers move cursors over it. Frames are rendered when the first reader needs them.

mod segment;
mod spelling;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chat::{Event, G, Timestamp};
use dialects::{Audience, Dialect, Site, Stage};
use parking_lot::Mutex;
use slab::Slab;

pub(crate) use self::{
    segment::{Fetched, Grain, Render, Run},
    spelling::Spelling,
};
use self::{
    segment::{Segment, Taken},
    spelling::Spellings,
};
use super::{
    lap::Lap,
    offset::Key,
    socket::{Delivery, Socket},
    timers,
};

/// Members to whom something that passes is shown at once.
const PASSED_AT_ONCE: usize = 32;
/// How long what was brought back from the log stays, whatever the budget.
const PINNED: Duration = Duration::from_secs(10);

/// One place in one dialect.
pub(crate) struct Topic {
    pub(crate) place: chat::Topic,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) namespace: &'static str,
    /// Whether its readers are ever shown what lasts. Where not, it holds nothing and lacks nothing.
    is_lasting: bool,
    ring: Mutex<Ring>,
    members: Mutex<Members>,
    /// Sessions that listen, whether they have a socket or not.
    keepers: AtomicUsize,
    /// Held while what has left memory is brought back, so that one reads for all.
    pub(crate) filling: Mutex<()>,
    /// What all topics hold in memory together, in bytes.
    memory: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Ring {
    segments: VecDeque<Arc<Segment>>,
    /// Of the turn that is under way; readers do not see them yet.
    open: Vec<Arc<Event>>,
    /// Everything up to here has left memory.
    floor: G,
    /// Until when nothing is let go of: what was brought back must stay until it is read.
    pinned: Option<Instant>,
}

#[derive(Default)]
struct Members {
    slab: Slab<Member>,
    /// Left since it was last seen whether the slab could be smaller.
    left: usize,
    /// What some of them call the place.
    spellings: Spellings,
    /// Of waking them.
    lap: Lap,
}

/// A socket that listens, and the number under which it knows this topic.
struct Member {
    socket: Arc<Socket>,
    slot: u32,
}

impl Topic {
    pub(crate) fn new(
        place: chat::Topic,
        dialect: &'static dyn Dialect,
        namespace: &'static str,
        floor: G,
        memory: Arc<AtomicUsize>,
    ) -> Self {
        let is_lasting = dialect.shows_lasting(namespace);
        let ring = Ring {
            floor: if is_lasting { floor } else { 0 },
            ..Ring::default()
        };
        Self {
            place,
            dialect,
            namespace,
            is_lasting,
            ring: Mutex::new(ring),
            members: Mutex::default(),
            keepers: AtomicUsize::new(0),
            filling: Mutex::default(),
            memory,
        }
    }

    /// Where it shows something.
    pub(crate) fn stage<'a>(&'a self, site: &'a Site) -> Stage<'a> {
        Stage {
            spelling: None,
            site,
            namespace: self.namespace,
            audience: match self.place {
                chat::Topic::Conversation(_) => Audience::Conversation,
                chat::Topic::Person(user) => Audience::Person(user),
            },
        }
    }

    /// Takes an event into the turn under way. True for the first one of the turn. What is below
    /// the floor was there before the topic and is found in the store.
    pub(crate) fn enter(&self, event: Arc<Event>) -> bool {
        if !self.is_lasting {
            return false;
        }
        let mut ring = self.ring.lock();
        if event.g <= ring.floor {
            return false;
        }
        ring.open.push(event);
        ring.open.len() == 1
    }

    /// Ends the turn: its events become one segment. Returns what that holds in memory, in bytes.
    pub(crate) fn seal(&self) -> usize {
        let mut ring = self.ring.lock();
        let segment = Segment::new(std::mem::take(&mut ring.open), &self.memory);
        let weight = segment.weight();
        ring.segments.push_back(Arc::new(segment));
        weight
    }

    /// Everything up to here has left memory.
    pub(crate) fn floor(&self) -> G {
        self.ring.lock().floor
    }

    /// When the first event after `from` happened, of those that are here.
    pub(crate) fn first_after(&self, from: G) -> Option<Timestamp> {
        let ring = self.ring.lock();
        let ahead = ring.segments.iter().rev().take_while(|s| s.last_g > from);
        let mut events = ahead.last()?.events.iter();
        events.find(|event| event.g > from).map(|event| event.at)
    }

    /// Brings back what happened after `from`, up to the `floor` at which it was asked for. False
    /// if more has left memory meanwhile.
    pub(crate) fn prepend(&self, events: Vec<Arc<Event>>, from: G, floor: G) -> bool {
        let mut ring = self.ring.lock();
        if ring.floor != floor {
            return false;
        }
        ring.floor = from;
        ring.pinned = timers::now().checked_add(PINNED);
        // Searches go by the numbers of segments, and an empty one has none.
        if !events.is_empty() {
            let segment = Segment::new(events, &self.memory);
            ring.segments.push_front(Arc::new(segment));
        }
        true
    }

    /// Lets go of everything up to `until`: only the store can say what happened.
    pub(crate) fn forget(&self, until: G) {
        let mut ring = self.ring.lock();
        ring.segments.clear();
        if self.is_lasting {
            ring.floor = ring.floor.max(until);
        }
    }

    /// One more session listens.
    pub(crate) fn keep(&self) {
        self.keepers.fetch_add(1, Ordering::AcqRel);
    }

    /// One session fewer listens.
    pub(crate) fn release(&self) {
        self.keepers.fetch_sub(1, Ordering::AcqRel);
    }

    /// Lets the oldest segment go. False if it has to stay for a while; not so when it is `urgent`.
    pub(crate) fn drop_oldest(&self, now: Instant, urgent: bool) -> bool {
        let mut ring = self.ring.lock();
        if !urgent && ring.pinned.is_some_and(|until| now < until) {
            return false;
        }
        if let Some(oldest) = ring.segments.pop_front() {
            ring.floor = oldest.last_g;
        }
        true
    }

    /// Frames after `cursor` up to `cap`, about `budget` bytes of them. `None` when what comes after
    /// the cursor has left memory.
    pub(crate) fn fetch(
        &self,
        cursor: Key,
        cap: Key,
        budget: usize,
        grain: Grain,
        render: &Render<'_>,
    ) -> Option<Fetched> {
        let mut fetched = Fetched::default();
        let segments: Vec<Arc<Segment>> = {
            let ring = self.ring.lock();
            if cursor.whole() < ring.floor {
                return None;
            }
            // Readers are close to the end, so the search starts there. The segment in which the
            // cursor stands may hold further parts of its last event.
            let ahead = ring
                .segments
                .iter()
                .rev()
                .take_while(|s| s.last_g >= cursor.g)
                .count();
            let from = ring.segments.len() - ahead;
            ring.segments.range(from..).map(Arc::clone).collect()
        };
        let mut bytes = 0;
        for segment in segments {
            if segment.first_g > cap.g {
                fetched.later = true;
                break;
            }
            if bytes >= budget {
                fetched.full = true;
                break;
            }
            let taken = Taken {
                after: cursor,
                cap,
                grain,
                reader: render.reader,
            };
            bytes += segment.take(&taken, self, render, &mut fetched);
        }
        Some(fetched)
    }

    /// Lets a socket listen to what comes after `cursor`, under a name of its own if it has one.
    /// Nothing happens if it listens already or is gone.
    pub(crate) fn add(self: &Arc<Self>, socket: &Arc<Socket>, cursor: Key, name: Option<&str>) {
        let mut members = self.members.lock();
        let Some(slot) = socket.next_slot(self.place) else {
            return;
        };
        let spelling = members.spellings.share(name);
        let member = members.slab.insert(Member {
            socket: Arc::clone(socket),
            slot,
        });
        let topic = Arc::clone(self);
        let attached = Delivery::Attached {
            slot,
            topic,
            member,
            cursor,
            spelling,
        };
        if socket.deliver(attached) {
            drop(members);
            socket.mark(slot);
        } else {
            members.slab.remove(member);
        }
    }

    /// A socket that listens calls the place so from now on.
    pub(crate) fn respell(&self, socket: &Socket, name: Option<&str>) {
        // Held meanwhile, so that whatever it was attached with has been delivered before this.
        let mut members = self.members.lock();
        if let Some(slot) = socket.slot(self.place) {
            let spelling = members.spellings.share(name);
            socket.deliver(Delivery::Respelled { slot, spelling });
        }
    }

    /// Ends a socket's listening.
    pub(crate) fn remove(&self, member: usize) {
        let Members { slab, left, .. } = &mut *self.members.lock();
        slab.try_remove(member);
        // Making it smaller goes through all of it, so that is tried after many have left.
        *left += 1;
        if slab.is_empty() || *left * 4 >= slab.capacity() {
            *left = 0;
            if slab.len() * 4 < slab.capacity() {
                slab.shrink_to_fit();
            }
        }
    }

    /// Whether nobody listens, and no session may come back to it.
    pub(crate) fn is_empty(&self) -> bool {
        self.keepers.load(Ordering::Acquire) == 0 && self.members.lock().slab.is_empty()
    }

    /// Marks members as having something new here, beginning at place `from`, for as many places as
    /// there is `room` for; returns the place to go on from, or `None` at the end.
    pub(crate) fn mark_some(&self, from: usize, room: &mut usize) -> Option<usize> {
        let members = self.members.lock();
        let to = (from + *room).min(members.slab.capacity());
        *room -= to.saturating_sub(from);
        for member in (from..to).filter_map(|place| members.slab.get(place)) {
            member.socket.mark(member.slot);
        }
        (to < members.slab.capacity()).then_some(to)
    }

    /// Shows something that passes to those members who are to see it. Lets others at the members
    /// in between; who comes or goes meanwhile may see it or not.
    pub(crate) fn pass(&self, frame: &Bytes, sees: impl Fn(&Socket) -> bool) {
        let mut next = 0;
        loop {
            let members = self.members.lock();
            let end = members.slab.capacity();
            for place in next..end.min(next + PASSED_AT_ONCE) {
                let Some(member) = members.slab.get(place) else {
                    continue;
                };
                if sees(&member.socket) {
                    member.socket.pass(frame.clone());
                    member.socket.handle.wake();
                }
            }
            next += PASSED_AT_ONCE;
            if next >= end {
                break;
            }
        }
    }

    /// All members are to be woken from now on. True if that was not under way.
    pub(crate) fn begin_waking(&self) -> bool {
        self.members.lock().lap.begin()
    }

    /// Wakes the next members, up to `count` places of them. True if there are more to come.
    pub(crate) fn wake_some(&self, count: usize) -> bool {
        let members = &mut *self.members.lock();
        let (places, has_more) = members.lap.stride(members.slab.capacity(), count);
        for member in places.filter_map(|place| members.slab.get(place)) {
            member.socket.handle.wake();
        }
        has_more
    }
}
