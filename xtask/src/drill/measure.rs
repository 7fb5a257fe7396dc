//! The measurements of a drill: the functions' own metrics, read from their logs as CloudWatch does, and those that AWS
//! would measure but the emulator does not.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;

use crate::aws::Aws;
use crate::stack::Stack;

/// One value of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    /// `AWS/SQS`, or the stack's name.
    pub(super) namespace: String,
    pub(super) metric: String,
    pub(super) dimensions: BTreeMap<String, String>,
    /// Milliseconds since 1970.
    pub(super) at_ms: i64,
    pub(super) value: Decimal,
}

/// The header of a line in the Embedded Metric Format.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "_aws")]
    head: Head,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Head {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: String,
    dimensions: Vec<Vec<String>>,
    metrics: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    name: String,
}

/// The values since a time: from the functions' logs, and the current ones of the queues.
pub(super) fn since(stack: &Stack, since_ms: i64, now_ms: i64) -> Result<Vec<Sample>> {
    let aws = stack.aws()?;
    let prefix = format!("/aws/lambda/{}-", stack.cloudformation_name());
    let mut samples = Vec::new();
    for group in aws.log_groups()?.iter().filter(|group| group.starts_with(&prefix)) {
        let function = group.trim_start_matches("/aws/lambda/");
        for event in aws.log_events_since(group, since_ms)? {
            samples.extend(measured(&event.message));
            if is_failure(&event.message) {
                samples.push(one("AWS/Lambda", "Errors", ("FunctionName", function), event.timestamp_ms));
            }
        }
    }
    samples.retain(|sample| sample.at_ms >= since_ms);
    samples.extend(queues(&aws, stack, now_ms)?);
    Ok(samples)
}

/// The value of a single counted event.
pub(super) fn one(namespace: &str, metric: &str, (name, value): (&str, &str), at_ms: i64) -> Sample {
    Sample {
        namespace: namespace.to_owned(),
        metric: metric.to_owned(),
        dimensions: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        at_ms,
        value: Decimal::ONE,
    }
}

/// The depth of each queue, and the age of its oldest message.
fn queues(aws: &Aws, stack: &Stack, now_ms: i64) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for (_, url) in stack.outputs.iter().filter(|(name, _)| name.ends_with("QueueUrl")) {
        let name = url.rsplit('/').next().context("a queue's URL ends with its name")?;
        let visible = aws.sqs_depth(url)?.visible;
        let sample =
            |metric: &str, value: Decimal| Sample { value, ..one("AWS/SQS", metric, ("QueueName", name), now_ms) };
        samples.push(sample("ApproximateNumberOfMessagesVisible", visible.into()));
        let sent = aws.sqs_peek(url)?;
        let oldest = sent.iter().filter_map(sent_at).min();
        let age = oldest.map_or(0, |sent_ms| now_ms.saturating_sub(sent_ms) / 1000);
        samples.push(sample("ApproximateAgeOfOldestMessage", age.into()));
    }
    Ok(samples)
}

fn sent_at(message: &Value) -> Option<i64> {
    message.pointer("/Attributes/SentTimestamp")?.as_str()?.parse().ok()
}

/// The line that Lambda's runtime logs when an invocation ends with an error.
fn is_failure(line: &str) -> bool {
    FAILURES.iter().any(|failure| line.contains(failure))
}

const FAILURES: [&str; 2] = ["lambda_runtime::layers::panic", "Task timed out"];

/// The values in a line of a log; none in any other line.
fn measured(line: &str) -> Vec<Sample> {
    if !line.starts_with('{') || !line.contains("\"_aws\"") {
        return Vec::new();
    }
    let Ok(members) = serde_json::from_str::<Value>(line) else { return Vec::new() };
    let Ok(Line { head }) = Line::deserialize(&members) else { return Vec::new() };
    let text = |name: &String| match members.get(name)? {
        Value::String(text) => Some(text.clone()),
        number => Some(number.to_string()),
    };
    let mut samples = Vec::new();
    for directive in &head.cloud_watch_metrics {
        for (names, metric) in
            directive.dimensions.iter().flat_map(|names| directive.metrics.iter().map(move |one| (names, one)))
        {
            let Some(value) = text(&metric.name).and_then(|digits| digits.parse().ok()) else { continue };
            samples.push(Sample {
                namespace: directive.namespace.clone(),
                metric: metric.name.clone(),
                dimensions: names.iter().filter_map(|name| Some((name.clone(), text(name)?))).collect(),
                at_ms: head.timestamp,
                value,
            });
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_embedded_metric_format_is_a_sample_and_other_lines_are_none() {
        let line = concat!(
            r#"{"FunctionName":"q-gateway","GatewayFailures":1,"_aws":{"CloudWatchMetrics":[{"Dimensions":[["provider"]],"#,
            r#""Metrics":[{"Name":"GatewayFailures","Unit":"Count"}],"Namespace":"q"}],"Timestamp":1790000000123},"#,
            r#""provider":"stripe"}"#
        );
        let expected = one("q", "GatewayFailures", ("provider", "stripe"), 1_790_000_000_123);
        assert_eq!(measured(line), [expected]);
        for other in ["START RequestId", r#"{"level":"INFO"}"#, r#"{"_aws": "cut"#] {
            assert_eq!(measured(other), [], "{other}");
        }
    }
}
