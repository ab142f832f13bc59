//! The bus of a server that is alone: what is published comes straight back to the listener.
//!
//! Its worth is in knowing which topics anybody listens to, so that an event that nobody wants
//! costs one lookup.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use chat::{
    Event, Topic,
    bus::{Bus, Listener},
};
use foldhash::fast::RandomState;
use parking_lot::RwLock;

/// Publishes to the one listener of this process, on the caller's thread.
pub struct Local {
    listener: Listener,
    /// How many listen to each topic, never 0; `None` when closed.
    topics: RwLock<Option<HashMap<Topic, u32, RandomState>>>,
}

impl Local {
    /// A bus that tells `listener` what is published on topics that are listened to.
    pub fn new(listener: Listener) -> Self {
        Self {
            listener,
            topics: RwLock::new(Some(HashMap::default())),
        }
    }
}

impl Bus for Local {
    fn publish(&self, topic: Topic, event: &Arc<Event>) {
        let wanted = match &*self.topics.read() {
            Some(topics) => topics.contains_key(&topic),
            None => false,
        };
        // The lock is free again: the listener may listen and leave.
        if wanted {
            (self.listener)(topic, event);
        }
    }

    fn listen(&self, topic: Topic) {
        if let Some(topics) = &mut *self.topics.write() {
            *topics.entry(topic).or_insert(0) += 1;
        }
    }

    fn leave(&self, topic: Topic) {
        if let Some(topics) = &mut *self.topics.write()
            && let Entry::Occupied(mut listeners) = topics.entry(topic)
        {
            *listeners.get_mut() -= 1;
            if *listeners.get() == 0 {
                listeners.remove();
            }
        }
    }

    fn close(&self) {
        *self.topics.write() = None;
    }
}
