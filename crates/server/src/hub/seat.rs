//! One socket as its connection sees it: reads its events in the dialect that it speaks, and submits
//! what they ask for. Who asks is in `asking`; what comes too early is held back in `early`; how
//! many may read without saying who they are is in `reading`.

mod asking;
mod early;
mod reading;

use std::{collections::VecDeque, net::IpAddr, sync::Arc, time::Instant};

use bytes::Bytes;
use chat::{Actor, Asker, Command, Outcome, Refusal, Submission, UserRef, model::Secret};
use dialects::{Credential, Dialect, Request};
use tokio::task::AbortHandle;
use wire::socketio::Event;

use self::early::Early;
pub(super) use self::reading::Readers;
use super::{
    Hub,
    offset::Key,
    permits::Permits,
    presence::Going,
    session::{Portrait, Session},
    socket::Registering,
    stream::Stream,
    upload::Uploading,
};
use crate::listen::{Close, Outgoing};

/// Commands of one socket that may be open at once.
const OPEN_TICKETS: usize = 512;
/// Bytes that those may hold, and also those that wait for the socket to say who it is.
const OPEN_BYTES: usize = 256 << 10;
/// Who asks at a socket, and in which words.
pub(super) struct Voice {
    /// Who asks, where a payload does not say it.
    pub(super) actor: Arc<Actor>,
    /// What it speaks, if that is known.
    pub(super) dialect: Option<&'static dyn Dialect>,
}

/// A socket, with what only its connection touches.
pub(super) struct Seat {
    hub: Arc<Hub>,
    /// Whom the handshake names.
    home: Arc<Actor>,
    voice: Voice,
    /// Who asked last with a key or token in the payload, and that key or token.
    bearer: Option<(Secret, Arc<Actor>)>,
    /// Who it has said it is, last.
    claimed: Option<UserRef>,
    stream: Stream,
    /// From where it comes.
    ip: IpAddr,
    /// It brought neither a token nor a key.
    is_anonymous: bool,
    permits: Arc<Permits>,
    early: VecDeque<Early>,
    /// Its user is not present. It waits for that until then, and all that it is asked.
    absent_until: Option<Instant>,
    /// It must go once what was asked is answered.
    leaves: bool,
    /// What it said last, if that is on its way to the disk. It is not read meanwhile.
    uploading: Option<Uploading>,
    timers: Vec<AbortHandle>,
    /// The end of the token with which somebody has registered.
    expiry: Option<AbortHandle>,
    before: Option<Before>,
}

/// The session from which a new one has inherited. It is ended when the client is known to have the
/// new one's recovery id; before that the client may have to come back with the old one.
struct Before {
    session: Arc<Session>,
    /// Heartbeats since the welcome.
    pings: u32,
}

impl Seat {
    pub(super) fn new(
        hub: Arc<Hub>,
        voice: Voice,
        stream: Stream,
        ip: IpAddr,
        permits: Arc<Permits>,
        timers: Vec<AbortHandle>,
    ) -> Self {
        let early = VecDeque::new();
        let is_anonymous = voice.actor.subject.is_none() && stream.socket.key.is_none();
        Self {
            hub,
            home: Arc::clone(&voice.actor),
            voice,
            bearer: None,
            claimed: None,
            stream,
            ip,
            is_anonymous,
            permits,
            early,
            absent_until: None,
            leaves: false,
            uploading: None,
            timers,
            expiry: None,
            before: None,
        }
    }

    /// Goes on with its session after `from`.
    pub(super) fn resume(&mut self, from: Key) {
        let portrait = self.stream.socket.session.portrait(from);
        if let Some(dialect) = portrait.dialect {
            self.speak(dialect);
        }
        self.adopt();
        self.stream.resume(from, portrait, &self.voice);
    }

    /// Takes over who an old session was and what it listened to, from now on. The client is
    /// welcomed once that is on disk: until then it must be able to come back with the old one.
    pub(super) fn inherit(&mut self, old: &Arc<Session>, welcome: Bytes) {
        let Portrait {
            dialect,
            identities,
            ..
        } = old.portrait(Key::default());
        if let Some(dialect) = dialect {
            self.speak(dialect);
        }
        if let Some(socket) = old.socket() {
            socket.take_over();
        }
        self.stream.socket.session.take_seat_of(old);
        self.stream.identify(&identities);
        if let Some(user) = old.registered() {
            self.stream.socket.session.register(&user);
        }
        // Also if it listens to nothing that we know of: joins may be waiting for the writer, and
        // this is decided after them.
        let inherit = Command::InheritSession { from: old.seed.id };
        self.submit_command(&self.voice.actor, inherit);
        self.stream.welcome_when_decided(welcome);
        self.before = Some(Before {
            session: Arc::clone(old),
            pings: 0,
        });
    }

