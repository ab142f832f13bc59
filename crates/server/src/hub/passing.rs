//! What passes: who is writing just now. Never stored, outside the order, and the first to go.
//!
//! Who began to write and does not say so again, or goes away, has stopped: the server says it then.

use std::{
    collections::HashMap,
    iter,
    time::{Duration, Instant},
};

use chat::{ConversationId, Passing, SessionId, UserId, event::Sign};
use dialects::Emit;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::{Hub, socket::Socket, timers, topic::Topic};

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
        let key = (passing.scene.conversation.id, passing.user.id);
        let mut typists = self.typists.0.lock();
        match passing.sign {
            Sign::Writing => {
                let until = timers::now() + WRITING;
                typists.insert(key, Typist { passing, until });
            }
            Sign::Stopped => {
                typists.remove(&key);
            }
            Sign::ReadAgain => {}
        }
    }

    /// Tells that those have stopped who have not said anything for a while.
    pub(crate) fn stop_silent_typists(&self) {
        let now = timers::now();
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
                sign: Sign::Stopped,
                ..passing
            });
        }
    }

    fn tell_passing(&self, passing: &Passing) {
        let conversation = chat::Topic::Conversation(passing.scene.conversation.id);
        let people = passing.people().map(chat::Topic::Person);
        for place in iter::once(conversation).chain(people) {
            let words = |topic: &Topic| {
                let stage = topic.stage(&self.config.site);
                topic.dialect.pass(&stage, passing)
            };
            self.pass_at(place, words, |socket| {
                let session = &socket.session;
                passing.origin != Some(session.seed.id) && !session.is(passing.user.id)
            });
        }
    }

    /// Shows something that passes, where there are words for it, to those who listen to a place and
    /// are to see it.
    pub(super) fn pass_at(
        &self,
        place: chat::Topic,
        words: impl Fn(&Topic) -> Option<Emit>,
        sees: impl Fn(&Socket) -> bool,
    ) {
        let topics = self.topics.lock().get(&place).cloned().unwrap_or_default();
        for topic in topics {
            let Some(emit) = words(&topic) else {
                continue;
            };
            let mut frame = Vec::new();
            wire::frame::write_event(&mut frame, topic.namespace, &emit.name, &emit.args, None);
            topic.pass(&frame.into(), &sees);
        }
    }
}
