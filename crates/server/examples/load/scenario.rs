//! Senders and readers in one room of two people, and what must be true of what they see.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinSet, time::timeout_at};

use crate::socket::{Outcome, Reader, Writer, connect, push_frame};

/// What to do.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) at: String,
    pub(crate) senders: usize,
    pub(crate) messages: u64,
    pub(crate) readers: usize,
    /// Sockets in the room that take no bytes.
    pub(crate) frozen: usize,
    pub(crate) bytes: usize,
    /// Whether a sender waits for each acknowledgement.
    pub(crate) waits: bool,
    pub(crate) deadline: Duration,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<String>,
    acked: u64,
    delivered: u64,
    orders: Vec<u64>,
    seconds: f64,
}

impl Report {
    /// One line of JSON on standard output.
    #[expect(
        clippy::print_stdout,
        reason = "the report is what this program is for"
    )]
    pub(crate) fn print(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let rate = |count: u64| count as f64 / self.seconds.max(0.001);
        let report = serde_json::json!({
            "problems": self.problems.iter().take(20).collect::<Vec<_>>(),
            "problem_count": self.problems.len(),
            "acked": self.acked,
            "delivered": self.delivered,
            "orders": self.orders.len(),
            "seconds": self.seconds,
            "acked_per_second": rate(self.acked).round(),
            "delivered_per_second": rate(self.delivered).round(),
        });
        println!("{report}");
    }
}

/// The room in which all of it happens.
#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) id: String,
    pub(crate) people: [String; 2],
}

/// What one socket has to tell at its end.
enum Told {
    Acked(u64),
    /// Messages seen, and a digest of their order.
    Read(u64, u64),
}

/// Carries out the plan.
pub(crate) async fn run(plan: Plan) -> Report {
    let mut report = Report::default();
    if let Err(problem) = carry_out(&plan, &mut report).await {
        report.problems.push(problem);
    }
    report
}

async fn carry_out(plan: &Plan, report: &mut Report) -> Outcome<()> {
    let end = tokio::time::Instant::now() + plan.deadline;
    let room = open_room(&plan.at).await?;
    let mut tasks = JoinSet::new();
    let (start, started) = watch::channel(false);
    let mut readers = Vec::new();
    for _ in 0..plan.readers {
        readers.push(enter(&plan.at, &room).await?.0);
    }
    // Kept open until the end, and never looked at.
    let mut frozen = Vec::new();
    for _ in 0..plan.frozen {
        frozen.push(enter(&plan.at, &room).await?.0);
    }
    let mut senders = Vec::new();
    for _ in 0..plan.senders {
        senders.push(connect(&plan.at).await?);
    }
    for (number, reader) in readers.into_iter().enumerate() {
        let plan = plan.clone();
        tasks.spawn(async move {
            read(&plan, reader)
                .await
                .map_err(|problem| format!("reader {number}: {problem}"))
        });
    }
    for (number, (reader, writer)) in senders.into_iter().enumerate() {
        let (plan, room, mut started) = (plan.clone(), room.clone(), started.clone());
        tasks.spawn(async move {
            started
                .wait_for(|started| *started)
                .await
                .map_err(|error| error.to_string())?;
            let sender = Sender { plan, room, number };
            sender
                .run(reader, writer)
                .await
                .map_err(|problem| format!("sender {number}: {problem}"))
        });
    }
    let from = Instant::now();
    start.send(true).map_err(|error| error.to_string())?;
    while let Ok(Some(done)) = timeout_at(end, tasks.join_next()).await {
        match done.map_err(|error| error.to_string())? {
            Ok(Told::Acked(count)) => report.acked += count,
            Ok(Told::Read(count, order)) => {
                report.delivered += count;
                if !report.orders.contains(&order) {
                    report.orders.push(order);
                }
            }
            Err(problem) => report.problems.push(problem),
        }
    }
    report.seconds = from.elapsed().as_secs_f64();
    if !tasks.is_empty() {
        report
            .problems
            .push(format!("{} sockets were not done in time", tasks.len()));
    }
    if report.orders.len() > 1 {
        report.problems.push(format!(
            "{} readers saw {} orders",
            plan.readers,
            report.orders.len()
        ));
    }
    Ok(())
}

pub(crate) async fn open_room(at: &str) -> Outcome<Room> {
    let person = || {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| error.to_string())?;
        Ok::<_, String>(
            uuid::Builder::from_random_bytes(random)
                .into_uuid()
                .to_string(),
        )
    };
    let mut room = Room {
        id: String::new(),
        people: [person()?, person()?],
    };
    let (_, id) = enter(at, &room).await?;
    room.id = id;
    Ok(room)
}

