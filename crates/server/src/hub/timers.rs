//! The hub's clock, and things that happen to one socket later, unless it is gone by then.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chat::Timestamp;
use tokio::task::AbortHandle;

use super::{
    Hub,
    socket::{Delivery, Socket},
};
use crate::listen::{Close, Handle};

/// The hub's time: that of its timers, so that where those stand still, ages do too.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Has the connection looked at again.
pub(super) fn wake_later(handle: &Handle, wait: Duration) {
    let handle = handle.clone();
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        handle.wake();
    });
}

/// Tells a socket that its token has expired, and closes its connection after a while, so that a
/// client whose `auth` is a function comes back with a new token by itself.
pub(super) fn expire_later(hub: &Hub, socket: &Arc<Socket>, expires_at: Timestamp) -> AbortHandle {
    let (socket, grace) = (Arc::clone(socket), hub.config.expiry_grace);
    let left = u64::try_from(expires_at.0 - hub.now().0).unwrap_or(0);
    let task = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(left)).await;
        socket.deliver(Delivery::Expired);
        socket.handle.wake();
        tokio::time::sleep(grace).await;
        socket.deliver(Delivery::Close(Close::Expired));
        socket.handle.wake();
    });
    task.abort_handle()
}
