//! One connection: the client's end of it, the network between, and the server's transport with
//! its driver. As behind the listener, a driver is asked only after a wake or when bytes move.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use server::{
    hub::Door,
    listen::{Accept, Close, Driver, Handle, Outgoing, Peer},
};
use wire::{engineio::Message, socketio::Packet};

use crate::node::Bell;

const PING_INTERVAL: Duration = Duration::from_secs(25);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// A client that takes no byte for so long is closed as slow.
const SLOW: Duration = Duration::from_secs(30);
/// Rounds of reading and writing before others get their turn.
const ROUNDS: usize = 4;

/// On its way to the server.
#[derive(Clone, Debug)]
pub(crate) enum Up {
    /// A Socket.IO packet.
    Packet(String),
    Pong,
    /// The client's end is gone.
    End,
}

/// On its way to the client.
pub(crate) enum Down {
    Packet { packet: Box<Packet>, bytes: usize },
    Ping,
}

impl Down {
    fn bytes(&self) -> usize {
        match self {
            Self::Packet { bytes, .. } => *bytes,
            Self::Ping => 3,
        }
    }
}

/// One connection.
pub(crate) struct Line {
    pub(crate) client: usize,
    pub(crate) bell: Arc<Bell>,
    /// `None` when the server's end is closed.
    driver: Option<Box<dyn Driver>>,
    /// Sent by the client, not yet at the server's machine.
    pub(crate) up: VecDeque<Up>,
    /// At the server's machine, not yet read.
    arrived: VecDeque<Up>,
    /// Written to the server's transport, which the network does not take yet.
    backlog: VecDeque<Down>,
    /// What the network has taken.
    pub(crate) down: VecDeque<Down>,
    down_bytes: usize,
    /// Bytes that the network holds.
    window: usize,
    /// Bytes that the driver may give at once.
    budget: usize,
    /// The client has given this connection up.
    pub(crate) is_left: bool,
    ping_at: Option<Instant>,
    pong_at: Option<Instant>,
    taken_at: Instant,
    limits: wire::Limits,
}

/// What one turn of the server's end came to.
#[derive(Default)]
pub(crate) struct Served {
    /// Written by the driver in this turn, in this order.
    pub(crate) written: Vec<Packet>,
    /// What the driver was given.
    pub(crate) read: Vec<String>,
    /// Why the server's end was closed, if it was.
    pub(crate) closed: Option<Close>,
}

impl Line {
    /// `None` when the server takes no more connections just now.
    pub(crate) fn open(
        door: &Door,
        client: usize,
        window: usize,
        budget: usize,
        now: Instant,
    ) -> Option<Self> {
        let bell = Arc::new(Bell::default());
        let handle = Handle::detached(Waker::from(Arc::clone(&bell)));
        let driver = door.open(Peer::local(), handle).ok()?;
        Some(Self {
            client,
            bell,
            driver: Some(driver),
            up: VecDeque::new(),
            arrived: VecDeque::new(),
            backlog: VecDeque::new(),
            down: VecDeque::new(),
            down_bytes: 0,
            window,
            budget,
            is_left: false,
            ping_at: Some(now + PING_INTERVAL),
            pong_at: None,
            taken_at: now,
            limits: wire::Limits {
                max_text_bytes: usize::MAX,
                ..wire::Limits::default()
            },
        })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.driver.is_some()
    }

    /// Whether the driver waits for something that is under way.
    pub(crate) fn has_pending(&self) -> bool {
        self.driver
            .as_ref()
            .is_some_and(|driver| driver.has_pending())
    }

    /// What the client has sent and the server has not read.
    pub(crate) fn unread(&self) -> usize {
        self.up.len() + self.arrived.len()
    }

    /// Whether the server has written something that the client has not read.
    pub(crate) fn is_drained(&self) -> bool {
        self.down.is_empty() && self.backlog.is_empty()
    }

    /// The network moves some of what the client has sent.
    pub(crate) fn arrive(&mut self, count: usize) {
        let count = count.min(self.up.len());
        self.arrived.extend(self.up.drain(..count));
        self.bell.ring();
    }

