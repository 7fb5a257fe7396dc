//! The report of all runs: a table for people, JSON for programs, and the processor's results against the requirements.

use serde_json::{Value, json};

use crate::bench::figures::{Driver, Figures, Scenario};
use crate::bench::load::Invoices;

/// The minimum ratio to pgbench's result, with batches of ten on both sides, in thousandths.
const BATCH_BAR: u64 = 600;
/// The minimum ratio to pgbench's result with one payment per transaction, in thousandths.
const SINGLE_BAR: u64 = 4_000;

/// The figures of all runs.
#[derive(Debug, Clone)]
pub struct Report {
    pub(super) processes: usize,
    pub(super) seconds: u64,
    /// The decisive runs, several times.
    pub(super) rounds: Vec<Vec<Figures>>,
    /// The additional runs.
    pub(super) further: Vec<Figures>,
}

impl Report {
    /// Whether the processor meets the requirements.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.ratio(10) >= BATCH_BAR && self.ratio(1) >= SINGLE_BAR
    }

    /// The table, and the processor's results against the requirements.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = Figures::heads();
        text.extend(self.figures().map(Figures::row));
        text += &format!(
            "\np50 and p99 are of a batch; CPU is in microseconds per payment; others is the share of the machine that \
             programs outside the measurement took (above 10, measure again). {} processes, {} s each.\n\n",
            self.processes, self.seconds
        );
        let bars = [(10, BATCH_BAR, "batches of 10"), (1, SINGLE_BAR, "one payment per transaction")];
        for (batch, bar, what) in bars {
            let ratio = self.ratio(batch);
            text += &format!(
                "{}  the processor, batches of 10, settles {} times as much as pgbench, {what} (at least {}; {})\n",
                if ratio >= bar { "holds " } else { "MISSED" },
                thousandths(ratio),
                thousandths(bar),
                self.ratios(batch).into_iter().map(thousandths).collect::<Vec<_>>().join(", "),
            );
        }
        text
    }

    /// The figures for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "processes": self.processes,
            "seconds": self.seconds,
            "scenarios": self.figures().map(Figures::json).collect::<Vec<_>>(),
            "ratio_to_pgbench_batch10": number(self.ratio(10)),
            "ratio_to_pgbench_single": number(self.ratio(1)),
            "ratios_to_pgbench_batch10": self.ratios(10).into_iter().map(number).collect::<Vec<_>>(),
            "ratios_to_pgbench_single": self.ratios(1).into_iter().map(number).collect::<Vec<_>>(),
            "holds": self.holds(),
        })
    }

    /// Each scenario once, the deciding ones by their median run.
    fn figures(&self) -> impl Iterator<Item = &Figures> {
        let scenarios = self.rounds.first().into_iter().flatten().map(|figures| figures.scenario);
        let medians = scenarios.filter_map(|scenario| {
            let mut runs: Vec<&Figures> =
                self.rounds.iter().flatten().filter(|figures| figures.scenario == scenario).collect();
            runs.sort_by_key(|figures| figures.payments_per_second);
            runs.get(runs.len() / 2).copied()
        });
        medians.chain(&self.further)
    }

    /// The ratio of the processor's result with batches of ten, spread, to pgbench's with batches of that size, in
    /// thousandths: the median of the rounds; zero if there were none.
    fn ratio(&self, batch: u64) -> u64 {
        let ratios = self.ratios(batch);
        ratios.get(ratios.len() / 2).copied().unwrap_or_default()
    }

    /// That ratio in each round, sorted.
    fn ratios(&self, batch: u64) -> Vec<u64> {
        let processor = Scenario { driver: Driver::Processor, batch: 10, invoices: Invoices::Spread };
        let pgbench = Scenario { driver: Driver::Pgbench, batch, invoices: Invoices::Spread };
        let rate = |round: &[Figures], scenario: Scenario| {
            let found = round.iter().find(|figures| figures.scenario == scenario);
            found.map_or(0, |figures| figures.payments_per_second)
        };
        let ratio = |round: &Vec<Figures>| {
            rate(round, processor).saturating_mul(1000).checked_div(rate(round, pgbench)).unwrap_or_default()
        };
        let mut ratios: Vec<u64> = self.rounds.iter().map(ratio).collect();
        ratios.sort_unstable();
        ratios
    }
}

fn thousandths(ratio: u64) -> String {
    format!("{}.{:03}", ratio / 1000, ratio % 1000)
}

/// A ratio as a JSON number.
fn number(ratio: u64) -> Value {
    thousandths(ratio).parse::<f64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figures::tests::figures;

    fn round(processor: u64, batch: u64, single: u64) -> Vec<Figures> {
        vec![
            figures(Driver::Processor, 10, processor),
            figures(Driver::Pgbench, 10, batch),
            figures(Driver::Pgbench, 1, single),
        ]
    }

    fn report(processor: u64, batch: u64, single: u64) -> Report {
        let rounds = vec![round(1, 1000, 1000), round(processor, batch, single), round(9000, 1000, 100)];
        Report { processes: 4, seconds: 2, rounds, further: vec![figures(Driver::Processor, 1, 1)] }
    }

    #[test]
    fn both_bars_must_hold() {
        assert!(report(600, 1000, 150).holds());
        assert!(!report(599, 1000, 100).holds());
        assert!(!report(600, 1000, 151).holds());
        let nothing = Report { processes: 1, seconds: 1, rounds: Vec::new(), further: Vec::new() };
        assert!(!nothing.holds(), "nothing measured is no success");
    }

    #[test]
    fn of_several_rounds_the_median_counts_and_each_scenario_has_one_row() {
        let report = report(700, 1000, 140);
        assert_eq!(report.ratios(10), [1, 700, 9000]);
        assert_eq!(report.figures().count(), 4);
        let processor = report.figures().find(|figures| figures.scenario.driver == Driver::Processor).unwrap();
        assert_eq!(processor.payments_per_second, 700);
    }

    #[test]
    fn the_ratios_are_numbers() {
        let json = report(700, 1000, 140).json();
        assert_eq!(json["ratio_to_pgbench_batch10"], 0.7);
        assert_eq!(json["ratio_to_pgbench_single"], 5.0);
    }
}
