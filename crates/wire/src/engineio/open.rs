//! The handshake answer of Engine.IO ("Handshake"), the JSON inside the `0` packet.

use serde::Serialize;

use super::{Packet, Transport};
use crate::json::to_json;

/// What the server tells a new connection. Its JSON has these five keys and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// The Engine.IO session id; every later request of this connection carries it.
    pub sid: String,
    /// Transports that the client may upgrade to.
    pub upgrades: &'static [&'static str],
    /// Milliseconds between two pings of the server.
    pub ping_interval: u64,
    /// Milliseconds that a pong may take.
    pub ping_timeout: u64,
    /// The longest payload in bytes that the client should send at once over polling.
    pub max_payload: usize,
}

impl Open {
    /// The answer for a connection that starts over `transport`: only polling can be upgraded.
    pub fn new(
        sid: String,
        transport: Transport,
        ping_interval: u64,
        ping_timeout: u64,
        max_payload: usize,
    ) -> Self {
        let upgrades: &[&str] = match transport {
            Transport::Polling => &["websocket"],
            Transport::WebSocket => &[],
        };
        Self {
            sid,
            upgrades,
            ping_interval,
            ping_timeout,
            max_payload,
        }
    }

    /// The packet `0{...}`.
    pub fn packet(&self) -> Packet {
        Packet::Open(to_json(self))
    }
}
