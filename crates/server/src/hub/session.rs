//! What outlives a transport: who a socket was, what it listened to, and the answers that may not
//! have arrived. A client that comes back finds it here, or, after a restart, in the store.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    net::IpAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use chat::{
    AppId, ExternalId, G, KeyId, Proof, SessionId, StoredSubscription, Subject, Timestamp, User,
    UserId,
    actor::SessionSeed,
    event::{Unsubscribe, Whose},
};
use dialects::Dialect;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::{offset::Key, socket::Socket, timers, topic::Topic};
use crate::listen;

/// Bytes of answers that are kept until the client has confirmed them.
const ANSWER_BYTES: usize = 64 << 10;

/// The sessions that somebody may come back to, and all that have a socket.
#[derive(Default)]
pub(crate) struct Sessions {
    pub(crate) by_id: HashMap<SessionId, Arc<Session>, RandomState>,
    /// By the hash of their recovery id; sessions that cannot be recovered are not in here.
    pub(crate) by_pid: HashMap<[u8; 32], Arc<Session>, RandomState>,
    /// Those that the store may know better, while somebody still holds them: what is decided for them
    /// concerns whoever the store has brought back in their place.
    distrusted: HashMap<SessionId, Weak<Session>, RandomState>,
}

impl Sessions {
    /// Takes a session in; gives the one that is there already under its recovery id, if any.
    pub(crate) fn insert(&mut self, session: Arc<Session>, recoverable: bool) -> Arc<Session> {
        if recoverable {
            match self.by_pid.entry(session.seed.pid_hash) {
                Entry::Occupied(known) => return Arc::clone(known.get()),
                Entry::Vacant(place) => place.insert(Arc::clone(&session)),
            };
        }
        let earlier = self.distrusted.remove(&session.seed.id);
        if let Some(earlier) = earlier.and_then(|earlier| earlier.upgrade()) {
            let mut earlier = earlier.state.lock();
            earlier.successor = Arc::downgrade(&session);
            session.state.lock().collected = earlier.collected.take();
        }
        self.by_id.insert(session.seed.id, Arc::clone(&session));
        session
    }

    /// Nobody may come back to it any more.
    pub(crate) fn remove(&mut self, session: &Session) {
        self.by_id.remove(&session.seed.id);
        self.by_pid.remove(&session.seed.pid_hash);
    }

    /// Whether a session is in here. If so it stays for a while, as if its socket had gone just now.
    pub(crate) fn hold(&self, session: &Arc<Session>) -> bool {
        let known = self.by_id.get(&session.seed.id);
        let is_here = known.is_some_and(|known| Arc::ptr_eq(known, session));
        if is_here {
            session.park_anew();
        }
        is_here
    }

    /// Lets go of all whom the store may know better; gives their sockets.
    pub(crate) fn distrust(&mut self) -> Vec<Arc<Socket>> {
        let distrusted = self.by_id.extract_if(|_, session| session.distrust());
        let mut sockets = Vec::new();
        for (id, session) in distrusted {
            self.distrusted.insert(id, Arc::downgrade(&session));
            sockets.extend(session.socket());
        }
        self.by_pid.retain(|_, session| !session.is_distrusted());
        sockets
    }

    /// Lets go of those that have had no socket since `before`; the store still knows them.
    pub(crate) fn forget(&mut self, before: Instant) {
        let is_recent = |session: &Arc<Session>| session.parked().is_none_or(|at| at > before);
        self.by_id.retain(|_, session| is_recent(session));
        self.by_pid.retain(|_, session| is_recent(session));
        self.distrusted
            .retain(|_, session| session.strong_count() > 0);
        self.by_id.shrink_to(2 * self.by_id.len());
        self.by_pid.shrink_to(2 * self.by_pid.len());
    }
}

/// One session. Live while it has a socket, parked otherwise.
pub(crate) struct Session {
    pub(crate) seed: Arc<SessionSeed>,
    /// When the store was last told that it is live, or knew it by itself; milliseconds.
    seen_at: AtomicI64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    socket: Weak<Socket>,
    /// What the store has brought back in its place.
    successor: Weak<Session>,
    /// Since when it has none.
    parked: Option<Instant>,
    /// Its client has said goodbye. It stays here for a while, because the store may not have heard
    /// of it when somebody comes with its recovery id.
    ended: bool,
    /// The store may know better.
    distrusted: bool,
    dialect: Option<&'static dyn Dialect>,
    /// What its dialect greets with was asked for.
    greeted: bool,
    identities: Vec<UserId>,
    /// Who has registered last, if that is known.
    registered: Option<Arc<User>>,
    places: Vec<Place>,
    answers: VecDeque<(Key, Bytes)>,
    answer_bytes: usize,
    collected: Option<Collected>,
    /// Its place among the readers of its socket's address, if it has one.
    seat: Option<listen::Seat>,
}

