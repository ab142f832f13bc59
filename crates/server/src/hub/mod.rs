//! Who listens to what on this node, and how what happened reaches them.
//!
//! `sequencer` takes the writer's turns and enters events into topics (`topic`); each socket
//! (`socket`, `stream`) reads its topics from cursors; `connection` is what the listener sees.
//! The barrier is the highest G that is committed and entered everywhere: no socket reads past it.

mod admission;
mod connection;
mod lap;
mod offset;
mod passing;
mod permits;
mod presence;
mod present;
mod returning;
mod reviving;
mod seat;
mod sequencer;
mod session;
mod socket;
mod stream;
mod ticket;
mod timers;
mod topic;
mod upload;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chat::{
    App, AppId, Event, G, KeyId, Proof, Queue, SessionId, Store, StoredSubscription, Timestamp,
    UserId,
    bus::{Bus, Listener},
    event::{Unsubscribe, Whose},
    store::Boot,
};
use dialects::{Dialect, Site};
use foldhash::fast::RandomState;
use parking_lot::Mutex;

pub use self::{
    connection::Door,
    presence::Presence,
    sequencer::{Sequencer, Strides, TURNS_AHEAD},
};
use self::{
    offset::{Epochs, Key},
    passing::Typists,
    permits::Permits,
    present::Notices,
    reviving::{Ended, Lookups},
    seat::Readers,
    session::{Session, Sessions},
    socket::Delivery,
    topic::Topic,
};
use crate::{
    clock::Clock,
    identity::Directory,
    limits::{Limits, Rate},
    listen::Close,
    media::MediaStore,
    metrics::Metrics,
};

/// Memory beyond the budget for what was brought back from the log and has to be read first.
const BROUGHT_BACK: usize = 64 << 20;

/// What can be set about the hub.
#[derive(Clone)]
pub struct HubConfig {
    /// Limits of the Socket.IO layer.
    pub limits: Arc<wire::Limits>,
    /// The dialects that are spoken, in the order in which a first event is offered to them.
    pub dialects: Vec<&'static dyn Dialect>,
    /// Commands that may wait for the writer, on the whole server.
    pub waiting_commands: u32,
    /// The same for one app.
    pub waiting_commands_per_app: u32,
    /// How long what happened stays in memory, if the budget allows, and a session without a socket.
    pub recent: Duration,
    /// Memory for what happened lately, in bytes.
    pub recent_bytes: usize,
    /// How old the oldest event may be that a client has missed; beyond that it begins anew.
    pub replay: Duration,
    /// Events that are brought back from the log for one client; beyond that it begins anew.
    pub replay_events: usize,
    /// The same in bytes.
    pub replay_bytes: usize,
    /// How long the store remembers a session without a client, at least.
    pub remember: Duration,
    /// How long a socket whose token has expired may stay.
    pub expiry_grace: Duration,
    /// Events that a socket may send; one that is faster is read more slowly, and nothing is refused.
    /// `None` for no limit.
    pub rate: Option<Rate>,
    /// How often all sockets of an address, an app or a user may, together with HTTP.
    pub shared_rates: Arc<Limits>,
    /// User-Agent prefixes of clients that break on an additional argument.
    pub without_recovery: Vec<String>,
    /// Sockets of one address that may read what everybody may read, without a token or key; 0 is no
    /// limit.
    pub readers_per_ip: usize,
    /// How clients reach this server.
    pub site: Arc<Site>,
    /// Where files go; `None` where none are kept.
    pub media: Option<Arc<MediaStore>>,
    /// What time it is.
    pub clock: Arc<Clock>,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            limits: Arc::default(),
            dialects: dialects::DIALECTS.to_vec(),
            waiting_commands: 8_192,
            waiting_commands_per_app: 4_096,
            recent: Duration::from_mins(5),
            recent_bytes: 64 << 20,
            replay: Duration::from_hours(24),
            replay_events: 10_000,
            replay_bytes: 8 << 20,
            remember: Duration::from_hours(7 * 24),
            expiry_grace: Duration::from_secs(30),
            rate: None,
            shared_rates: Arc::default(),
            readers_per_ip: 10,
            without_recovery: Vec::new(),
            site: Arc::default(),
            media: None,
            clock: Arc::default(),
        }
    }
}

