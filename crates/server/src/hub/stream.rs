//! What one socket gets: the merge, by key, of its topics and of the answers to its own commands.
//!
//! Nothing is queued per socket. A topic is read from a cursor; an answer waits at the front of
//! the tickets until the stream has reached its key. Keys strictly rise, so the last offset that a
//! client has seen says exactly what it has.

mod answers;

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use chat::{Actor, G, Refusal, UserId};
use dialects::{Dialect, Request};

use super::{
    Hub,
    offset::Key,
    presence::Going,
    present::Standing,
    seat::Voice,
    session::{Collected, Listening, Portrait},
    socket::{Delivery, Socket},
    ticket::Ticket,
    topic::{Fetched, Grain, Render, Run, Spelling, Topic},
};
use crate::listen::{Close, Outgoing};

/// The cursors and tickets of one socket. Only its connection touches them.
pub(crate) struct Stream {
    pub(crate) socket: Arc<Socket>,
    hub: Arc<Hub>,
    /// Whether events end with offsets.
    offsets: bool,
    subscriptions: Vec<Option<Subscription>>,
    /// Topics that may have something new.
    dirty: Vec<u32>,
    /// Topics that it listens to only up to some place.
    ending: Vec<u32>,
    /// The key of what was written last.
    written: Key,
    tickets: VecDeque<Ticket>,
    open_bytes: usize,
    /// It has stopped listening to something, or was not let listen, since this was last asked.
    ended: bool,
    /// It must go, for good.
    pub(crate) dismissed: bool,
    /// What was written before the last ping, and before the one before it.
    pinged: [Key; 2],
    /// Who the socket has said it is; it may be several.
    identities: Vec<UserId>,
    /// What it has to do with who is present.
    standing: Option<Standing>,
    /// How the socket will go.
    pub(crate) going: Going,
}

struct Subscription {
    topic: Arc<Topic>,
    member: usize,
    cursor: Key,
    /// What it calls the place, if that is shown.
    spelling: Option<Arc<Spelling>>,
    /// What comes after this is not shown.
    end: Option<Key>,
}

impl Stream {
    /// A stream that begins after `written`.
    pub(super) fn new(
        hub: Arc<Hub>,
        socket: Arc<Socket>,
        standing: Option<Standing>,
        offsets: bool,
        written: Key,
    ) -> Self {
        if let Some(Standing { person, .. }) = standing.as_ref().filter(|own| own.announces) {
            hub.presence.present.enter(person);
        }
        Self {
            socket,
            hub,
            offsets,
            subscriptions: Vec::new(),
            dirty: Vec::new(),
            ending: Vec::new(),
            written,
            tickets: VecDeque::new(),
            open_bytes: 0,
            ended: false,
            dismissed: false,
            pinged: [Key::default(); 2],
            identities: Vec::new(),
            standing,
            going: Going::Lost,
        }
    }

    /// Goes on after `from`: listens to what the session listened to, says again what may not have
    /// arrived, each thing at the place that it had.
    pub(crate) fn resume(&mut self, from: Key, portrait: Portrait, voice: &Voice) {
        let Portrait {
            identities,
            places,
            answers,
            collected,
            ..
        } = portrait;
        self.identify(&identities);
        let mut again: Vec<Ticket> = Vec::new();
        for Listening {
            topic,
            since,
            spelling,
        } in &places
        {
            let cursor = from.max(Key::end_of(*since));
            topic.add(&self.socket, cursor, spelling.as_deref());
        }
        // Some may have ended since the portrait was drawn, when the socket was not in there yet.
        let standing = self.socket.session.listening();
        for Listening { topic, since, .. } in places {
            if !standing.contains(&Arc::as_ptr(&topic)) {
                self.socket
                    .detach(topic.place, Key::end_of(self.hub.barrier()));
            }
            let (dialect, namespace) = (topic.dialect, self.socket.namespace);
            let rejoin = dialect.rejoin(namespace, topic.place);
            let is_kept = |(key, _): &(Key, Bytes)| key.g == since;
            let last = Key {
                g: since,
                part: Key::ANSWER,
                r: rejoin.map_or(0, |rejoin| rejoin.events.saturating_sub(1)),
            };
            if from < last && !answers.iter().any(is_kept) {
                let actor = Arc::clone(&voice.actor);
                again.extend(Ticket::rejoin(
                    dialect,
                    actor,
                    namespace,
                    topic.place,
                    since,
                ));
            }
        }
        let is_kept = |it: &Collected| answers.iter().any(|(key, _)| *key == Key::answer(it.at));
        let collected = collected.filter(|collected| !is_kept(collected));
        again.extend(collected.and_then(|collected| self.hand_out(voice, collected)));
        again.extend(
            answers
                .into_iter()
                .map(|(key, frame)| Ticket::kept(key, frame)),
        );
        again.sort_by_key(Ticket::place);
        for ticket in again {
            self.push(ticket);
        }
        self.announce();
    }

