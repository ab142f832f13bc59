//! What a client may ask of the wire, in one table; each layer checks its own rows before it allocates.

use std::time::Duration;

/// The limits of one connection. All sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest text packet: a WebSocket text message (the sum of its fragments), or one text packet of a polling
    /// payload. Advertised to clients as `maxPayload`.
    pub max_text_bytes: usize,
    /// Longest binary message, counted after base64 where polling wraps it.
    pub max_binary_bytes: usize,
    /// Most attachments that one Socket.IO packet may announce.
    pub max_attachments: usize,
    /// Most namespaces that one connection may be in, or be asking to enter, at a time.
    pub max_namespaces: usize,
    /// Longest namespace name.
    pub max_namespace_bytes: usize,
    /// Longest event name, as JSON text without its quotes.
    pub max_event_name_bytes: usize,
    /// Most arguments of one event or acknowledgement, the event's name not counted.
    pub max_args: usize,
    /// How many CONNECTs in a row the server may turn down before the connection is closed.
    pub max_rejected_connects: u8,
    /// How long a connection may exist without being in any namespace.
    pub connect_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_text_bytes: 1_000_000,
            max_binary_bytes: 10_000_000,
            max_attachments: 1,
            max_namespaces: 16,
            max_namespace_bytes: 128,
            max_event_name_bytes: 256,
            max_args: 64,
            max_rejected_connects: 20,
            connect_timeout: Duration::from_secs(45),
        }
    }
}

impl Limits {
    /// The longest body of a polling POST that can be within the limits: one text packet and one binary packet in
    /// base64, or as many small ones as fit.
    pub fn max_body_bytes(&self) -> usize {
        let base64 = self.max_binary_bytes.div_ceil(3).saturating_mul(4);
        self.max_text_bytes.saturating_add(base64).saturating_add(2)
    }
}
