//! A client's connection as the listener sees it: lets clients into namespaces, hands their events
//! to the dialect, and collects what its sockets have to say. The streams are in `stream`.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use chat::{
    Actor, App, Asker, Command, KeyId, Outcome, Refusal, SessionId, SessionSeed, Subject,
    Submission, Timestamp,
};
use dialects::{DIALECTS, Dialect, Request};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::task::AbortHandle;
use wire::{
    engineio::Message,
    frame,
    socketio::{Event, Input, Session},
};

use super::{
    Hub,
    permits::Permits,
    socket::{Delivery, Socket},
    stream::Stream,
};
use crate::{
    identity,
    listen::{Accept, Close, Driver, Handle, HandshakeRefusal, Outgoing, Peer},
    writer,
};

/// Commands of one socket that may be open at once.
const OPEN_TICKETS: usize = 128;
/// Bytes that those may hold.
const OPEN_BYTES: usize = 256 << 10;
/// Events that may wait for the socket to say who it is.
const EARLY_EVENTS: usize = 64;
/// How long they may.
const EARLY_WAIT: Duration = Duration::from_secs(2);
/// How long a socket whose token has expired may stay.
const EXPIRY_GRACE: Duration = Duration::from_secs(30);

/// Makes connections for a hub.
pub struct Door(pub Arc<Hub>);

impl Accept for Door {
    fn open(&self, peer: Peer, handle: Handle) -> Result<Box<dyn Driver>, HandshakeRefusal> {
        let hub = Arc::clone(&self.0);
        if hub.is_closing() {
            return Err(HandshakeRefusal::Unavailable);
        }
        let session = Session::new(Arc::clone(&hub.config.limits), Instant::now());
        let limiter = hub.config.rate.map(|rate| {
            let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
            Box::new(RateLimiter::direct(quota))
        });
        let notices = Vec::new();
        let seats = Vec::new();
        Ok(Box::new(Connection {
            hub,
            peer,
            handle,
            session,
            seats,
            notices,
            limiter,
            paused: None,
        }))
    }
}

/// One client's connection.
struct Connection {
    hub: Arc<Hub>,
    peer: Peer,
    handle: Handle,
    session: Session,
    seats: Vec<Seat>,
    /// Frames outside any stream: answers to CONNECT, and DISCONNECT.
    notices: Vec<u8>,
    limiter: Option<Box<DefaultDirectRateLimiter>>,
    /// The client was too fast and is not read before this.
    paused: Option<Instant>,
}

/// A socket, with what only its connection touches.
struct Seat {
    namespace: &'static str,
    app: Arc<App>,
    actor: Arc<Actor>,
    dialect: Option<&'static dyn Dialect>,
    stream: Stream,
    permits: Arc<Permits>,
    early: VecDeque<Early>,
    timers: Vec<AbortHandle>,
}

/// An event that waits until the socket has said who it is.
struct Early {
    ack: Option<u64>,
    request: Result<Request, Refusal>,
    until: Instant,
}

/// What a client may bring with a CONNECT. What else it brings is for the page's own use.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Credentials {
    token: Option<String>,
    app_key: Option<String>,
    recovery: Option<bool>,
}

impl Driver for Connection {
    fn receive(&mut self, message: Message, now: Instant) -> Result<(), Close> {
        let input = self.session.receive(message, now).map_err(|violation| {
            tracing::info!(%violation, ip = %self.peer.ip, "closing a client");
            Close::Protocol(violation.to_string().into())
        })?;
        match input {
            None => {}
            Some(Input::Connect { namespace, auth }) => {
                self.connect(&namespace, auth.as_deref(), now)?
            }
            Some(Input::Event(event)) => {
                self.pace(now);
                let hub = Arc::clone(&self.hub);
                let seat = self
                    .seats
                    .iter_mut()
                    .find(|seat| seat.namespace == event.namespace);
                if let Some(seat) = seat {
                    seat.receive(&hub, &event, now);
                }
            }
            // No event of ours asks for an acknowledgement.
            Some(Input::Ack(_)) => {}
            Some(Input::Disconnect { namespace }) => {
                let hub = Arc::clone(&self.hub);
                self.seats.retain(|seat| {
                    let stays = seat.namespace != namespace;
                    if !stays {
                        seat.end_session(&hub);
                    }
                    stays
                });
            }
        }
        Ok(())
    }

