//! A client's connection as the listener sees it: lets clients into namespaces, hands their events
//! to its seats, and collects what those have to say. The rest of a socket is in `seat`.

use std::{borrow::Cow, fmt, sync::Arc, task::Poll, time::Instant};

use chat::{Actor, App, SessionId, SessionSeed, model::KeyId};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use wire::{
    engineio::Message,
    frame,
    socketio::{Input, Session},
};

use super::{Hub, seat::Seat, socket::Socket, stream::Stream, timers};
use crate::{
    identity,
    listen::{Accept, Close, Driver, Handle, HandshakeRefusal, Outgoing, Peer},
    writer,
};

/// Makes connections for a hub.
pub struct Door(pub Arc<Hub>);

impl Accept for Door {
    fn open(&self, peer: Peer, handle: Handle) -> Result<Box<dyn Driver>, HandshakeRefusal> {
        let hub = Arc::clone(&self.0);
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
                self.connect(&namespace, auth.as_deref(), now)?;
            }
            Some(Input::Event(event)) => {
                self.pace(now);
                let mut seats = self.seats.iter_mut();
                if let Some(seat) = seats.find(|seat| seat.namespace() == event.namespace) {
                    seat.receive(&event, now);
                }
            }
            // No event of ours asks for an acknowledgement.
            Some(Input::Ack(_)) => {}
            Some(Input::Disconnect { namespace }) => {
                let leaves = |seat: &mut Seat| seat.namespace() == namespace;
                self.seats
                    .extract_if(.., leaves)
                    .for_each(|seat| seat.end_session());
            }
        }
        Ok(())
    }

    fn wants_input(&self) -> bool {
        let is_paused = self.paused.is_some_and(|until| Instant::now() < until);
        !is_paused && self.seats.iter().all(Seat::has_room)
    }

    fn poll_output(&mut self, now: Instant, out: &mut Outgoing) -> Poll<Result<(), Close>> {
        let before = out.bytes();
        out.push(std::mem::take(&mut self.notices).into());
        for seat in &mut self.seats {
            if let Err(reason) = seat.collect(now, out) {
                return Poll::Ready(Err(reason));
            }
            if out.is_full() {
                break;
            }
        }
        if self.seats.iter().any(Seat::is_dismissed) {
            return self.dismiss(now, out);
        }
        if out.bytes() > before {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn has_pending(&self) -> bool {
        self.seats.iter().any(Seat::has_pending)
    }

    // What was written before the ping has arrived; nothing is kept until then so far.
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
            self.hub.metrics.read_pauses.inc();
            let wait = too_early.wait_time_from(limiter.clock().now());
            self.paused = Some(now + wait);
            timers::wake_later(&self.handle, wait);
        }
    }

    /// Puts out the sockets that must go, and the whole client when none is left.
    fn dismiss(&mut self, now: Instant, out: &mut Outgoing) -> Poll<Result<(), Close>> {
        let mut bytes = Vec::new();
        for seat in self.seats.extract_if(.., |seat| seat.is_dismissed()) {
            frame::write_disconnect(&mut bytes, seat.namespace());
            self.session.leave(seat.namespace(), now);
            seat.end_session();
        }
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
            Err(turned_down) => {
                let code = turned_down.code();
                self.hub.metrics.count_connect_refused(code);
                let data = format!(r#"{{"code":"{code}"}}"#);
                let words = turned_down.to_string();
                frame::write_connect_error(&mut self.notices, namespace, &words, Some(&data));
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
    ) -> Result<Seat, TurnedDown> {
        let dialects = self.hub.config.dialects.iter();
        let mut spoken = dialects.flat_map(|dialect| dialect.namespaces());
        let Some(&namespace) = spoken.find(|spoken| **spoken == namespace) else {
            return Err(TurnedDown::Namespace);
        };
        let credentials: Credentials = match auth {
            None => Credentials::default(),
            Some(auth) => serde_json::from_str(auth.get()).map_err(TurnedDown::Auth)?,
        };
        let query = wire::engineio::Query::new(&self.peer.raw_query);
        let in_query = |key| query.get(key).map(Cow::into_owned);
        let (app, key) = match credentials.app_key.or_else(|| in_query("appKey")) {
            Some(text) => {
                let (app, key) = self
                    .hub
                    .directory
                    .by_key(&text)
                    .ok_or(TurnedDown::UnknownKey)?;
                (app, Some(key.id))
            }
            None => (
                self.hub.directory.default_app().ok_or(TurnedDown::NoApp)?,
                None,
            ),
        };
        let verified = match &credentials.token {
            None => None,
            Some(token) => {
                let verified = identity::verify(&app, token, writer::now());
                Some(verified.map_err(TurnedDown::Token)?)
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
        Ok(self.seat(namespace, &app, key, verified, names, !opted_out))
    }

    fn seat(
        &self,
        namespace: &'static str,
        app: &Arc<App>,
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
        let mut pending = Vec::new();
        if let Some(expires_at) = verified.as_ref().and_then(|verified| verified.expires_at) {
            pending.push(timers::expire_later(&socket, expires_at));
        }
        let session = Arc::new(SessionSeed {
            id: names.session,
            pid_hash: Sha256::digest(names.pid.as_bytes()).into(),
            sid: names.sid,
            namespace: namespace.to_owned(),
            start_g: hub.barrier(),
        });
        let actor = Arc::new(Actor {
            app: Arc::clone(app),
            subject: verified.map(|verified| verified.subject),
            session: Some(session),
        });
        let stream = Stream::new(Arc::clone(hub), socket, offsets);
        Seat::new(Arc::clone(hub), actor, stream, permits, pending)
    }
}

/// The names of a new session.
struct Names {
    session: SessionId,
    sid: String,
    /// Private: whoever has it can go on with the session. Never logged; stored hashed.
    pid: String,
}

impl Names {
    fn random() -> Result<Self, TurnedDown> {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let mut random = [0; 8 + 15 + 16];
        getrandom::fill(&mut random).map_err(|_| TurnedDown::NoRandomness)?;
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

/// Why a CONNECT is answered by CONNECT_ERROR. The code goes with the words, as `data.code`.
enum TurnedDown {
    /// No dialect is spoken in this namespace.
    Namespace,
    /// `auth` is not of its form.
    Auth(serde_json::Error),
    /// The key that was brought is none, or not any longer.
    UnknownKey,
    /// No key was brought, and there is no default app.
    NoApp,
    /// The token is refused.
    Token(identity::TokenError),
    /// Our fault.
    NoRandomness,
}

impl TurnedDown {
    fn code(&self) -> &'static str {
        match self {
            Self::Namespace => "unknown_namespace",
            Self::Auth(_) => "invalid_auth",
            Self::UnknownKey => "unknown_key",
            Self::NoApp => "key_required",
            Self::Token(error) => error.code(),
            Self::NoRandomness => "internal",
        }
    }
}

impl fmt::Display for TurnedDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The words of the reference server, for which clients may look.
            Self::Namespace => f.write_str("Invalid namespace"),
            Self::Auth(error) => write!(
                f,
                "auth: token and appKey must be strings, recovery a boolean ({error})"
            ),
            Self::UnknownKey => f.write_str("appKey: no such key"),
            Self::NoApp => f.write_str("appKey: is needed here"),
            Self::Token(error) => write!(f, "token: {error}"),
            Self::NoRandomness => f.write_str("the server has no random numbers"),
        }
    }
}