/// That what its user had missed was handed out to it. That counts from then on, whether or not it
/// arrives, and nobody else is given it: so whoever goes on with the session is, until it has.
#[derive(Clone, Copy)]
pub(crate) struct Collected {
    /// The place of the answer.
    pub(crate) at: G,
    /// It was what came after this.
    pub(crate) after: G,
    /// And up to here.
    pub(crate) up_to: G,
}

/// What it listens to. While this exists the topic stays in memory.
pub(crate) struct Place {
    pub(crate) topic: Arc<Topic>,
    /// As whom, if that is known.
    pub(crate) user: Option<UserId>,
    /// What the right to it hangs on.
    proof: Proof,
    pub(crate) since: G,
    /// What it calls it, if it says so.
    spelling: Option<Arc<str>>,
}

/// The same for a socket that is to listen.
pub(crate) struct Listening {
    pub(crate) topic: Arc<Topic>,
    pub(crate) since: G,
    pub(crate) spelling: Option<Arc<str>>,
}

/// What a socket needs to go on with the session.
pub(crate) struct Portrait {
    pub(crate) dialect: Option<&'static dyn Dialect>,
    pub(crate) identities: Vec<UserId>,
    pub(crate) places: Vec<Listening>,
    pub(crate) answers: Vec<(Key, Bytes)>,
    /// If its client may not have that.
    pub(crate) collected: Option<Collected>,
}

impl Session {
    pub(crate) fn new(seed: Arc<SessionSeed>, seen_at: Timestamp) -> Self {
        let state = State {
            parked: Some(timers::now()),
            ..State::default()
        };
        Self {
            seed,
            seen_at: AtomicI64::new(seen_at.0),
            state: Mutex::new(state),
        }
    }

    pub(crate) fn seen_at(&self) -> Timestamp {
        Timestamp(self.seen_at.load(Ordering::Relaxed))
    }

    /// The store has been told.
    pub(crate) fn see(&self, at: Timestamp) {
        self.seen_at.store(at.0, Ordering::Relaxed);
    }

    /// Whether who comes with its recovery id may go on with it.
    pub(crate) fn belongs_to(&self, app: AppId, namespace: &str, who: Option<&Subject>) -> bool {
        let is_same = self.seed.subject.as_ref() == who.map(|who| &who.id.text);
        let is_ended = self.state.lock().ended;
        is_same && !is_ended && self.seed.app == app && self.seed.namespace == namespace
    }

    /// Its socket, while it has one.
    pub(crate) fn socket(&self) -> Option<Arc<Socket>> {
        self.state.lock().socket.upgrade()
    }

    /// The socket of whoever goes on with it, be it by what the store has brought back in its place.
    pub(crate) fn heir(&self) -> Option<Arc<Socket>> {
        let successor = self.state.lock().successor.upgrade();
        match successor {
            Some(successor) => successor.heir(),
            None => self.socket(),
        }
    }

    /// What its user had missed was handed out to it, or to what the store has brought back in its place.
    pub(crate) fn collect(&self, collected: Collected) {
        let successor = self.state.lock().successor.upgrade();
        match successor {
            Some(successor) => successor.collect(collected),
            None => self.state.lock().collected = Some(collected),
        }
    }

    /// Whether it has a socket, and listens to something.
    pub(crate) fn is_live(&self) -> bool {
        let state = self.state.lock();
        state.parked.is_none() && !state.places.is_empty()
    }

    /// Gives it a socket; the one that it had must stop.
    pub(crate) fn attach(&self, socket: &Arc<Socket>) -> Option<Arc<Socket>> {
        let mut state = self.state.lock();
        state.parked = None;
        std::mem::replace(&mut state.socket, Arc::downgrade(socket)).upgrade()
    }