    fn wants_input(&self) -> bool {
        if self.hub.is_closing() || self.paused.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        self.seats.iter().all(|seat| {
            seat.stream.open_tickets() < OPEN_TICKETS
                && seat.stream.open_bytes() < OPEN_BYTES
                && seat.permits.open(&seat.stream.socket)
        })
    }

    fn poll_output(&mut self, now: Instant, out: &mut Outgoing) -> Poll<Result<(), Close>> {
        let before = out.bytes();
        out.push(std::mem::take(&mut self.notices).into());
        for seat in &mut self.seats {
            seat.release_early(&self.hub, now);
            if let Err(reason) = seat.stream.collect(seat.dialect, out) {
                return Poll::Ready(Err(reason));
            }
            if out.is_full() {
                break;
            }
        }
        if self.seats.iter().any(|seat| seat.stream.dismissed) {
            return self.dismiss(now, out);
        }
        if out.bytes() > before {
            return Poll::Ready(Ok(()));
        }
        let is_quiet = |seat: &Seat| seat.stream.open_tickets() == 0;
        if self.hub.is_closing() && self.seats.iter().all(is_quiet) {
            return Poll::Ready(Err(Close::Shutdown));
        }
        Poll::Pending
    }

    fn ponged(&mut self, _now: Instant) {}

    fn connect_due(&mut self, _now: Instant) -> Result<(), Close> {
        if self.seats.is_empty() {
            Err(Close::NoConnect)
        } else {
            Ok(())
        }
    }

    fn closed(&mut self, _reason: Close) {
        self.seats.clear();
    }
}

impl Connection {
    /// Notes an event; a client that is over its rate is not read for a while.
    fn pace(&mut self, now: Instant) {
        let Some(limiter) = &self.limiter else { return };
        if let Err(too_early) = limiter.check() {
            let wait = too_early.wait_time_from(limiter.clock().now());
            self.paused = Some(now + wait);
            wake_later(&self.handle, wait);
        }
    }

    /// Puts out the sockets that must go, and the whole client when none is left.
    fn dismiss(&mut self, now: Instant, out: &mut Outgoing) -> Poll<Result<(), Close>> {
        let mut bytes = Vec::new();
        let (hub, session) = (Arc::clone(&self.hub), &mut self.session);
        self.seats.retain(|seat| {
            if seat.stream.dismissed {
                frame::write_disconnect(&mut bytes, seat.namespace);
                session.leave(seat.namespace, now);
                seat.end_session(&hub);
            }
            !seat.stream.dismissed
        });
        out.push(bytes.into());
        Poll::Ready(if self.seats.is_empty() {
            Err(Close::Dismissed)
        } else {
            Ok(())
        })
    }

