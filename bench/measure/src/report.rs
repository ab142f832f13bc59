//! The tables at the end of a run, and the page `docs/benchmarks.md`; its prose is in `page.txt`.

use std::{fmt::Write as _, path::Path, time::Duration};

use crate::{
    figures::{Figure, Runs, Spread, number},
    goals::{goals, per},
    load::{CONNECTIONS, IDLE},
    machine,
    sample::{Held, Sample},
    scenario::Scenario,
    servers::{Places, Server},
    table::table,
};

/// What there is to tell.
pub(crate) struct Page<'a> {
    pub(crate) runs: &'a Runs,
    pub(crate) rounds: u32,
    pub(crate) scenarios: &'a [Scenario],
    pub(crate) connections: usize,
    pub(crate) places: &'a Places,
    /// Servers that did not take part, and why.
    pub(crate) absent: &'a [(Server, String)],
    /// Whether everything was measured, and how many runs that would have been.
    pub(crate) in_time: bool,
    pub(crate) planned: usize,
    pub(crate) took: Duration,
    pub(crate) resumed: bool,
    pub(crate) profiles: &'a [Profile],
    /// Of the server, of the client.
    pub(crate) cores: (usize, usize),
}

/// Where the time went under one load, if that could be found out.
pub(crate) struct Profile {
    pub(crate) scenario: Scenario,
    pub(crate) text: Option<String>,
}

const NOTHING: &str = "-";

