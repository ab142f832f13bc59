//! The simulated world: one server, its disk, the network and the clients. Nothing happens but
//! what the seed chooses, one step after the other, on one thread and with a clock of its own.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chat::Timestamp;
use server::listen::Close;

use crate::{
    checker::{Checker, Key},
    client::{Client, Complaint, Heard},
    disk::Disk,
    line::{Down, Line, Up},
    model::Failure,
    node::Node,
    plan::{Fault, Plan, pick},
    trace::Trace,
};

/// How often the hub lets go of what nobody needs.
const SWEEP: Duration = Duration::from_secs(10);
/// Steps, and times that some seconds pass, after which a world without faults must have come to
/// rest.
const RESTLESS: usize = 20_000;
const SLEEPLESS: usize = 100;

/// A step that could be taken now.
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub(crate) enum Step {
    /// A client without a transport gets one.
    Connect(usize),
    /// What a client has sent gets on.
    Arrive(u32),
    /// The task of a connection has its turn.
    Serve(u32),
    /// A client reads what has come.
    Take(u32),
    Write,
    Sequence,
    Read,
}

pub(crate) struct World {
    rng: fastrand::Rng,
    plan: Plan,
    pub(crate) disk: Arc<Disk>,
    node: Node,
    lines: BTreeMap<u32, Line>,
    /// The last key that was written to each connection.
    last_keys: BTreeMap<u32, Option<Key>>,
    next_line: u32,
    pub(crate) clients: Vec<Client>,
    checker: Checker,
    trace: Trace,
    begin: Instant,
    swept: Instant,
    said: u64,
    pub(crate) tally: Tally,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) steps: u64,
    pub(crate) faults: u64,
    pub(crate) messages: u64,
    pub(crate) acked: u64,
    pub(crate) connects: u64,
    pub(crate) recovered: u64,
    pub(crate) fresh: u64,
    pub(crate) events: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.faults += other.faults;
        self.messages += other.messages;
        self.acked += other.acked;
        self.connects += other.connects;
        self.recovered += other.recovered;
        self.fresh += other.fresh;
        self.events += other.events;
    }
}

