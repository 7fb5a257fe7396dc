//! Every metric that functions write, with its unit and dimensions. Tests check the template's alarms and dashboard
//! against this list, and docs/metrics.md is generated from it.
//!
//! A value is a line of JSON on standard output, in CloudWatch's Embedded Metric Format: it is part of the log, without
//! a call that could fail or block. It is written immediately, so that an invocation that is killed has still reported
//! its work. The existing crates for this format store values as floats, in a process-wide recorder, until an
//! invocation ends.
//!
//! Values are decimals, written digit by digit. No client, payment, amount of a single payment or other external text
//! is ever a dimension: each value of a dimension is a metric of its own, stored and billed separately, and visible to
//! everybody.

use std::collections::BTreeMap;
use std::io::Write;

use chrono::{DateTime, Utc};
use quittance_domain::error::Chain;
use rust_decimal::Decimal;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

/// The dimension for the function, named as in Lambda's own metrics.
pub const FUNCTION: &str = "FunctionName";

/// The setting with the namespace of all metrics; without it none are written, as in tests.
const NAMESPACE_SETTING: &str = "METRICS_NAMESPACE";

/// The variable in which Lambda names the function.
const FUNCTION_SETTING: &str = "AWS_LAMBDA_FUNCTION_NAME";

pub const MESSAGES_DONE: Metric<0> = Metric::of_function("MessagesDone", Unit::Count, [])
    .written_by("queue consumers")
    .meaning("messages whose effect is durable");
pub const MESSAGES_RETRIED: Metric<0> = Metric::of_function("MessagesRetried", Unit::Count, [])
    .written_by("queue consumers")
    .meaning("messages that will be redelivered");
pub const MESSAGES_PARKED: Metric<1> = Metric::of_function("MessagesParked", Unit::Count, ["code"])
    .written_by("queue consumers, validator")
    .meaning("messages put into a dead-letter queue");
pub const BATCH_DURATION: Metric<0> = Metric::of_function("BatchDuration", Unit::Milliseconds, [])
    .written_by("queue consumers")
    .meaning("time to process a batch");
pub const OUTAGES: Metric<0> = Metric::of_system("Outages", Unit::Count, [])
    .written_by("queue consumers, relay")
    .meaning("invocations that found the database or table unreachable");

pub const PAYMENTS_SETTLED: Metric<0> = Metric::of_system("PaymentsSettled", Unit::Count, [])
    .written_by("processor")
    .meaning("payments proven for the first time");
pub const AMOUNT_SETTLED: Metric<1> = Metric::of_system("AmountSettled", Unit::None, ["currency"])
    .written_by("processor")
    .meaning("money proven, less what better evidence reduced, in major units");
pub const UNAPPLIED_CASH_RECORDED: Metric<0> = Metric::of_system("SurplusRecorded", Unit::Count, [])
    .written_by("processor")
    .meaning("times that money became unapplied cash");
pub const UNAPPLIED_CASH_AMOUNT: Metric<1> = Metric::of_system("SurplusAmount", Unit::None, ["currency"])
    .written_by("processor")
    .meaning("unapplied cash recorded, in major units");
pub const CASES_OPENED: Metric<1> =
    Metric::of_system("CasesOpened", Unit::Count, ["kind"]).written_by("processor").meaning("cases opened for staff");

pub const GATEWAY_CALLS: Metric<2> = Metric::of_system("GatewayCalls", Unit::Count, ["provider", "outcome"])
    .written_by("gateway")
    .meaning("calls to a payment gateway: `answered`, `unauthorized`, `rate_limited`, `server_error` or `timeout`");
pub const GATEWAY_FAILURES: Metric<1> = Metric::of_system("GatewayFailures", Unit::Count, ["provider"])
    .written_by("gateway")
    .meaning("1 for a call without a usable answer, else 0: the average is the failure rate");

pub const OUTBOX_LAG: Metric<0> = Metric::of_system("OutboxLag", Unit::Seconds, [])
    .written_by("relay")
    .meaning("age of the oldest publishable row of the outbox; 0 if there is none");