    /// Its user is known to the store: others may be told that it has come.
    fn announce(&self) {
        if let Some(standing) = &self.standing {
            self.hub.announce(&self.socket, standing);
        }
    }

    /// What it has to do with who is present.
    pub(super) fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    /// The socket is these users.
    pub(crate) fn identify(&mut self, users: &[UserId]) {
        for &user in users {
            self.socket.session.identify(user);
            if !self.identities.contains(&user) {
                self.identities.push(user);
                self.hub.presence.online.enter(user);
            }
        }
    }

    /// The socket is this user no longer.
    pub(super) fn unidentify(&mut self, user: UserId) {
        self.socket.session.unidentify(user);
        if let Some(place) = self.identities.iter().position(|known| *known == user) {
            self.identities.swap_remove(place);
            self.hub
                .presence
                .online
                .leave(user, Going::Goodbye, self.hub.now());
        }
    }

    /// A heartbeat goes out now.
    pub(crate) fn pinged(&mut self) {
        let [_, last] = self.pinged;
        self.pinged = [last, self.written];
    }

    /// The last heartbeat is answered. Over polling a ping may overtake what was written just
    /// before it, so only what came before the ping before counts as confirmed.
    pub(crate) fn ponged(&mut self) {
        let [confirmed, _] = self.pinged;
        self.socket.session.confirm(confirmed);
    }

    /// Events that are not answered yet.
    pub(crate) fn open_tickets(&self) -> usize {
        self.tickets.len()
    }

    /// Whether something that it listened to has ended, or was refused, since this was last asked.
    pub(crate) fn take_ended(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }

    /// Whether it listens to something, or may have asked to.
    pub(crate) fn reads(&self) -> bool {
        !self.tickets.is_empty() || self.subscriptions.iter().any(Option::is_some)
    }

    /// Bytes that those hold, roughly.
    pub(crate) fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    /// Whether the socket has said who it is, or is about to.
    pub(crate) fn is_identified(&self) -> bool {
        !self.identities.is_empty() || self.tickets.iter().any(Ticket::identifies)
    }

    /// Whether the session may have something in the store: it listens to something, or has asked to.
    pub(crate) fn has_stored_session(&self) -> bool {
        !self.subscriptions.is_empty() || self.is_identified() || !self.is_welcomed()
    }

    /// Takes a ticket for an event that was read. The command, if any, is submitted by the caller.
    pub(crate) fn ask(
        &mut self,
        dialect: Option<&'static dyn Dialect>,
        ack: Option<u64>,
        actor: Arc<Actor>,
        request: Request,
    ) {
        self.push(Ticket::asked(dialect, ack, actor, request));
    }

    /// Takes a ticket for what its client is told when it comes in.
    pub(crate) fn greet(
        &mut self,
        dialect: &'static dyn Dialect,
        actor: Arc<Actor>,
        request: Request,
    ) {
        self.push(Ticket::greeting(dialect, actor, request));
    }

    /// Takes a ticket for an event that is refused already; the words keep their place.
    pub(crate) fn refuse(
        &mut self,
        dialect: Option<&'static dyn Dialect>,
        ack: Option<u64>,
        request: Option<Request>,
        refusal: Refusal,
    ) {
        self.hub.metrics.count_refusal(&refusal);
        self.push(Ticket::refused(dialect, ack, request, refusal));
    }

    /// Takes a ticket for something that is said to this connection alone.
    pub(crate) fn notice(&mut self, dialect: Option<&'static dyn Dialect>, refusal: Refusal) {
        self.hub.metrics.count_refusal(&refusal);
        self.push(Ticket::notice(dialect, refusal));
    }

    /// Takes a ticket for a CONNECT that is answered when what was submitted for it is decided.
    pub(crate) fn welcome_when_decided(&mut self, welcome: Bytes) {
        self.push(Ticket::welcome(welcome));
    }

    /// Whether its CONNECT is answered.
    pub(crate) fn is_welcomed(&self) -> bool {
        // The ticket of a CONNECT is the first one of its stream.
        let front = self.tickets.front();
        front.is_none_or(|ticket| ticket.welcome.is_none())
    }

    fn push(&mut self, ticket: Ticket) {
        self.open_bytes += ticket.weight;
        self.tickets.push_back(ticket);
    }

