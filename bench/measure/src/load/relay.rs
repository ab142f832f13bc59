//! Messages from writers to the readers of their rooms: one room with many readers, or many pairs.
//!
//! A *stream* is one writer. Every reader checks that it gets each stream's messages once and in
//! order, and everything is counted before and after the time in which is measured, so that a
//! server that loses events is found out. A *frozen* reader is in the room and takes no byte.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{task::spawn_local, time::sleep};

use super::{
    Plan,
    beat::Beat,
    churn::Churn,
    crowd::gather,
    meter::{Cpu, Window, counts, held, resident},
    socket::{Outcome, Reader, Writer, connect},
    talk::{Room, Talk, read_ack, read_body},
};
use crate::sample::{Held, Joining, Reached, Sample};

/// Time under load before measuring begins: compilers that compile while running need it.
const WARM_UP: Duration = Duration::from_secs(2);
/// A stream whose message has not arrived everywhere after this goes on without.
const STALLED: Duration = Duration::from_secs(3);
/// Nothing more is expected when nothing has come for this long.
const QUIET: Duration = Duration::from_secs(3);
/// Length of the bodies that fill the sockets of frozen readers.
const LONG: usize = 8 << 10;
/// How many of them each stream sends before it is looked whether the sockets are full.
const FILLING: usize = 4;
/// How often, at most.
const FILLINGS: usize = 30;
/// How often stalled streams and silence are looked for.
const LOOK: Duration = Duration::from_millis(250);
/// Length of a body that has room for its numbers.
const BODY: usize = 12;

/// Who writes to whom.
pub(super) struct Shape {
    pub(super) rooms: usize,
    /// Readers of each room.
    pub(super) readers: usize,
    /// Frozen ones of each room.
    pub(super) frozen: usize,
    /// Writers of each room.
    pub(super) writers: usize,
    /// Sockets in all that enter and leave the rooms meanwhile.
    pub(super) churners: usize,
}

/// When the next message is sent.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// So many messages a second, whatever has arrived.
    Steady(f64),
    /// In each stream, when the last one has arrived everywhere and is acknowledged.
    Saturated,
    /// So many in each stream, all at once.
    Burst(u64),
}

/// What all connections of a run share.
struct Relay {
    talk: Talk,
    pace: Pace,
    body: Cell<usize>,
    readers: usize,
    streams: Vec<Stream>,
    /// Kept open, and never looked at.
    frozen: Vec<Reader>,
    churn: Rc<Churn>,
    sending: Cell<bool>,
    /// Messages that came, and their bytes.
    came: Cell<u64>,
    bytes: Cell<u64>,
    last_bytes: Cell<usize>,
    acknowledged: Cell<u64>,
    disordered: Cell<u64>,
    /// Milliseconds in which a message of a steady load has reached everybody.
    reached: RefCell<Vec<f64>>,
    problems: RefCell<Vec<String>>,
}

struct Stream {
    room: Room,
    writer: Rc<Writer>,
    /// Number of the next message.
    next: Cell<u64>,
    /// Arrivals that the last one still waits for, its acknowledgement among them.
    left: Cell<usize>,
    /// When it was sent.
    since: Cell<Instant>,
}

/// Carries out a run.
pub(super) async fn run(plan: &Plan, shape: &Shape, pace: Pace) -> Outcome<Sample> {
    let mut sample = Sample::default();
    let relay = set_up(plan, shape, pace, &mut sample).await?;
    relay.calibrate(plan.bytes).await?;
    relay.fill_frozen(plan).await?;

    relay.sending.set(true);
    if let Pace::Burst(count) = pace {
        let window = relay.open(plan).await?;
        for (number, stream) in relay.streams.iter().enumerate() {
            for _ in 0..count {
                relay.send(number, stream);
            }
        }
        relay.drain().await;
        let so_far = || relay.so_far();
        window.close(so_far, &mut sample).await?;
    } else {
        match pace {
            Pace::Steady(rate) => drop(spawn_local(Rc::clone(&relay).keep_pace(rate))),
            _ => drop(spawn_local(Rc::clone(&relay).keep_going())),
        }
        sleep(WARM_UP).await;
        let window = relay.open(plan).await?;
        plan.announce();
        sleep(plan.time).await;
        let so_far = || relay.so_far();
        window.close(so_far, &mut sample).await?;
        sample.held = relay.held(plan)?;
        sample.reached = relay.reached();
        relay.sending.set(false);
        relay.drain().await;
    }
    if plan.is_counted() {
        sample.life = Some(counts(&plan.at).await?);
    }
    relay.settle(&mut sample);
    relay.churn.end(&mut sample).await;
    Ok(sample)
}