    /// Has its client told what its dialect tells those who come in. Nothing happens if that was done
    /// in this session.
    fn greet(&mut self) {
        let Some(dialect) = self.voice.dialect else {
            return;
        };
        let greeting = dialect.greet(self.namespace());
        if greeting.is_empty() || !self.stream.socket.session.begin_greeting() {
            return;
        }
        for request in greeting {
            let actor = Arc::clone(&self.voice.actor);
            if let Some(command) = &request.command {
                self.submit_command(&actor, command.clone());
            }
            self.stream.greet(dialect, actor, request);
        }
    }

    /// Has its client told something that it did not ask for, in a dialect that it speaks from now on.
    pub(super) fn tell(&mut self, dialect: &'static dyn Dialect, refusal: Refusal) {
        self.speak(dialect);
        self.stream.notice(Some(dialect), refusal);
    }

    /// A heartbeat goes out now.
    pub(super) fn pinged(&mut self) {
        self.stream.pinged();
        if let Some(before) = self.before.as_mut().filter(|_| self.stream.is_welcomed()) {
            before.pings += 1;
        }
    }

    /// The last heartbeat is answered.
    pub(super) fn ponged(&mut self) {
        self.stream.ponged();
        // The first ping may have overtaken the welcome, as in `Stream::ponged`.
        if self.before.as_ref().is_some_and(|before| before.pings > 1) {
            self.end_before();
        }
    }

