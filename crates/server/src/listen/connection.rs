//! The task of one connection: a future that takes what HTTP requests bring, reads, calls the driver, and writes once.
//!
//! `Core` is what both transports need: the driver, wire's state machine, deadlines, closing. How bytes come and go is in
//! `polling.rs` and `websocket.rs`. Everything that happens to a connection happens in `Connection::poll`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::Sleep;
use wire::engineio::connection::{Farewell, Received};
use wire::engineio::{self, Packet, Transport};

use super::listener::Listener;
use super::outgoing::{Backlog, Outgoing};
use super::polling::Polling;
use super::seats::Seat;
use super::shared::{Mail, Order, Shared};
use super::socket::Socket;
use super::websocket::Link;
use super::{Close, Driver};

/// Rounds of reading and writing before other tasks get their turn.
const ROUNDS: usize = 4;
/// How long a connection that has ended waits for its client to hear of it.
const FAREWELL_TIME: Duration = Duration::from_secs(5);
/// The same while the whole server waits for it to stop.
const LAST_FAREWELL_TIME: Duration = Duration::from_secs(3);
/// A deadline that is noticed later than this is counted from when it was noticed: then the whole process stood still,
/// and clients shall not pay for it.
const PUNCTUAL: Duration = Duration::from_millis(50);
/// Bytes that may wait beyond a driver's turn before the client is not read any more.
const OWN_BACKLOG: usize = 16 * 1024;

/// What one direction of a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Nothing more for now; whoever has more will wake the task.
    Idle,
    /// The client may not be read.
    Paused,
    /// There is more, after others had their turn.
    More,
}

/// One connection, as the task that it is.
#[derive(Debug)]
pub(super) struct Connection {
    core: Core,
    /// While polling, and until its last POST was received.
    polling: Option<Box<Polling>>,
    /// Once on WebSocket.
    link: Option<Link>,
    farewell: bool,
}

pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) listener: Arc<Listener>,
    pub(super) machine: engineio::Connection,
    /// Finished frames that no transport took so far.
    pub(super) backlog: Backlog,
    /// Gone when the connection has ended.
    driver: Option<Box<dyn Driver>>,
    /// Why it ends; with a driver, it still flushes.
    reason: Option<Close>,
    /// The driver has given its last output.
    said_all: bool,
    /// It is to be told that this server stops, and has no poll to be told by.
    expects_poll: bool,
    /// The client could not answer a ping in time for a reason of ours.
    excused: bool,
    ping_at: Option<Instant>,
    pong_at: Option<Instant>,
    connect_at: Option<Instant>,
    /// Bounds the flush, then the farewell.
    timer: Option<Pin<Box<Sleep>>>,
    transport: Transport,
    _seat: Seat,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("machine", &self.machine)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection that is open from now on. Over WebSocket it needs [`Connection::attach`] before it is run.
    pub(super) fn open(
        listener: &Arc<Listener>,
        shared: &Arc<Shared>,
        driver: Box<dyn Driver>,
        transport: Transport,
        seat: Seat,
    ) -> Self {
        let now = Instant::now();
        listener.metrics.opened.add_one();
        listener.metrics.open(transport).up();
        let core = Core {
            shared: Arc::clone(shared),
            listener: Arc::clone(listener),
            machine: engineio::Connection::new(transport),
            backlog: Backlog::default(),
            driver: Some(driver),
            reason: None,
            said_all: false,
            expects_poll: false,
            excused: false,
            ping_at: Some(listener.deadlines.ping.set(shared, now)),
            pong_at: None,
            connect_at: Some(listener.deadlines.connect.set(shared, now)),
            timer: None,
            transport,
            _seat: seat,
        };
        listener.enter(shared);
        Self {
            core,
            polling: (transport == Transport::Polling).then(Box::default),
            link: None,
            farewell: false,
        }
    }

    /// Gives a WebSocket connection its socket, what was read from it so far, and the first frame to write.
    pub(super) fn attach(&mut self, socket: Socket, read: Bytes, hello: Bytes) {
        self.core.backlog.push(hello);
        self.link = Some(Link::new(socket, read, &self.core.listener.config.limits));
    }

    fn take_mail(&mut self, mail: Mail, now: Instant) {
        let Some(polling) = &mut self.polling else {
            refuse(mail);
            return;
        };
        match mail {
            Mail::Poll(reply) => polling.begin_poll(reply, &mut self.core, now),
            Mail::Post(body, reply) => polling.begin_post(body, reply, &mut self.core, now),
            Mail::Broken(reason) => self.core.finish(reason),
            Mail::Probe(probe) => {
                let (socket, read) = *probe;
                polling.begin_probe(socket, read, &mut self.core);
            }
        }
    }

    /// One turn. Ready when the task is over.
    fn turn(&mut self, context: &mut Context<'_>, now: Instant) -> Poll<()> {
        self.core.wake_driver(now);
        if let Some(polling) = &mut self.polling {
            polling.poll_cancelled(&mut self.core, context);
            if let Some(link) = polling.poll_probe(&mut self.core, context) {
                self.core.change_transport();
                self.link = Some(link);
            }
        }
        let mut more = true;
        for _ in 0..ROUNDS {
            let read = self.poll_input(context, now);
            self.core.check_deadlines(now, read == Flow::Paused);
            let wrote = self.poll_output(context, now);
            if let (Some(polling), None) = (&self.polling, &self.link) {
                self.core.expect_poll(!polling.is_waiting());
            }
            self.core.end_flush();
            if self.core.driver.is_none() {
                return self.poll_farewell(context);
            }
            let resumed = read == Flow::Paused && self.core.may_read();
            more = resumed || read == Flow::More || wrote == Flow::More;
            if !more {
                break;
            }
        }
        if more {
            context.waker().wake_by_ref();
        }
        if self.core.poll_timer(context).is_ready() {
            // Flushing took too long.
            let reason = self.core.reason.clone().unwrap_or(Close::Slow);
            self.core.finish(reason);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn poll_input(&mut self, context: &mut Context<'_>, now: Instant) -> Flow {
        // What was posted before an upgrade goes before what came over the WebSocket.
        if let Some(polling) = &mut self.polling {
            if polling.receive_posts(&mut self.core, now) == Flow::Paused {
                return Flow::Paused;
            }
            if self.link.is_some() {
                self.polling = None;
            }
        }
        match &mut self.link {
            Some(link) => link.poll_input(&mut self.core, context, now),
            None => Flow::Idle,
        }
    }

    fn poll_output(&mut self, context: &mut Context<'_>, now: Instant) -> Flow {
        match (&mut self.link, &mut self.polling) {
            (Some(link), _) => link.poll_output(&mut self.core, context, now),
            (None, Some(polling)) => polling.output(&mut self.core, now),
            (None, None) => Flow::Idle,
        }
    }

    /// The connection has ended: tells the client, where it can still be told.
    fn poll_farewell(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let first = !std::mem::replace(&mut self.farewell, true);
        let reason = self.core.reason.clone().unwrap_or(Close::Fault);
        if first {
            let time = if reason == Close::Shutdown {
                LAST_FAREWELL_TIME
            } else {
                FAREWELL_TIME
            };
            self.core.timer = Some(Box::pin(tokio::time::sleep(time)));
        }
        let done = match (&mut self.link, &mut self.polling) {
            (Some(link), _) => {
                if first {
                    link.begin_close(&reason, &mut self.core.backlog);
                }
                link.poll_close(&mut self.core.backlog, context).is_ready()
            }
            (None, Some(polling)) => {
                if first {
                    self.core.backlog = Backlog::default();
                    match self.core.machine.close() {
                        Farewell::Poll => polling.answer_poll(&Packet::Close),
                        Farewell::NextPoll if !reason.is_told_later() => {
                            self.core.machine.abandon();
                        }
                        Farewell::NextPoll | Farewell::WebSocket | Farewell::None => {}
                    }
                }
                self.core.machine.is_closed()
            }
            (None, None) => true,
        };
        if done || self.core.poll_timer(context).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let connection = &mut *self;
        connection.core.shared.store_waker(context);
        let now = Instant::now();
        let (order, mail) = connection.core.shared.take_news();
        match order {
            Some(Order::Kill) => {
                connection.core.finish(Close::Shutdown);
                return Poll::Ready(());
            }
            Some(Order::Stop) => connection.core.close(Close::Shutdown),
            None => {}
        }
        for mail in mail {
            connection.take_mail(mail, now);
        }
        connection.turn(context, now)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let core = &mut self.core;
        core.finish(if std::thread::panicking() {
            Close::Fault
        } else {
            Close::TransportError
        });
        core.shared.end();
        core.listener.metrics.open(core.transport).down();
        core.listener.leave(&core.shared);
    }
}

impl Core {
    fn wake_driver(&mut self, now: Instant) {
        if let Some(driver) = self.driver.as_mut().filter(|_| self.reason.is_none())
            && let Err(reason) = driver.woken(now)
        {
            self.close(reason);
        }
    }

    /// Whether nothing has ended it so far.
    pub(super) fn is_open(&self) -> bool {
        self.reason.is_none()
    }

    pub(super) fn reason(&self) -> Option<&Close> {
        self.reason.as_ref()
    }

    /// Whether the client may be read now.
    pub(super) fn may_read(&self) -> bool {
        let backlog = self.listener.config.write_budget + OWN_BACKLOG;
        self.is_open()
            && self.backlog.bytes() < backlog
            && self
                .driver
                .as_ref()
                .is_some_and(|driver| driver.wants_input())
    }

    /// Takes a packet that came over the transport in use. True if a waiting poll is to be answered with `6`.
    pub(super) fn receive(&mut self, packet: Packet, now: Instant) -> bool {
        match self.machine.receive(packet) {
            Received::Message(message) => {
                self.listener.metrics.messages_in.add_one();
                if let Some(driver) = &mut self.driver
                    && let Err(reason) = driver.receive(message, now)
                {
                    self.close(reason);
                }
            }
            Received::Pong => {
                if self.pong_at.take().is_some() {
                    self.ping_at = Some(self.listener.deadlines.ping.set(&self.shared, now));
                    if let Some(driver) = &mut self.driver {
                        driver.ponged(now);
                    }
                }
            }
            Received::Nothing => {}
            Received::Closed { release_poll } => {
                self.finish(Close::ClientClosed);
                return release_poll;
            }
            Received::Unexpected => {
                self.finish(Close::Protocol("a packet that only servers send".into()));
            }
        }
        false
    }

    /// What the driver can write now. `Pending` also when it has given its last.
    pub(super) fn poll_driver(&mut self, now: Instant, out: &mut Outgoing) -> Poll<()> {
        let Some(driver) = self.driver.as_mut().filter(|_| !self.said_all) else {
            return Poll::Pending;
        };
        let polled = driver.poll_output(now, out);
        match polled {
            Poll::Ready(Ok(())) => return Poll::Ready(()),
            Poll::Ready(Err(reason)) => {
                self.said_all = true;
                self.begin_flush(reason);
            }
            Poll::Pending => {
                // While it flushes, nothing being there is the end, unless an answer is still under way.
                self.said_all = self.reason.is_some() && !driver.has_pending();
            }
        }
        Poll::Pending
    }

    /// Whether output is to be taken from the driver though no transport wants it: to see whether there is any.
    pub(super) fn is_flushing(&self) -> bool {
        self.reason.is_some() && self.driver.is_some()
    }

    /// A pong is overdue, as far as is known before the client is read again.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.pong_at.is_some_and(|at| now >= at) && !self.excused && !self.shared.is_posting()
    }

    /// The client was busy with something that kept its pong from being seen.
    pub(super) fn excuse(&mut self) {
        self.excused = self.pong_at.is_some();
    }

    fn check_deadlines(&mut self, now: Instant, paused: bool) {
        if paused {
            self.excuse();
        }
        let Some(driver) = self.driver.as_mut().filter(|_| self.reason.is_none()) else {
            return;
        };
        if self.connect_at.is_some_and(|at| now >= at) {
            self.connect_at = None;
            if let Err(reason) = driver.connect_due(now) {
                self.close(reason);
                return;
            }
        }
        if let Some(at) = self.ping_at.filter(|at| now >= *at) {
            self.ping_at = None;
            if let Err(reason) = driver.heartbeat(now) {
                self.close(reason);
                return;
            }
            self.machine.ping();
            self.excused = paused;
            let from = if now - at < PUNCTUAL { at } else { now };
            self.pong_at = Some(self.listener.deadlines.pong.set(&self.shared, from));
        }
        if self.pong_at.is_some_and(|at| now >= at) {
            if self.is_overdue(now) {
                self.finish(Close::PingTimeout);
            } else {
                self.excused = paused;
                self.pong_at = Some(self.listener.deadlines.pong.set(&self.shared, now));
            }
        }
    }

    /// Ends the connection, after a flush where the reason allows one.
    pub(super) fn close(&mut self, reason: Close) {
        if !reason.flushes() {
            self.finish(reason);
        } else if self.is_open() {
            self.begin_flush(reason);
        }
    }

    fn begin_flush(&mut self, reason: Close) {
        if self.reason.is_none() {
            self.reason = Some(reason);
            let patience = self.listener.config.shutdown_timeout;
            self.timer = Some(Box::pin(tokio::time::sleep(patience)));
        }
    }

    /// While everybody waits for this server to stop, a client that does not come for what is left for it is gone.
    fn expect_poll(&mut self, expects: bool) {
        let stops = self.reason == Some(Close::Shutdown) && self.driver.is_some();
        if !stops || expects == self.expects_poll {
            return;
        }
        self.expects_poll = expects;
        let patience = if expects {
            LAST_FAREWELL_TIME
        } else {
            self.listener.config.shutdown_timeout
        };
        self.timer = Some(Box::pin(tokio::time::sleep(patience)));
    }

    /// Ends the connection if all was written that had to be.
    fn end_flush(&mut self) {
        if self.said_all
            && self.backlog.is_empty()
            && let Some(reason) = self.reason.clone()
        {
            self.finish(reason);
        }
    }

    /// Ends the connection now. The first reason counts.
    pub(super) fn finish(&mut self, reason: Close) {
        let Some(mut driver) = self.driver.take() else {
            return;
        };
        let reason = self.reason.take().unwrap_or(reason);
        self.listener.metrics.count_close(&reason);
        tracing::debug!(%reason, "a connection ended");
        self.reason = Some(reason.clone());
        self.timer = None;
        driver.closed(reason);
    }

    fn change_transport(&mut self) {
        let metrics = &self.listener.metrics;
        metrics.upgrades.add_one();
        metrics.open(self.transport).down();
        self.transport = Transport::WebSocket;
        metrics.open(self.transport).up();
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.timer {
            Some(timer) => timer.as_mut().poll(context),
            None => Poll::Pending,
        }
    }
}

/// Mail for a connection that has left polling: a request is refused, and a further WebSocket is closed.
fn refuse(mail: Mail) {
    match mail {
        // Dropping the sender refuses the request.
        Mail::Poll(_) | Mail::Post(..) | Mail::Broken(_) => {}
        Mail::Probe(probe) => super::websocket::turn_away(probe.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        // Beside it: tokio's task header, the socket's registration, `Shared`, the driver. Raise this only knowingly.
        let size = size_of::<Connection>();
        assert!(size <= 512, "{size} bytes");
        let shared = size_of::<Shared>();
        assert!(shared <= 96, "{shared} bytes");
    }
}
