//! What the listener counts. Plain atomics: the metrics page reads them, nobody resets them.

use std::sync::atomic::{AtomicU64, Ordering};

use wire::engineio::Transport;

use super::Close;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add_one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    pub(super) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a request or a socket was turned away before there was a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// An Engine.IO error 0 to 5 other than forbidden.
    BadHandshake,
    /// `Host` is not ours.
    Host,
    /// The origin is not on the list.
    Origin,
    /// Too many connections in all, or the driver's maker had no room.
    Overload,
    /// Too many connections from this address.
    PerIp,
    /// Too many sockets.
    Sockets,
    /// A TLS handshake that failed or took too long.
    Tls,
    /// A polling body above its limit.
    TooLarge,
}

impl Refused {
    /// How many reasons there are.
    pub const KINDS: usize = 8;

    /// All reasons with their label's value.
    pub const ALL: [(Self, &'static str); Self::KINDS] = [
        (Self::BadHandshake, "bad_handshake"),
        (Self::Host, "host"),
        (Self::Origin, "origin"),
        (Self::Overload, "overload"),
        (Self::PerIp, "per_ip"),
        (Self::Sockets, "sockets"),
        (Self::Tls, "tls"),
        (Self::TooLarge, "too_large"),
    ];
}

/// All counters of one listener.
#[derive(Debug, Default)]
pub struct ListenMetrics {
    /// TCP connections taken.
    pub accepted: Counter,
    /// TCP connections open now.
    pub sockets: Gauge,
    /// Handshakes that led to a connection.
    pub opened: Counter,
    /// Engine.IO connections open now over polling.
    pub polling: Gauge,
    /// Engine.IO connections open now over WebSocket.
    pub websocket: Gauge,
    /// Upgrades that were completed.
    pub upgrades: Counter,
    /// Upgrades that were begun and given up.
    pub upgrades_failed: Counter,
    /// Messages from clients.
    pub messages_in: Counter,
    /// Bytes read from all sockets, after TLS.
    pub bytes_in: Counter,
    /// Bytes written to all sockets, before TLS.
    pub bytes_out: Counter,
    /// Calls that wrote to a socket.
    pub writes: Counter,
    closed: [Counter; Close::KINDS],
    refused: [Counter; Refused::KINDS],
}

impl ListenMetrics {
    /// Connections ended so far for this kind of reason.
    pub fn closed(&self, reason: &Close) -> u64 {
        self.closed.get(reason.index()).map_or(0, Counter::get)
    }

    /// Connections ended so far, by the reason's name.
    pub fn closed_by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Close::NAMES
            .into_iter()
            .zip(self.closed.iter().map(Counter::get))
    }

    /// Refusals so far for this reason.
    pub fn refused(&self, reason: Refused) -> u64 {
        self.refused.get(reason as usize).map_or(0, Counter::get)
    }

    pub(super) fn count_close(&self, reason: &Close) {
        if let Some(counter) = self.closed.get(reason.index()) {
            counter.add_one();
        }
    }

    pub(super) fn count_refusal(&self, reason: Refused) {
        if let Some(counter) = self.refused.get(reason as usize) {
            counter.add_one();
        }
    }

    pub(super) fn open(&self, transport: Transport) -> &Gauge {
        match transport {
            Transport::Polling => &self.polling,
            Transport::WebSocket => &self.websocket,
        }
    }
}
