//! What is measured: every metric that functions write, with its unit and dimensions, in this one place. Tests hold the
//! template's alarms and dashboard, and ARCHITECTURE.md, to it.
//!
//! A value is a line of JSON on standard output, in CloudWatch's Embedded Metric Format: the log that is written anyway
//! brings it, without a call that could fail or wait. It is written at once, so that an invocation that is killed has told
//! what it did. The crates for this format keep values as floats, in a recorder of the process, until an invocation ends.
//!
//! Values are decimals, written digit by digit. No client, payment, amount of one payment or other text of a stranger is
//! ever a dimension: each value of a dimension is a metric of its own, kept and paid for by itself, for everybody to see.

use std::collections::BTreeMap;
use std::io::Write;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

/// The dimension that tells functions apart, named as Lambda's own metrics name it.
pub const FUNCTION: &str = "FunctionName";

/// The setting with the namespace of all metrics; without it none is written, as in tests.
const NAMESPACE_SETTING: &str = "METRICS_NAMESPACE";

/// Where Lambda says which function this is.
const FUNCTION_SETTING: &str = "AWS_LAMBDA_FUNCTION_NAME";

/// Messages of a queue whose effect is durable.
pub const MESSAGES_DONE: Metric<0> = Metric::of_function("MessagesDone", Unit::Count, []);
/// Messages that come back.
pub const MESSAGES_RETRIED: Metric<0> = Metric::of_function("MessagesRetried", Unit::Count, []);
/// Messages put into a dead-letter queue, by the code of the reason.
pub const MESSAGES_PARKED: Metric<1> = Metric::of_function("MessagesParked", Unit::Count, ["code"]);
/// The time that a batch of messages took.
pub const BATCH_DURATION: Metric<0> = Metric::of_function("BatchDuration", Unit::Milliseconds, []);
/// Invocations that did nothing because what they need, nearly always the database, is out of reach.
pub const OUTAGES: Metric<0> = Metric::of_system("Outages", Unit::Count, []);

/// Payments that were proven for the first time.
pub const PAYMENTS_SETTLED: Metric<0> = Metric::of_system("PaymentsSettled", Unit::Count, []);
/// Money that was proven, less what better evidence took back of it, in major units.
pub const AMOUNT_SETTLED: Metric<1> = Metric::of_system("AmountSettled", Unit::None, ["currency"]);
/// How often money found no invoice that could take it.
pub const SURPLUS_RECORDED: Metric<0> = Metric::of_system("SurplusRecorded", Unit::Count, []);
/// The money of these, in major units.
pub const SURPLUS_AMOUNT: Metric<1> = Metric::of_system("SurplusAmount", Unit::None, ["currency"]);
/// Cases that were opened for staff, by kind.
pub const CASES_OPENED: Metric<1> = Metric::of_system("CasesOpened", Unit::Count, ["kind"]);

/// Calls to a payment gateway, by what came of them.
pub const GATEWAY_CALLS: Metric<2> = Metric::of_system("GatewayCalls", Unit::Count, ["provider", "outcome"]);
/// One for each call that a payment gateway failed and zero for the others: the average is the share that failed.
pub const GATEWAY_FAILURES: Metric<1> = Metric::of_system("GatewayFailures", Unit::Count, ["provider"]);

/// The age of the oldest row of the outbox that is not published and can be; zero if there is none.
pub const OUTBOX_LAG: Metric<0> = Metric::of_system("OutboxLag", Unit::Seconds, []);
/// Rows of the outbox that can never be published as they are.
pub const OUTBOX_PARKED: Metric<0> = Metric::of_system("OutboxParked", Unit::Count, []);
/// Payments of which, an hour later, there is nothing but a claim.
pub const CLAIMS_UNVERIFIED: Metric<0> = Metric::of_system("ClaimsUnverified", Unit::Count, []);
/// Webhooks that have been due for minutes and that nobody was told to deliver.
pub const DELIVERIES_OVERDUE: Metric<0> = Metric::of_system("DeliveriesOverdue", Unit::Count, []);
/// Connections to the database, whoever has them, of those that it allows.
pub const DATABASE_CONNECTIONS: Metric<0> = Metric::of_system("DatabaseConnections", Unit::Percent, []);
/// Transactions that the database has rolled back since the relay looked last.
pub const DATABASE_ROLLBACKS: Metric<0> = Metric::of_system("DatabaseRollbacks", Unit::Count, []);