pub const OUTBOX_PARKED: Metric<0> = Metric::of_system("OutboxParked", Unit::Count, [])
    .written_by("relay")
    .meaning("rows of the outbox that can never be published as they are");
pub const CLAIMS_UNVERIFIED: Metric<0> = Metric::of_system("ClaimsUnverified", Unit::Count, [])
    .written_by("relay")
    .meaning("payments with nothing but a claim an hour later");
pub const DELIVERIES_OVERDUE: Metric<0> = Metric::of_system("DeliveriesOverdue", Unit::Count, [])
    .written_by("relay")
    .meaning("webhooks due for five minutes and not handed on (at most 50 from each of four partitions)");
pub const DATABASE_CONNECTIONS: Metric<0> = Metric::of_system("DatabaseConnections", Unit::Percent, [])
    .written_by("relay")
    .meaning("open connections as a share of the limit");
pub const DATABASE_ROLLBACKS: Metric<0> = Metric::of_system("DatabaseRollbacks", Unit::Count, [])
    .written_by("relay")
    .meaning("transactions rolled back since the last run");

pub const CURRENCIES_UNBALANCED: Metric<0> = Metric::of_system("CurrenciesUnbalanced", Unit::Count, [])
    .written_by("ledger")
    .meaning("currencies whose entries do not sum to zero; measured hourly while there are postings");

/// Every metric.
pub const ALL: [Definition; 19] = [
    MESSAGES_DONE.definition(),
    MESSAGES_RETRIED.definition(),
    MESSAGES_PARKED.definition(),
    BATCH_DURATION.definition(),
    OUTAGES.definition(),
    PAYMENTS_SETTLED.definition(),
    AMOUNT_SETTLED.definition(),
    UNAPPLIED_CASH_RECORDED.definition(),
    UNAPPLIED_CASH_AMOUNT.definition(),
    CASES_OPENED.definition(),
    GATEWAY_CALLS.definition(),
    GATEWAY_FAILURES.definition(),
    OUTBOX_LAG.definition(),
    OUTBOX_PARKED.definition(),
    CLAIMS_UNVERIFIED.definition(),
    DELIVERIES_OVERDUE.definition(),
    DATABASE_CONNECTIONS.definition(),
    DATABASE_ROLLBACKS.definition(),
    CURRENCIES_UNBALANCED.definition(),
];

/// The unit of a metric's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of items.
    Count,
    Seconds,
    Milliseconds,
    Percent,
    /// Money; the currency is a dimension.
    None,
}

impl Unit {
    /// CloudWatch's name of the unit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
            Self::Percent => "Percent",
            Self::None => "None",
        }
    }
}

/// A metric with `LABELS` dimensions in addition to the function.
#[derive(Debug, Clone, Copy)]
pub struct Metric<const LABELS: usize> {
    name: &'static str,
    unit: Unit,
    is_of_function: bool,
    labels: [&'static str; LABELS],
    written_by: &'static str,
    meaning: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    pub name: &'static str,
    /// The unit of its values.
    pub unit: Unit,
    /// Whether each function reports it separately, under the dimension [`FUNCTION`].
    pub is_of_function: bool,
    /// Its first and second dimension in addition to the function, if any.
    pub labels: [Option<&'static str>; 2],
    /// The functions that write it.
    pub written_by: &'static str,
    /// The meaning of its values, for docs/metrics.md.
    pub meaning: &'static str,
}

impl Definition {
    #[must_use]
    pub fn dimensions(self) -> Vec<&'static str> {
        self.is_of_function.then_some(FUNCTION).into_iter().chain(self.labels.into_iter().flatten()).collect()
    }
}

impl<const LABELS: usize> Metric<LABELS> {
    const fn of_function(name: &'static str, unit: Unit, labels: [&'static str; LABELS]) -> Self {
        Self { name, unit, is_of_function: true, labels, written_by: "", meaning: "" }
    }