    /// Moves what may be written now into `out`; what passes comes last, if there is room.
    pub(crate) fn collect(&mut self, voice: &Voice, out: &mut Outgoing) -> Result<(), Close> {
        self.collect_lasting(voice, out)?;
        if !out.is_full() && self.is_welcomed() {
            for frame in self.socket.take_passing() {
                out.push(frame);
            }
        }
        Ok(())
    }

    fn collect_lasting(&mut self, voice: &Voice, out: &mut Outgoing) -> Result<(), Close> {
        // In this order: what the barrier covers is then in the marks and in the inbox.
        let barrier = self.hub.barrier();
        self.socket.take_dirty(&mut self.dirty);
        self.take_inbox(Some(voice))?;
        self.dirty.extend(&self.ending);
        loop {
            let cap = self.cap(barrier);
            self.start_reading(cap, barrier);
            if !self.collect_events(Key::end_of(cap), out)? {
                return Ok(());
            }
            let answerable = |ticket: &mut Ticket| ticket.is_done_by(barrier);
            match self.tickets.pop_front_if(answerable) {
                Some(ticket) => self.answer(ticket, cap, out),
                None => return Ok(()),
            }
            // An idle socket owns no room for tickets.
            if self.tickets.is_empty() {
                self.tickets = VecDeque::new();
            }
            if out.is_full() {
                return Ok(());
            }
        }
    }

    /// How far the stream may go before the front ticket is answered. One without a place of its
    /// own comes before what the tickets behind it have changed.
    fn cap(&self, barrier: G) -> G {
        let Some(front) = self.tickets.front() else {
            return barrier;
        };
        let at = front.place().or_else(|| {
            let next = self.tickets.iter().find_map(Ticket::place)?;
            Some(next.saturating_sub(1).max(self.written.g))
        });
        at.map_or(barrier, |at| at.min(barrier))
    }

    /// Takes in all that was left, also behind a reason to close: what it is attached to must be
    /// let go of again. The first reason counts.
    fn take_inbox(&mut self, voice: Option<&Voice>) -> Result<(), Close> {
        let mut result = Ok(());
        for delivery in self.socket.take_inbox() {
            match delivery {
                Delivery::Attached {
                    slot,
                    topic,
                    member,
                    cursor,
                    spelling,
                } => {
                    let subscription = Subscription {
                        topic,
                        member,
                        cursor,
                        spelling,
                        end: None,
                    };
                    let slot = slot as usize;
                    if self.subscriptions.len() <= slot {
                        if self.subscriptions.is_empty() {
                            // Most listen to one thing only.
                            self.subscriptions.reserve_exact(slot + 1);
                        }
                        self.subscriptions.resize_with(slot + 1, || None);
                    }
                    if let Some(place) = self.subscriptions.get_mut(slot) {
                        *place = Some(subscription);
                    }
                }
                Delivery::Respelled { slot, spelling } => {
                    if let Some(Some(subscription)) = self.subscriptions.get_mut(slot as usize) {
                        subscription.spelling = spelling;
                    }
                }
                Delivery::Detached { slot, until } => {
                    if let Some(Some(subscription)) = self.subscriptions.get_mut(slot as usize) {
                        subscription.end = Some(until);
                        self.ending.push(slot);
                    }
                }
                Delivery::Joined { place, at } => {
                    if let Some(voice) = voice {
                        self.join_late(voice, place, at);
                    }
                }
                Delivery::Collected(collected) => {
                    if let Some(voice) = voice {
                        self.collect_late(voice, collected);
                    }
                }
                Delivery::Decided(outcome) => result = result.and(self.decided(outcome, voice)),
                Delivery::Found(found) => self.found(found),
                Delivery::Lost => result = result.and(Err(Close::Fault)),
                Delivery::Dismissed => self.dismissed = true,
                Delivery::Close(reason) => result = result.and(Err(reason)),
                Delivery::Expired => {
                    let dialect = voice.and_then(|voice| voice.dialect);
                    self.notice(dialect, Refusal::TokenExpired);
                }
            }
        }
        result
    }

    /// Writes what the topics have up to `cap`. False when `out` is full before that.
    fn collect_events(&mut self, cap: Key, out: &mut Outgoing) -> Result<bool, Close> {
        loop {
            if self.dirty.is_empty() {
                return Ok(true);
            }
            if out.is_full() {
                return Ok(false);
            }
            let reached = match *self.dirty {
                [slot] => self.collect_one(slot, cap, out)?,
                _ => self.collect_merged(cap, out)?,
            };
            if reached {
                return Ok(true);
            }
        }
    }