/// Everybody who is connected to this node.
pub struct Hub {
    config: HubConfig,
    store: Arc<dyn Store>,
    reads: Reads,
    queue: Arc<Queue>,
    directory: Arc<Directory>,
    metrics: Arc<Metrics>,
    bus: OnceLock<Arc<dyn Bus>>,
    epochs: Epochs,
    barrier: AtomicU64,
    topics: Mutex<Topics>,
    sessions: Mutex<Sessions>,
    lookups: Lookups,
    readers: Readers,
    /// Every segment in memory, oldest first; each entry stands for the oldest one of its topic.
    segments: Mutex<VecDeque<Sealed>>,
    /// The highest G of the turn under way, or of the last one.
    entering: AtomicU64,
    /// Topics that got events in the turn under way.
    touched: Mutex<Vec<Arc<Topic>>>,
    /// Topics into which events above the barrier were brought back from the log. Whoever reads them
    /// stops at the barrier, and no turn that touches them need come.
    ahead: Mutex<Vec<Arc<Topic>>>,
    /// What all topics hold in memory, in bytes.
    topic_bytes: Arc<AtomicUsize>,
    presence: Arc<Presence>,
    notices: Notices,
    /// When the server started.
    started: Instant,
    typists: Typists,
    ended: Mutex<Ended>,
    permits: Arc<Permits>,
    app_permits: Mutex<HashMap<AppId, Arc<Permits>>>,
}

/// The topics of each place: one for each dialect and namespace that has listeners there.
type Topics = HashMap<chat::Topic, Vec<Arc<Topic>>, RandomState>;

/// A segment that a topic keeps.
struct Sealed {
    topic: Weak<Topic>,
    at: Instant,
}

/// Runs what asks the store and may block, away from whoever calls, which it never holds up.
pub type Reads = Arc<dyn Fn(Box<dyn FnOnce() + Send>) + Send + Sync>;

/// What the hub is built on.
pub struct HubParts {
    /// Settings.
    pub config: HubConfig,
    /// Where queries are answered.
    pub store: Arc<dyn Store>,
    /// What runs those.
    pub reads: Reads,
    /// Where commands go.
    pub queue: Arc<Queue>,
    /// Apps and keys.
    pub directory: Arc<Directory>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// Who is here; the writer looks at it too.
    pub presence: Arc<Presence>,
    /// All starts of the server, this one last.
    pub boots: Vec<Boot>,
    /// The highest G committed before this start.
    pub last_g: G,
}

impl Hub {
    /// A hub without sockets. `bus` makes the bus that will call the given listener.
    pub fn new(parts: HubParts, bus: impl FnOnce(Listener) -> Arc<dyn Bus>) -> Arc<Self> {
        let HubParts {
            config,
            store,
            reads,
            queue,
            directory,
            metrics,
            presence,
            boots,
            last_g,
        } = parts;
        let permits = Arc::new(Permits::new(config.waiting_commands, None));
        let readers = Readers::new(config.readers_per_ip);
        let hub = Arc::new(Self {
            config,
            store,
            reads,
            queue,
            directory,
            metrics,
            bus: OnceLock::new(),
            epochs: Epochs::new(boots),
            barrier: AtomicU64::new(last_g),
            topics: Mutex::default(),
            sessions: Mutex::default(),
            lookups: Lookups::default(),
            readers,
            segments: Mutex::default(),
            entering: AtomicU64::new(last_g),
            touched: Mutex::default(),
            ahead: Mutex::default(),
            topic_bytes: Arc::default(),
            presence,
            notices: Notices::default(),
            started: timers::now(),
            typists: Typists::default(),
            ended: Mutex::default(),
            permits,
            app_permits: Mutex::default(),
        });
        let weak: Weak<Self> = Arc::downgrade(&hub);
        let listener: Listener = Arc::new(move |place, event| {
            if let Some(hub) = weak.upgrade() {
                hub.enter(place, event);
            }
        });
        let _ = hub.bus.set(bus(listener));
        hub
    }