/// A socket in the room, and the room's id.
async fn enter(at: &str, room: &Room) -> Outcome<(Reader, String)> {
    let (mut reader, writer) = connect(at).await?;
    let [one, other] = &room.people;
    let mut frame = Vec::new();
    push_frame(
        &mut frame,
        &format!(r#"42["join_chat",{{"userId":"{one}","targetUserId":"{other}"}}]"#),
    );
    writer.write(&frame).await?;
    let joined = reader.find(r#"["room_joined""#).await?;
    let id = between(&joined, r#""roomId":""#)
        .ok_or_else(|| format!("no room: {joined}"))?
        .to_owned();
    reader.find(r#"["message_history""#).await?;
    Ok((reader, id))
}

pub(crate) fn between<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split('"').next()
}

/// One sending socket.
struct Sender {
    plan: Plan,
    room: Room,
    number: usize,
}

impl Sender {
    async fn run(&self, reader: Reader, writer: Writer) -> Outcome<Told> {
        if self.plan.waits {
            return self.take_turns(reader, writer).await;
        }
        let write = async {
            // Frames written by one call: enough that the client is not what is measured.
            const TOGETHER: u64 = 64;
            let mut frames = Vec::new();
            for n in 0..self.plan.messages {
                self.push_message(&mut frames, n);
                if n % TOGETHER == TOGETHER - 1 {
                    writer.write(&frames).await?;
                    frames.clear();
                }
            }
            writer.write(&frames).await
        };
        let acked = self.count_acks(reader, self.plan.messages);
        let ((), acked) = tokio::try_join!(write, acked)?;
        Ok(Told::Acked(acked))
    }

    async fn take_turns(&self, mut reader: Reader, writer: Writer) -> Outcome<Told> {
        let mut frame = Vec::new();
        for n in 0..self.plan.messages {
            frame.clear();
            self.push_message(&mut frame, n);
            writer.write(&frame).await?;
            check_ack(&mut reader, n).await?;
        }
        Ok(Told::Acked(self.plan.messages))
    }

    async fn count_acks(&self, mut reader: Reader, count: u64) -> Outcome<u64> {
        for n in 0..count {
            check_ack(&mut reader, n).await?;
        }
        Ok(count)
    }

    /// `send_message` number `n`, with `n` as the id of its acknowledgement.
    fn push_message(&self, out: &mut Vec<u8>, n: u64) {
        let Room {
            id,
            people: [one, other],
        } = &self.room;
        let sender = if self.number.is_multiple_of(2) {
            one
        } else {
            other
        };
        let mut body = String::with_capacity(self.plan.bytes);
        // Writing to a String cannot fail.
        let _ = write!(body, "{} {n} ", self.number);
        while body.len() < self.plan.bytes {
            body.push('.');
        }
        push_frame(
            out,
            &format!(
                r#"42{n}["send_message",{{"roomId":"{id}","senderId":"{sender}","body":"{body}"}}]"#
            ),
        );
    }
}

/// Acknowledgements come in the order of the messages, and all of them say yes.
async fn check_ack(reader: &mut Reader, n: u64) -> Outcome<()> {
    loop {
        let packet = reader.packet().await?;
        let Some(ack) = packet.strip_prefix(b"3") else {
            continue;
        };
        let expected = format!("{n}[");
        if ack.starts_with(expected.as_bytes())
            && ack
                .get(expected.len()..)
                .is_some_and(|rest| rest.starts_with(br#"{"success":true"#))
        {
            return Ok(());
        }
        return Err(format!(
            "acknowledgement {n} was wanted, got {}",
            String::from_utf8_lossy(ack)
        ));
    }
}

/// Reads until every message of every sender has come, each sender's in order and once, and the
/// offsets rising.
async fn read(plan: &Plan, mut reader: Reader) -> Outcome<Told> {
    let total = plan.messages * plan.senders as u64;
    let mut next = vec![0_u64; plan.senders];
    let mut seen = 0;
    let mut order = 0xcbf2_9ce4_8422_2325_u64;
    let mut last_g = 0;
    let mut hint = 0;
    while seen < total {
        let packet = reader
            .packet()
            .await
            .map_err(|problem| format!("after {seen} of {total}: {problem}"))?;
        if !packet.starts_with(br#"2["new_message""#) {
            continue;
        }
        let (sender, n) = read_body(packet, &mut hint).ok_or_else(|| {
            format!(
                "a message without a body: {}",
                String::from_utf8_lossy(packet)
            )
        })?;
        let expected = next
            .get_mut(sender)
            .ok_or_else(|| format!("a message of sender {sender}"))?;
        if n != *expected {
            return Err(format!(
                "message {n} of sender {sender} came where {expected} was due"
            ));
        }
        *expected += 1;
        let g = read_g(packet)
            .ok_or_else(|| format!("no offset: {}", String::from_utf8_lossy(packet)))?;
        if g <= last_g {
            return Err(format!("number {g} came after {last_g}"));
        }
        last_g = g;
        order = (order ^ sender as u64).wrapping_mul(0x0100_0000_01b3);
        seen += 1;
    }
    Ok(Told::Read(seen, order))
}

/// Sender and number out of the body. It mostly stands where it stood last time.
fn read_body(packet: &[u8], hint: &mut usize) -> Option<(usize, u64)> {
    const KEY: &[u8] = br#""body":""#;
    if !packet
        .get(*hint..)
        .is_some_and(|rest| rest.starts_with(KEY))
    {
        *hint = packet.windows(KEY.len()).position(|window| window == KEY)?;
    }
    let body = packet.get(*hint + KEY.len()..)?;
    let (sender, rest) = read_number(body, 10)?;
    let (n, _) = read_number(rest.strip_prefix(b" ")?, 10)?;
    Some((usize::try_from(sender).ok()?, n))
}

/// The number G of the offset at the packet's end: `,"epoch.G.part"]`.
fn read_g(packet: &[u8]) -> Option<u64> {
    let packet = packet.strip_suffix(br#""]"#)?;
    let start = packet.iter().rposition(|byte| *byte == b'"')?;
    let (_, rest) = read_number(packet.get(start + 1..)?, 36)?;
    Some(read_number(rest.strip_prefix(b".")?, 36)?.0)
}

fn read_number(bytes: &[u8], base: u32) -> Option<(u64, &[u8])> {
    let digit = |byte: &u8| char::from(*byte).to_digit(base);
    let end = bytes
        .iter()
        .position(|byte| digit(byte).is_none())
        .unwrap_or(bytes.len());
    let (digits, rest) = bytes.split_at_checked(end)?;
    if digits.is_empty() {
        return None;
    }
    let number = digits
        .iter()
        .filter_map(digit)
        .fold(0, |sum, digit| sum * u64::from(base) + u64::from(digit));
    Some((number, rest))
}
