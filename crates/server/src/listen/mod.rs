//! The Engine.IO listener: HTTP/1, long-polling, WebSocket, upgrade, heartbeat, close, TLS, origins, limits.
//!
//! This file is the seam. What lives on a connection is a [`Driver`]; what makes drivers is an [`Accept`]; the listener
//! knows neither Socket.IO nor chat. Each connection is one task, which alone calls its driver, so a driver needs no lock.
//! Read `connection.rs` next for that task, `http.rs` for the requests, `accept.rs` for the sockets.

mod accept;
mod close;
mod config;
mod connection;
mod cors;
mod deadlines;
mod http;
mod listener;
mod metrics;
mod outgoing;
mod polling;
mod seats;
mod shared;
mod socket;
mod websocket;

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

pub use accept::Server;
pub use close::{Close, HandshakeRefusal};
pub use config::ListenConfig;
pub use metrics::{Counter, Gauge, ListenMetrics, Refused};
pub use outgoing::Outgoing;
pub(crate) use seats::{Seat, Seats, place_of};
pub use wire::engineio::{Message, Transport};

use shared::{Order, Shared};

/// What lives on one Engine.IO connection: the Socket.IO hub in the server, an echo in the protocol fixture.
///
/// All methods are called by the connection's own task, never at the same time, and must not block. The driver outlives
/// an upgrade from polling to WebSocket without noticing it.
pub trait Driver: Send {
    /// One message from the client. Called only while [`wants_input`](Driver::wants_input).
    ///
    /// # Errors
    /// The reason for which the transport shall be closed.
    fn receive(&mut self, message: Message, now: Instant) -> Result<(), Close>;

    /// Called at the beginning of every turn of the connection's task, so after every wake, also while nothing can be
    /// written: for what input waits for.
    ///
    /// # Errors
    /// The reason for which the transport shall be closed.
    fn woken(&mut self, now: Instant) -> Result<(), Close> {
        let _ = now;
        Ok(())
    }

    /// False while the client must not be read: who does not drink may not talk. Asked again after every wake, so the
    /// driver calls [`Handle::wake`] when the answer turns true.
    fn wants_input(&self) -> bool;

    /// Moves what can be written now into `out`, until [`Outgoing::is_full`]. `Pending` when there is nothing. Whoever
    /// left room has nothing more, and calls [`Handle::wake`] once there is. Called again while there was no room, as
    /// long as the client takes the bytes, and until `Pending` while the connection is flushed to be closed; over
    /// polling only while a poll waits.
    ///
    /// # Errors
    /// The transport is closed with this reason once what stands in `out`, and all before it, was written.
    fn poll_output(&mut self, now: Instant, out: &mut Outgoing) -> Poll<Result<(), Close>>;

    /// True while answers to the client are on their way that `poll_output` cannot give yet: a close that flushes
    /// ([`Close::flushes`]) waits for them, within [`shutdown_timeout`](ListenConfig::shutdown_timeout).
    fn has_pending(&self) -> bool {
        false
    }

    /// The client answered a heartbeat: it has received everything that was written before the ping.
    fn ponged(&mut self, now: Instant);

    /// Called once, [`connect_timeout`](wire::Limits::connect_timeout) after the connection was opened.
    ///
    /// # Errors
    /// [`Close::NoConnect`] if the client has connected to no namespace so far.
    fn connect_due(&mut self, now: Instant) -> Result<(), Close>;

    /// Called before each ping, for what may wait that long and deserves no timer of its own.
    ///
    /// # Errors
    /// The reason for which the transport shall be closed instead.
    fn heartbeat(&mut self, now: Instant) -> Result<(), Close> {
        let _ = now;
        Ok(())
    }

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

/// Who asks, as the handshake shows it. On routes that are not Engine.IO it is an extension of the request.
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

impl Peer {
    /// A peer on this machine that says nothing about itself; where a driver is opened without a listener.
    pub fn local() -> Self {
        Self {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure: false,
            path: "/".into(),
            raw_query: "".into(),
            host: None,
            origin: None,
            user_agent: None,
            token: None,
            transport: None,
        }
    }

    /// The first value of `key` in the query, unescaped.
    pub fn query(&self, key: &str) -> Option<Cow<'_, str>> {
        wire::engineio::Query::new(&self.raw_query).get(key)
    }
}

/// Wakes a connection's task. A cheap clone; may be kept after the connection's end, where it does nothing.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// A handle that wakes `waker`; where a driver is driven without a listener.
    pub fn detached(waker: Waker) -> Self {
        Self {
            shared: Arc::new(Shared::detached(waker)),
        }
    }

    /// The Engine.IO session id: unguessable, and a secret of this client's.
    pub fn sid(&self) -> &str {
        &self.shared.sid
    }

    /// Makes the connection's task ask its driver again. Two atomic loads and nothing more when the task is already due.
    pub fn wake(&self) {
        self.shared.wake();
    }
}
