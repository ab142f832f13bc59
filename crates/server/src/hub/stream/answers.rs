//! What a socket's own events come to: outcomes of commands, queries, and their answers, each at its
//! key. The events of others are in `stream`.

use std::sync::Arc;

use bytes::Bytes;
use chat::{
    Actor, G, Outcome, Refusal, Reply, View,
    query::{self, QueryError, Reader, Sources},
    session::{StoredSession, StoredSubscription},
};
use dialects::{Answer, Answered, Emit, Request};

use super::Stream;
use crate::{
    hub::{
        offset::{Key, Offset},
        seat::Voice,
        session::Collected,
        socket::Delivery,
        ticket::{State, Ticket},
    },
    listen::{Close, Outgoing},
    media::is_in_use,
};

impl Stream {
    /// Outcomes come in the order of submission, so this one is the first submitted ticket's.
    pub(super) fn decided(&mut self, outcome: Outcome, voice: Option<&Voice>) -> Result<(), Close> {
        let is_submitted = |ticket: &Ticket| matches!(ticket.state, State::Submitted);
        let Some(place) = self.tickets.iter().position(is_submitted) else {
            return Ok(());
        };
        let identifies = self.tickets.get(place).is_some_and(Ticket::identifies);
        match &outcome.result {
            Ok(Reply::Registered { user, replaced }) => {
                for other in replaced {
                    self.unidentify(*other);
                }
                self.identify(&[user.id]);
                self.announce();
            }
            Ok(Reply::Opened {
                user: Some(user), ..
            }) if identifies => self.identify(&[user.id]),
            Ok(Reply::Deregistered { user: Some(user) }) => self.unidentify(*user),
            Ok(Reply::Inherited { session }) => {
                if let Some(voice) = voice {
                    self.join_again(voice, place, session);
                }
            }
            Ok(Reply::Held) => self.hub.metrics.count_refusal(&Refusal::HeldForReview),
            Ok(_) => {}
            Err(refusal) => {
                self.ended = true;
                self.hub.metrics.count_refusal(refusal);
            }
        }
        let Some(ticket) = self.tickets.get_mut(place) else {
            return Ok(());
        };
        let placed = ticket.request.as_ref().map_or(&[][..], Request::placed);
        if let Some(media) = &self.hub.config.media
            && !is_in_use(&outcome.result)
        {
            for file in placed {
                media.discard(file);
            }
        }
        if matches!(outcome.result, Err(Refusal::Unavailable)) {
            if ticket.welcome.is_some() {
                // Its client must not hear of a session that is not stored. It comes back with the
                // one that it knows.
                return Err(Close::Fault);
            }
            if ticket.greets {
                // It would hear of nothing and never ask again. It comes back.
                self.socket.session.owe_greeting();
                return Err(Close::Fault);
            }
        }
        let at = Some(outcome.g);
        let has_query = |request: &Request| request.query.is_some();
        let asks = ticket.request.as_ref().is_some_and(has_query);
        ticket.state = match outcome.result {
            Ok(Reply::Held) => State::Done {
                at,
                result: Err(Refusal::HeldForReview),
            },
            Ok(reply) if asks => State::Asking {
                at,
                reply: Some(reply),
            },
            Ok(reply) => State::Done {
                at,
                result: Ok(Answered {
                    reply: Some(reply),
                    view: None,
                }),
            },
            Err(refusal) => State::Done {
                at,
                result: Err(refusal),
            },
        };
        Ok(())
    }