    /// The highest G that is committed and entered into all topics.
    pub(crate) fn barrier(&self) -> G {
        self.barrier.load(Ordering::Acquire)
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    /// Who is here.
    pub fn presence(&self) -> &dyn chat::Presence {
        &*self.presence
    }

    fn bus(&self) -> Option<&Arc<dyn Bus>> {
        self.bus.get()
    }

    fn app_permits(&self, app: AppId) -> Arc<Permits> {
        let mut pools = self.app_permits.lock();
        let make = || {
            Permits::new(
                self.config.waiting_commands_per_app,
                Some(Arc::clone(&self.permits)),
            )
        };
        Arc::clone(pools.entry(app).or_insert_with(|| Arc::new(make())))
    }

    /// Takes an event into the turn under way, for each dialect that has listeners at `place`.
    fn enter(&self, place: chat::Topic, event: &Arc<Event>) {
        let topics = self.topics.lock();
        for topic in topics.get(&place).into_iter().flatten() {
            if topic.enter(Arc::clone(event)) {
                self.touched.lock().push(Arc::clone(topic));
            }
        }
    }

    /// Lets a session listen to a place, in step with the events. Listening
    /// twice changes nothing but what it calls the place.
    fn join(&self, session: SessionId, joined: &StoredSubscription) {
        let Some(session) = self.sessions.lock().by_id.get(&session).map(Arc::clone) else {
            return;
        };
        let Some(dialect) = dialects::by_name(&joined.dialect) else {
            return;
        };
        let since = joined.since;
        let topic = self.topic(joined.topic, dialect, &session.seed.namespace, || since);
        let is_respelled = session.listen(&topic, joined);
        if let Some(socket) = session.socket() {
            let name = joined.spelling.as_deref();
            topic.add(&socket, Key::end_of(since), name);
            if is_respelled {
                topic.respell(&socket, name);
            }
        }
    }

    /// Ends the listening of sessions to a place, in step with the events.
    fn end_listening(&self, end: &Unsubscribe) {
        self.ended.lock().note(*end);
        let meant: Vec<_> = {
            let sessions = self.sessions.lock();
            match end.whose {
                Whose::Session(id) => sessions.by_id.get(&id).into_iter().cloned().collect(),
                Whose::User(_) | Whose::Everybody => sessions.by_id.values().cloned().collect(),
            }
        };
        for session in meant {
            if !session.unlisten(end) {
                continue;
            }
            if let chat::Topic::Person(user) = end.topic {
                session.unidentify(user);
            }
            if let Some(socket) = session.socket() {
                socket.detach(end.topic, Key::end_of(end.until));
                socket.handle.wake();
            }
        }
    }

    /// A session is these users from now on.
    fn identify(&self, session: SessionId, users: &[UserId]) {
        if let Some(session) = self.sessions.lock().by_id.get(&session) {
            for user in users {
                session.identify(*user);
            }
        }
    }

    /// The topic of a place, made if there is none. What it shows begins behind `floor`, which is
    /// asked for while no event can be entered; what was before is in the store.
    fn topic(
        &self,
        place: chat::Topic,
        dialect: &'static dyn Dialect,
        namespace: &str,
        floor: impl FnOnce() -> G,
    ) -> Arc<Topic> {
        let mut topics = self.topics.lock();
        let variants = topics.entry(place).or_default();
        let same = |topic: &&Arc<Topic>| {
            topic.dialect.name() == dialect.name() && topic.namespace == namespace
        };
        if let Some(topic) = variants.iter().find(same) {
            return Arc::clone(topic);
        }
        if let (true, Some(bus)) = (variants.is_empty(), self.bus()) {
            bus.listen(place);
        }
        let namespaces = dialect.namespaces().iter();
        let namespace = namespaces.copied().find(|known| *known == namespace);
        let memory = Arc::clone(&self.topic_bytes);
        let topic = Topic::new(place, dialect, namespace.unwrap_or("/"), floor(), memory);
        let topic = Arc::new(topic);
        self.metrics.topics.inc();
        variants.push(Arc::clone(&topic));
        topic
    }

    /// Notes that a topic keeps one more segment, and lets go of what is over the budget or too old.
    fn note_segments<'a>(&self, topics: impl Iterator<Item = &'a Arc<Topic>>) {
        let now = timers::now();
        let mut segments = self.segments.lock();
        segments.extend(topics.map(|topic| Sealed {
            topic: Arc::downgrade(topic),
            at: now,
        }));
        // One look at each: those that have to stay for a while go to the end.
        for _ in 0..segments.len() {
            let Some(oldest) = segments.front() else {
                break;
            };
            let held = self.topic_bytes.load(Ordering::Relaxed);
            let topic = oldest.topic.upgrade();
            let fits = held <= self.config.recent_bytes;
            if topic.is_some() && fits && now.duration_since(oldest.at) < self.config.recent {
                break;
            }
            let oldest = segments.pop_front();
            let urgent = held > self.config.recent_bytes.saturating_add(BROUGHT_BACK);
            if topic.is_some_and(|topic| !topic.drop_oldest(now, urgent)) {
                segments.extend(oldest);
            }
        }
        let bytes = self.topic_bytes.load(Ordering::Relaxed);
        self.metrics.topic_bytes.set(bytes as u64);
    }