/// Connects everybody; each reader is in its room before anybody writes.
async fn set_up(plan: &Plan, shape: &Shape, pace: Pace, sample: &mut Sample) -> Outcome<Rc<Relay>> {
    let (talk, readers, writers) = (plan.talk, shape.readers, shape.writers);
    let made = Rc::new(talk.rooms(plan, shape.rooms).await?);
    let at = plan.at.clone();
    let before = (Instant::now(), Cpu::of(plan.pid)?, resident(plan.pid)?);
    let entered = gather(shape.rooms * readers, move |number| {
        let (at, made) = (Rc::clone(&at), Rc::clone(&made));
        async move {
            let mut room = made.get(number / readers).cloned().unwrap_or_default();
            let mut socket = connect(&at).await?;
            let again = talk.enter(&mut socket, &mut room).await?;
            Ok((socket, room, again))
        }
    })
    .await?;
    sample.joining = Some(Joining {
        readers: entered.len() as u64,
        seconds: before.0.elapsed().as_secs_f64(),
        cpu: Cpu::of(plan.pid)?.all() - before.1.all(),
        grown: resident(plan.pid)?.saturating_sub(before.2),
    });
    let at = plan.at.clone();
    let sockets = gather(shape.rooms * writers, move |_| {
        let at = Rc::clone(&at);
        async move { connect(&at).await }
    })
    .await?;

    let rooms: Vec<_> = entered
        .iter()
        .step_by(readers)
        .map(|(_, room, _)| room.clone())
        .collect();
    let streams = sockets.iter().zip(0..).map(|(socket, number)| Stream {
        room: rooms.get(number / writers).cloned().unwrap_or_default(),
        writer: Rc::clone(&socket.writer),
        next: Cell::new(0),
        left: Cell::new(0),
        since: Cell::new(Instant::now()),
    });
    let mut frozen = Vec::new();
    for room in &rooms {
        for _ in 0..shape.frozen {
            let mut socket = connect(&plan.at).await?;
            sample.rejoined += talk.enter(&mut socket, &mut room.clone()).await?;
            frozen.push(socket);
        }
    }
    let relay = Rc::new(Relay {
        talk,
        pace,
        body: Cell::new(BODY),
        readers,
        streams: streams.collect(),
        frozen,
        churn: Churn::begin(plan, &rooms, shape.churners).await?,
        sending: Cell::new(false),
        came: Cell::new(0),
        bytes: Cell::new(0),
        last_bytes: Cell::new(0),
        acknowledged: Cell::new(0),
        disordered: Cell::new(0),
        reached: RefCell::default(),
        problems: RefCell::default(),
    });
    for (number, socket) in sockets.into_iter().enumerate() {
        spawn_local(Rc::clone(&relay).hear(number, socket));
    }
    for (number, (socket, _, again)) in entered.into_iter().enumerate() {
        sample.rejoined += again;
        let first = number / readers * writers;
        spawn_local(Rc::clone(&relay).follow(first, writers, socket));
    }
    Ok(relay)
}

impl Relay {
    /// Sends long messages until the kernel takes nothing more for the frozen readers: until then
    /// they are readers like others.
    async fn fill_frozen(&self, plan: &Plan) -> Outcome<()> {
        let Some(mut before) = self.held(plan)? else {
            return Ok(());
        };
        let body = self.body.replace(LONG);
        for _ in 0..FILLINGS {
            for _ in 0..FILLING {
                for (number, stream) in self.streams.iter().enumerate() {
                    self.send(number, stream);
                }
            }
            self.drain().await;
            let now = self.held(plan)?.unwrap_or_default();
            if now.unsent == before.unsent {
                self.body.set(body);
                return Ok(());
            }
            before = now;
        }
        Err("the frozen readers' sockets did not fill up".to_owned())
    }

    /// What the server's kernel holds for the frozen readers, if there are any.
    fn held(&self, plan: &Plan) -> Outcome<Option<Held>> {
        if self.frozen.is_empty() {
            return Ok(None);
        }
        let ports: Outcome<Vec<_>> = self.frozen.iter().map(Reader::port).collect();
        held(&plan.at, &ports?).map(Some)
    }

    /// The next message of a stream.
    fn send(&self, number: usize, stream: &Stream) {
        let n = stream.next.replace(stream.next.get() + 1);
        stream.left.set(self.readers + 1);
        stream.since.set(Instant::now());
        let frame = self.talk.message(&stream.room, number, n, self.body.get());
        stream.writer.write(&frame);
    }

    /// Message `n` of a stream has arrived somewhere.
    fn arrived(&self, number: usize, n: u64) {
        let Some(stream) = self.streams.get(number) else {
            return;
        };
        if n + 1 != stream.next.get() {
            return;
        }
        stream.left.set(stream.left.get().saturating_sub(1));
        if stream.left.get() > 0 || !self.sending.get() {
            return;
        }
        match self.pace {
            Pace::Saturated => self.send(number, stream),
            Pace::Steady(_) => {
                let took = stream.since.get().elapsed().as_secs_f64() * 1e3;
                self.reached.borrow_mut().push(took);
            }
            Pace::Burst(_) => {}
        }
    }

