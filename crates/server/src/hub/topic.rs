//! What happened lately at one place, in one dialect, as finished bytes that all its readers share.
//!
//! A topic is a (conversation or person) x dialect x namespace. The sequencer appends one segment
//! per turn; readers move cursors over it. Frames are rendered when the first reader needs them.

use std::{
    collections::VecDeque,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chat::{Event, G, SessionId, Timestamp};
use dialects::{Audience, Dialect, Shown, Site, Stage};
use parking_lot::Mutex;
use slab::Slab;

use crate::metrics::Metrics;

use super::{
    lap::Lap,
    offset::{Epochs, Key},
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
    /// What the segments hold in memory, in bytes.
    bytes: usize,
    /// Everything up to here has left memory.
    floor: G,
    /// Until when nothing is let go of: what was brought back must stay until it is read.
    pinned: Option<Instant>,
}

#[derive(Default)]
struct Members {
    slab: Slab<Member>,
    /// Of waking them.
    lap: Lap,
}

/// A socket that listens, and the number under which it knows this topic.
struct Member {
    socket: Arc<Socket>,
    slot: u32,
}

/// What a reader gets from a topic.
#[derive(Default)]
pub(crate) struct Fetched {
    /// In order.
    pub(crate) runs: Vec<Run>,
    /// There is more up to the cap; the budget is spent.
    pub(crate) full: bool,
    /// There is more after the cap.
    pub(crate) later: bool,
}

/// How finely frames are handed out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grain {
    /// All frames of a segment as one run.
    Segment,
    /// Each frame by itself, so that the frames of several topics can be merged.
    Frame,
}

