//! What all tasks of one listener share: its settings, its counters, and who is connected.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::deadlines::Deadlines;
use super::seats::Seats;
use super::{Accept, ListenConfig, ListenMetrics, Order, Shared};
use crate::origin::HostRules;

/// Random bytes of a session id; in base64 without padding they are twenty characters.
const SID_BYTES: usize = 15;

/// A table that has held so many gives memory back when it holds few.
const MUCH: usize = 1024;

pub(super) struct Listener {
    pub(super) config: ListenConfig,
    pub(super) metrics: Arc<ListenMetrics>,
    pub(super) rules: HostRules,
    pub(super) seats: Arc<Seats>,
    pub(super) deadlines: Deadlines,
    accept: Arc<dyn Accept>,
    router: Router,
    // The keys are random and ours, so a fast hash is safe.
    connections: Mutex<HashMap<Box<str>, Arc<Shared>, RandomState>>,
    sockets: AtomicUsize,
    stopping: AtomicBool,
    /// Notified whenever a connection or a socket ends.
    left: Notify,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

impl Listener {
    pub(super) fn new(
        config: ListenConfig,
        metrics: Arc<ListenMetrics>,
        accept: Arc<dyn Accept>,
        router: Router,
        loopback: bool,
    ) -> Self {
        Self {
            rules: HostRules {
                loopback,
                hosts: config.hosts.clone(),
            },
            seats: Arc::new(Seats::new(
                config.max_connections,
                config.max_connections_per_ip,
            )),
            deadlines: Deadlines::new(
                config.ping_interval,
                config.ping_timeout,
                config.limits.connect_timeout,
            ),
            config,
            metrics,
            accept,
            router,
            connections: Mutex::default(),
            sockets: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            left: Notify::new(),
        }
    }

    pub(super) fn accept(&self) -> &dyn Accept {
        self.accept.as_ref()
    }

    pub(super) fn router(&self) -> Router {
        self.router.clone()
    }

    /// A session id that nobody can guess; `None` if the system has no randomness to give.
    pub(super) fn make_sid() -> Option<Box<str>> {
        let mut bytes = [0; SID_BYTES];
        getrandom::fill(&mut bytes).ok()?;
        Some(URL_SAFE_NO_PAD.encode(bytes).into_boxed_str())
    }

    pub(super) fn find(&self, sid: &str) -> Option<Arc<Shared>> {
        self.connections.lock().get(sid).cloned()
    }

    pub(super) fn enter(&self, shared: &Arc<Shared>) {
        self.connections
            .lock()
            .insert(shared.sid.clone(), Arc::clone(shared));
        // One that comes in while the others are told to go must not be forgotten.
        if self.is_stopping() {
            shared.order(Order::Stop);
        }
    }

    pub(super) fn leave(&self, shared: &Shared) {
        let mut connections = self.connections.lock();
        connections.remove(&shared.sid);
        if connections.capacity() > MUCH && connections.len() < connections.capacity() / 8 {
            connections.shrink_to_fit();
        }
        drop(connections);
        self.left.notify_one();
    }

    /// Counts an accepted socket in; false if there are too many.
    pub(super) fn enter_socket(&self) -> bool {
        self.metrics.sockets.up();
        self.sockets.fetch_add(1, Ordering::SeqCst) < self.config.max_sockets
    }

    pub(super) fn leave_socket(&self) {
        self.metrics.sockets.down();
        self.sockets.fetch_sub(1, Ordering::SeqCst);
        if self.is_stopping() {
            self.left.notify_one();
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// No more handshakes.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Tells all connections.
    pub(super) fn order_all(&self, order: Order) {
        let all: Vec<Arc<Shared>> = self.connections.lock().values().cloned().collect();
        for shared in all {
            shared.order(order);
        }
    }

    /// Waits until nobody is connected.
    pub(super) async fn connections_ended(&self) {
        self.wait(|| self.connections.lock().is_empty()).await;
    }

    /// Waits until no socket is open.
    pub(super) async fn sockets_ended(&self) {
        self.wait(|| self.sockets.load(Ordering::SeqCst) == 0).await;
    }

    async fn wait(&self, done: impl Fn() -> bool) {
        // A notification that comes between the question and the waiting is kept.
        while !done() {
            self.left.notified().await;
        }
    }
}
