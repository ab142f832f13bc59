//! Measures Palaver beside other engines: starts each server on one core, puts the same load on it
//! from another, and writes down what it cost. `make bench` runs it.
//!
//! `rounds` is the order of things, `servers` who takes part, `load` the client, `report` and
//! `goals` what is made of the figures.

mod figures;
mod goals;
mod load;
mod machine;
mod profile;
mod report;
mod rounds;
mod sample;
mod scenario;
mod servers;
mod table;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{scenario::Scenario, servers::Server};

/// Measures Palaver beside other engines.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// The load client alone, against a server that runs already.
    Load(load::LoadArgs),
}

/// What is measured, and how.
#[derive(Args)]
struct Options {
    /// One short round with fewer connections, to see that everything works; writes no page.
    #[arg(long)]
    quick: bool,
    /// Goes on with a run that was interrupted.
    #[arg(long)]
    resume: bool,
    /// Rounds; the medians count.
    #[arg(long)]
    rounds: Option<u32>,
    /// Only these servers.
    #[arg(long, value_delimiter = ',')]
    servers: Vec<Server>,
    /// Only these loads.
    #[arg(long, value_delimiter = ',')]
    scenarios: Vec<Scenario>,
    /// The binary to measure.
    #[arg(long)]
    palaver: Option<PathBuf>,
    /// Where the page goes; docs/benchmarks.md for a whole run.
    #[arg(long)]
    page: Option<PathBuf>,
    /// Nothing is begun after so many minutes.
    #[arg(long, default_value_t = 14)]
    minutes: u64,
    /// The processor for the servers.
    #[arg(long, default_value_t = 1)]
    server_core: usize,
    /// The processor for the load client.
    #[arg(long, default_value_t = 0)]
    client_core: usize,
}

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let done = match line.part {
        Some(Part::Load(args)) => load::run(args).and_then(|sample| {
            println!(
                "{}",
                serde_json::to_string(&sample).map_err(|error| error.to_string())?
            );
            Ok(())
        }),
        None => rounds::run(&line.options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("measure: {problem}");
            ExitCode::FAILURE
        }
    }
}