/// Frames that stand together in a segment.
pub(crate) struct Run {
    pub(crate) bytes: Bytes,
    /// The key of the last frame.
    pub(crate) last: Key,
    pub(crate) frames: u32,
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
        let segment = Segment::new(std::mem::take(&mut ring.open));
        let weight = segment.weight;
        ring.bytes += weight;
        self.memory.fetch_add(weight, Ordering::Relaxed);
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
            let segment = Segment::new(events);
            ring.bytes += segment.weight;
            self.memory.fetch_add(segment.weight, Ordering::Relaxed);
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
        let bytes = std::mem::take(&mut ring.bytes);
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
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
            ring.bytes -= oldest.weight;
            self.memory.fetch_sub(oldest.weight, Ordering::Relaxed);
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
            let joined = segment.joined(self, render);
            let taken = Taken {
                after: cursor,
                cap,
                grain,
                reader: render.reader,
            };
            bytes += joined.take(&taken, &mut fetched);
        }
        Some(fetched)
    }

    /// Lets a socket listen to what comes after `cursor`. Nothing happens if it listens already or
    /// is gone.
    pub(crate) fn add(self: &Arc<Self>, socket: &Arc<Socket>, cursor: Key) {
        let Some(slot) = socket.next_slot(self.place) else {
            return;
        };
        let mut members = self.members.lock();
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
        };
        if socket.deliver(attached) {
            drop(members);
            socket.mark(slot);
        } else {
            members.slab.remove(member);
        }
    }

    /// Ends a socket's listening.
    pub(crate) fn remove(&self, member: usize) {
        let mut members = self.members.lock();
        members.slab.try_remove(member);
        if members.slab.len() * 4 < members.slab.capacity() {
            members.slab.shrink_to_fit();
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

impl Drop for Topic {
    fn drop(&mut self) {
        let bytes = self.ring.get_mut().bytes;
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What rendering needs beside the topic.
pub(crate) struct Render<'a> {
    pub(crate) epochs: &'a Epochs,
    pub(crate) metrics: &'a Metrics,
    pub(crate) site: &'a Site,
    /// Whether the reader gets offsets.
    pub(crate) offsets: bool,
    /// Who reads.
    pub(crate) reader: SessionId,
}

/// The events of one turn.
struct Segment {
    events: Vec<Arc<Event>>,
    first_g: G,
    last_g: G,
    weight: usize,
    with_offsets: OnceLock<Joined>,
    plain: OnceLock<Joined>,
}

impl Segment {
    fn new(events: Vec<Arc<Event>>) -> Self {
        // Once as events and once as frames; the second variant of the frames is rare.
        let weight = events.iter().map(|event| 2 * event.weight()).sum();
        Self {
            first_g: events.first().map_or(0, |event| event.g),
            last_g: events.last().map_or(0, |event| event.g),
            weight,
            events,
            with_offsets: OnceLock::new(),
            plain: OnceLock::new(),
        }
    }

    fn joined(&self, topic: &Topic, render: &Render<'_>) -> &Joined {
        let variant = if render.offsets {
            &self.with_offsets
        } else {
            &self.plain
        };
        variant.get_or_init(|| Joined::render(&self.events, topic, render))
    }
}

/// Finished frames, one behind the other in one buffer, and where each one ends.
struct Joined {
    bytes: Bytes,
    frames: Vec<(Key, usize)>,
    /// The frames that one session does not get, because it caused them; by their places.
    skips: Vec<(usize, SessionId)>,
}

/// What a reader takes of a segment.
struct Taken {
    after: Key,
    cap: Key,
    grain: Grain,
    reader: SessionId,
}

impl Joined {
    fn render(events: &[Arc<Event>], topic: &Topic, render: &Render<'_>) -> Self {
        let (mut bytes, mut frames, mut skips) = (Vec::new(), Vec::new(), Vec::new());
        for event in events {
            let shown = topic.dialect.show(&topic.stage(render.site), event);
            for Shown {
                part,
                emit,
                skips_origin,
            } in shown
            {
                if let (true, Some(origin)) = (skips_origin, event.origin) {
                    skips.push((frames.len(), origin));
                }
                let key = Key {
                    g: event.g,
                    part,
                    r: 0,
                };
                let offset = render.offsets.then(|| render.epochs.offset(key));
                let offset = offset.as_ref().map(super::offset::Offset::as_str);
                wire::frame::write_event(
                    &mut bytes,
                    topic.namespace,
                    &emit.name,
                    &emit.args,
                    offset,
                );
                frames.push((key, bytes.len()));
            }
        }
        render.metrics.frames_built.inc_by(frames.len() as u64);
        Self {
            bytes: bytes.into(),
            frames,
            skips,
        }
    }

    /// Adds the frames that a reader takes; returns how many bytes they have.
    fn take(&self, taken: &Taken, fetched: &mut Fetched) -> usize {
        let from = self.frames.partition_point(|(key, _)| *key <= taken.after);
        let to = self.frames.partition_point(|(key, _)| *key <= taken.cap);
        fetched.later |= to < self.frames.len();
        let own = self
            .skips
            .iter()
            .filter(|(place, origin)| *origin == taken.reader && (from..to).contains(place));
        let (mut start, mut bytes) = (from, 0);
        for (place, _) in own {
            bytes += self.add(start, *place, taken.grain, fetched);
            start = place + 1;
        }
        bytes + self.add(start, to, taken.grain, fetched)
    }

    /// Adds the frames from one place to another.
    fn add(&self, from: usize, to: usize, grain: Grain, fetched: &mut Fetched) -> usize {
        let before = from.checked_sub(1).and_then(|last| self.frames.get(last));
        let mut start = before.map_or(0, |(_, end)| *end);
        let frames = self.frames.get(from..to).unwrap_or_default();
        let Some(&(last, end)) = frames.last() else {
            return 0;
        };
        let length = end - start;
        match grain {
            Grain::Segment => fetched.runs.push(Run {
                bytes: self.bytes.slice(start..end),
                last,
                frames: frames.len() as u32,
            }),
            Grain::Frame => {
                for &(last, end) in frames {
                    let bytes = self.bytes.slice(start..end);
                    fetched.runs.push(Run {
                        bytes,
                        last,
                        frames: 1,
                    });
                    start = end;
                }
            }
        }
        length
    }
}