    /// Its socket is gone. Nothing happens if another one has taken over.
    pub(crate) fn detach(&self, socket: &Arc<Socket>) {
        let mut state = self.state.lock();
        if std::ptr::eq(state.socket.as_ptr(), Arc::as_ptr(socket)) {
            state.socket = Weak::new();
            state.parked = Some(timers::now());
            state.seat = None;
        }
    }

    /// Whether it has a place among the readers of an address, one that it `takes` now if it has none.
    pub(crate) fn seat(&self, ip: IpAddr, takes: impl FnOnce() -> Option<listen::Seat>) -> bool {
        let mut state = self.state.lock();
        let is_there = |seat: &listen::Seat| seat.is_at(ip);
        if state.seat.as_ref().is_some_and(is_there) {
            return true;
        }
        let Some(seat) = takes() else {
            return false;
        };
        state.seat = Some(seat);
        true
    }

    /// Its place goes over to this one.
    pub(crate) fn take_seat_of(&self, other: &Self) {
        let seat = other.state.lock().seat.take();
        self.state.lock().seat = seat;
    }

    /// It gives its place back, if it still has this socket.
    pub(crate) fn unseat(&self, socket: &Arc<Socket>) {
        let mut state = self.state.lock();
        if std::ptr::eq(state.socket.as_ptr(), Arc::as_ptr(socket)) {
            state.seat = None;
        }
    }

    /// Only the store can say what it listens to, so nobody may go on with this. False if that does
    /// not matter any more: its client has said goodbye.
    fn distrust(&self) -> bool {
        let mut state = self.state.lock();
        state.distrusted = !state.ended;
        state.distrusted
    }

    pub(crate) fn is_distrusted(&self) -> bool {
        self.state.lock().distrusted
    }

    /// If it has no socket, that counts from now.
    fn park_anew(&self) {
        let mut state = self.state.lock();
        if let Some(since) = &mut state.parked {
            *since = timers::now();
        }
    }

    /// Since when it has no socket.
    pub(crate) fn parked(&self) -> Option<Instant> {
        self.state.lock().parked
    }

