//! The order of things: in every round each load is put on each server in turn, so that whatever
//! the machine does meanwhile meets all of them alike. Finished runs are kept in a file.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant, UNIX_EPOCH},
};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::{
    Options,
    figures::{Run, Runs, number},
    goals::goals,
    load::{CONNECTIONS, OPEN},
    machine, profile,
    report::{Page, Profile},
    sample::Sample,
    scenario::Scenario,
    servers::{Places, Server},
};

type Done<T> = Result<T, String>;

/// Open files that a server needs beside its connections.
const SPARE_FILES: usize = 200;
/// Seconds after which a load client gives up.
const DEADLINE: &str = "100";

/// What the kept results belong to.
#[derive(PartialEq, Serialize, Deserialize)]
struct Header {
    commit: Option<String>,
    binary: (u64, u64),
    quick: bool,
}

/// How long and how large.
struct Size {
    rounds: u32,
    connections: usize,
    scenarios: Vec<Scenario>,
    servers: Vec<Server>,
}

impl Size {
    /// How many runs that are.
    fn total(&self) -> usize {
        let of_round = |round| {
            let pairs = self.scenarios.iter().flat_map(|scenario| {
                let servers = self.servers.iter();
                servers.filter(move |server| scenario.includes(**server, round))
            });
            pairs.count()
        };
        (1..=self.rounds).map(of_round).sum()
    }
}

/// Measures everything, prints the tables and writes the page.
pub(crate) fn run(options: &Options) -> Done<()> {
    let places = places(options)?;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    if cores < 2 {
        return Err("it takes two processors: one for the server, one for the client".to_owned());
    }
    let size = size(options);
    let kept = places.bench.join("target/results.jsonl");
    let mut runs = open_results(&kept, &places, options)?;
    let begun = Instant::now();
    let limit = Duration::from_secs(options.minutes * 60);

    let total = size.total();
    let mut count = 0;
    let mut absent: Vec<(Server, String)> = Vec::new();
    let mut in_time = true;
    for round in 1..=size.rounds {
        for &scenario in &size.scenarios {
            // Nobody is always first.
            let first = round as usize % size.servers.len();
            let turn = size.servers.iter().cycle().skip(first);
            for &server in turn.take(size.servers.len()) {
                if !scenario.includes(server, round) {
                    continue;
                }
                count += 1;
                let is_absent = absent.iter().any(|(other, _)| *other == server);
                if is_absent || runs.has(round, scenario, server) {
                    continue;
                }
                if begun.elapsed() > limit {
                    in_time = false;
                    continue;
                }
                let name = scenario.name();
                eprint!(
                    "[{count}/{total}] round {round}, {name}, {}: ",
                    server.title()
                );
                let outcome = measure(options, &places, &size, scenario, server);
                eprintln!("{}", say(&outcome));
                if let Err(problem) = &outcome
                    && !runs.knows(server)
                {
                    absent.push((server, problem.clone()));
                }
                let run = Run {
                    round,
                    scenario,
                    server,
                    outcome,
                };
                append(&kept, &run)?;
                runs.0.push(run);
            }
        }
    }

    let profiles = if options.quick {
        Vec::new()
    } else {
        profile_missed(options, &places, &size, &runs)
    };
    let page = Page {
        runs: &runs,
        rounds: size.rounds,
        scenarios: &size.scenarios,
        connections: size.connections,
        places: &places,
        absent: &absent,
        in_time,
        planned: total,
        took: begun.elapsed(),
        resumed: options.resume,
        profiles: &profiles,
        cores: (options.server_core, options.client_core),
    };
    println!("{}", page.tables());
    let to = match &options.page {
        Some(page) => page.clone(),
        None if options.quick => places.bench.join("target/benchmarks.md"),
        None => places.bench.join("../docs/benchmarks.md"),
    };
    fs::write(&to, page.whole()).map_err(|error| format!("{}: {error}", to.display()))?;
    eprintln!("written to {}", to.display());
    Ok(())
}

fn places(options: &Options) -> Done<Places> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let bench = fs::canonicalize(bench).map_err(|error| error.to_string())?;
    let me = std::env::current_exe().map_err(|error| error.to_string())?;
    let palaver = match &options.palaver {
        Some(palaver) => palaver.clone(),
        None => bench.join("../target/release/palaver"),
    };
    let palaver =
        fs::canonicalize(&palaver).map_err(|error| format!("{}: {error}", palaver.display()))?;
    Ok(Places {
        palaver,
        built: me.parent().map_or_else(PathBuf::new, Path::to_owned),
        work: bench.join("target/run"),
        bench,
    })
}

fn size(options: &Options) -> Size {
    let wanted = if options.quick { 2_000 } else { CONNECTIONS };
    let connections = wanted.min(machine::open_files().saturating_sub(SPARE_FILES));
    if connections < wanted {
        eprintln!("only {connections} connections: the limit of open files allows no more");
    }
    let scenarios = Scenario::value_variants().iter().copied();
    let scenarios = scenarios.filter(|scenario| match options.scenarios.as_slice() {
        [] => !options.quick || scenario.readers() <= connections,
        some => some.contains(scenario),
    });
    let servers = Server::ALL
        .into_iter()
        .filter(|server| options.servers.is_empty() || options.servers.contains(server));
    Size {
        rounds: options.rounds.unwrap_or(if options.quick { 1 } else { 3 }),
        connections,
        scenarios: scenarios.collect(),
        servers: servers.collect(),
    }
}

/// Seconds in which is measured.
fn seconds(options: &Options, scenario: Scenario) -> f64 {
    match scenario {
        _ if options.quick => 1.0,
        Scenario::Steady1000 | Scenario::Steady5000 | Scenario::Room | Scenario::Rooms => 5.0,
        _ => 4.0,
    }
}