impl Page<'_> {
    /// What is shown at the end of a run.
    pub(crate) fn tables(&self) -> String {
        [
            self.goals().0,
            self.side_by_side(),
            self.frozen(),
            self.rooms(),
            self.counts(),
            self.losses(),
        ]
        .join("\n")
    }

    /// The whole page.
    pub(crate) fn whole(&self) -> String {
        let (goals, verdict) = self.goals();
        let (server_core, client_core) = self.cores;
        let mut page = include_str!("page.txt").to_owned();
        let minutes = self.took.as_secs().div_ceil(60);
        let rounds = match self.rounds {
            1 => format!("One, {minutes} minutes"),
            rounds => format!("{rounds}, {minutes} minutes in all"),
        };
        for (key, text) in [
            ("date", today()),
            ("notes", self.notes()),
            ("machine", self.machine()),
            ("goals", goals),
            ("verdict", verdict),
            ("tables", self.side_by_side()),
            ("frozen", self.frozen()),
            ("rooms", self.rooms()),
            ("counts", self.counts()),
            ("losses", self.losses()),
            ("profiles", self.profiles()),
            ("server_core", server_core.to_string()),
            ("client_core", client_core.to_string()),
            ("rounds", rounds),
        ] {
            page = page.replace(&format!("{{{{{key}}}}}"), text.trim_end());
        }
        // Where there was nothing to put in.
        while page.contains("\n\n\n") {
            page = page.replace("\n\n\n", "\n\n");
        }
        page
    }

    /// What a reader must know before the figures.
    fn notes(&self) -> String {
        let mut notes = String::new();
        for (server, problem) in self.absent {
            let title = server.title();
            notes += &format!("\n**{title} did not take part**: {problem}.\n");
        }
        if !self.in_time {
            let missing = self.planned - self.runs.0.len();
            notes += &format!(
                "\n**{missing} of {} runs are missing**: the time was over.\n",
                self.planned
            );
        }
        let samples = self
            .runs
            .0
            .iter()
            .flat_map(|run| run.outcome.iter().map(move |it| (run, it)));
        let disturbed: Vec<_> = samples
            .filter(|(_, sample)| sample.is_disturbed())
            .map(|(run, sample)| {
                let (title, load) = (run.server.title(), run.scenario.name());
                let percent = number(sample.others_busy() * 100.0);
                format!("{title} {load} in round {} ({percent} %)", run.round)
            })
            .collect();
        if !disturbed.is_empty() {
            notes += &format!(
                "\nThe machine was not quiet all the time. Others used more than a tenth of a core during: {}.\n",
                disturbed.join(", ")
            );
        }
        if self.resumed {
            notes += "\nThe run was interrupted and gone on with.\n";
        }
        if self.connections < CONNECTIONS {
            let most = number(self.connections as f64);
            notes += &format!("\nOnly {most} connections could be opened, where it takes more.\n");
        }
        for (run, problem) in self.runs.failures() {
            if self.absent.iter().all(|(server, _)| *server != run.server) {
                let (title, load) = (run.server.title(), run.scenario.title());
                notes += &format!("\nRound {}, {title}, {load}: {problem}.\n", run.round);
            }
        }
        notes
    }

    fn machine(&self) -> String {
        let mut rows = String::new();
        for (name, lines) in [
            ("machine", machine::machine(self.places)),
            ("versions", machine::versions(self.places)),
        ] {
            // Writing to a String cannot fail.
            let _ = writeln!(rows, "| {name} | {} |", lines.join("; "));
        }
        rows
    }

    /// The table of goals, and in words what was missed.
    fn goals(&self) -> (String, String) {
        let (mut rows, mut missed) = (Vec::new(), String::new());
        for goal in goals() {
            let Some(measured) = goal.measured(self.runs) else {
                continue;
            };
            let is_met = goal.is_met(measured);
            let words = goal.say();
            if !is_met {
                let _ = writeln!(
                    missed,
                    "- {words}: {} where {} was wanted, {} times as much.",
                    number(measured.median),
                    number(goal.at_most),
                    number(measured.median / goal.at_most),
                );
            }
            rows.push(vec![
                words,
                number(goal.at_most),
                measured.show(),
                if is_met { "met" } else { "**missed**" }.to_owned(),
            ]);
        }
        let verdict = match (rows.is_empty(), missed.is_empty()) {
            (true, _) => "Nothing was measured that has a goal.".to_owned(),
            (_, true) => "All of them are met.".to_owned(),
            _ => format!("Missed:\n\n{missed}"),
        };
        let head = ["goal", "at most", "measured", ""];
        (table(&head, &rows), verdict)
    }

    fn side_by_side(&self) -> String {
        let mut out = String::new();
        for &scenario in self.scenarios {
            let rows = match scenario {
                Scenario::Idle => self.idle(),
                Scenario::Burst
                | Scenario::Frozen1
                | Scenario::Frozen100
                | Scenario::Room
                | Scenario::Rooms => continue,
                _ => self.loaded(scenario),
            };
            let _ = writeln!(out, "### {}\n\n{rows}", scenario.title());
        }
        out
    }

    fn loaded(&self, scenario: Scenario) -> String {
        let mut rows = Vec::new();
        for server in Server::ALL {
            let spread = |figure: fn(&Sample) -> f64| {
                self.runs
                    .spread(scenario, server, move |sample| Some(figure(sample)))
            };
            let median = |figure| spread(figure).map(|spread| spread.median);
            let Some(cpu) = spread(Sample::cpu) else {
                continue;
            };
            let ours = self
                .runs
                .ratio((scenario, Server::Palaver), (scenario, server), |sample| {
                    Some(sample.cpu())
                })
                .filter(|_| server != Server::Palaver);
            rows.push(vec![
                server.title().to_owned(),
                cpu.show(),
                median(Sample::user_cpu).map_or_else(nothing, number),
                median(Sample::rate).map_or_else(nothing, number),
                busy(median(Sample::server_busy), median(Sample::client_busy)),
                median(|sample| sample.resident as f64 / 1024.0).map_or_else(nothing, number),
                ours.map_or_else(nothing, Spread::show),
            ]);
        }
        let head = [
            "",
            "CPU",
            "user",
            "deliveries/s",
            "busy, server/client",
            "resident MiB",
            "Palaver's CPU beside it",
        ];
        table(&head, &rows)
    }

    fn idle(&self) -> String {
        let mut rows = Vec::new();
        for server in Server::ALL {
            let spread = |figure: fn(&Sample) -> Option<f64>| {
                self.runs.spread(Scenario::Idle, server, figure)
            };
            let Some(slope) = spread(Sample::slope) else {
                continue;
            };
            let mebibytes = |figure| {
                let spread = spread(figure);
                spread.map_or_else(nothing, |spread| number(spread.median / 1024.0))
            };
            rows.push(vec![
                server.title().to_owned(),
                slope.show(),
                mebibytes(|sample| Some(sample.idle.as_ref()?.few_resident as f64)),
                mebibytes(|sample| Some(sample.idle.as_ref()?.many_resident as f64)),
            ]);
        }
        let many = self.connections.min(IDLE);
        let few = many / 10;
        let (few, many) = (
            format!("resident MiB with {}", number(few as f64)),
            format!("with {}", number(many as f64)),
        );
        table(&["", "kB for each connection", &few, &many], &rows)
    }

    /// The loads with frozen readers, beside the one without.
    fn frozen(&self) -> String {
        let mut rows = Vec::new();
        for scenario in [
            Scenario::Saturated1000,
            Scenario::Frozen1,
            Scenario::Frozen100,
        ] {
            let ours = (scenario, Server::Palaver);
            let spread = |figure: Figure| self.runs.spread(scenario, Server::Palaver, figure);
            let shown = |figure| spread(figure).map_or_else(nothing, Spread::show);
            let Some(cpu) = spread(|sample| Some(sample.cpu())) else {
                continue;
            };
            let none = (Scenario::Saturated1000, Server::Palaver);
            let beside = self.runs.ratio(ours, none, |sample| Some(sample.cpu()));
            rows.push(vec![
                number(scenario.frozen() as f64),
                cpu.show(),
                beside
                    .filter(|_| ours != none)
                    .map_or_else(nothing, Spread::show),
                shown(|sample| Some(sample.rate())),
                shown(|sample| Some(sample.resident as f64 / 1024.0)),
                shown(|sample| kibibytes_each(sample, |held| held.unsent)),
                shown(|sample| kibibytes_each(sample, |held| held.memory)),
            ]);
        }
        let head = [
            "frozen",
            "CPU",
            "beside none",
            "deliveries/s to the others",
            "resident MiB",
            "KiB unsent for each",
            "kernel's KiB for that",
        ];
        table(&head, &rows)
    }

    /// One room with many readers, beside many rooms.
    fn rooms(&self) -> String {
        let mut rows = Vec::new();
        for (scenario, rooms) in [(Scenario::Room, 1.0), (Scenario::Rooms, 50.0)] {
            let spread = |figure: Figure| {
                let spread = self.runs.spread(scenario, Server::Palaver, figure);
                spread.map_or_else(nothing, Spread::show)
            };
            if self
                .runs
                .samples(scenario, Server::Palaver)
                .next()
                .is_none()
            {
                continue;
            }
            rows.push(vec![
                number(rooms),
                spread(|sample| Some(sample.joining.as_ref()?.readers as f64)),
                spread(|sample| Some(sample.cpu())),
                spread(|sample| Some(sample.rate())),
                spread(|sample| Some(sample.reached.as_ref()?.median)),
                spread(|sample| Some(sample.reached.as_ref()?.longest)),
                spread(|sample| Some(sample.joining.as_ref()?.seconds)),
                spread(|sample| Some(sample.joining.as_ref()?.cpu_each())),
                spread(|sample| Some(sample.joining.as_ref()?.kilobytes_each())),
            ]);
        }
        let head = [
            "rooms",
            "readers",
            "CPU",
            "deliveries/s",
            "ms to reach all",
            "longest",
            "seconds to join",
            "CPU to join",
            "kB each",
        ];
        table(&head, &rows)
    }

    fn counts(&self) -> String {
        let mut rows = Vec::new();
        for &scenario in self.scenarios {
            let spread = |figure: fn(&Sample) -> Option<f64>| {
                let spread = self.runs.spread(scenario, Server::Palaver, figure);
                spread.map(Spread::show)
            };
            let writes = |sample: &Sample| {
                per(sample.counts.as_ref(), |counts| {
                    (counts.writes, counts.deliveries)
                })
            };
            let frames = |sample: &Sample| {
                per(sample.life.as_ref(), |counts| {
                    (counts.frames, counts.messages)
                })
            };
            let batch = |sample: &Sample| {
                per(sample.counts.as_ref(), |counts| {
                    (counts.messages, counts.commits)
                })
            };
            let Some(writes) = spread(writes) else {
                continue;
            };
            let (frames, batch) = (spread(frames), spread(batch));
            rows.push(vec![
                scenario.title().to_owned(),
                writes,
                frames.unwrap_or_else(nothing),
                batch.unwrap_or_else(nothing),
            ]);
        }
        let head = [
            "",
            "writes per delivery",
            "frames built per message",
            "messages per commit",
        ];
        table(&head, &rows)
    }

    fn losses(&self) -> String {
        let mut rows = Vec::new();
        for server in Server::ALL {
            if !self.runs.knows(server) {
                continue;
            }
            let sum = |burst: bool, figure: fn(&Sample) -> u64| {
                let scenarios = self.scenarios.iter().copied();
                let scenarios =
                    scenarios.filter(|scenario| (*scenario == Scenario::Burst) == burst);
                let samples = scenarios.flat_map(|scenario| self.runs.samples(scenario, server));
                samples.map(|(_, sample)| figure(sample)).sum::<u64>()
            };
            let part = |burst, figure| {
                let (part, whole) = (sum(burst, figure), sum(burst, |sample| sample.expected));
                match (part, whole) {
                    (_, 0) => nothing(),
                    (0, _) => "0".to_owned(),
                    _ => format!("{} %", number(part as f64 * 100.0 / whole as f64)),
                }
            };
            rows.push(vec![
                server.title().to_owned(),
                part(false, |sample| sample.missing),
                part(false, |sample| sample.disordered),
                part(true, |sample| sample.missing),
                part(true, |sample| sample.disordered),
                number(
                    (sum(false, |sample| sample.unacknowledged)
                        + sum(true, |sample| sample.unacknowledged)) as f64,
                ),
                number(
                    (sum(false, |sample| sample.rejoined) + sum(true, |sample| sample.rejoined))
                        as f64,
                ),
            ]);
        }
        let head = [
            "",
            "missing",
            "late or twice",
            "1,000 at once: missing",
            "late or twice",
            "not acknowledged",
            "joins unanswered",
        ];
        let mut out = table(&head, &rows);
        for run in &self.runs.0 {
            let problems = run.outcome.iter().flat_map(|sample| &sample.problems);
            for problem in problems {
                let (title, load) = (run.server.title(), run.scenario.title());
                let _ = writeln!(out, "\nRound {}, {title}, {load}: {problem}.", run.round);
            }
        }
        out
    }

    fn profiles(&self) -> String {
        if self.profiles.is_empty() {
            return String::new();
        }
        let mut out = String::from(
            "## Where the time goes\n\nPalaver under the loads whose goals it missed, in a run of \
             its own with `perf`: parts of the process's time, by program and then by function.\n",
        );
        for profile in self.profiles {
            let text = profile
                .text
                .as_deref()
                .unwrap_or("perf does not work here\n");
            let _ = write!(
                out,
                "\n### {}\n\n```text\n{text}```\n",
                profile.scenario.title()
            );
        }
        out + "\n"
    }
}

fn busy(server: Option<f64>, client: Option<f64>) -> String {
    let percent =
        |part: Option<f64>| part.map_or_else(nothing, |part| format!("{:.0} %", part * 100.0));
    format!("{} / {}", percent(server), percent(client))
}

/// What the kernel holds for each frozen reader.
fn kibibytes_each(sample: &Sample, figure: fn(&Held) -> u64) -> Option<f64> {
    let held = sample.held.as_ref()?;
    Some(figure(held) as f64 / 1024.0 / held.readers.max(1) as f64)
}

fn nothing() -> String {
    NOTHING.to_owned()
}

fn today() -> String {
    machine::ask("date", &["-u", "+%Y-%m-%d"], Path::new(".")).unwrap_or_default()
}