impl World {
    pub(crate) fn new(seed: u64, trace: Trace) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let plan = Plan::new(&mut rng);
        Self::planned(rng, plan, trace)
    }

    pub(crate) fn planned(mut rng: fastrand::Rng, plan: Plan, trace: Trace) -> Self {
        let disk = Arc::new(Disk::default());
        let node = Node::boot(&disk, plan.config.clone(), plan.stride, &mut rng);
        let client = |(place, style): (usize, &_)| Client::new(place % plan.users, *style);
        let clients: Vec<_> = plan.styles.iter().enumerate().map(client).collect();
        let checker = Checker::new(Arc::clone(&disk), clients.len());
        trace.note(|| {
            format!(
                "{} users, {:?}, stride {}, window {}, budget {}, faults {:?}, {:?}",
                plan.users,
                plan.styles,
                plan.stride,
                plan.window,
                plan.budget,
                plan.faults,
                plan.config_words(),
            )
        });
        let now = now();
        Self {
            rng,
            plan,
            disk,
            node,
            lines: BTreeMap::new(),
            last_keys: BTreeMap::new(),
            next_line: 0,
            clients,
            checker,
            trace,
            begin: now,
            swept: now,
            said: 0,
            tally: Tally::default(),
        }
    }

    /// The life of a world: a storm; then all but those who read nothing come to rest; then all do,
    /// and talk once more; then all go.
    pub(crate) async fn run(&mut self) -> Result<(), Complaint> {
        for _ in 0..self.plan.steps {
            if self.rng.u32(..1_000) < self.plan.per_mille {
                self.fault().await?;
            }
            if self.rng.u8(..4) == 0 {
                self.chat();
            }
            let steps = self.steps();
            if steps.is_empty() {
                let time = Duration::from_millis(self.rng.u64(1..200));
                self.wait(time).await;
            } else {
                let step = *pick(&mut self.rng, &steps);
                self.step(step)?;
            }
            // Tasks that wake a connection later, and tokio's own bookkeeping.
            tokio::task::yield_now().await;
        }
        self.disk.repair();
        for client in &mut self.clients {
            client.is_active = true;
        }
        self.trace.note(|| "-- the storm is over".to_owned());
        self.rest().await?;
        self.judge(|client| !client.is_frozen)?;
        self.trace.note(|| "-- everybody reads again".to_owned());
        for client in &mut self.clients {
            client.is_frozen = false;
        }
        self.rest().await?;
        self.judge(|_| true)?;
        self.trace.note(|| "-- last words".to_owned());
        for client in 0..self.clients.len() {
            self.clients[client].retry();
            for room in self.clients[client].rooms.clone() {
                let body = self.words(client);
                self.clients[client].send(&room, body, true);
            }
            self.flush(client);
        }
        self.rest().await?;
        self.judge(|_| true)?;
        self.checker.nothing_is_lost()?;
        self.everybody_goes().await?;
        self.tally.messages = self.checker.messages() as u64;
        self.tally.acked = self.checker.acked() as u64;
        let seen = (0..self.clients.len()).map(|client| self.checker.seen(client).events);
        self.tally.events = seen.sum();
        Ok(())
    }

    /// Everything that could happen next by itself.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let now = now();
        let mut steps = Vec::new();
        for (place, client) in self.clients.iter().enumerate() {
            if client.line.is_none() && client.is_active {
                steps.push(Step::Connect(place));
            }
        }
        for (&number, line) in &self.lines {
            if !line.up.is_empty() && line.is_open() {
                steps.push(Step::Arrive(number));
            }
            if line.is_open() && (line.bell.is_rung() || line.is_due(now)) {
                steps.push(Step::Serve(number));
            }
            let has_news = !line.down.is_empty() || !line.is_open();
            if !line.is_left && has_news && !self.clients[line.client].is_frozen {
                steps.push(Step::Take(number));
            }
        }
        if self.node.can_write() {
            steps.push(Step::Write);
        }
        if self.node.can_sequence() {
            steps.push(Step::Sequence);
        }
        if self.node.waiting_reads() > 0 {
            steps.push(Step::Read);
        }
        steps
    }

    pub(crate) fn step(&mut self, step: Step) -> Result<(), Complaint> {
        self.tally.steps += 1;
        match step {
            Step::Connect(client) => self.connect(client),
            Step::Arrive(line) => {
                if let Some(line) = self.lines.get_mut(&line) {
                    line.arrive(self.rng.usize(1..8));
                }
            }
            Step::Serve(line) => self.serve(line)?,
            Step::Take(line) => {
                for _ in 0..self.rng.usize(1..8) {
                    self.take_one(line)?;
                }
            }
            Step::Write => {
                let failures = self.disk.failures();
                let commands = self.node.write(self.wall());
                if self.disk.failures() > failures {
                    self.checker.forget_goodbyes();
                }
                let last_g = self.disk.look(|rows| rows.counters.last_g);
                self.trace
                    .note(|| format!("write {commands} commands, last G {last_g}"));
                self.checker.committed()?;
            }
            Step::Sequence => {
                self.node.sequence();
                let barrier = self.node.metrics.barrier.get();
                self.trace.note(|| format!("sequence, barrier {barrier}"));
            }
            Step::Read => {
                let which = self.rng.usize(..self.node.waiting_reads());
                self.trace.note(|| format!("read {which}"));
                self.node.read(which);
            }
        }
        Ok(())
    }

    fn connect(&mut self, client: usize) {
        let number = self.next_line;
        self.next_line += 1;
        self.tally.connects += 1;
        let Plan { window, budget, .. } = self.plan;
        let Some(line) = Line::open(&self.node.door, client, window, budget, now()) else {
            self.trace.note(|| format!("client {client} is not let in"));
            return;
        };
        self.lines.insert(number, line);
        self.last_keys.insert(number, None);
        self.clients[client].opened(number);
        let offset = self.clients[client].offset.clone();
        self.trace
            .note(|| format!("client {client} opens line {number} with {offset:?}"));
        self.flush(client);
    }

    /// What a client has to send goes on its way.
    pub(crate) fn flush(&mut self, client: usize) {
        let client = &mut self.clients[client];
        if let Some(line) = client.line.and_then(|line| self.lines.get_mut(&line)) {
            line.up.extend(client.outbox.drain(..).map(Up::Packet));
        }
    }

    fn serve(&mut self, number: u32) -> Result<(), Complaint> {
        let Some(line) = self.lines.get_mut(&number) else {
            return Ok(());
        };
        let served = line.serve(now());
        let client = line.client;
        for text in &served.read {
            self.trace
                .note(|| format!("line {number} reads {}", without_pid(text)));
            // Its own connection's: one that was taken over is not read.
            if text == "1" {
                self.checker.said_goodbye(client);
            }
        }
        let last = self.last_keys.entry(number).or_default();
        for packet in &served.written {
            self.trace.packet(&format!("line {number} writes"), packet);
            self.checker.written(packet, last)?;
        }
        if let Some(reason) = served.closed {
            self.trace
                .note(|| format!("line {number} is closed: {reason:?}"));
        }
        self.tidy(number);
        Ok(())
    }

    /// Nobody is at either end any more.
    fn tidy(&mut self, number: u32) {
        let is_over = |line: &Line| line.is_left && !line.is_open();
        if self.lines.get(&number).is_some_and(is_over) {
            self.lines.remove(&number);
            self.last_keys.remove(&number);
        }
    }

    /// A client reads one thing that has come.
    pub(crate) fn take_one(&mut self, number: u32) -> Result<(), Complaint> {
        let Some(line) = self.lines.get_mut(&number) else {
            return Ok(());
        };
        let client = line.client;
        match line.take(now()) {
            Some(Down::Ping) => line.up.push_back(Up::Pong),
            Some(Down::Packet { packet, .. }) => {
                self.trace.packet(&format!("client {client} gets"), &packet);
                let heard = self.clients[client].receive(&packet);
                heard
                    .and_then(|heard| self.check(client, heard))
                    .map_err(|why| format!("client {client}: {why}"))?;
                self.flush(client);
            }
            None if !line.is_open() => {
                self.trace
                    .note(|| format!("client {client} sees line {number} closed"));
                self.part(client, false);
            }
            None => {}
        }
        Ok(())
    }

    fn check(&mut self, client: usize, heard: Heard) -> Result<(), Complaint> {
        let identified = self.clients[client].is_identified();
        match heard {
            Heard::Connected { recovered } => {
                if recovered {
                    self.tally.recovered += 1;
                } else {
                    self.tally.fresh += 1;
                }
                if identified && !recovered && self.nothing_forgets() {
                    return Err("it had to begin anew for no reason".to_owned());
                }
                let pid = self.clients[client].pid.clone();
                self.checker.connected(client, pid.as_deref(), recovered)
            }
            Heard::Event { event } => {
                self.checker.heard(client, &event, identified)?;
                if event.name == "room_joined" {
                    let joined: serde_json::Value =
                        serde_json::from_str(event.args[0].get()).unwrap();
                    self.clients[client].is_in(joined["roomId"].as_str().unwrap());
                }
                Ok(())
            }
            Heard::Acked { ask, answer } => {
                self.checker.acknowledged(client, &ask, &answer, identified)
            }
        }
    }

    /// Whether everybody who was known goes on with the same session, whatever has happened.
    fn nothing_forgets(&self) -> bool {
        self.plan.replays_all() && self.disk.failures() == 0
    }

    /// A client's connection is over for the client.
    pub(crate) fn part(&mut self, client: usize, half_open: bool) {
        let number = self.clients[client].line;
        self.clients[client].lost();
        if let Some(number) = number
            && let Some(line) = self.lines.get_mut(&number)
        {
            line.leave(half_open);
            self.tidy(number);
        }
    }

    /// A page does something.
    fn chat(&mut self) {
        let place = self.rng.usize(..self.clients.len());
        let client = &self.clients[place];
        if !client.is_active {
            return;
        }
        let ack = self.rng.u8(..100) < client.style.acks;
        let rooms: Vec<String> = client.rooms.iter().cloned().collect();
        let other = (client.user + self.rng.usize(1..self.plan.users)) % self.plan.users;
        match self.rng.u8(..20) {
            0 => self.clients[place].register(ack),
            1..4 => self.clients[place].join(other, ack),
            4 => self.clients[place].talk_nonsense(ack),
            5..7 if !rooms.is_empty() => {
                let room = pick(&mut self.rng, &rooms);
                let (limit, offset) = (self.rng.usize(1..30), self.rng.usize(..20));
                self.clients[place].fetch(room, limit, offset, ack);
            }
            7.. if !rooms.is_empty() => {
                for _ in 0..self.rng.usize(1..5) {
                    let room = pick(&mut self.rng, &rooms).clone();
                    let body = self.words(place);
                    self.clients[place].send(&room, body, ack);
                }
            }
            _ => {}
        }
        self.flush(place);
    }

    /// What nobody has said before.
    pub(crate) fn words(&mut self, client: usize) -> String {
        self.said += 1;
        let long = self.rng.u8(..100) < self.plan.long_messages;
        let rest = if long {
            "-".repeat(self.rng.usize(100..1_500))
        } else {
            String::new()
        };
        format!("{} of {client}{rest}", self.said)
    }

    async fn fault(&mut self) -> Result<(), Complaint> {
        let all: u32 = self.plan.faults.iter().map(|(_, weight)| weight).sum();
        if all == 0 {
            return Ok(());
        }
        let mut chosen = self.rng.u32(..all);
        let is_it = |(_, weight): &&(Fault, u32)| {
            let is_it = chosen < *weight;
            chosen = chosen.saturating_sub(*weight);
            is_it
        };
        let Some(&(fault, _)) = self.plan.faults.iter().find(is_it) else {
            return Ok(());
        };
        let client = self.rng.usize(..self.clients.len());
        self.tally.faults += 1;
        self.trace.note(|| format!("-- {fault:?} {client}"));
        match fault {
            Fault::Cut => self.part(client, false),
            Fault::HalfOpen => self.part(client, true),
            Fault::Freeze => self.clients[client].is_frozen ^= true,
            Fault::Logout if self.clients[client].is_active => {
                self.clients[client].log_out();
                self.flush(client);
                self.part(client, false);
            }
            Fault::Logout => self.clients[client].is_active = true,
            Fault::Crash => self.crash(),
            Fault::Restart => self.restart().await?,
            Fault::DiskFull => self.disk.fill_up(),
            Fault::UnknownCommit => self.disk.fail_next_commit(if self.rng.bool() {
                Failure::UnknownButStored
            } else {
                Failure::UnknownAndNotStored
            }),
            Fault::Unreadable => self.disk.lock_up(),
            Fault::Repair => self.disk.repair(),
            Fault::Wait => {
                let time = Duration::from_millis(self.rng.u64(500..40_000));
                self.wait(time).await;
            }
            Fault::LongWait => self.wait(Duration::from_mins(6)).await,
        }
        Ok(())
    }

    /// The process dies: what its memory held is gone. What the network holds may still arrive.
    pub(crate) fn crash(&mut self) {
        for line in self.lines.values_mut() {
            line.die();
        }
        self.checker.forget_goodbyes();
        self.boot();
    }

    /// The process ends in good order: what waits is written and shown.
    async fn restart(&mut self) -> Result<(), Complaint> {
        while !self.node.is_idle() {
            let steps: Vec<Step> = self
                .steps()
                .into_iter()
                .filter(|step| matches!(step, Step::Write | Step::Sequence | Step::Read))
                .collect();
            if !steps.is_empty() {
                let step = *pick(&mut self.rng, &steps);
                self.step(step)?;
            }
            tokio::task::yield_now().await;
        }
        let numbers: Vec<u32> = self.lines.keys().copied().collect();
        for number in numbers {
            self.serve(number)?;
            if let Some(line) = self.lines.get_mut(&number) {
                line.close(Close::Shutdown);
                line.up.clear();
            }
        }
        self.checker.forget_goodbyes();
        self.boot();
        Ok(())
    }

    fn boot(&mut self) {
        self.lines.retain(|_, line| !line.is_left);
        let config = self.plan.config.clone();
        self.node = Node::boot(&self.disk, config, self.plan.stride, &mut self.rng);
        self.swept = now();
    }

    /// Time passes.
    pub(crate) async fn wait(&mut self, time: Duration) {
        self.trace.note(|| format!("{time:?} pass"));
        tokio::time::sleep(time).await;
        if now() >= self.swept + SWEEP {
            self.swept = now();
            self.node.hub.sweep();
        }
    }

    /// Goes on without faults until nothing is left to be done, by wakes alone.
    pub(crate) async fn rest(&mut self) -> Result<(), Complaint> {
        for _ in 0..SLEEPLESS {
            for count in 0.. {
                let steps = self.steps();
                if steps.is_empty() {
                    break;
                }
                if count > RESTLESS {
                    return Err(format!("it does not come to rest: {steps:?}"));
                }
                let step = *pick(&mut self.rng, &steps);
                self.step(step)?;
                tokio::task::yield_now().await;
            }
            // So long an event may wait for a client to say who it is.
            self.wait(Duration::from_secs(3)).await;
            tokio::task::yield_now().await;
            if self.steps().is_empty() {
                return Ok(());
            }
        }
        Err("it does not come to rest".to_owned())
    }

    /// Whether those clients have everything, and nothing of theirs is stuck.
    pub(crate) fn judge(&mut self, who: impl Fn(&Client) -> bool) -> Result<(), Complaint> {
        if !self.node.is_idle() {
            return Err("the server is not idle".to_owned());
        }
        for place in 0..self.clients.len() {
            let client = &self.clients[place];
            if !who(client) {
                continue;
            }
            let complain = |why: &str| Err(format!("client {place}: {why}"));
            let Some(line) = client.line.and_then(|line| self.lines.get(&line)) else {
                return complain("has no connection");
            };
            if !client.is_connected() {
                return complain("was not let in");
            }
            if !client.unanswered().is_empty() {
                return complain(&format!("waits for {:?}", client.unanswered()));
            }
            if line.has_pending() || line.unread() > 0 || !line.is_drained() {
                return complain("something is stuck on its connection");
            }
            let (rooms, registered) = (client.listens.clone(), client.is_registered);
            self.checker
                .is_whole(place, &rooms, registered)
                .map_err(|why| format!("client {place}: {why}"))?;
        }
        Ok(())
    }

    /// Nobody is left, and neither is anything of theirs in memory.
    pub(crate) async fn everybody_goes(&mut self) -> Result<(), Complaint> {
        if let Some(client) = self.clients.iter().position(|client| client.unacked() > 0) {
            return Err(format!("client {client}: a send is never acknowledged"));
        }
        // What was brought back from the log is no longer held for those who asked for it.
        self.wait(2 * SWEEP).await;
        let (held, budget) = (
            self.node.metrics.topic_bytes.get(),
            self.plan.config.recent_bytes as u64,
        );
        if held > budget {
            return Err(format!("topics hold {held} bytes, of {budget}"));
        }
        for client in 0..self.clients.len() {
            self.clients[client].is_active = false;
            self.part(client, false);
        }
        // First the server sees that half-open connections are dead, then it forgets who had them.
        for _ in 0..3 {
            self.rest().await?;
            self.wait(Duration::from_mins(6)).await;
        }
        let metrics = &self.node.metrics;
        let left = (metrics.sockets.get(), metrics.topics.get());
        if left != (0, 0) || !self.lines.is_empty() {
            return Err(format!(
                "{left:?} sockets and topics are left, {} lines",
                self.lines.len()
            ));
        }
        Ok(())
    }

    fn wall(&self) -> Timestamp {
        let since = now().duration_since(self.begin);
        Timestamp(self.plan.begin + i64::try_from(since.as_millis()).unwrap())
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Recovery ids are random, and long.
fn without_pid(text: &str) -> &str {
    if text.starts_with('0') {
        "CONNECT"
    } else {
        text
    }
}
