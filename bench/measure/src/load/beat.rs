//! When the next of many things is to be done.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A mean rate. The pauses vary, so that they do not beat with the clock by which the kernel tells
/// user time from system time.
pub(super) struct Beat {
    rate: f64,
    due: Instant,
    random: u64,
}

impl Beat {
    /// So many a second, from now on.
    pub(super) fn new(rate: f64) -> Self {
        Self {
            rate,
            due: Instant::now(),
            random: 0x2545_f491_4f6c_dd1d,
        }
    }

    /// Waits for the next one. What is late does not make those behind it late.
    pub(super) async fn next(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let part = 0.5 + (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        self.due += Duration::from_secs_f64(part / self.rate);
        sleep_until(self.due).await;
    }
}
