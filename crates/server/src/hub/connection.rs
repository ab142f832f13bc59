//! A client's connection as the listener sees it: lets clients into namespaces, hands their events
//! to its seats, and collects what those have to say. The rest of a socket is in `seat`.

use std::{sync::Arc, task::Poll, time::Instant};

use bytes::Bytes;
use chat::{Actor, Proof, SessionSeed, model::Scope};
use dialects::{Dialect, Emit};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock};
use serde_json::json;
use tokio::sync::oneshot;
use wire::{
    engineio::Message,
    frame,
    socketio::{Input, Session as Packets},
};

use super::{
    Hub,
    admission::{self, Admitted, Names, Told, TurnedDown},
    offset::Key,
    present::Standing,
    returning::Returning,
    seat::{Seat, Voice},
    session::Session,
    socket::{Delivery, Socket},
    stream::Stream,
    timers,
};
use crate::{
    limits::Asking,
    listen::{Accept, Close, Driver, Handle, HandshakeRefusal, Outgoing, Peer},
};

/// Makes connections for a hub.
pub struct Door(pub Arc<Hub>);

impl Accept for Door {
    fn open(&self, peer: Peer, handle: Handle) -> Result<Box<dyn Driver>, HandshakeRefusal> {
        let hub = Arc::clone(&self.0);
        let now = timers::now();
        if hub.permits.is_saturated(now) {
            hub.metrics.handshakes_refused.inc();
            return Err(HandshakeRefusal::Overload);
        }
        let session = Packets::new(Arc::clone(&hub.config.limits), now);
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
            connecting: None,
            notices,
            put_out: false,
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
    session: Packets,
    seats: Vec<Seat>,
    /// It is not read until it is let in.
    connecting: Option<Box<Connecting>>,
    /// Frames outside any stream: answers to CONNECT, and DISCONNECT.
    notices: Vec<u8>,
    /// It was put out of a namespace, and goes if it is in no other.
    put_out: bool,
    limiter: Option<Box<DefaultDirectRateLimiter>>,
    /// The client was too fast and is not read before this.
    paused: Option<Instant>,
}

/// A client of which the store must be asked.
struct Connecting {
    admitted: Admitted,
    answer: oneshot::Receiver<Returning>,
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
                // A greeting asks for as much as an event does.
                self.pace(&namespace, now);
            }
            Some(Input::Event(event)) => {
                let mut seats = self.seats.iter_mut();
                if let Some(seat) = seats.find(|seat| seat.namespace() == event.namespace) {
                    seat.receive(&event, now);
                }
                self.pace(&event.namespace, now);
            }
            // No event of ours asks for an acknowledgement.
            Some(Input::Ack(_)) => {}
            Some(Input::Disconnect { namespace }) => {
                let leaves = |seat: &mut Seat| seat.namespace() == namespace;
                let leaving = self.seats.extract_if(.., leaves);
                leaving.for_each(Seat::end_session);
            }
        }
        Ok(())
    }

    fn woken(&mut self, now: Instant) -> Result<(), Close> {
        self.seats.iter_mut().for_each(|seat| seat.look(now));
        self.poll_connecting(now)
    }

    fn wants_input(&self) -> bool {
        let is_paused = self.paused.is_some_and(|until| timers::now() < until);
        !is_paused && self.connecting.is_none() && self.seats.iter().all(Seat::has_room)
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
            self.dismiss(now, out);
        }
        if self.put_out && self.seats.is_empty() && self.connecting.is_none() {
            return Poll::Ready(Err(Close::Dismissed));
        }
        if out.bytes() > before {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    fn has_pending(&self) -> bool {
        self.connecting.is_some() || self.seats.iter().any(Seat::has_pending)
    }

    fn heartbeat(&mut self, _now: Instant) -> Result<(), Close> {
        self.seats.iter_mut().for_each(Seat::pinged);
        Ok(())
    }

    fn ponged(&mut self, _now: Instant) {
        self.seats.iter_mut().for_each(Seat::ponged);
    }

    fn connect_due(&mut self, _now: Instant) -> Result<(), Close> {
        if self.seats.is_empty() && self.connecting.is_none() {
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
    /// Notes an event; a client that is over a rate, of its own or of its user, app or address, is
    /// not read for a while.
    fn pace(&mut self, namespace: &str, now: Instant) {
        let own = self.limiter.as_ref().and_then(|limiter| {
            let too_early = limiter.check().err()?;
            Some(too_early.wait_time_from(limiter.clock().now()))
        });
        let mut seats = self.seats.iter();
        let seat = seats.find(|seat| seat.namespace() == namespace);
        let asker = seat.map(Seat::asker);
        let shared = self.hub.config.shared_rates.check(&Asking {
            ip: Some(self.peer.ip),
            app: asker.map(|asker| asker.app.id),
            user: asker.and_then(|asker| Some(&*asker.subject.as_ref()?.id.text)),
        });
        if let Some(wait) = own.max(shared) {
            self.hub.metrics.read_pauses.inc();
            self.paused = Some(now + wait);
            timers::wake_later(&self.handle, wait);
        }
    }

    /// Puts out the sockets that must go.
    fn dismiss(&mut self, now: Instant, out: &mut Outgoing) {
        let mut bytes = Vec::new();
        for seat in self.seats.extract_if(.., |seat| seat.is_dismissed()) {
            frame::write_disconnect(&mut bytes, seat.namespace());
            self.session.leave(seat.namespace(), now);
            seat.end_session();
        }
        self.put_out = true;
        out.push(bytes.into());
    }

    fn connect(
        &mut self,
        namespace: &str,
        auth: Option<&serde_json::value::RawValue>,
        now: Instant,
    ) -> Result<(), Close> {
        match admission::admit(&self.hub, &self.peer, namespace, auth) {
            Ok(admitted) => self.enter(admitted, now),
            Err(turned_down) => self.turn_down(namespace, &turned_down, now),
        }
    }

    fn turn_down(
        &mut self,
        namespace: &str,
        turned_down: &TurnedDown,
        now: Instant,
    ) -> Result<(), Close> {
        let code = turned_down.code();
        self.hub.metrics.count_connect_refused(code);
        if let TurnedDown::Told { dialect, told } = turned_down {
            match Names::random() {
                Ok(names) => self.tell(namespace, *dialect, told, &names.sid),
                Err(fault) => return self.turn_down(namespace, &fault, now),
            }
        } else {
            let data = format!(r#"{{"code":"{code}"}}"#);
            let words = turned_down.to_string();
            frame::write_connect_error(&mut self.notices, namespace, &words, Some(&data));
        }
        let rejected = self.session.reject(namespace, now);
        rejected.map_err(|violation| Close::Protocol(violation.to_string().into()))
    }

    /// Has a dialect tell why a client does not come in, as if it had been in for a moment. The
    /// recovery id that it brought stays its own: it may come with it again, and a better token.
    fn tell(&mut self, namespace: &str, dialect: &dyn Dialect, told: &Told, sid: &str) {
        let answer = match &told.pid {
            Some(pid) => json!({ "sid": sid, "pid": pid }),
            None => json!({ "sid": sid }),
        };
        frame::write_connect(&mut self.notices, namespace, &answer.to_string());
        let site = &self.hub.config.site;
        for Emit { name, args } in dialect.answer(site, None, Err(&told.refusal)).events {
            frame::write_event(&mut self.notices, namespace, &name, &args, None);
        }
        frame::write_disconnect(&mut self.notices, namespace);
        self.put_out = true;
    }

    /// Lets a client in, at once if memory can tell whether it was here before.
    fn enter(&mut self, admitted: Admitted, now: Instant) -> Result<(), Close> {
        let Some(claim) = admitted.claim() else {
            return self.settle(admitted, Returning::Stranger, now);
        };
        if let Some(returning) = self.hub.recall(&claim) {
            return self.settle(admitted, returning, now);
        }
        let answer = self.hub.look_up(claim, self.handle.clone());
        self.connecting = Some(Box::new(Connecting { admitted, answer }));
        Ok(())
    }

    /// Goes on with a client once the store has answered.
    fn poll_connecting(&mut self, now: Instant) -> Result<(), Close> {
        let Some(mut connecting) = self.connecting.take() else {
            return Ok(());
        };
        match connecting.answer.try_recv() {
            Ok(returning) => self.settle(connecting.admitted, returning, now),
            Err(oneshot::error::TryRecvError::Empty) => {
                self.connecting = Some(connecting);
                Ok(())
            }
            Err(oneshot::error::TryRecvError::Closed) => Err(Close::Fault),
        }
    }

    fn settle(
        &mut self,
        admitted: Admitted,
        returning: Returning,
        now: Instant,
    ) -> Result<(), Close> {
        // It may have been let go of while this connection was on its way to it. Who goes on with it then
        // would listen to nothing new, and to what has ended meanwhile.
        if let Returning::Resume(session, _) = &returning
            && !self.hub.sessions.lock().hold(session)
        {
            return self.enter(admitted, now);
        }
        // For whom there is no place any longer begins anew, and is told why it reads nothing.
        let (returning, told) = match returning {
            Returning::Resume(ref session, _) | Returning::Inherit(ref session) => {
                let readers = &self.hub.readers;
                match readers.seat_returning(session, &admitted, self.peer.ip) {
                    Ok(()) => (returning, None),
                    Err(told) => (Returning::Stranger, Some(told)),
                }
            }
            Returning::Stranger => (returning, None),
        };
        let (namespace, returns) = (admitted.namespace, admitted.pid.is_some());
        let names = match Names::random() {
            Ok(names) => names,
            Err(turned_down) => return self.turn_down(namespace, &turned_down, now),
        };
        if !self.session.accept(namespace) {
            return Ok(());
        }
        let mut seat = match returning {
            Returning::Resume(session, from) => self.resume(admitted, &session, from),
            Returning::Inherit(old) => {
                let (mut seat, welcome) = self.begin(admitted, names);
                seat.inherit(&old, welcome);
                seat
            }
            Returning::Stranger => {
                let (seat, welcome) = self.begin(admitted, names);
                self.notices.extend_from_slice(&welcome);
                seat
            }
        };
        if let Some((dialect, refusal)) = told {
            seat.tell(dialect, refusal);
        }
        seat.begin(returns);
        // Most connections have one; room for four would be most of what an idle one holds.
        self.seats.reserve_exact(1);
        self.seats.push(seat);
        Ok(())
    }

    /// A new session, and the answer to CONNECT that tells its client so.
    fn begin(&self, admitted: Admitted, names: Names) -> (Seat, Bytes) {
        let recovery = admitted.recovery;
        let answer = if recovery {
            format!(r#"{{"sid":"{}","pid":"{}"}}"#, names.sid, names.pid)
        } else {
            format!(r#"{{"sid":"{}"}}"#, names.sid)
        };
        let mut welcome = Vec::new();
        frame::write_connect(&mut welcome, admitted.namespace, &answer);
        let verified = admitted.verified.as_ref();
        let seed = Arc::new(SessionSeed {
            id: names.session,
            app: admitted.app.id,
            subject: verified.map(|verified| verified.subject.id.text.clone()),
            pid_hash: admission::hash(&names.pid),
            sid: names.sid,
            namespace: admitted.namespace.to_owned(),
            start_g: self.hub.barrier(),
        });
        let session = Arc::new(Session::new(seed, self.hub.now()));
        let session = self.hub.sessions.lock().insert(session, recovery);
        let from = Key::end_of(session.seed.start_g);
        (self.seat(admitted, &session, from), welcome.into())
    }

    /// A session that goes on after `from`: CONNECT first, then what was missed, as events that
    /// come before the answer would neither count nor be forgotten by the client.
    fn resume(&mut self, admitted: Admitted, session: &Arc<Session>, from: Key) -> Seat {
        let pid = admitted.pid.as_deref().unwrap_or_default();
        let answer = json!({ "sid": session.seed.sid, "pid": pid }).to_string();
        frame::write_connect(&mut self.notices, admitted.namespace, &answer);
        self.hub.metrics.recovered.inc();
        let mut seat = self.seat(admitted, session, from);
        seat.resume(from);
        seat
    }

    fn seat(&self, admitted: Admitted, session: &Arc<Session>, from: Key) -> Seat {
        let hub = &self.hub;
        let Admitted {
            namespace,
            dialect,
            app,
            key,
            verified,
            recovery,
            ..
        } = admitted;
        let permits = hub.app_permits(app.id);
        let socket = Arc::new(Socket::new(
            Arc::clone(session),
            namespace,
            key,
            self.handle.clone(),
            Arc::clone(&permits),
        ));
        if let Some(old) = session.attach(&socket) {
            old.take_over();
        }
        if session.is_distrusted() {
            // Since it was found.
            socket.deliver(Delivery::Close(Close::Fault));
        }
        if let Some(dialect) = dialect {
            session.speak(dialect);
        }
        hub.metrics.sockets.inc();
        let mut pending = Vec::new();
        if let Some(expires_at) = verified.as_ref().and_then(|verified| verified.expires_at) {
            pending.push(timers::expire_later(hub, &socket, expires_at));
        }
        let actor = Arc::new(Actor {
            app,
            subject: verified.map(|verified| verified.subject),
            scope: Scope::Client,
            proof: Proof::default(),
            session: Some(Arc::clone(&session.seed)),
        });
        let standing = dialect.zip(actor.subject.as_ref());
        let standing = standing.and_then(|(dialect, subject)| {
            Standing::of(dialect, namespace, (actor.app.id, subject.id.text.clone()))
        });
        let stream = Stream::new(Arc::clone(hub), socket, standing, recovery, from);
        let ip = self.peer.ip;
        let voice = Voice { actor, dialect };
        Seat::new(Arc::clone(hub), voice, stream, ip, permits, pending)
    }
}