    /// The usual case: one topic has something new, and its segments go out as they are.
    fn collect_one(&mut self, slot: u32, cap: Key, out: &mut Outgoing) -> Result<bool, Close> {
        let fetched = self.fetch(slot, cap, out.room(), Grain::Segment)?;
        if !fetched.full && !fetched.later {
            self.dirty.clear();
        }
        for run in fetched.runs {
            self.write(slot, run, out);
        }
        if !fetched.full {
            self.pass(slot, cap);
        }
        Ok(!fetched.full)
    }

    /// Several topics have something new: their frames go out in the order of their keys. Where one
    /// topic has more than was fetched, nothing beyond what it gave may be written.
    fn collect_merged(&mut self, cap: Key, out: &mut Outgoing) -> Result<bool, Close> {
        self.dirty.sort_unstable();
        self.dirty.dedup();
        let slots = std::mem::take(&mut self.dirty);
        let (mut frames, mut until) = (Vec::new(), cap);
        for &slot in &slots {
            let fetched = self.fetch(slot, cap, out.room(), Grain::Frame)?;
            if let (true, Some(last)) = (fetched.full, fetched.runs.last()) {
                until = until.min(last.last);
            }
            if fetched.full || fetched.later {
                self.dirty.push(slot);
            }
            frames.extend(fetched.runs.into_iter().map(|run| (slot, run)));
        }
        frames.sort_unstable_by_key(|(_, run)| run.last);
        for (slot, run) in frames {
            if run.last <= until {
                self.write(slot, run, out);
            } else if !self.dirty.contains(&slot) {
                self.dirty.push(slot);
            }
        }
        for slot in slots {
            self.pass(slot, until);
        }
        Ok(until == cap)
    }

    /// Notes that a topic has given all that it has up to `until`, which may be nothing: what it
    /// forgets up to there is not missed.
    fn pass(&mut self, slot: u32, until: Key) {
        let Some(place) = self.subscriptions.get_mut(slot as usize) else {
            return;
        };
        let Some(subscription) = place else { return };
        subscription.cursor = subscription.cursor.max(until);
        if subscription.end.is_some_and(|end| end <= until) {
            self.hub.leave(&subscription.topic, subscription.member);
            *place = None;
            self.ended = true;
            self.ending.retain(|ending| *ending != slot);
            self.socket.free_slot(slot);
        }
    }

    /// What a topic has for this socket. Who is behind what memory holds is closed, and comes back to
    /// be served from the log.
    fn fetch(&self, slot: u32, cap: Key, budget: usize, grain: Grain) -> Result<Fetched, Close> {
        let Some(Some(subscription)) = self.subscriptions.get(slot as usize) else {
            return Ok(Fetched::default());
        };
        let render = Render {
            epochs: &self.hub.epochs,
            metrics: &self.hub.metrics,
            site: &self.hub.config.site,
            offsets: self.offsets,
            spelling: subscription.spelling.as_ref(),
            reader: self.socket.session.seed.id,
        };
        let topic = &subscription.topic;
        let cap = subscription.end.map_or(cap, |end| end.min(cap));
        let fetched = topic.fetch(subscription.cursor, cap, budget, grain, &render);
        fetched.ok_or(Close::Slow)
    }

    fn write(&mut self, slot: u32, run: Run, out: &mut Outgoing) {
        self.hub.metrics.deliveries.inc_by(u64::from(run.frames));
        self.written = run.last;
        if let Some(Some(subscription)) = self.subscriptions.get_mut(slot as usize) {
            subscription.cursor = run.last;
        }
        out.push(run.bytes);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Attachments that nobody has looked at yet are ended like the others.
        self.socket.close();
        let _ = self.take_inbox(None);
        for subscription in self.subscriptions.iter().flatten() {
            self.hub.leave(&subscription.topic, subscription.member);
        }
        self.socket.session.detach(&self.socket);
        for user in &self.identities {
            self.hub
                .presence
                .online
                .leave(*user, self.going, self.hub.now());
        }
        if let Some(Standing {
            person, announces, ..
        }) = &self.standing
        {
            let (present, session) = (&self.hub.presence.present, &self.socket.session);
            match announces {
                true => present.leave(person, self.going),
                false => present.stop_waiting(person, session.seed.id),
            }
        }
        self.hub.stop_typists_of(self.socket.session.seed.id);
        if !self.offsets {
            self.hub.sessions.lock().remove(&self.socket.session);
        }
        self.hub.metrics.sockets.dec();
    }
}
