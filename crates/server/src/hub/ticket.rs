//! A client event that is not answered yet, or an answer that must be given again. Tickets of a
//! socket are answered in their order, each at its place in the stream.

use std::sync::Arc;

use bytes::Bytes;
use chat::{Actor, Command, G, Query, Refusal, Reply};
use dialects::{Answered, Dialect, Request};

use super::{offset::Key, session::Collected};

/// What a ticket without a command holds, roughly.
const LEAST_WEIGHT: usize = 256;

/// A client event that is not answered yet.
pub(super) struct Ticket {
    /// The id under which the client waits for an acknowledgement, if it does.
    pub(super) ack: Option<u64>,
    pub(super) dialect: Option<&'static dyn Dialect>,
    /// Who asks; `None` for what nobody asked for.
    pub(super) actor: Option<Arc<Actor>>,
    pub(super) request: Option<Request>,
    pub(super) weight: usize,
    pub(super) state: State,
    /// It was answered before, and the answer may not have arrived.
    pub(super) again: bool,
    /// Nobody asked for it: its client comes in.
    pub(super) greets: bool,
    /// It is for this connection alone: whoever comes back is not told again.
    pub(super) passes: bool,
    /// The answer to CONNECT, if that is what waits for the outcome.
    pub(super) welcome: Option<Bytes>,
}

pub(super) enum State {
    /// The writer has it.
    Submitted,
    /// Its command is decided, or it has none; its query has not begun.
    Asking { at: Option<G>, reply: Option<Reply> },
    /// Its query is under way, as of `at`; the stream stops there.
    Reading { at: G, reply: Option<Reply> },
    /// An answer that may not have arrived, as it was written.
    Kept { key: Key, frame: Bytes },
    /// Done. Without a place of its own it stands where the stream is when its turn comes.
    Done {
        at: Option<G>,
        result: Result<Answered, Refusal>,
    },
}

impl Ticket {
    fn new(weight: usize, state: State) -> Self {
        Self {
            ack: None,
            dialect: None,
            actor: None,
            request: None,
            weight,
            state,
            again: false,
            greets: false,
            passes: false,
            welcome: None,
        }
    }

    /// For an event that was read.
    pub(super) fn asked(
        dialect: Option<&'static dyn Dialect>,
        ack: Option<u64>,
        actor: Arc<Actor>,
        request: Request,
    ) -> Self {
        let command = request.command.as_ref();
        let weight = command.map_or(LEAST_WEIGHT, Command::weight);
        let state = match command {
            Some(_) => State::Submitted,
            None => State::Asking {
                at: None,
                reply: None,
            },
        };
        Self {
            ack,
            dialect,
            actor: Some(actor),
            request: Some(request),
            ..Self::new(weight, state)
        }
    }

    /// For what a client is told when it comes in, as if it had asked.
    pub(super) fn greeting(
        dialect: &'static dyn Dialect,
        actor: Arc<Actor>,
        request: Request,
    ) -> Self {
        Self {
            greets: true,
            ..Self::asked(Some(dialect), None, actor, request)
        }
    }

    /// For an event that is refused already.
    pub(super) fn refused(
        dialect: Option<&'static dyn Dialect>,
        ack: Option<u64>,
        request: Option<Request>,
        refusal: Refusal,
    ) -> Self {
        let state = State::Done {
            at: None,
            result: Err(refusal),
        };
        Self {
            ack,
            dialect,
            request,
            ..Self::new(LEAST_WEIGHT, state)
        }
    }

    /// For what ends with the connection.
    pub(super) fn notice(dialect: Option<&'static dyn Dialect>, refusal: Refusal) -> Self {
        Self {
            passes: true,
            ..Self::refused(dialect, None, None, refusal)
        }
    }

    /// For a CONNECT that is answered when its session is stored.
    pub(super) fn welcome(frame: Bytes) -> Self {
        Self {
            welcome: Some(frame),
            ..Self::new(LEAST_WEIGHT, State::Submitted)
        }
    }

    /// Answers a join again. `None` where the dialect answers none.
    pub(super) fn rejoin(
        dialect: &'static dyn Dialect,
        actor: Arc<Actor>,
        namespace: &str,
        place: chat::Topic,
        since: G,
    ) -> Option<Self> {
        let query = dialect.rejoin(namespace, place)?.query;
        Some(Self::asking_again(dialect, actor, query, since, None))
    }

    /// Hands out again what a greeting has handed out. `None` where the dialect's does not.
    pub(super) fn collected(
        dialect: &'static dyn Dialect,
        actor: Arc<Actor>,
        namespace: &str,
        Collected { at, after, up_to }: Collected,
    ) -> Option<Self> {
        let mut greeting = dialect.greet(namespace).into_iter();
        let hands_out =
            |request: &Request| matches!(request.command, Some(Command::CollectMissed { .. }));
        let query = greeting.find(hands_out)?.query?;
        let reply = Some(Reply::Missed { after, up_to });
        Some(Self::asking_again(dialect, actor, query, at, reply))
    }

    fn asking_again(
        dialect: &'static dyn Dialect,
        actor: Arc<Actor>,
        query: Query,
        at: G,
        reply: Option<Reply>,
    ) -> Self {
        let state = State::Asking {
            at: Some(at),
            reply,
        };
        Self {
            dialect: Some(dialect),
            actor: Some(actor),
            request: Some(Request::query(query)),
            again: true,
            ..Self::new(LEAST_WEIGHT, state)
        }
    }

    pub(super) fn kept(key: Key, frame: Bytes) -> Self {
        Self {
            again: true,
            ..Self::new(frame.len(), State::Kept { key, frame })
        }
    }

    /// The G that the stream must not pass before this ticket is answered, if it is known.
    pub(super) fn place(&self) -> Option<G> {
        match self.state {
            State::Submitted => None,
            State::Asking { at, .. } | State::Done { at, .. } => at,
            State::Reading { at, .. } => Some(at),
            State::Kept { key, .. } => Some(key.g),
        }
    }

    pub(super) fn is_done_by(&self, barrier: G) -> bool {
        match self.state {
            State::Done { at, .. } => at.is_none_or(|at| at <= barrier),
            State::Kept { .. } => true,
            State::Submitted | State::Asking { .. } | State::Reading { .. } => false,
        }
    }

    /// Whether it says who is at the socket, and is not refused.
    pub(super) fn identifies(&self) -> bool {
        let command = self
            .request
            .as_ref()
            .and_then(|request| request.command.as_ref());
        let is_refused = matches!(self.state, State::Done { result: Err(_), .. });
        !is_refused && command.is_some_and(|command| command.identifies().is_some())
    }
}
