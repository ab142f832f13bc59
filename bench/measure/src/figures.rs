//! Medians and ratios over the rounds.

use serde::{Deserialize, Serialize};

use crate::{sample::Sample, scenario::Scenario, servers::Server};

/// What came of one server under one load in one round.
#[derive(Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) round: u32,
    pub(crate) scenario: Scenario,
    pub(crate) server: Server,
    pub(crate) outcome: Result<Sample, String>,
}

/// All runs.
#[derive(Default)]
pub(crate) struct Runs(pub(crate) Vec<Run>);

/// A median, and how far the rounds lie apart.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// A number of a sample, where it has it.
pub(crate) type Figure = fn(&Sample) -> Option<f64>;

impl Runs {
    pub(crate) fn has(&self, round: u32, scenario: Scenario, server: Server) -> bool {
        let same = |run: &Run| (run.round, run.scenario, run.server) == (round, scenario, server);
        self.0.iter().any(same)
    }

    /// The samples of one server under one load, with their rounds.
    pub(crate) fn samples(
        &self,
        scenario: Scenario,
        server: Server,
    ) -> impl Iterator<Item = (u32, &Sample)> {
        self.0.iter().filter_map(move |run| match &run.outcome {
            Ok(sample) if run.scenario == scenario && run.server == server => {
                Some((run.round, sample))
            }
            _ => None,
        })
    }

    pub(crate) fn spread(
        &self,
        scenario: Scenario,
        server: Server,
        figure: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<Spread> {
        let samples = self.samples(scenario, server);
        Spread::of(samples.filter_map(|(_, sample)| figure(sample)))
    }

    /// The figure of one server under one load as a part of another's, in each round.
    pub(crate) fn ratio(
        &self,
        (scenario, one): (Scenario, Server),
        (beside, other): (Scenario, Server),
        figure: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<Spread> {
        let ratios = self.samples(scenario, one).filter_map(|(round, sample)| {
            let mut others = self.samples(beside, other);
            let other = others.find(|(same, _)| *same == round)?.1;
            let (part, whole) = (figure(sample)?, figure(other)?);
            (whole > 0.0).then(|| part / whole)
        });
        Spread::of(ratios)
    }

    /// Whether there is anything of this server.
    pub(crate) fn knows(&self, server: Server) -> bool {
        let good = |run: &Run| run.server == server && run.outcome.is_ok();
        self.0.iter().any(good)
    }

    /// Runs that gave no figures, and why.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&Run, &str)> {
        self.0.iter().filter_map(|run| match &run.outcome {
            Err(problem) => Some((run, problem.as_str())),
            Ok(_) => None,
        })
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(*values.get(middle - 1)?, upper)
        } else {
            upper
        };
        Some(Self {
            median,
            low: *values.first()?,
            high: *values.last()?,
        })
    }

    /// As `median (low to high)`.
    pub(crate) fn show(self) -> String {
        let Self { median, low, high } = self;
        if number(low) == number(high) {
            return number(median);
        }
        format!("{} ({} to {})", number(median), number(low), number(high))
    }
}

/// A number with about three digits.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        0.0..0.995 => format!("{value:.3}"),
        0.995..9.995 => format!("{value:.2}"),
        9.995..99.95 => format!("{value:.1}"),
        _ => grouped(value.round() as i64),
    }
}

fn grouped(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut out = String::new();
    if value < 0 {
        out.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_counts_and_the_ends_are_shown() {
        let spread = Spread::of([9.0, 1.0, 2.0].into_iter()).map(Spread::show);
        assert_eq!(spread.as_deref(), Some("2.00 (1.00 to 9.00)"));
        let even = Spread::of([4.0, 2.0].into_iter()).map(|spread| spread.median);
        assert_eq!(even, Some(3.0));
        assert!(Spread::of([f64::NAN].into_iter()).is_none());
    }

    #[test]
    fn numbers_have_three_digits_or_groups() {
        let shown = [0.0, 0.1234, 1.2345, 12.345, 123.45, 1_234_567.0, -2000.0].map(number);
        assert_eq!(
            shown,
            ["0", "0.123", "1.23", "12.3", "123", "1,234,567", "-2,000"]
        );
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let sample = |user| Sample {
            user,
            events: 1_000_000,
            ..Sample::default()
        };
        let run = |round, server, user| Run {
            round,
            scenario: Scenario::Pairs,
            server,
            outcome: Ok(sample(user)),
        };
        let runs = Runs(vec![
            run(1, Server::Palaver, 1.0),
            run(1, Server::Node, 10.0),
            run(2, Server::Palaver, 4.0),
            run(2, Server::Node, 20.0),
            run(3, Server::Palaver, 5.0),
        ]);
        let [ours, nodes] = [Server::Palaver, Server::Node].map(|server| (Scenario::Pairs, server));
        let ratio = runs.ratio(ours, nodes, |sample| Some(sample.cpu()));
        assert_eq!(
            ratio.map(Spread::show).as_deref(),
            Some("0.150 (0.100 to 0.200)")
        );
    }
}
