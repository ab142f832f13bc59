//! What Palaver is meant to reach, each as a number that the run itself gives.

use crate::{
    figures::{Figure, Runs, Spread},
    sample::{Counts, Sample},
    scenario::Scenario,
    servers::Server,
};

/// One goal.
pub(crate) struct Goal {
    pub(crate) scenario: Scenario,
    /// What is looked at.
    words: &'static str,
    /// What it is a part of.
    beside: Option<Beside>,
    figure: Figure,
    pub(crate) at_most: f64,
}

/// Whose figure another is a part of.
#[derive(Clone, Copy)]
enum Beside {
    /// This server's, under the same load.
    Server(Server),
    /// Palaver's own, under this load, which is in a word.
    Load(Scenario, &'static str),
}

const CPU: Figure = |sample| Some(sample.cpu());
const USER: Figure = |sample| Some(sample.user_cpu());
const PAUSE: Figure = |sample| (sample.events > 0).then(|| 1.0 / sample.rate());
const SLOPE: Figure = Sample::slope;
const WRITES: Figure = |sample| per(sample.counts.as_ref(), |it| (it.writes, it.deliveries));
const FRAMES: Figure = |sample| per(sample.life.as_ref(), |it| (it.frames, it.messages));

const SATURATED: [Scenario; 2] = [Scenario::Saturated1000, Scenario::Saturated5000];
const FROZEN: [Scenario; 2] = [Scenario::Frozen1, Scenario::Frozen100];
const STEADY: [Scenario; 2] = [Scenario::Steady1000, Scenario::Steady5000];

/// All goals, in the order in which they are shown.
pub(crate) fn goals() -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut want = |scenarios: &[Scenario], words, beside, figure, at_most| {
        for &scenario in scenarios {
            goals.push(Goal {
                scenario,
                words,
                beside,
                figure,
                at_most,
            });
        }
    };
    let [node, oxide] = [Server::Node, Server::Oxide].map(|server| Some(Beside::Server(server)));
    let alone = Some(Beside::Load(Scenario::Saturated1000, "that without"));
    let rooms = Some(Beside::Load(Scenario::Rooms, "that in 50 rooms"));
    want(&SATURATED, "CPU per delivery", node, CPU, 1.0 / 7.0);
    want(&SATURATED, "CPU per delivery", oxide, CPU, 0.7);
    want(&STEADY, "user CPU per delivery", node, USER, 0.3);
    want(&STEADY, "CPU per delivery", node, CPU, 0.75);
    want(&FROZEN, "CPU per delivery", alone, CPU, 1.1);
    want(&FROZEN, "time per delivery", alone, PAUSE, 1.1);
    want(&[Scenario::Room], "CPU per delivery", rooms, CPU, 1.5);
    want(&[Scenario::Pairs], "CPU per delivery", node, CPU, 0.7);
    want(
        &[Scenario::Idle],
        "kB for each connection",
        None,
        SLOPE,
        6.0,
    );
    want(&SATURATED, "write calls per delivery", None, WRITES, 0.3);
    want(&SATURATED, "frames built per message", None, FRAMES, 1.0);
    goals
}

impl Goal {
    /// What was measured.
    pub(crate) fn measured(&self, runs: &Runs) -> Option<Spread> {
        let ours = (self.scenario, Server::Palaver);
        match self.beside {
            Some(Beside::Server(server)) => runs.ratio(ours, (self.scenario, server), self.figure),
            Some(Beside::Load(load, _)) => runs.ratio(ours, (load, Server::Palaver), self.figure),
            None => runs.spread(self.scenario, Server::Palaver, self.figure),
        }
    }

    /// Whether that is enough.
    pub(crate) fn is_met(&self, measured: Spread) -> bool {
        measured.median <= self.at_most
    }

    /// All of it, in words.
    pub(crate) fn say(&self) -> String {
        let (load, words) = (self.scenario.title(), self.words);
        match self.beside {
            Some(Beside::Server(server)) => {
                format!("{load}: {words}, as a part of {}'s", server.title())
            }
            Some(Beside::Load(_, other)) => format!("{load}: {words}, as a part of {other}"),
            None => format!("{load}: {words}"),
        }
    }
}

/// One counter by another.
pub(crate) fn per(counts: Option<&Counts>, pick: fn(&Counts) -> (u64, u64)) -> Option<f64> {
    let (part, whole) = pick(counts?);
    (whole > 0).then(|| part as f64 / whole as f64)
}