    fn connect(
        &mut self,
        namespace: &str,
        auth: Option<&serde_json::value::RawValue>,
        now: Instant,
    ) -> Result<(), Close> {
        match self.admit(namespace, auth) {
            Ok(seat) if self.session.accept(namespace) => {
                self.seats.push(seat);
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(words) => {
                frame::write_connect_error(&mut self.notices, namespace, &words, None);
                let turned_down = self.session.reject(namespace, now);
                turned_down.map_err(|violation| Close::Protocol(violation.to_string().into()))
            }
        }
    }

    /// Checks who wants to come in and writes the answer that lets them. An error is told by
    /// CONNECT_ERROR, after which a client does not try again by itself.
    fn admit(
        &mut self,
        namespace: &str,
        auth: Option<&serde_json::value::RawValue>,
    ) -> Result<Seat, String> {
        let mut spoken = DIALECTS.iter().flat_map(|dialect| dialect.namespaces());
        let Some(&namespace) = spoken.find(|spoken| **spoken == namespace) else {
            return Err("Invalid namespace".to_owned());
        };
        let credentials: Credentials = match auth {
            None => Credentials::default(),
            Some(auth) => serde_json::from_str(auth.get()).map_err(|error| {
                format!("auth: token and appKey must be strings, recovery a boolean ({error})")
            })?,
        };
        let query = wire::engineio::Query::new(&self.peer.raw_query);
        let in_query = |key| query.get(key).map(Cow::into_owned);
        let (app, key) = match credentials.app_key.or_else(|| in_query("appKey")) {
            Some(text) => {
                let (app, key) = self
                    .hub
                    .directory
                    .by_key(&text)
                    .ok_or("appKey: no such key")?;
                (app, Some(key.id))
            }
            None => (
                self.hub
                    .directory
                    .default_app()
                    .ok_or("appKey: is needed here")?,
                None,
            ),
        };
        let verified = match &credentials.token {
            None => None,
            Some(token) => {
                let verified = identity::verify(&app, token, writer::now());
                Some(verified.map_err(|error| format!("token: {error}"))?)
            }
        };
        let opted_out = credentials.recovery == Some(false)
            || in_query("recovery").is_some_and(|value| value == "0")
            || self.peer.user_agent.as_deref().is_some_and(|agent| {
                self.hub
                    .config
                    .without_recovery
                    .iter()
                    .any(|prefix| agent.starts_with(&**prefix))
            });
        let names = Names::random()?;
        let answer = if opted_out {
            format!(r#"{{"sid":"{}"}}"#, names.sid)
        } else {
            format!(r#"{{"sid":"{}","pid":"{}"}}"#, names.sid, names.pid)
        };
        frame::write_connect(&mut self.notices, namespace, &answer);
        Ok(self.seat(namespace, app, key, verified, names, !opted_out))
    }

    fn seat(
        &self,
        namespace: &'static str,
        app: Arc<App>,
        key: Option<KeyId>,
        verified: Option<identity::Verified>,
        names: Names,
        offsets: bool,
    ) -> Seat {
        let hub = &self.hub;
        let permits = hub.app_permits(app.id);
        let socket = Arc::new(Socket::new(
            names.session,
            app.id,
            namespace,
            key,
            self.handle.clone(),
            Arc::clone(&permits),
        ));
        hub.enter_socket(&socket);
        let mut timers = Vec::new();
        if let Some(expires_at) = verified.as_ref().and_then(|verified| verified.expires_at) {
            timers.push(expire_later(&socket, expires_at));
        }
        let session = Arc::new(SessionSeed {
            id: names.session,
            pid_hash: Sha256::digest(names.pid.as_bytes()).into(),
            sid: names.sid,
            namespace: namespace.to_owned(),
            start_g: hub.barrier(),
        });
        let actor = Arc::new(Actor {
            app: Arc::clone(&app),
            subject: verified.map(|verified| verified.subject),
            session: Some(session),
        });
        let stream = Stream::new(Arc::clone(hub), socket, offsets);
        Seat {
            namespace,
            app,
            actor,
            dialect: None,
            stream,
            permits,
            early: VecDeque::new(),
            timers,
        }
    }
}

impl Seat {
    fn receive(&mut self, hub: &Hub, event: &Event, now: Instant) {
        if self.dialect.is_none() {
            let speaks = |dialect: &&&dyn Dialect| {
                dialect.namespaces().contains(&self.namespace) && dialect.claims(event)
            };
            if let Some(dialect) = DIALECTS.iter().find(speaks) {
                self.speak(*dialect);
            }
        }
        let request = match self.dialect.filter(|dialect| dialect.claims(event)) {
            Some(dialect) => {
                let subject = self.actor.subject.as_ref();
                dialect.read(
                    &dialects::Seat {
                        app: &self.app,
                        subject,
                    },
                    event,
                )
            }
            None => Err(Refusal::UnknownEvent),
        };
        hub.metrics
            .count_event(self.dialect.map_or("none", |dialect| dialect.name()));
        if self.must_wait(request.as_ref()) {
            if self.early.len() == EARLY_EVENTS {
                self.stream.refuse(
                    self.dialect,
                    event.ack,
                    request.ok(),
                    Refusal::NotIdentified,
                );
                return;
            }
            wake_later(&self.stream.socket.handle, EARLY_WAIT);
            self.early.push_back(Early {
                ack: event.ack,
                request,
                until: now + EARLY_WAIT,
            });
            return;
        }
        self.submit(hub, event.ack, request);
        self.release_early(hub, now);
    }

    /// The client has said goodbye: what is stored of its session goes, so that a logout is not
    /// undone by whoever comes with the same recovery id.
    fn end_session(&self, hub: &Hub) {
        let Some(session) = &self.actor.session else {
            return;
        };
        if self.stream.has_stored_session() {
            let command = Command::EndSession {
                session: session.id,
            };
            hub.queue.submit(Submission {
                actor: Arc::clone(&self.actor),
                command,
                asker: Arc::new(Nobody),
            });
        }
    }

    /// The socket speaks this dialect from now on.
    fn speak(&mut self, dialect: &'static dyn Dialect) {
        self.dialect = Some(dialect);
        if let Some(subject) = &self.actor.subject {
            let subject = Subject {
                id: dialect.person(subject),
                ..subject.clone()
            };
            self.actor = Arc::new(Actor {
                subject: Some(subject),
                ..Actor::clone(&self.actor)
            });
        }
    }

    /// socket.io-client sends what was typed offline before the page can say who it is. So what
    /// needs that waits a moment, and all the rest waits behind it, but for saying who one is.
    fn must_wait(&self, request: Result<&Request, &Refusal>) -> bool {
        if self.stream.is_identified() {
            return false;
        }
        match request {
            Ok(request) if request.needs_identity => true,
            Ok(Request {
                command: Some(command),
                ..
            }) if command.identifies() => false,
            _ => !self.early.is_empty(),
        }
    }

    /// Goes on with what waited: for good if the socket has said who it is, as refusals if it did
    /// not in time.
    fn release_early(&mut self, hub: &Hub, now: Instant) {
        let identified = !self.early.is_empty() && self.stream.is_identified();
        while let Some(Early { ack, request, .. }) = self
            .early
            .pop_front_if(|early| identified || early.until <= now)
        {
            match request {
                Ok(request) if request.needs_identity && !identified => {
                    self.stream
                        .refuse(self.dialect, ack, Some(request), Refusal::NotIdentified);
                }
                request => self.submit(hub, ack, request),
            }
        }
    }

    fn submit(&mut self, hub: &Hub, ack: Option<u64>, request: Result<Request, Refusal>) {
        let request = match request {
            Ok(request) => request,
            Err(refusal) => return self.stream.refuse(self.dialect, ack, None, refusal),
        };
        if let Some(command) = &request.command {
            self.permits.take();
            hub.queue.submit(Submission {
                actor: Arc::clone(&self.actor),
                command: command.clone(),
                asker: Arc::clone(&self.stream.socket) as _,
            });
        }
        self.stream.ask(self.dialect, ack, request);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.timers.iter().for_each(AbortHandle::abort);
    }
}

/// For commands that nobody waits for.
struct Nobody;

impl Asker for Nobody {
    fn answered(&self, _outcome: Outcome) {}
    fn wake(&self) {}
    fn lost(&self) {}
}

/// The names of a new session.
struct Names {
    session: SessionId,
    sid: String,
    /// Private: whoever has it can go on with the session. Never logged; stored hashed.
    pid: String,
}

impl Names {
    fn random() -> Result<Self, String> {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let mut random = [0; 8 + 15 + 16];
        getrandom::fill(&mut random).map_err(|_| "the server has no random numbers".to_owned())?;
        let (id, rest) = random.split_at(8);
        let (sid, pid) = rest.split_at(15);
        let id = id.iter().fold(0, |id, byte| (id << 8) | i64::from(*byte));
        Ok(Self {
            session: SessionId(id & i64::MAX),
            sid: URL_SAFE_NO_PAD.encode(sid),
            pid: URL_SAFE_NO_PAD.encode(pid),
        })
    }
}

fn wake_later(handle: &Handle, wait: Duration) {
    let handle = handle.clone();
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        handle.wake();
    });
}

/// Tells a socket that its token has expired, and closes its connection after a grace, so that a
/// client whose `auth` is a function comes back with a new token by itself.
fn expire_later(socket: &Arc<Socket>, expires_at: Timestamp) -> AbortHandle {
    let socket = Arc::clone(socket);
    let left = u64::try_from(expires_at.0 - writer::now().0).unwrap_or(0);
    let task = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(left)).await;
        socket.deliver(Delivery::Expired);
        socket.handle.wake();
        tokio::time::sleep(EXPIRY_GRACE).await;
        socket.deliver(Delivery::Close(Close::Expired));
        socket.handle.wake();
    });
    task.abort_handle()
}
