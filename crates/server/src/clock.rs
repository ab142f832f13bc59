//! What time it is: the system's, which tests may move ahead, so that what ends by itself ends
//! without a wait. Timers of connections are no business of this; they measure how long something took.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chat::Timestamp;
use tokio::sync::Notify;

/// The time by which a server decides.
#[derive(Debug, Default)]
pub struct Clock {
    /// How far it is ahead of the system's time, in milliseconds.
    ahead: AtomicI64,
    moved: Notify,
}

impl Clock {
    /// Milliseconds since 1970, UTC.
    pub fn now(&self) -> Timestamp {
        Timestamp(system_time().0.saturating_add(self.ahead()))
    }

    /// Lets time pass at once: for tests.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let ahead = self.ahead().saturating_add(by);
        self.ahead.store(ahead, Ordering::Release);
        self.moved.notify_one();
    }

    /// Waits until it is moved, or was since the last call. One may wait.
    pub(crate) async fn moved(&self) {
        self.moved.notified().await;
    }

    fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Acquire)
    }
}

/// The system's time, in milliseconds since 1970, UTC.
pub fn system_time() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