    pub(super) fn namespace(&self) -> &'static str {
        self.stream.socket.namespace
    }

    /// Whether it may ask for more. While somebody registers with a token it is not known who asks.
    pub(super) fn has_room(&self) -> bool {
        self.uploading.is_none()
            && !self.stream.socket.is_registering()
            && !self.stream.socket.is_closed()
            && self.stream.open_tickets() < OPEN_TICKETS
            && self.stream.open_bytes() < OPEN_BYTES
            && self.permits.open(&self.stream.socket)
    }

    /// Whether something that it asked for is not answered yet.
    pub(super) fn has_pending(&self) -> bool {
        self.stream.open_tickets() > 0 || self.uploading.is_some()
    }

    /// Whether it must go, for good.
    pub(super) fn is_dismissed(&self) -> bool {
        self.stream.dismissed || (self.leaves && self.stream.open_tickets() == 0)
    }

    /// Moves what may be written now into `out`.
    pub(super) fn collect(&mut self, now: Instant, out: &mut Outgoing) -> Result<(), Close> {
        self.look(now);
        let collected = self.stream.collect(&self.voice, out);
        self.look_whether_it_reads();
        collected
    }

    /// Sees whether it may go on with what it waits for, whether or not anything can be written.
    pub(super) fn look(&mut self, now: Instant) {
        self.poll_upload();
        self.await_presence();
        if self.stream.socket.take_registered() {
            self.adopt();
        }
        self.release_early(now);
    }

    /// Takes an event of its client.
    pub(super) fn receive(&mut self, event: &Event, now: Instant) {
        if self.leaves {
            return;
        }
        self.look(now);
        // Clients send no event before they have the answer to CONNECT.
        if self.stream.is_welcomed() {
            self.end_before();
        }
        if self.voice.dialect.is_none() {
            let speaks = |dialect: &&&dyn Dialect| {
                dialect.namespaces().contains(&self.namespace()) && dialect.claims(event)
            };
            if let Some(dialect) = self.hub.config.dialects.iter().find(speaks) {
                self.speak(*dialect);
            }
        }
        // From now on the event's name alone counts: which fields it needs is said by the dialect.
        let request = match self.voice.dialect {
            Some(dialect) => {
                let seat = dialects::Seat {
                    app: &self.voice.actor.app,
                    subject: self.voice.actor.subject.as_ref(),
                    claimed: self.claimed.as_ref(),
                };
                dialect.read(&seat, event)
            }
            None => Err(Refusal::UnknownEvent),
        };
        if let Ok(Some(command)) = request.as_ref().map(|request| request.command.as_ref()) {
            match (command, command.identifies()) {
                (_, Some(user)) => self.claimed = Some(user.clone()),
                (Command::Deregister { .. }, _) => self.claimed = None,
                _ => {}
            }
        }
        let name = self.voice.dialect.map_or("none", |dialect| dialect.name());
        self.hub.metrics.count_event(name);
        if self.must_wait(request.as_ref()) {
            self.wait(event.ack, request, now);
            return;
        }
        self.submit(event.ack, request);
        self.release_early(now);
    }

    /// The client has said goodbye: what is stored of its session goes, so that a logout is not
    /// undone by whoever comes with the same recovery id.
    pub(super) fn end_session(mut self) {
        self.stream.going = Going::Goodbye;
        self.end_before();
        let session = &self.stream.socket.session;
        if self.stream.has_stored_session() {
            self.submit_end(session);
        }
        session.end();
    }

    /// Ends the session from which this one has inherited, if that is still there.
    fn end_before(&mut self) {
        if let Some(Before { session, .. }) = self.before.take() {
            self.submit_end(&session);
            session.end();
        }
    }

    fn submit_end(&self, session: &Session) {
        let session = session.seed.id;
        self.hub.queue.submit(Submission {
            actor: Arc::clone(&self.voice.actor),
            command: Command::EndSession { session },
            asker: Arc::new(Nobody),
        });
    }

    fn submit(&mut self, ack: Option<u64>, request: Result<Request, Refusal>) {
        let request = match request {
            Ok(request) => request,
            Err(refusal) => return self.stream.refuse(self.voice.dialect, ack, None, refusal),
        };
        let may = self.check_may_read(&request);
        let actor = match may.and_then(|()| self.actor_of(&request)) {
            Ok(actor) => actor,
            Err(refusal) => {
                return self
                    .stream
                    .refuse(self.voice.dialect, ack, Some(request), refusal);
            }
        };
        if request.upload.is_none() {
            return self.submit_as(ack, actor, request);
        }
        let (media, handle) = (self.hub.config.media.as_ref(), &self.stream.socket.handle);
        match Uploading::begin(media, handle, ack, actor, request) {
            Ok(uploading) => self.uploading = Some(uploading),
            Err(refusal) => self.stream.refuse(self.voice.dialect, ack, None, refusal),
        }
    }

    /// Goes on with what was said with a file, once the file is kept.
    fn poll_upload(&mut self) {
        let Some(mut uploading) = self.uploading.take() else {
            return;
        };
        match uploading.poll() {
            None => self.uploading = Some(uploading),
            Some(Ok(kept)) => {
                let Uploading {
                    ack,
                    actor,
                    mut request,
                    ..
                } = uploading;
                request.place(kept.release());
                self.submit_as(ack, actor, request);
            }
            Some(Err(refusal)) => {
                let Uploading { ack, request, .. } = uploading;
                self.stream
                    .refuse(self.voice.dialect, ack, Some(request), refusal);
            }
        }
    }

    fn submit_as(&mut self, ack: Option<u64>, actor: Arc<Actor>, request: Request) {
        if let Some(command) = &request.command {
            match &request.credential {
                Some(Credential::Token(_)) => {
                    let asker = Registering::begin(&self.stream.socket);
                    self.submit_for(asker, &actor, command.clone());
                }
                _ => self.submit_command(&actor, command.clone()),
            }
        }
        self.stream.ask(self.voice.dialect, ack, actor, request);
    }

    /// Submits a command for which the stream takes a ticket.
    fn submit_command(&self, actor: &Arc<Actor>, command: Command) {
        self.submit_for(Arc::clone(&self.stream.socket) as _, actor, command);
    }

    fn submit_for(&self, asker: Arc<dyn Asker>, actor: &Arc<Actor>, command: Command) {
        self.permits.take();
        self.hub.queue.submit(Submission {
            actor: Arc::clone(actor),
            command,
            asker,
        });
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Its client cannot know the new session, whatever becomes of what was written to it.
        if self.before.is_some() && !self.stream.is_welcomed() {
            let session = &self.stream.socket.session;
            self.submit_end(session);
            session.end();
        }
        let timers = self.timers.iter().chain(&self.expiry);
        timers.for_each(AbortHandle::abort);
    }
}

/// For commands that nobody waits for.
struct Nobody;

impl Asker for Nobody {
    fn answered(&self, _outcome: Outcome) {}
    fn wake(&self) {}
    fn lost(&self) {}
}