    /// A join of the connection before is answered here, at its place. If that was done already, its
    /// keys are not newer than what was written, and nothing is written twice.
    pub(super) fn join_late(&mut self, voice: &Voice, place: chat::Topic, at: G) {
        let identities = self.socket.session.identities();
        let replaced = self.identities.iter().copied();
        let replaced: Vec<_> = replaced.filter(|user| !identities.contains(user)).collect();
        for user in replaced {
            self.unidentify(user);
        }
        self.identify(&identities);
        if matches!(place, chat::Topic::Person(_)) {
            self.announce();
        }
        let (actor, namespace) = (Arc::clone(&voice.actor), self.socket.namespace);
        let Some(ticket) = voice
            .dialect
            .and_then(|dialect| Ticket::rejoin(dialect, actor, namespace, place, at))
        else {
            return;
        };
        self.insert(ticket, at);
    }

    /// What was handed out to the connection before is handed out here, like a late join.
    pub(super) fn collect_late(&mut self, voice: &Voice, collected: Collected) {
        let at = collected.at;
        let ticket = self.hand_out(voice, collected);
        if let Some(ticket) = ticket {
            self.insert(ticket, at);
        }
    }

    /// For what was handed out before, and may not have arrived.
    pub(super) fn hand_out(&self, voice: &Voice, collected: Collected) -> Option<Ticket> {
        let actor = Arc::clone(&voice.actor);
        Ticket::collected(voice.dialect?, actor, self.socket.namespace, collected)
    }

    /// Puts a ticket where its place is.
    fn insert(&mut self, ticket: Ticket, at: G) {
        let is_later = |other: &Ticket| other.place().is_none_or(|place| place > at);
        let later = self.tickets.iter().position(is_later);
        self.open_bytes += ticket.weight;
        self.tickets
            .insert(later.unwrap_or(self.tickets.len()), ticket);
    }

    /// The session has taken over what an earlier one listened to. Its page will not join again by
    /// itself, so each join is answered anew, behind the ticket at `place`; a greeting is one.
    fn join_again(&mut self, voice: &Voice, place: usize, session: &StoredSession) {
        self.identify(&session.identities());
        let joins = session.subscriptions.iter().filter_map(|subscription| {
            let dialect = dialects::by_name(&subscription.dialect)?;
            if !dialect.greet(self.socket.namespace).is_empty() {
                return None;
            }
            let (actor, namespace) = (Arc::clone(&voice.actor), self.socket.namespace);
            let StoredSubscription { topic, since, .. } = *subscription;
            Ticket::rejoin(dialect, actor, namespace, topic, since)
        });
        for (count, ticket) in joins.enumerate() {
            self.open_bytes += ticket.weight;
            self.tickets.insert(place + 1 + count, ticket);
        }
    }

    pub(super) fn found(&mut self, found: Result<View, QueryError>) {
        let Some(ticket) = self.tickets.front_mut() else {
            return;
        };
        let State::Reading { at, reply } = &mut ticket.state else {
            return;
        };
        let (at, reply) = (Some(*at), reply.take());
        let result = match found {
            Ok(view) => Ok(Answered {
                reply,
                view: Some(view),
            }),
            Err(QueryError::Refused(refusal)) => Err(refusal),
            Err(QueryError::Failed(fault)) => {
                tracing::error!(%fault, "a query failed");
                Err(Refusal::Unavailable)
            }
        };
        if let Err(refusal) = &result {
            self.hub.metrics.count_refusal(refusal);
        }
        ticket.state = State::Done { at, result };
    }

    /// Begins the query of the front ticket: everything asked before it is answered by then.
    pub(super) fn start_reading(&mut self, cap: G, barrier: G) {
        let Some(ticket) = self.tickets.front_mut() else {
            return;
        };
        let State::Asking { at, reply } = &mut ticket.state else {
            return;
        };
        let at = at.unwrap_or(cap);
        // Its own command may be decided but not passed by the barrier yet; the wake comes after.
        if at > barrier {
            return;
        }
        let (reply, actor) = (reply.take(), ticket.actor.clone());
        let Some(Request {
            query: Some(query),
            needs_identity,
            ..
        }) = ticket.request.clone()
        else {
            return;
        };
        if needs_identity && self.identities.is_empty() {
            ticket.state = State::Done {
                at: Some(at),
                result: Err(Refusal::NotIdentified),
            };
            return;
        }
        let before = reply.clone();
        ticket.state = State::Reading { at, reply };
        self.read(actor, query, at, before);
    }

