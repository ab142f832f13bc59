//! The events of one turn at one place, and the finished frames that all readers share, one behind
//! the other in one buffer: one rendering for most, and one for each name by which some of them call
//! the conversation. What a reader has and takes is said in keys; which segments there are is known
//! to `topic`.

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use chat::{Event, G, SessionId};
use dialects::{Shown, Site, Stage};
use parking_lot::Mutex;

use super::{Topic, spelling::Spelling};
use crate::{
    hub::offset::{Epochs, Key, Offset},
    metrics::Metrics,
};

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

/// What rendering needs beside the topic.
pub(crate) struct Render<'a> {
    pub(crate) epochs: &'a Epochs,
    pub(crate) metrics: &'a Metrics,
    pub(crate) site: &'a Site,
    /// Whether the reader gets offsets.
    pub(crate) offsets: bool,
    /// What the reader calls the conversation, if that is shown.
    pub(crate) spelling: Option<&'a Arc<Spelling>>,
    /// Who reads.
    pub(crate) reader: SessionId,
}

/// The events of one turn.
pub(super) struct Segment {
    pub(super) events: Vec<Arc<Event>>,
    pub(super) first_g: G,
    pub(super) last_g: G,
    /// What it holds in memory, in bytes; counted in `memory` for as long as it is there.
    weight: AtomicUsize,
    memory: Arc<AtomicUsize>,
    with_offsets: OnceLock<Joined>,
    plain: OnceLock<Joined>,
    /// For those who call the conversation something of their own.
    spelled: Mutex<Vec<Spelled>>,
}

/// A rendering for those who call the conversation so.
struct Spelled {
    by: Weak<Spelling>,
    offsets: bool,
    joined: Arc<Joined>,
}

impl Segment {
    pub(super) fn new(events: Vec<Arc<Event>>, memory: &Arc<AtomicUsize>) -> Self {
        // Once as events and once as frames; the second variant of the frames is rare.
        let weight = events.iter().map(|event| 2 * event.weight()).sum();
        memory.fetch_add(weight, Ordering::Relaxed);
        Self {
            first_g: events.first().map_or(0, |event| event.g),
            last_g: events.last().map_or(0, |event| event.g),
            weight: AtomicUsize::new(weight),
            memory: Arc::clone(memory),
            events,
            with_offsets: OnceLock::new(),
            plain: OnceLock::new(),
            spelled: Mutex::default(),
        }
    }

    pub(super) fn weight(&self) -> usize {
        self.weight.load(Ordering::Relaxed)
    }

    /// Adds the frames that a reader takes; returns how many bytes they have.
    pub(super) fn take(
        &self,
        taken: &Taken,
        topic: &Topic,
        render: &Render<'_>,
        fetched: &mut Fetched,
    ) -> usize {
        match render.spelling {
            None => self.joined(topic, render).take(taken, fetched),
            Some(spelling) => self.spelled(spelling, topic, render).take(taken, fetched),
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

    /// The same for those who call the conversation so. Renderings for names that nobody uses any
    /// longer go, so there are never more than a topic has names.
    fn spelled(&self, spelling: &Arc<Spelling>, topic: &Topic, render: &Render<'_>) -> Arc<Joined> {
        let is_it = |known: &&Spelled| {
            known.offsets == render.offsets && known.by.as_ptr() == Arc::as_ptr(spelling)
        };
        let mut renderings = self.spelled.lock();
        if let Some(known) = renderings.iter().find(is_it) {
            return Arc::clone(&known.joined);
        }
        let is_unused = |known: &mut Spelled| known.by.strong_count() == 0;
        for unused in renderings.extract_if(.., is_unused) {
            let bytes = unused.joined.bytes.len();
            self.weight.fetch_sub(bytes, Ordering::Relaxed);
            self.memory.fetch_sub(bytes, Ordering::Relaxed);
        }
        let joined = Arc::new(Joined::render(&self.events, topic, render));
        let bytes = joined.bytes.len();
        self.weight.fetch_add(bytes, Ordering::Relaxed);
        self.memory.fetch_add(bytes, Ordering::Relaxed);
        renderings.push(Spelled {
            by: Arc::downgrade(spelling),
            offsets: render.offsets,
            joined: Arc::clone(&joined),
        });
        joined
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let weight = *self.weight.get_mut();
        self.memory.fetch_sub(weight, Ordering::Relaxed);
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
pub(super) struct Taken {
    pub(super) after: Key,
    pub(super) cap: Key,
    pub(super) grain: Grain,
    pub(super) reader: SessionId,
}

impl Joined {
    fn render(events: &[Arc<Event>], topic: &Topic, render: &Render<'_>) -> Self {
        let (mut bytes, mut frames, mut skips) = (Vec::new(), Vec::new(), Vec::new());
        let stage = Stage {
            spelling: render.spelling.map(|spelling| &***spelling),
            ..topic.stage(render.site)
        };
        for event in events {
            let shown = topic.dialect.show(&stage, event);
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
                let offset = offset.as_ref().map(Offset::as_str);
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