    const fn of_system(name: &'static str, unit: Unit, labels: [&'static str; LABELS]) -> Self {
        Self { name, unit, is_of_function: false, labels, written_by: "", meaning: "" }
    }

    const fn definition(&self) -> Definition {
        let labels = match self.labels.as_slice() {
            [] => [None, None],
            [one] => [Some(*one), None],
            [one, two, ..] => [Some(*one), Some(*two)],
        };
        Definition {
            name: self.name,
            unit: self.unit,
            is_of_function: self.is_of_function,
            labels,
            written_by: self.written_by,
            meaning: self.meaning,
        }
    }

    const fn written_by(mut self, functions: &'static str) -> Self {
        self.written_by = functions;
        self
    }

    const fn meaning(mut self, meaning: &'static str) -> Self {
        self.meaning = meaning;
        self
    }

    /// Writes a value, with one value for each dimension in addition to the function. A value that cannot be written is
    /// lost: nothing waits or fails for a metric.
    pub fn record(&self, labels: [&str; LABELS], value: impl Into<Decimal>) {
        let Ok(namespace) = std::env::var(NAMESPACE_SETTING) else { return };
        let function = std::env::var(FUNCTION_SETTING).unwrap_or_default();
        let line = self.line(&namespace, &function, labels, value.into(), Utc::now());
        let written = line.map_err(std::io::Error::from).and_then(|line| {
            // A single write, so that no other output comes between its parts.
            std::io::stdout().lock().write_all(line.as_bytes())
        });
        if let Err(error) = written {
            tracing::warn!(metric = self.name, error = %Chain(&error), "metric value lost");
        }
    }

    fn line(
        &self,
        namespace: &str,
        function: &str,
        labels: [&str; LABELS],
        value: Decimal,
        at: DateTime<Utc>,
    ) -> Result<String, serde_json::Error> {
        let head = json!({
            "Timestamp": at.timestamp_millis(),
            "CloudWatchMetrics": [{
                "Namespace": namespace,
                "Dimensions": [self.definition().dimensions()],
                "Metrics": [{"Name": self.name, "Unit": self.unit.as_str()}],
            }],
        });
        let mut members = BTreeMap::from([("_aws", to_raw_value(&head)?), (FUNCTION, to_raw_value(function)?)]);
        for (label, value) in self.labels.into_iter().zip(labels) {
            members.insert(label, to_raw_value(value)?);
        }
        members.insert(self.name, RawValue::from_string(value.to_string())?);
        Ok(serde_json::to_string(&members)? + "\n")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_value_is_one_line_in_the_embedded_metric_format() {
        let at = DateTime::from_timestamp_millis(1_790_000_000_123).unwrap();
        let line =
            MESSAGES_PARKED.line("quittance", "quittance-ledger", ["idempotency_\"conflict"], 3.into(), at).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"FunctionName":"quittance-ledger","MessagesParked":3,"_aws":{"CloudWatchMetrics":[{"#,
                r#""Dimensions":[["FunctionName","code"]],"Metrics":[{"Name":"MessagesParked","Unit":"Count"}],"#,
                r#""Namespace":"quittance"}],"Timestamp":1790000000123},"code":"idempotency_\"conflict"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn an_amount_is_written_to_its_last_digit_with_its_currency_as_only_dimension() {
        let amount: Decimal = "-12345678901234567890.1230".parse().unwrap();
        let line = AMOUNT_SETTLED.line("quittance", "quittance-processor", ["EUR"], amount, Utc::now()).unwrap();
        assert!(line.contains(r#""AmountSettled":-12345678901234567890.1230,"#), "{line}");
        assert!(line.contains(r#""Dimensions":[["currency"]]"#), "{line}");
    }

    #[test]
    fn no_two_metrics_have_one_name_and_none_takes_the_name_of_a_dimension() {
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
        let dimensions: BTreeSet<&str> = ALL.iter().flat_map(|metric| metric.dimensions()).collect();
        assert!(names.is_disjoint(&dimensions), "both are members of one object");
    }
}