    /// A reader, of `count` streams from `first`.
    async fn follow(self: Rc<Self>, first: usize, count: usize, mut socket: Reader) {
        let mut expected = vec![0; count];
        let (beginning, key) = self.talk.arrival();
        let mut hint = 0;
        let problem = loop {
            let read = socket.read(|packet| {
                if !packet.starts_with(beginning) {
                    return;
                }
                let Some((number, n)) = read_body(packet, key, &mut hint) else {
                    let words = String::from_utf8_lossy(packet).into_owned();
                    self.problems.borrow_mut().push(words);
                    return;
                };
                let expected = number
                    .checked_sub(first)
                    .and_then(|place| expected.get_mut(place));
                match expected {
                    Some(expected) if n >= *expected => *expected = n + 1,
                    _ => self.disordered.set(self.disordered.get() + 1),
                }
                self.came.set(self.came.get() + 1);
                self.bytes.set(self.bytes.get() + packet.len() as u64);
                self.last_bytes.set(packet.len());
                self.arrived(number, n);
            });
            if let Err(problem) = read.await {
                break problem;
            }
        };
        let words = format!("a reader: {problem}");
        self.problems.borrow_mut().push(words);
    }

    /// A writer: acknowledgements come.
    async fn hear(self: Rc<Self>, number: usize, mut socket: Reader) {
        let problem = loop {
            let read = socket.read(|packet| {
                if let Some(n) = read_ack(packet) {
                    self.acknowledged.set(self.acknowledged.get() + 1);
                    self.arrived(number, n);
                } else if packet.starts_with(b"43") {
                    let words = String::from_utf8_lossy(packet).into_owned();
                    self.problems.borrow_mut().push(words);
                }
            });
            if let Err(problem) = read.await {
                break problem;
            }
        };
        let words = format!("a writer: {problem}");
        self.problems.borrow_mut().push(words);
    }

    /// One message of each stream, to see how long the frame is beside its body; from then on all
    /// are `bytes` long.
    async fn calibrate(&self, bytes: usize) -> Outcome<()> {
        for (number, stream) in self.streams.iter().enumerate() {
            self.send(number, stream);
        }
        self.drain().await;
        let length = self.last_bytes.get();
        if length == 0 {
            let problems = self.problems.borrow();
            return Err(format!("no message came; {problems:?}"));
        }
        self.body
            .set((BODY + bytes).saturating_sub(length).max(BODY));
        Ok(())
    }

    /// Streams take turns at `rate` messages a second.
    async fn keep_pace(self: Rc<Self>, rate: f64) {
        let mut beat = Beat::new(rate);
        for (number, stream) in self.streams.iter().enumerate().cycle() {
            beat.next().await;
            if !self.sending.get() {
                return;
            }
            self.send(number, stream);
        }
    }

    /// Starts every stream, and those again that wait for something that was lost.
    async fn keep_going(self: Rc<Self>) {
        let mut seen: Vec<_> = self
            .streams
            .iter()
            .map(|stream| (stream.next.get(), Instant::now()))
            .collect();
        for (number, stream) in self.streams.iter().enumerate() {
            self.send(number, stream);
        }
        while self.sending.get() {
            sleep(LOOK).await;
            for ((number, stream), (next, since)) in self.streams.iter().enumerate().zip(&mut seen)
            {
                if stream.next.get() != *next {
                    (*next, *since) = (stream.next.get(), Instant::now());
                } else if since.elapsed() > STALLED && self.sending.get() {
                    self.send(number, stream);
                }
            }
        }
    }

    fn so_far(&self) -> (u64, u64) {
        (self.came.get(), self.bytes.get())
    }

    /// Messages sent so far.
    fn sent(&self) -> u64 {
        self.streams.iter().map(|stream| stream.next.get()).sum()
    }

    /// How long it took until everybody had a message and it was acknowledged.
    fn reached(&self) -> Option<Reached> {
        let mut all = self.reached.borrow_mut();
        all.sort_by(f64::total_cmp);
        Some(Reached {
            median: *all.get(all.len() / 2)?,
            longest: *all.last()?,
        })
    }

    async fn open<'a>(&self, plan: &'a Plan) -> Outcome<Window<'a>> {
        self.reached.borrow_mut().clear();
        Window::open(&plan.at, plan.pid, plan.is_counted(), || self.so_far()).await
    }

    /// Waits until all has come, or nothing comes any longer.
    async fn drain(&self) {
        let (mut before, mut since) = ((0, 0), Instant::now());
        while since.elapsed() < QUIET {
            sleep(LOOK / 25).await;
            let now = (self.came.get(), self.acknowledged.get());
            if now == (self.sent() * self.readers as u64, self.sent()) {
                return;
            }
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
    }

    /// What is true at the end of the run.
    fn settle(&self, sample: &mut Sample) {
        sample.expected = self.sent() * self.readers as u64;
        sample.missing = sample.expected.saturating_sub(self.came.get());
        sample.unacknowledged = self.sent().saturating_sub(self.acknowledged.get());
        sample.disordered = self.disordered.get();
        let problems = self.problems.borrow();
        sample.problems.extend(problems.iter().take(5).cloned());
        if problems.len() > 5 {
            let more = format!("and {} more problems", problems.len() - 5);
            sample.problems.push(more);
        }
    }
}
