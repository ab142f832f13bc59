//! Puts load on a running server and checks, message by message, that it kept its promises.
//!
//! A client of the `direct` API with frames of its own making, because a library would cost more
//! than the server. `scenario` and `returns` say what is done, `socket` how. Prints lines of JSON:
//! `cargo run --release --example load -- stream --at 127.0.0.1:3000 --readers 1000`.

mod returns;
mod scenario;
mod socket;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};

/// Puts load on a running server and checks what comes of it.
#[derive(Parser)]
struct Arguments {
    /// What to do.
    scenario: Scenario,
    /// Where the server listens, as ADDR:PORT.
    #[arg(long)]
    at: String,
    /// Sockets that send.
    #[arg(long, default_value_t = 1)]
    senders: usize,
    /// Messages of each sender.
    #[arg(long, default_value_t = 10_000)]
    messages: u64,
    /// Sockets in the room that read.
    #[arg(long, default_value_t = 0)]
    readers: usize,
    /// Further sockets in the room, which take no bytes.
    #[arg(long, default_value_t = 0)]
    frozen: usize,
    /// Bytes of each text, at least.
    #[arg(long, default_value_t = 32)]
    bytes: usize,
    /// When to give up, in seconds.
    #[arg(long, default_value_t = 300)]
    deadline: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scenario {
    /// Every sender sends all of its messages without waiting for any answer.
    Stream,
    /// Every sender waits for each acknowledgement before it sends the next message.
    Turns,
    /// All readers lose their lines and come back at once, as often as a line on the input says so.
    Returns,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if matches!(arguments.scenario, Scenario::Returns) {
        let deadline = Duration::from_secs(arguments.deadline);
        return returns::run(&arguments.at, arguments.readers, deadline).await;
    }
    let plan = scenario::Plan {
        at: arguments.at,
        senders: arguments.senders,
        messages: arguments.messages,
        readers: arguments.readers,
        frozen: arguments.frozen,
        bytes: arguments.bytes,
        waits: matches!(arguments.scenario, Scenario::Turns),
        deadline: Duration::from_secs(arguments.deadline),
    };
    let report = scenario::run(plan).await;
    report.print();
    if report.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
