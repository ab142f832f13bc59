//! Who listens to what on this node, and how what happened reaches them.
//!
//! `sequencer` takes the writer's turns and enters events into topics (`topic`); each socket
//! (`socket`, `stream`) reads its topics from cursors; `connection` is what the listener sees.
//! The barrier is the highest G that is committed and entered everywhere: no socket reads past it.

mod connection;
mod offset;
mod permits;
mod seat;
mod sequencer;
mod socket;
mod stream;
mod timers;
mod topic;

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use chat::{
    AppId, Event, G, Queue, SessionId, Store,
    bus::{Bus, Listener},
    store::Boot,
};
use dialects::Dialect;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

pub use self::{
    connection::Door,
    sequencer::{Sequencer, TURNS_AHEAD},
};
use self::{
    offset::Epochs,
    permits::Permits,
    socket::{Delivery, Socket},
    topic::Topic,
};
use crate::{identity::Directory, listen::Close, metrics::Metrics};

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
    /// Memory for what happened lately, in bytes.
    pub recent_bytes: usize,
    /// Events that a socket may send a second, and at once; `None` for no limit.
    pub rate: Option<Rate>,
    /// User-Agent prefixes of clients that break on an additional argument.
    pub without_recovery: Vec<String>,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            limits: Arc::default(),
            dialects: dialects::DIALECTS.to_vec(),
            waiting_commands: 8_192,
            waiting_commands_per_app: 4_096,
            recent_bytes: 64 << 20,
            rate: None,
            without_recovery: Vec::new(),
        }
    }
}

/// How fast a socket may send events. One that is faster is read more slowly; nothing is refused.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// In the long run.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

/// Everybody who is connected to this node.
pub struct Hub {
    config: HubConfig,
    store: Arc<dyn Store>,
    queue: Arc<Queue>,
    directory: Arc<Directory>,
    metrics: Arc<Metrics>,
    bus: OnceLock<Arc<dyn Bus>>,
    epochs: Epochs,
    barrier: AtomicU64,
    topics: Mutex<Topics>,
    sockets: Mutex<HashMap<SessionId, Arc<Socket>, RandomState>>,
    /// Topics that got events in the turn under way.
    touched: Mutex<Vec<Arc<Topic>>>,
    /// What all topics hold in memory, in bytes.
    topic_bytes: Arc<AtomicUsize>,
    permits: Arc<Permits>,
    app_permits: Mutex<HashMap<AppId, Arc<Permits>>>,
}

/// The topics of each place: one for each dialect and namespace that has listeners there.
type Topics = HashMap<chat::Topic, Vec<Arc<Topic>>, RandomState>;

/// What the hub is built on.
pub struct HubParts {
    /// Settings.
    pub config: HubConfig,
    /// Where queries are answered.
    pub store: Arc<dyn Store>,
    /// Where commands go.
    pub queue: Arc<Queue>,
    /// Apps and keys.
    pub directory: Arc<Directory>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
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
            queue,
            directory,
            metrics,
            boots,
            last_g,
        } = parts;
        let permits = Arc::new(Permits::new(config.waiting_commands, None));
        let hub = Arc::new(Self {
            config,
            store,
            queue,
            directory,
            metrics,
            bus: OnceLock::new(),
            epochs: Epochs::new(boots),
            barrier: AtomicU64::new(last_g),
            topics: Mutex::default(),
            sockets: Mutex::default(),
            touched: Mutex::default(),
            topic_bytes: Arc::default(),
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
    fn barrier(&self) -> G {
        self.barrier.load(Ordering::Acquire)
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

    /// Lets a socket listen to a place from `since` on. Listening twice changes nothing.
    fn join(&self, session: SessionId, place: chat::Topic, dialect: &str, since: G) {
        let Some(socket) = self.sockets.lock().get(&session).map(Arc::clone) else {
            return;
        };
        let Some(dialect) = dialects::by_name(dialect) else {
            return;
        };
        let mut topics = self.topics.lock();
        let variants = topics.entry(place).or_default();
        let same = |topic: &&Arc<Topic>| {
            topic.dialect.name() == dialect.name() && topic.namespace == socket.namespace
        };
        let found = variants.iter().find(same).map(Arc::clone);
        let topic = found.unwrap_or_else(|| {
            if let (true, Some(bus)) = (variants.is_empty(), self.bus()) {
                bus.listen(place);
            }
            let memory = Arc::clone(&self.topic_bytes);
            let topic = Arc::new(Topic::new(place, dialect, socket.namespace, since, memory));
            self.metrics.topics.inc();
            variants.push(Arc::clone(&topic));
            topic
        });
        topic.add(&socket, since);
        self.tidy(&mut topics, &topic);
    }

    fn enter_socket(&self, socket: &Arc<Socket>) {
        self.sockets
            .lock()
            .insert(socket.session, Arc::clone(socket));
        self.metrics.sockets.inc();
    }

    fn leave_socket(&self, socket: &Arc<Socket>) {
        self.sockets.lock().remove(&socket.session);
        self.metrics.sockets.dec();
    }

    /// Closes every connection: nobody can say what is stored and what is not, so nobody's stream
    /// can be trusted to be whole. Clients come back to what is really there.
    fn break_off(&self) {
        for socket in self.sockets.lock().values() {
            socket.deliver(Delivery::Close(Close::Fault));
            socket.handle.wake();
        }
    }

    /// Puts out every socket whose key has been revoked.
    pub(crate) fn dismiss_revoked(&self) {
        let sockets = self.sockets.lock();
        for socket in sockets.values() {
            if socket.key.is_some_and(|key| !self.directory.works(key)) {
                socket.deliver(Delivery::Dismissed);
                socket.handle.wake();
            }
        }
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