/// Currencies in which the entries of the ledger do not add up to zero.
pub const CURRENCIES_UNBALANCED: Metric<0> = Metric::of_system("CurrenciesUnbalanced", Unit::Count, []);

/// All of them.
pub const ALL: [Definition; 19] = [
    MESSAGES_DONE.definition(),
    MESSAGES_RETRIED.definition(),
    MESSAGES_PARKED.definition(),
    BATCH_DURATION.definition(),
    OUTAGES.definition(),
    PAYMENTS_SETTLED.definition(),
    AMOUNT_SETTLED.definition(),
    SURPLUS_RECORDED.definition(),
    SURPLUS_AMOUNT.definition(),
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

/// What values of a metric count in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Time.
    Seconds,
    /// Short time.
    Milliseconds,
    /// Parts of a hundred.
    Percent,
    /// Money: the currency is a dimension.
    None,
}

impl Unit {
    /// CloudWatch's name of it.
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

/// A metric whose values are told apart by `LABELS` dimensions beside the function.
#[derive(Debug, Clone, Copy)]
pub struct Metric<const LABELS: usize> {
    name: &'static str,
    unit: Unit,
    is_of_function: bool,
    labels: [&'static str; LABELS],
}

/// What is to be known of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// What its values count in.
    pub unit: Unit,
    /// Whether each function has it by itself, under the dimension [`FUNCTION`].
    pub is_of_function: bool,
    /// Its first and second dimension beside the function, as far as it has them.
    pub labels: [Option<&'static str>; 2],
}

impl Definition {
    /// Its dimensions.
    #[must_use]
    pub fn dimensions(self) -> Vec<&'static str> {
        self.is_of_function.then_some(FUNCTION).into_iter().chain(self.labels.into_iter().flatten()).collect()
    }
}

impl<const LABELS: usize> Metric<LABELS> {
    const fn of_function(name: &'static str, unit: Unit, labels: [&'static str; LABELS]) -> Self {
        Self { name, unit, is_of_function: true, labels }
    }

    const fn of_system(name: &'static str, unit: Unit, labels: [&'static str; LABELS]) -> Self {
        Self { name, unit, is_of_function: false, labels }
    }

    const fn definition(&self) -> Definition {
        let labels = match self.labels.as_slice() {
            [] => [None, None],
            [one] => [Some(*one), None],
            [one, two, ..] => [Some(*one), Some(*two)],
        };
        Definition { name: self.name, unit: self.unit, is_of_function: self.is_of_function, labels }
    }

    /// Writes a value, with one value for each dimension beside the function. What cannot be written is lost: nothing
    /// waits or fails for a figure.
    pub fn record(&self, labels: [&str; LABELS], value: impl Into<Decimal>) {
        let Ok(namespace) = std::env::var(NAMESPACE_SETTING) else { return };
        let function = std::env::var(FUNCTION_SETTING).unwrap_or_default();
        let line = self.line(&namespace, &function, labels, value.into(), Utc::now());
        let written = line.map_err(std::io::Error::from).and_then(|line| {
            // One write: nothing comes between its parts.
            std::io::stdout().lock().write_all(line.as_bytes())
        });
        if let Err(error) = written {
            tracing::warn!(metric = self.name, error = %error, "metric value lost");
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
        let line = MESSAGES_PARKED.line("quittance", "quittance-ledger", ["other_\"payload"], 3.into(), at).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"FunctionName":"quittance-ledger","MessagesParked":3,"_aws":{"CloudWatchMetrics":[{"#,
                r#""Dimensions":[["FunctionName","code"]],"Metrics":[{"Name":"MessagesParked","Unit":"Count"}],"#,
                r#""Namespace":"quittance"}],"Timestamp":1790000000123},"code":"other_\"payload"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn an_amount_is_written_to_its_last_digit_and_told_apart_by_its_currency_alone() {
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
