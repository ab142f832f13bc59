//! The seam between nodes: what happened here reaches those who listen elsewhere.
//!
//! Losing the bus loses no message: the store is the truth, the bus only makes it quick.

use std::sync::Arc;

use crate::event::{Event, Topic};

/// Called by the bus for what others publish on topics that are listened to here. Must not block.
pub type Listener = Arc<dyn Fn(Topic, &Arc<Event>) + Send + Sync>;

/// Carries events between nodes. No call blocks.
pub trait Bus: Send + Sync {
    /// Tells every node that listens to `topic`, this one included.
    fn publish(&self, topic: Topic, event: &Arc<Event>);
    /// One more local listener; the first one joins.
    fn listen(&self, topic: Topic);
    /// One local listener fewer; the last one leaves.
    fn leave(&self, topic: Topic);
    /// Stops delivering. What is published later goes nowhere.
    fn close(&self);
}
