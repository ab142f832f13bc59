//! Readers of one room who lose their lines all at once, and come back all at once.
//!
//! Whoever started the program does something meanwhile: it reads on the output that the readers are
//! gone, and says by a line on the input that they come back now.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::timeout,
};

use crate::{
    scenario::{Room, between, open_room},
    socket::{Outcome, Reader, connect_with, push_frame},
};

/// Readers that join at the same time, so that they share commits.
const TOGETHER: usize = 200;

/// What a client remembers while it has no line.
#[derive(Clone)]
struct Away {
    pid: String,
    offset: String,
}

/// Tells `gone` with the room, then for each line of input what came of a return, and `gone` again.
pub(crate) async fn run(at: &str, readers: usize, deadline: Duration) -> ExitCode {
    // 5,000 readers need as many descriptors; without them connecting says so.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    match timeout(deadline, rounds(at, readers)).await {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(problem)) => fail(&problem),
        Err(_) => fail("not done in time"),
    }
}

fn fail(problem: &str) -> ExitCode {
    print(&json!({ "problem": problem }));
    ExitCode::FAILURE
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
fn print(line: &Value) {
    println!("{line}");
}

async fn rounds(at: &str, readers: usize) -> Outcome<()> {
    let room = open_room(at).await?;
    let mut all = Vec::new();
    while all.len() < readers {
        let many = TOGETHER.min(readers - all.len());
        let joining = (0..many).map(|_| join(at.to_owned(), room.clone()));
        all.extend(together(joining).await?);
    }
    loop {
        print(&json!({ "gone": all.len(), "room": room.id, "people": room.people }));
        let order = spawn_blocking(|| std::io::stdin().lines().next().transpose()).await;
        let order = order.map_err(|error| error.to_string())?;
        let order = order.map_err(|error| error.to_string())?;
        let Some(body) = order else { return Ok(()) };
        let from = Instant::now();
        let returning = all
            .into_iter()
            .map(|away| come_back(at.to_owned(), away, body.clone()));
        all = together(returning).await?;
        print(&json!({ "back": all.len(), "seconds": from.elapsed().as_secs_f64() }));
    }
}

/// Does all of these at the same time. All lines are kept until all are done.
async fn together<F>(tasks: impl Iterator<Item = F>) -> Outcome<Vec<Away>>
where
    F: Future<Output = Outcome<(Away, Reader)>> + Send + 'static,
{
    let mut tasks: JoinSet<_> = tasks.collect();
    let mut done = Vec::new();
    while let Some(one) = tasks.join_next().await {
        done.push(one.map_err(|error| error.to_string())??);
    }
    Ok(done.into_iter().map(|(away, _line)| away).collect())
}

async fn join(at: String, room: Room) -> Outcome<(Away, Reader)> {
    let (mut reader, writer, answer) = connect_with(&at, "").await?;
    let pid = between(&answer, r#""pid":""#)
        .ok_or("no recovery id")?
        .to_owned();
    let [one, other] = &room.people;
    let mut frame = Vec::new();
    push_frame(
        &mut frame,
        &format!(r#"42["join_chat",{{"userId":"{one}","targetUserId":"{other}"}}]"#),
    );
    writer.write(&frame).await?;
    let last = reader.find(r#"["message_history""#).await?;
    let offset = offset(&last)?;
    Ok((Away { pid, offset }, reader))
}

/// Comes back, and must be recognised and get one message, which says `body`.
async fn come_back(at: String, away: Away, body: String) -> Outcome<(Away, Reader)> {
    let Away { pid, offset: from } = away;
    let auth = json!({ "pid": pid, "offset": from }).to_string();
    let (mut reader, _, answer) = connect_with(&at, &auth).await?;
    if between(&answer, r#""pid":""#) != Some(&pid) {
        return Err(format!("not recognised: {answer}"));
    }
    let event = String::from_utf8_lossy(reader.packet().await?).into_owned();
    if between(&event, r#""body":""#) != Some(&body) {
        return Err(format!("{body:?} was due, and came: {event}"));
    }
    let offset = offset(&event)?;
    Ok((Away { pid, offset }, reader))
}

/// The offset at the end of an event.
fn offset(event: &str) -> Outcome<String> {
    let offset = event
        .strip_suffix(r#""]"#)
        .and_then(|rest| rest.rsplit_once('"'));
    let (_, offset) = offset.ok_or_else(|| format!("no offset: {event}"))?;
    Ok(offset.to_owned())
}
