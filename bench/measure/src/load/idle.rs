//! Connections that say who they are and then nothing: what does each of them keep in memory?

use std::{process::Command, rc::Rc, time::Duration};

use tokio::time::sleep;

use super::{
    Plan,
    crowd::gather,
    meter::{Cpu, resident},
    socket::{Outcome, Reader, connect},
};
use crate::sample::{Idle, Sample};

/// The server is at rest when a second costs it less than this.
const REST: f64 = 0.03;
/// How long it may take to come to rest.
const REST_WITHIN: u32 = 20;

/// Memory with `few` connections, then with `many`.
pub(super) async fn run(plan: &Plan, few: usize, many: usize) -> Outcome<Sample> {
    let mut sample = Sample::default();
    let mut last = 0;
    let mut measured = Vec::new();
    for count in [few, many] {
        let (at, talk, first) = (plan.at.clone(), plan.talk, last);
        let connected = gather(count - last, move |number| {
            let at = Rc::clone(&at);
            async move {
                let mut socket = connect(&at).await?;
                let again = talk.identify(&mut socket, first + number).await?;
                tokio::task::spawn_local(stay(socket));
                Ok(again)
            }
        })
        .await?;
        sample.rejoined += connected.iter().sum::<u64>();
        last = count;
        measured.push((count as u64, settle(plan).await?));
    }
    if let [(few, few_resident), (many, many_resident)] = measured[..] {
        sample.idle = Some(Idle {
            few,
            few_resident,
            many,
            many_resident,
        });
    }
    Ok(sample)
}

/// Answers pings until the server hangs up, which nobody expects; the process ends before.
async fn stay(mut socket: Reader) {
    while let Ok(()) = socket.read(|_| {}).await {}
    eprintln!("an idle connection was closed");
}

/// Waits until the server has nothing left to do, and says how much memory it has.
async fn settle(plan: &Plan) -> Outcome<u64> {
    rest(plan).await?;
    if plan.collects {
        // The signal at which these servers collect their garbage.
        let pid = plan.pid.to_string();
        for _ in 0..2 {
            let sent = Command::new("kill").args(["-USR2", &pid]).status();
            sent.map_err(|error| format!("kill: {error}"))?;
            rest(plan).await?;
        }
    }
    resident(plan.pid)
}

async fn rest(plan: &Plan) -> Outcome<()> {
    sleep(Duration::from_secs(2)).await;
    let mut before = Cpu::of(plan.pid)?.all();
    for _ in 0..REST_WITHIN {
        sleep(Duration::from_secs(1)).await;
        let now = Cpu::of(plan.pid)?.all();
        if now - before < REST {
            return Ok(());
        }
        before = now;
    }
    Ok(())
}