    /// What it speaks, if that is known.
    pub(crate) fn dialect(&self) -> Option<&'static dyn Dialect> {
        self.state.lock().dialect
    }

    pub(crate) fn speak(&self, dialect: &'static dyn Dialect) {
        self.state.lock().dialect = Some(dialect);
    }

    /// What its dialect greets with is asked for now. False if it was before.
    pub(crate) fn begin_greeting(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().greeted, true)
    }

    /// The greeting has failed, and is owed to whoever comes back.
    pub(crate) fn owe_greeting(&self) {
        self.state.lock().greeted = false;
    }

    pub(crate) fn identify(&self, user: UserId) {
        let mut state = self.state.lock();
        if !state.identities.contains(&user) {
            state.identities.push(user);
        }
    }

    /// It is this user no longer.
    pub(crate) fn unidentify(&self, user: UserId) {
        self.state.lock().identities.retain(|known| *known != user);
    }

    /// Whether it has said that it is this user.
    pub(crate) fn is(&self, user: UserId) -> bool {
        self.state.lock().identities.contains(&user)
    }

    /// Who it has said it is.
    pub(crate) fn identities(&self) -> Vec<UserId> {
        self.state.lock().identities.clone()
    }

    /// Somebody has registered.
    pub(crate) fn register(&self, user: &Arc<User>) {
        self.state.lock().registered = Some(Arc::clone(user));
    }

    /// Who has registered last, if that is known.
    pub(crate) fn registered(&self) -> Option<Arc<User>> {
        self.state.lock().registered.clone()
    }

    /// Who has registered with a token, as long as that gives the right to listen, and the token.
    pub(crate) fn proven(&self) -> Option<(ExternalId, Proof)> {
        let state = self.state.lock();
        let user = state.registered.as_ref()?;
        let place = state.places.iter().find(|place| {
            let is_own = place.topic.place == chat::Topic::Person(user.id);
            is_own && place.topic.dialect.registers_by_token()
        });
        Some((user.external.clone(), place?.proof))
    }

    /// It listens to a topic. Listening twice as the same user renews the right to it. True if it
    /// listened before and called it something else.
    pub(crate) fn listen(&self, topic: &Arc<Topic>, joined: &StoredSubscription) -> bool {
        let mut state = self.state.lock();
        let mut places = state.places.iter_mut();
        let Some(place) = places.find(|place| Arc::ptr_eq(&place.topic, topic)) else {
            if state.places.is_empty() {
                // Most listen to one thing only.
                state.places.reserve_exact(1);
            }
            state.places.push(Place::new(topic, joined));
            return false;
        };
        if place.user == joined.user {
            place.proof = joined.proof;
        }
        let is_respelled = place.spelling != joined.spelling;
        if is_respelled {
            place.spelling.clone_from(&joined.spelling);
        }
        is_respelled
    }

    /// The topics to which it listens, by where they are.
    pub(crate) fn listening(&self) -> HashSet<*const Topic> {
        let state = self.state.lock();
        let places = state.places.iter();
        places.map(|place| Arc::as_ptr(&place.topic)).collect()
    }

    /// Whether it listens to something by a key that `is_meant`.
    pub(crate) fn listens_by(&self, is_meant: impl Fn(KeyId) -> bool) -> bool {
        let state = self.state.lock();
        let mut keys = state.places.iter().filter_map(|place| place.proof.key);
        keys.any(is_meant)
    }

    /// It listens no longer to anything but what it still has a right to, and is no longer those users
    /// as whom it listened by that alone.
    pub(crate) fn keep_proven(&self, holds: impl Fn(&Proof) -> bool) {
        let State {
            places, identities, ..
        } = &mut *self.state.lock();
        let lost = places.extract_if(.., |place| !holds(&place.proof));
        let lost: Vec<_> = lost.filter_map(|place| place.user).collect();
        let is_left = |user: &UserId| {
            let mut users = places.iter().filter_map(|place| place.user);
            !lost.contains(user) || users.any(|kept| kept == *user)
        };
        identities.retain(is_left);
    }

    /// It listens no longer, if it is meant. True if it did.
    pub(crate) fn unlisten(&self, end: &Unsubscribe) -> bool {
        let is_meant = |place: &Place| {
            let is_whose = match end.whose {
                Whose::Session(session) => session == self.seed.id,
                Whose::User(user) => place.user == Some(user),
                Whose::Everybody => true,
            };
            let is_dialect = end
                .dialect
                .is_none_or(|name| name == place.topic.dialect.name());
            is_whose && is_dialect && place.topic.place == end.topic
        };
        let mut state = self.state.lock();
        let before = state.places.len();
        state.places.retain(|place| !is_meant(place));
        state.places.len() < before
    }

    /// Forgets everything: its client has said goodbye.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        state.seat = None;
        state.places.clear();
        state.answers.clear();
        state.answer_bytes = 0;
        state.identities.clear();
    }

    /// Keeps an answer until the client has confirmed it; one that was given again is kept
    /// already. The oldest give way.
    pub(crate) fn keep_answer(&self, key: Key, frame: Bytes) {
        let mut state = self.state.lock();
        let Err(place) = state.answers.binary_search_by_key(&key, |(key, _)| *key) else {
            return;
        };
        state.answer_bytes += frame.len();
        state.answers.insert(place, (key, frame));
        while state.answer_bytes > ANSWER_BYTES
            && let Some((_, oldest)) = state.answers.pop_front()
        {
            state.answer_bytes -= oldest.len();
        }
    }

    /// The client has everything up to here.
    pub(crate) fn confirm(&self, until: Key) {
        let mut state = self.state.lock();
        while let Some((_, frame)) = state.answers.pop_front_if(|(key, _)| *key <= until) {
            state.answer_bytes -= frame.len();
        }
        if state.answers.is_empty() {
            state.answers = VecDeque::new();
        }
    }

    /// What a socket needs that goes on after `from`.
    pub(crate) fn portrait(&self, from: Key) -> Portrait {
        let state = self.state.lock();
        let missed = state.answers.iter().filter(|(key, _)| *key > from);
        Portrait {
            dialect: state.dialect,
            identities: state.identities.clone(),
            places: state.places.iter().map(Place::listening).collect(),
            answers: missed.cloned().collect(),
            collected: state.collected.filter(|it| Key::answer(it.at) > from),
        }
    }
}

impl Place {
    fn new(topic: &Arc<Topic>, joined: &StoredSubscription) -> Self {
        topic.keep();
        Self {
            topic: Arc::clone(topic),
            user: joined.user,
            proof: joined.proof,
            since: joined.since,
            spelling: joined.spelling.clone(),
        }
    }

    fn listening(&self) -> Listening {
        Listening {
            topic: Arc::clone(&self.topic),
            since: self.since,
            spelling: self.spelling.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.topic.release();
    }
}