    /// Closes every connection and forgets what happened up to `until` and who listens to what:
    /// nobody can say what of it is stored, so nobody's stream can be trusted to be whole. Clients
    /// come back to what is really there. Comes before the barrier moves there, so that no offset
    /// names what was not shown.
    fn break_off(&self, until: G) {
        for topic in self.topics.lock().values().flatten() {
            topic.forget(until);
        }
        let sockets = self.sessions.lock().distrust();
        for socket in sockets {
            socket.deliver(Delivery::Close(Close::Fault));
            socket.handle.wake();
        }
    }

    /// Puts out every socket whose key has been revoked, be it the one with which it came or one with
    /// which it listens.
    pub(crate) fn dismiss_revoked(&self) {
        for session in self.sessions.lock().by_id.values() {
            let Some(socket) = session.socket() else {
                continue;
            };
            let is_revoked = |key: KeyId| !self.directory.works(key);
            if socket.key.is_some_and(is_revoked) || session.listens_by(is_revoked) {
                socket.deliver(Delivery::Dismissed);
                socket.handle.wake();
            }
        }
    }

    /// Whether what a right to listen hangs on still holds.
    fn holds(&self, proof: &Proof) -> bool {
        let works = proof.key.is_none_or(|key| self.directory.works(key));
        works && proof.until.is_none_or(|until| self.now() < until)
    }

    /// Some app, in whose name can be said what concerns all. `None` while there is none.
    pub(crate) fn any_app(&self) -> Option<Arc<App>> {
        self.directory.apps().into_iter().next()
    }

    /// The sessions that have a socket and something in the store, which was last told of them
    /// before `before`; and an app in whose name it can be told. `None` while there is no app.
    pub(crate) fn unseen_sessions(
        &self,
        before: Timestamp,
    ) -> Option<(Arc<App>, Vec<Arc<Session>>)> {
        let app = self.any_app()?;
        let sessions = self.sessions.lock();
        let is_due = |session: &&Arc<Session>| session.is_live() && session.seen_at() < before;
        let due = sessions.by_id.values().filter(is_due);
        Some((app, due.map(Arc::clone).collect()))
    }

    /// Lets go of what is no longer recent: sessions without a socket, events, topics that nobody
    /// needs.
    pub fn sweep(&self) {
        if let Some(before) = timers::now().checked_sub(self.config.recent) {
            self.sessions.lock().forget(before);
        }
        self.note_segments(std::iter::empty());
        let mut topics = self.topics.lock();
        let unneeded: Vec<_> = topics
            .values()
            .flatten()
            .filter(|topic| topic.is_empty())
            .map(Arc::clone)
            .collect();
        for topic in unneeded {
            self.tidy(&mut topics, &topic);
        }
        drop(topics);
        // What has become too old goes, though nothing new comes.
        self.note_segments(std::iter::empty());
    }

    /// Ends a socket's listening.
    fn leave(&self, topic: &Arc<Topic>, member: usize) {
        let mut topics = self.topics.lock();
        topic.remove(member);
        self.tidy(&mut topics, topic);
    }

    /// Drops a topic that nobody listens to.
    fn tidy(&self, topics: &mut Topics, topic: &Arc<Topic>) {
        if !topic.is_empty() {
            return;
        }
        let Some(variants) = topics.get_mut(&topic.place) else {
            return;
        };
        let place = variants
            .iter()
            .position(|variant| Arc::ptr_eq(variant, topic));
        if let Some(place) = place {
            variants.swap_remove(place);
            self.metrics.topics.dec();
        }
        if variants.is_empty() {
            topics.remove(&topic.place);
            if let Some(bus) = self.bus() {
                bus.leave(topic.place);
            }
        }
    }
}
