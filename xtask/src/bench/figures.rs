//! The figures of one run.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::load::Invoices;
use crate::bench::usage::Usage;

/// A batch: when it was done, from the beginning of the run, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) took: Duration,
    pub(super) payments: u64,
}

/// The program that settles the payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Driver {
    /// The processor, with a Runtime API.
    Processor,
    /// pgbench, with the processor's statements.
    Pgbench,
}

impl Driver {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Pgbench => "pgbench",
        }
    }
}

/// The parameters of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scenario {
    pub(super) driver: Driver,
    pub(super) batch: u64,
    pub(super) invoices: Invoices,
}

/// The measured part of a run, after its warm-up.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) samples: Vec<Sample>,
    pub(super) from: Duration,
    pub(super) to: Duration,
    pub(super) usage: Usage,
}

/// The figures of one run.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) scenario: Scenario,
    payments: u64,
    pub(super) payments_per_second: u64,
    p50: Duration,
    p99: Duration,
    /// Processor time per payment.
    usage: Usage,
}

impl Figures {
    pub(super) fn of(scenario: Scenario, measured: &Measured) -> Self {
        let within = |sample: &&Sample| (measured.from..measured.to).contains(&sample.at);
        let samples: Vec<&Sample> = measured.samples.iter().filter(within).collect();
        let payments: u64 = samples.iter().map(|sample| sample.payments).sum();
        let mut took: Vec<Duration> = samples.iter().map(|sample| sample.took).collect();
        took.sort_unstable();
        let window = measured.to.saturating_sub(measured.from).as_micros();
        let rate = u128::from(payments).saturating_mul(1_000_000).checked_div(window).unwrap_or_default();
        let each = |microseconds: u64| microseconds.checked_div(payments).unwrap_or_default();
        let usage = measured.usage;
        Self {
            scenario,
            payments,
            payments_per_second: u64::try_from(rate).unwrap_or(u64::MAX),
            p50: percentile(&took, 50),
            p99: percentile(&took, 99),
            usage: Usage {
                driver: each(usage.driver),
                postgres: each(usage.postgres),
                bench: each(usage.bench),
                ..usage
            },
        }
    }

    /// The column headings of [`row`](Self::row).
    pub(super) fn heads() -> String {
        format!(
            "{:<10} {:>5}  {:<8} {:>10} {:>9} {:>9} {:>10} {:>10} {:>8} {:>8}\n",
            "", "batch", "invoices", "payments/s", "p50 ms", "p99 ms", "own CPU", "PostgreSQL", "bench", "others %"
        )
    }

    /// A row of the table.
    pub(super) fn row(&self) -> String {
        let Scenario { driver, batch, invoices } = self.scenario;
        let (rate, usage) = (self.payments_per_second, self.usage);
        format!(
            "{:<10} {batch:>5}  {:<8} {rate:>10} {:>9} {:>9} {:>10} {:>10} {:>8} {:>8}\n",
            driver.name(),
            invoices.name(),
            milliseconds(self.p50),
            milliseconds(self.p99),
            usage.driver,
            usage.postgres,
            usage.bench,
            usage.others_percent,
        )
    }

    /// A line of progress.
    pub(super) fn note(&self) -> String {
        format!("{} payments/s, p99 {} ms per batch", self.payments_per_second, milliseconds(self.p99))
    }

    /// An entry of the JSON output.
    pub(super) fn json(&self) -> Value {
        json!({
            "driver": self.scenario.driver.name(),
            "batch": self.scenario.batch,
            "invoices": self.scenario.invoices.name(),
            "payments": self.payments,
            "payments_per_second": self.payments_per_second,
            "p50_us": u64::try_from(self.p50.as_micros()).unwrap_or(u64::MAX),
            "p99_us": u64::try_from(self.p99.as_micros()).unwrap_or(u64::MAX),
            "driver_cpu_us_per_payment": self.usage.driver,
            "postgres_cpu_us_per_payment": self.usage.postgres,
            "bench_cpu_us_per_payment": self.usage.bench,
            "others_cpu_percent": self.usage.others_percent,
        })
    }
}

/// The smallest value that is not exceeded by `percent` of the sorted values.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = sorted.len().saturating_mul(percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> String {
    let hundredths = duration.as_micros() / 10;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run with this many settled payments per second.
    pub(in crate::bench) fn figures(driver: Driver, batch: u64, payments: u64) -> Figures {
        let sample = |at| Sample { at: Duration::from_secs(at), took: Duration::from_millis(at), payments };
        let measured = Measured {
            samples: vec![sample(1), sample(2), sample(3), sample(4)],
            from: Duration::from_secs(2),
            to: Duration::from_secs(4),
            usage: Usage { driver: payments * 10, postgres: payments * 20, ..Usage::default() },
        };
        Figures::of(Scenario { driver, batch, invoices: Invoices::Spread }, &measured)
    }

    #[test]
    fn only_what_was_done_after_the_warm_up_and_before_the_end_counts() {
        let figures = figures(Driver::Processor, 10, 100);
        assert_eq!((figures.payments, figures.payments_per_second), (200, 100));
        assert_eq!((figures.p50, figures.p99), (Duration::from_millis(2), Duration::from_millis(3)));
        assert_eq!(figures.usage, Usage { driver: 5, postgres: 10, ..Usage::default() });
    }

    #[test]
    fn a_percentile_is_a_value_that_was_seen() {
        let values: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50), Duration::from_millis(100));
        assert_eq!(percentile(&values, 99), Duration::from_millis(198));
        assert_eq!(percentile(&[Duration::from_millis(7)], 99), Duration::from_millis(7));
        assert_eq!(percentile(&[], 99), Duration::ZERO);
    }
}
