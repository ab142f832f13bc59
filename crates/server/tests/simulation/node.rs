//! The server under simulation: the real writer's turn, sequencer and hub, each moved by hand.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use chat::{
    Actor, App, AppId, Asker, Command, Executor, Identity, Outcome, Queue, Store, Submission,
    Timestamp, Turn,
    actor::Proof,
    model::{ApiKey, KeyId, Scope, Secret},
};
use parking_lot::Mutex;
use server::{
    buses::Local,
    hub::{Door, Hub, HubConfig, HubParts, Presence, Sequencer, Strides, TURNS_AHEAD},
    identity::Directory,
    metrics::Metrics,
};
use tokio::sync::mpsc;

use crate::disk::Disk;

/// Rung by whoever has something for its owner.
#[derive(Default)]
pub(crate) struct Bell(AtomicBool);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_rung(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn answer(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

type Read = Box<dyn FnOnce() + Send>;

/// One start of the server, from boot to crash.
pub(crate) struct Node {
    pub(crate) hub: Arc<Hub>,
    pub(crate) door: Door,
    pub(crate) metrics: Arc<Metrics>,
    queue: Arc<Queue>,
    executor: Executor,
    turns: mpsc::Sender<Turn>,
    /// Committed, and waiting for room on its way to the sequencer.
    unsent: Option<Turn>,
    sequencer: Pin<Box<dyn Future<Output = ()>>>,
    sequencer_bell: Arc<Bell>,
    reads: Arc<Mutex<VecDeque<Read>>>,
}

impl Node {
    /// Starts on what the disk holds.
    pub(crate) fn boot(
        disk: &Arc<Disk>,
        config: HubConfig,
        stride: usize,
        rng: &mut fastrand::Rng,
    ) -> Self {
        let store: Arc<dyn Store> = Arc::clone(disk) as _;
        let boots = store.boot(rng.u32(1..)).unwrap();
        let presence = Arc::new(Presence::default());
        let online = Arc::clone(&presence) as _;
        let mut executor = Executor::new(Arc::clone(&store), online, rng.u64(..)).unwrap();
        if store.apps().unwrap().is_empty() {
            let _ = executor.turn([new_app()].into(), Timestamp(0));
        }
        let (queue, metrics) = (Arc::new(Queue::default()), Metrics::new());
        let reads: Arc<Mutex<VecDeque<Read>>> = Arc::default();
        let waiting = Arc::clone(&reads);
        let parts = HubParts {
            config,
            store: Arc::clone(&store),
            reads: Arc::new(move |read| waiting.lock().push_back(read)),
            queue: Arc::clone(&queue),
            directory: Arc::new(Directory::load(store).unwrap()),
            metrics: Arc::clone(&metrics),
            presence,
            boots,
            last_g: executor.last_g(),
        };
        let hub = Hub::new(parts, |listener| Arc::new(Local::new(listener)));
        let (turns, incoming) = mpsc::channel(TURNS_AHEAD);
        let strides = Strides {
            mark: stride,
            wake: stride,
        };
        let sequencer = Sequencer::new(Arc::clone(&hub), strides).run(incoming);
        let sequencer_bell = Arc::new(Bell::default());
        sequencer_bell.ring();
        Self {
            door: Door(Arc::clone(&hub)),
            hub,
            metrics,
            queue,
            executor,
            turns,
            unsent: None,
            sequencer: Box::pin(sequencer),
            sequencer_bell,
            reads,
        }
    }

    pub(crate) fn can_write(&self) -> bool {
        self.unsent.is_none() && !self.queue.is_empty()
    }

    /// The writer takes a batch, commits it, and hands on what came of it. Tells how many commands.
    pub(crate) fn write(&mut self, now: Timestamp) -> usize {
        let batch = self.queue.take().unwrap_or_default();
        let commands = batch.len();
        self.unsent = Some(self.executor.turn(batch, now));
        self.hand_on();
        commands
    }

    fn hand_on(&mut self) {
        if let Some(turn) = self.unsent.take()
            && let Err(mpsc::error::TrySendError::Full(turn)) = self.turns.try_send(turn)
        {
            self.unsent = Some(turn);
        }
    }

    pub(crate) fn can_sequence(&self) -> bool {
        self.sequencer_bell.is_rung()
    }

    /// The sequencer goes on to where it next yields.
    pub(crate) fn sequence(&mut self) {
        self.sequencer_bell.answer();
        let waker = Waker::from(Arc::clone(&self.sequencer_bell));
        let polled = self
            .sequencer
            .as_mut()
            .poll(&mut Context::from_waker(&waker));
        assert!(matches!(polled, Poll::Pending), "the writer still lives");
        self.hand_on();
    }

    /// Reads that wait for a reader.
    pub(crate) fn waiting_reads(&self) -> usize {
        self.reads.lock().len()
    }

    /// Readers are many: any of the reads may be the next one to be done.
    pub(crate) fn read(&self, which: usize) {
        let read = self.reads.lock().remove(which);
        if let Some(read) = read {
            read();
        }
    }

    /// Whether nothing is under way in the server's middle.
    pub(crate) fn is_idle(&self) -> bool {
        !self.can_write()
            && !self.can_sequence()
            && self.unsent.is_none()
            && self.waiting_reads() == 0
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Each read holds the hub, which holds them.
        drop(std::mem::take(&mut *self.reads.lock()));
    }
}

/// For what nobody waits for.
struct Nobody;

impl Asker for Nobody {
    fn answered(&self, _: Outcome) {}
    fn wake(&self) {}
    fn lost(&self) {}
}

fn new_app() -> Submission {
    let app = App {
        id: AppId(0),
        uuid: uuid::Uuid::from_u128(1),
        name: "simulated".to_owned(),
        identity: Identity::Open,
        is_default: true,
        max_text_bytes: 65_536,
        secret: Secret(String::new()),
        public_keys: String::new(),
        created_at: Timestamp(0),
    };
    let key = ApiKey {
        id: KeyId(0),
        app: AppId(0),
        scope: Scope::Client,
        hash: [0; 32],
        prefix: String::new(),
        created_at: Timestamp(0),
        revoked_at: None,
    };
    Submission {
        actor: Arc::new(Actor {
            app: Arc::new(app.clone()),
            subject: None,
            scope: Scope::Server,
            proof: Proof::default(),
            session: None,
        }),
        command: Command::CreateApp {
            app: Box::new(app),
            keys: vec![key],
        },
        asker: Arc::new(Nobody),
    }
}