    fn read(&self, actor: Option<Arc<Actor>>, query: chat::Query, at: G, reply: Option<Reply>) {
        let (hub, socket) = (Arc::clone(&self.hub), Arc::clone(&self.socket));
        let users = self.identities.clone();
        hub.metrics.store_reads.inc();
        let reads = Arc::clone(&hub.reads);
        reads(Box::new(move || {
            let door = socket.session.seed.app;
            let actor = actor.as_deref();
            let subject = actor.and_then(|actor| actor.subject.as_ref());
            let reader = Reader {
                app: actor.map_or(door, |actor| actor.app.id),
                users: &users,
                is_server: actor.is_some_and(Actor::is_app),
                is_believed: actor.is_some_and(Actor::looks_as_anybody),
                subject: subject.map(|subject| &subject.id),
            };
            let sources = Sources {
                store: &*hub.store,
                presence: &*hub.presence,
            };
            let found = query::run(sources, reader, &query, at, reply.as_ref());
            socket.deliver(Delivery::Found(found));
            socket.handle.wake();
        }));
    }

    /// Writes an answer at its key: after everything up to `cap`, before anything newer.
    pub(super) fn answer(&mut self, ticket: Ticket, cap: G, out: &mut Outgoing) {
        self.open_bytes -= ticket.weight;
        if let Some(welcome) = ticket.welcome {
            return out.push(welcome);
        }
        let result = match ticket.state {
            State::Done { result, .. } => result,
            State::Kept { key, frame } => {
                self.written = key;
                self.socket.session.keep_answer(key, frame.clone());
                return out.push(frame);
            }
            State::Submitted | State::Asking { .. } | State::Reading { .. } => return,
        };
        let Answer { events, ack } = match (ticket.dialect, &result) {
            (Some(dialect), result) => {
                let site = &self.hub.config.site;
                dialect.answer(site, ticket.request.as_ref(), result.as_ref())
            }
            (None, Err(refusal)) => dialects::refuse(refusal),
            (None, Ok(_)) => Answer::default(),
        };
        for (count, emit) in (0..).zip(&events) {
            let key = self.next_answer(cap, ticket.again.then_some(count));
            if key > self.written {
                self.written = key;
                self.write_answer(key, emit, !ticket.passes, out);
            }
        }
        if let Some(id) = ticket.ack {
            let mut acknowledgement = Vec::new();
            wire::frame::write_ack(&mut acknowledgement, self.socket.namespace, id, &ack);
            if matches!(&result, Ok(answered) if answered.is_sent()) {
                self.hub.metrics.acked_messages.inc();
            }
            out.push(acknowledgement.into());
        }
    }

    /// The key of the next answer at `cap`; of the answer `again`, it is the one that it had before.
    fn next_answer(&self, cap: G, again: Option<u32>) -> Key {
        let g = cap.max(self.written.g);
        let is_next = self.written.g == g && self.written.part == Key::ANSWER;
        let next = if is_next { self.written.r + 1 } else { 0 };
        Key {
            g,
            part: Key::ANSWER,
            r: again.unwrap_or(next),
        }
    }

    fn write_answer(&self, key: Key, emit: &Emit, keeps: bool, out: &mut Outgoing) {
        let offset = self.offsets.then(|| self.hub.epochs.offset(key));
        let offset = offset.as_ref().map(Offset::as_str);
        let mut bytes = Vec::new();
        let namespace = self.socket.namespace;
        wire::frame::write_event(&mut bytes, namespace, &emit.name, &emit.args, offset);
        let frame = Bytes::from(bytes);
        if self.offsets && keeps {
            self.socket.session.keep_answer(key, frame.clone());
        }
        out.push(frame);
    }
}
