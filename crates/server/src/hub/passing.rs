//! What passes: who is writing just now. Never stored, outside the order, and the first to go.
//!
//! Who began to write and does not say so again, or goes away, has stopped: the server says it then.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chat::{ConversationId, Passing, SessionId, Topic, UserId};
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::Hub;

/// How long somebody writes who does not say so again.
const WRITING: Duration = Duration::from_secs(6);

/// Who is writing, and until when if they say nothing more.
#[derive(Default)]
pub(super) struct Typists(Mutex<HashMap<(ConversationId, UserId), Typist, RandomState>>);

struct Typist {
    passing: Passing,
    until: Instant,
}

impl Hub {
    /// Shows something that passes to those who listen to its conversation, but not on its user's
    /// own sockets.
    pub(super) fn pass(&self, passing: Passing) {
        self.tell_passing(&passing);
        let key = (passing.conversation.id, passing.user.id);
        let mut typists = self.typists.0.lock();
        if passing.writes {
            let until = Instant::now() + WRITING;
            typists.insert(key, Typist { passing, until });
        } else {
            typists.remove(&key);
        }
    }

    /// Tells that those have stopped who have not said anything for a while.
    pub(crate) fn stop_silent_typists(&self) {
        let now = Instant::now();
        self.stop_typists(|typist| typist.until <= now);
    }

    /// Tells that a session that is gone has stopped writing.
    pub(super) fn stop_typists_of(&self, session: SessionId) {
        self.stop_typists(|typist| typist.passing.origin == Some(session));
    }

    fn stop_typists(&self, stops: impl Fn(&Typist) -> bool) {
        let stopped: Vec<_> = {
            let mut typists = self.typists.0.lock();
            if typists.is_empty() {
                return;
            }
            let stopped = typists.extract_if(|_, typist| stops(typist));
            stopped.map(|(_, typist)| typist.passing).collect()
        };
        for passing in stopped {
            self.tell_passing(&Passing {
                writes: false,
                ..passing
            });
        }
    }

    fn tell_passing(&self, passing: &Passing) {
        let place = Topic::Conversation(passing.conversation.id);
        let topics = self.topics.lock().get(&place).cloned().unwrap_or_default();
        for topic in topics {
            let Some(emit) = topic.dialect.pass(&self.config.site, passing) else {
                continue;
            };
            let mut frame = Vec::new();
            wire::frame::write_event(&mut frame, topic.namespace, emit.name, &emit.args, None);
            topic.pass(&frame.into(), |socket| {
                let session = &socket.session;
                passing.origin != Some(session.seed.id) && !session.is(passing.user.id)
            });
        }
    }
}