    /// The client reads the next thing.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Down> {
        let next = self.down.pop_front()?;
        self.down_bytes -= next.bytes();
        self.taken_at = now;
        if !self.backlog.is_empty() || self.down_bytes < self.window {
            self.bell.ring();
        }
        Some(next)
    }

    /// One turn of the connection's task.
    pub(crate) fn serve(&mut self, now: Instant) -> Served {
        let mut served = Served::default();
        self.bell.answer();
        if let Err(reason) = self.turn(now, &mut served) {
            self.close(reason.clone());
            served.closed = Some(reason);
        }
        served
    }

    fn turn(&mut self, now: Instant, served: &mut Served) -> Result<(), Close> {
        let Some(driver) = &mut self.driver else {
            return Ok(());
        };
        driver.woken(now)?;
        for _ in 0..ROUNDS {
            let paused = self.read(now, served)?;
            self.check_deadlines(now, paused)?;
            let more = self.write(now, served)?;
            let resumes = paused && self.may_read();
            if !more && !resumes {
                return Ok(());
            }
        }
        self.bell.ring();
        Ok(())
    }

    fn may_read(&self) -> bool {
        let waiting: usize = self.backlog.iter().map(Down::bytes).sum();
        waiting < self.budget + 16 * 1024
            && self
                .driver
                .as_ref()
                .is_some_and(|driver| driver.wants_input())
    }

    /// True if the client may not be read any further.
    fn read(&mut self, now: Instant, served: &mut Served) -> Result<bool, Close> {
        loop {
            if !self.may_read() {
                return Ok(true);
            }
            let Some(next) = self.arrived.pop_front() else {
                return Ok(false);
            };
            let Some(driver) = &mut self.driver else {
                return Ok(false);
            };
            match next {
                Up::Packet(text) => {
                    served.read.push(text.clone());
                    driver.receive(Message::Text(text), now)?;
                }
                Up::Pong => {
                    if self.pong_at.take().is_some() {
                        self.ping_at = Some(now + PING_INTERVAL);
                        driver.ponged(now);
                    }
                }
                Up::End => return Err(Close::TransportError),
            }
        }
    }

    /// Who is not read cannot answer a ping in time.
    fn check_deadlines(&mut self, now: Instant, paused: bool) -> Result<(), Close> {
        let Some(driver) = &mut self.driver else {
            return Ok(());
        };
        if self.ping_at.is_some_and(|at| now >= at) {
            self.ping_at = None;
            driver.heartbeat(now)?;
            self.backlog.push_back(Down::Ping);
            self.pong_at = Some(now + PING_TIMEOUT);
        }
        if self.pong_at.is_some_and(|at| now >= at) {
            if !paused {
                return Err(Close::PingTimeout);
            }
            self.pong_at = Some(now + PING_TIMEOUT);
        }
        if !self.backlog.is_empty() && now >= self.taken_at + SLOW {
            return Err(Close::Slow);
        }
        Ok(())
    }

    /// True if there is more that could be written at once.
    fn write(&mut self, now: Instant, served: &mut Served) -> Result<bool, Close> {
        let is_broken = self.arrived.iter().any(|up| matches!(up, Up::End));
        if is_broken && !self.backlog.is_empty() {
            return Err(Close::TransportError);
        }
        self.flush(now);
        if !self.backlog.is_empty() {
            return Ok(false);
        }
        let Some(driver) = &mut self.driver else {
            return Ok(false);
        };
        let mut out = Outgoing::new(self.budget);
        let polled = driver.poll_output(now, &mut out);
        for frame in out
            .chunks()
            .iter()
            .flat_map(|chunk| wire::frame::frames(chunk))
        {
            let text = std::str::from_utf8(frame.payload()).unwrap();
            let text = text.strip_prefix('4').expect("a driver gives messages");
            let packet = Packet::parse(text, &self.limits).unwrap().0;
            served.written.push(packet.clone());
            self.backlog.push_back(Down::Packet {
                packet: Box::new(packet),
                bytes: text.len(),
            });
        }
        self.flush(now);
        match polled {
            Poll::Ready(Ok(())) => Ok(self.backlog.is_empty()),
            Poll::Ready(Err(reason)) => Err(reason),
            Poll::Pending => Ok(false),
        }
    }

    fn flush(&mut self, now: Instant) {
        if self.backlog.is_empty() {
            return;
        }
        if self.down.is_empty() {
            // Nothing was waiting, so nobody was slow.
            self.taken_at = now;
        }
        while self.down_bytes < self.window
            && let Some(next) = self.backlog.pop_front()
        {
            self.down_bytes += next.bytes();
            self.down.push_back(next);
        }
    }

    /// Whether a deadline has come, so that the task is due without a wake.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let is_over = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        let is_slow = !self.backlog.is_empty() && now >= self.taken_at + SLOW;
        self.is_open() && (is_over(self.ping_at) || is_over(self.pong_at) || is_slow)
    }

    /// The server's end closes. What the network has taken may still reach the client.
    pub(crate) fn close(&mut self, reason: Close) {
        if let Some(mut driver) = self.driver.take() {
            driver.closed(reason);
        }
        self.backlog.clear();
        self.arrived.clear();
    }

    /// The server's process is gone, and with it what its memory held.
    pub(crate) fn die(&mut self) {
        self.driver = None;
        self.backlog.clear();
        self.arrived.clear();
        self.up.clear();
    }

    /// The client's end goes. What it has sent may still arrive, and then that it is gone; over a
    /// half-open connection nothing ever does.
    pub(crate) fn leave(&mut self, half_open: bool) {
        self.is_left = true;
        self.down.clear();
        // The network takes no more: what it held stays there.
        if half_open {
            self.down_bytes = self.window;
        } else {
            self.up.push_back(Up::End);
            self.down_bytes = 0;
        }
    }
}