fn measure(
    options: &Options,
    places: &Places,
    size: &Size,
    scenario: Scenario,
    server: Server,
) -> Done<Sample> {
    put_load(options, places, size, scenario, server, |_| {})
}

/// One server under one load, from its start to its end. `begun` is called with its process when
/// measuring begins.
fn put_load(
    options: &Options,
    places: &Places,
    size: &Size,
    scenario: Scenario,
    server: Server,
    mut begun: impl FnMut(&str),
) -> Done<Sample> {
    let running = server.start(places, options.server_core)?;
    let me = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("taskset");
    command
        .args(["-c", &options.client_core.to_string()])
        .arg(me)
        .args(["load", "--scenario", scenario.name(), "--at", &running.at])
        .args(["--pid", &running.pid().to_string()])
        .args(["--talk", server.talk(scenario), "--key", &running.key])
        .args(["--connections", &size.connections.to_string()])
        .args(["--seconds", &seconds(options, scenario).to_string()])
        .args(["--deadline", DEADLINE]);
    if server.collects() {
        command.arg("--collects");
    }
    let errors = places.work.join("client");
    let error_file = File::create(&errors).map_err(|error| error.to_string())?;
    let mut client = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(error_file)
        .spawn()
        .map_err(|error| format!("taskset: {error}"))?;
    let mut last = String::new();
    let out = client.stdout.take().map(BufReader::new);
    for line in out
        .into_iter()
        .flat_map(BufRead::lines)
        .map_while(Result::ok)
    {
        if let Some(pid) = line.strip_prefix(OPEN) {
            begun(pid.trim());
        }
        last = line;
    }
    let status = client.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        let words = fs::read_to_string(errors).unwrap_or_default();
        return Err(words.trim().to_owned());
    }
    serde_json::from_str(&last).map_err(|error| format!("the load client said {last:?}: {error}"))
}

/// A line for whoever watches.
fn say(outcome: &Done<Sample>) -> String {
    let sample = match outcome {
        Ok(sample) => sample,
        Err(problem) => return format!("FAILED: {problem}"),
    };
    let mut words = match sample.slope() {
        Some(slope) => format!("{} kB for each connection", number(slope)),
        None => format!(
            "{} us for each of {} events/s, user {} us",
            number(sample.cpu()),
            number(sample.rate()),
            number(sample.user_cpu())
        ),
    };
    if sample.is_disturbed() {
        let percent = (sample.others_busy() * 100.0).round();
        words += &format!(", while others used {percent} % of a core");
    }
    for (count, what) in [
        (sample.missing, "missing"),
        (sample.disordered, "out of order"),
        (sample.unacknowledged, "not acknowledged"),
        (sample.rejoined, "joins repeated"),
    ] {
        if count > 0 {
            words += &format!(", {} {what}", number(count as f64));
        }
    }
    for problem in &sample.problems {
        words += &format!("\n    {problem}");
    }
    words
}

/// Looks once more, with `perf`, at the loads under which a goal was missed.
fn profile_missed(options: &Options, places: &Places, size: &Size, runs: &Runs) -> Vec<Profile> {
    let mut missed: Vec<_> = goals()
        .iter()
        .filter(|goal| goal.scenario != Scenario::Idle)
        .filter(|goal| {
            goal.measured(runs)
                .is_some_and(|measured| !goal.is_met(measured))
        })
        .map(|goal| goal.scenario)
        .collect();
    missed.sort_unstable();
    missed.dedup();
    let mut profiles = Vec::new();
    for scenario in missed {
        eprint!("looking where the time goes, {}: ", scenario.name());
        let data = places.bench.join("target/perf.data");
        let mut recording = None;
        let time = seconds(options, scenario) - 1.0;
        let load = put_load(options, places, size, scenario, Server::Palaver, |pid| {
            recording = profile::record(pid, time, options.client_core, &data);
        });
        // What it says at its end depends on who ends first; the report tells whether it worked.
        let recorded = recording.is_some_and(|mut perf| perf.wait().is_ok());
        let text = (recorded && load.is_ok())
            .then(|| profile::report(&data))
            .flatten();
        eprintln!(
            "{}",
            if text.is_some() {
                "done"
            } else {
                "perf does not work here"
            }
        );
        profiles.push(Profile { scenario, text });
    }
    profiles
}

/// The file of finished runs; emptied unless it is to be gone on with and belongs to this binary.
fn open_results(kept: &Path, places: &Places, options: &Options) -> Done<Runs> {
    let about = fs::metadata(&places.palaver).map_err(|error| error.to_string())?;
    let changed = about
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let header = Header {
        commit: machine::commit(places),
        binary: (about.len(), changed.map_or(0, |at| at.as_secs())),
        quick: options.quick,
    };
    if options.resume
        && let Ok(file) = File::open(kept)
    {
        let mut lines = BufReader::new(file).lines().map_while(Result::ok);
        let same = lines
            .next()
            .and_then(|line| serde_json::from_str::<Header>(&line).ok())
            .is_some_and(|found| found == header);
        if !same {
            return Err("what was measured before belongs to another state; start anew".to_owned());
        }
        let runs = lines.filter_map(|line| serde_json::from_str(&line).ok());
        return Ok(Runs(runs.collect()));
    }
    let text = serde_json::to_string(&header).map_err(|error| error.to_string())? + "\n";
    fs::write(kept, text).map_err(|error| format!("{}: {error}", kept.display()))?;
    Ok(Runs::default())
}

fn append(kept: &Path, run: &Run) -> Done<()> {
    let line = serde_json::to_string(run).map_err(|error| error.to_string())? + "\n";
    OpenOptions::new()
        .append(true)
        .open(kept)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|error| format!("{}: {error}", kept.display()))
}
