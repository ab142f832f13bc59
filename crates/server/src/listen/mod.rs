//! The Engine.IO listener: HTTP/1, long-polling, WebSocket, upgrade, heartbeat, close, TLS, origins, limits.
//!
//! This file is the seam. What lives on a connection is a [`Driver`]; what makes drivers is an [`Accept`]; the listener
//! knows neither Socket.IO nor chat. Each connection is one task, which alone calls its driver, so a driver needs no lock.
//! Read `connection.rs` next for that task, `http.rs` for the requests, `accept.rs` for the sockets.

mod close;
mod config;
mod metrics;

use std::net::IpAddr;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Instant;

use bytes::Bytes;

pub use close::{Close, HandshakeRefusal};
pub use config::ListenConfig;
pub use metrics::{Counter, Gauge, ListenMetrics, Refused};

/// What lives on one Engine.IO connection: the Socket.IO hub in the server, an echo in the protocol fixture.
///
/// All methods are called by the connection's own task, never at the same time, and must not block. The driver outlives
/// an upgrade from polling to WebSocket without noticing it.
pub trait Driver: Send {
    /// One message from the client. Called only while [`wants_input`](Driver::wants_input).
    ///
    /// # Errors
    /// The reason for which the transport shall be closed; what `poll_output` still gives is written before.
    fn receive(&mut self, message: Message, now: Instant) -> Result<(), Close>;

    /// False while the client must not be read: who does not drink may not talk. Asked again after every wake, so the
    /// driver calls [`Handle::wake`] when the answer turns true.
    fn wants_input(&self) -> bool;

    /// Moves what can be written now into `out`, until [`Outgoing::is_full`]. `Pending` when there is nothing: then
    /// [`Handle::wake`] is to be called once there is. Called again at once after `Ready(Ok)`, until `Pending`, as long
    /// as the client takes the bytes; over polling only while a poll waits.
    ///
    /// # Errors
    /// The transport is closed with this reason once what stands in `out`, and all before it, was written.
    fn poll_output(&mut self, now: Instant, out: &mut Outgoing) -> Poll<Result<(), Close>>;

    /// The client answered a heartbeat: it has received everything that was written before the ping.
    fn ponged(&mut self, now: Instant);

    /// Called once, [`connect_timeout`](ListenConfig::connect_timeout) after the connection was opened.
    ///
    /// # Errors
    /// [`Close::NoConnect`] if the client has connected to no namespace so far.
    fn connect_due(&mut self, now: Instant) -> Result<(), Close>;

    /// Called once, at the end, with the reason; nothing is called after it.
    fn closed(&mut self, reason: Close);
}

/// Makes the driver of a new connection.
pub trait Accept: Send + Sync + 'static {
    /// Called in the handshake, after the origin and the limits were checked; it must not block.
    ///
    /// # Errors
    /// The refusal is answered by its HTTP status, and there is no connection.
    fn open(&self, peer: Peer, handle: Handle) -> Result<Box<dyn Driver>, HandshakeRefusal>;
}

/// A transport of Engine.IO v4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    WebSocket,
}

/// One message of an Engine.IO connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

/// Who asks, as the handshake (or, on the other routes, the request) shows it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The client's address; behind trusted proxies the one that they name.
    pub ip: IpAddr,
    /// Whether the client speaks TLS, to us or to the trusted proxy.
    pub secure: bool,
    /// The request's path, without the query.
    pub path: Box<str>,
    /// The raw query; see [`Peer::query`].
    pub raw_query: Box<str>,
    /// `Host`, or what a trusted proxy says it was.
    pub host: Option<Box<str>>,
    /// `Origin`, present when a browser asks; already found good.
    pub origin: Option<Box<str>>,
    /// `User-Agent`.
    pub user_agent: Option<Box<str>>,
    /// The header `token`, in which some clients bring their JWT.
    pub token: Option<Box<str>>,
    /// The transport of the handshake, which an upgrade may change; `None` on routes that are not Engine.IO.
    pub transport: Option<Transport>,
}

/// Wakes a connection's task. A cheap clone; may be kept after the connection's end, where it does nothing.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// What a connection's task shares with those who wake it.
#[derive(Debug)]
struct Shared {
    /// The Engine.IO session id.
    sid: Box<str>,
    /// Stored once, at the task's first poll: a tokio task keeps its waker for life.
    waker: OnceLock<Waker>,
}

impl Handle {
    /// The Engine.IO session id: unguessable, and a secret of this client's.
    pub fn sid(&self) -> &str {
        &self.shared.sid
    }

    /// Makes the connection's task ask its driver again. One atomic load and nothing more when the task is already due.
    pub fn wake(&self) {
        self.shared.wake();
    }
}

impl Shared {
    fn wake(&self) {
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
            return;
        }
        // The task is not polled yet, or just now for the first time. The fences (the other is in `store_waker`) see to it
        // that either we see its waker or it sees what the caller changed before this call.
        fence(Ordering::SeqCst);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

/// Where a driver puts what is to be written.
#[derive(Debug, Default)]
pub struct Outgoing {
    chunks: Vec<Bytes>,
    bytes: usize,
    budget: usize,
}

impl Outgoing {
    /// An empty one that is full at `budget` bytes.
    pub fn new(budget: usize) -> Self {
        Self {
            chunks: Vec::new(),
            bytes: 0,
            budget,
        }
    }

    /// Adds one or more finished server-to-client WebSocket frames (`wire::frame`); never a part of a frame. Over polling
    /// the listener takes them apart again.
    pub fn push(&mut self, frames: Bytes) {
        if !frames.is_empty() {
            self.bytes += frames.len();
            self.chunks.push(frames);
        }
    }

    /// How many bytes may still be added; going over it with the last frame is allowed.
    pub fn room(&self) -> usize {
        self.budget.saturating_sub(self.bytes)
    }

    /// Whether the driver shall stop for this turn.
    pub fn is_full(&self) -> bool {
        self.bytes >= self.budget
    }

    /// Bytes in here.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is in here, in writing order.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }
}
