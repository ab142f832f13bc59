//! The listener's settings, with their defaults. Reading them from a file is not done here.

use std::time::Duration;

use crate::origin::Origins;
use crate::proxy::TrustedProxies;

/// Settings of one listener.
#[derive(Clone, Debug)]
pub struct ListenConfig {
    /// The paths on which Engine.IO is spoken, each starting and ending with `/`; asked for without the last `/` they
    /// work as well. The driver sees which one in [`Peer::path`](super::Peer::path).
    pub paths: Vec<String>,
    /// Time between two pings of the server.
    pub ping_interval: Duration,
    /// How long a pong may take.
    pub ping_timeout: Duration,
    /// How long an upgrade may take from the probe's connection to packet `5`; then the probe is dropped, and polling goes on.
    pub upgrade_timeout: Duration,
    /// A client that takes no byte for this long while bytes wait for it is closed as "slow".
    pub slow_timeout: Duration,
    /// How long connections may flush their output at shutdown.
    pub shutdown_timeout: Duration,

    /// What a client may send. `max_text_bytes` is told to clients as `maxPayload`, and kept towards them over polling;
    /// `connect_timeout` says when [`Driver::connect_due`](super::Driver::connect_due) is called.
    pub limits: wire::Limits,
    /// Bytes that a driver may move out in one turn.
    pub write_budget: usize,
    /// Bytes of memory that the kernel may hold for one client: frozen readers else hide megabytes there. Linux is told
    /// half of it (`SO_SNDBUF`), and goes over it by the last write.
    pub send_buffer: usize,

    /// How long a request's head may take; an idle connection is kept open for this long as well.
    pub header_timeout: Duration,
    /// How long a request's body, and a TLS handshake, may take.
    pub body_timeout: Duration,
    /// Bytes of a request's head.
    pub max_header_bytes: usize,

    /// TCP connections in all, of whatever use; above it a 503 and the end.
    pub max_sockets: usize,
    /// Engine.IO connections in all; above it a handshake gets a 503.
    pub max_connections: usize,
    /// Engine.IO connections from one IPv4 address or one IPv6 /64 network. Loopback addresses are not counted.
    pub max_connections_per_ip: usize,

    /// Pages of which origins may come in.
    pub origins: Origins,
    /// Names by which this server is asked for (`Host`, without port). If empty: on a loopback listener IP addresses and
    /// `localhost`, else any. If not: these, IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Proxies whose forwarded headers are believed.
    pub proxies: TrustedProxies,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            paths: vec!["/socket.io/".to_owned()],
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            slow_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(10),
            limits: wire::Limits::default(),
            write_budget: 128 * 1024,
            send_buffer: 256 * 1024,
            header_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_secs(30),
            max_header_bytes: 16 * 1024,
            max_sockets: 200_000,
            max_connections: 100_000,
            max_connections_per_ip: 4_096,
            origins: Origins::Default,
            hosts: Vec::new(),
            proxies: TrustedProxies::default(),
        }
    }
}
