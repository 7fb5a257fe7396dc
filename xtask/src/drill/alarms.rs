//! The deployed alarms, and which of their conditions are met: the emulator stores alarms without evaluating them for
//! queues and logs, so this module does.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Number, Value, json};

use crate::drill::measure::Sample;
use crate::stack::Stack;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Alarm {
    #[serde(rename = "AlarmName")]
    name: String,
    #[serde(rename = "AlarmDescription")]
    description: String,
    namespace: String,
    metric_name: String,
    dimensions: Vec<Dimension>,
    statistic: Statistic,
    /// Seconds.
    period: i64,
    evaluation_periods: i64,
    datapoints_to_alarm: Option<i64>,
    threshold: Number,
    comparison_operator: Comparison,
    treat_missing_data: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dimension {
    name: String,
    value: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum Statistic {
    Sum,
    Maximum,
    Minimum,
    Average,
}

/// The comparison operators of the template's alarms.
#[derive(Debug, Clone, Copy, Deserialize)]
enum Comparison {
    #[serde(rename = "GreaterThanOrEqualToThreshold")]
    AtLeast,
    #[serde(rename = "GreaterThanThreshold")]
    Above,
    #[serde(rename = "LessThanOrEqualToThreshold")]
    AtMost,
    #[serde(rename = "LessThanThreshold")]
    Below,
}

/// An alarm whose condition was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// Its name in the template.
    pub(super) alarm: String,
    /// `page` or `ticket`.
    pub(super) severity: String,
    /// The runbook's section.
    pub(super) section: String,
    /// The measured value and the threshold.
    seen: String,
    /// The number of periods in which it was met, and the number required.
    periods: (i64, i64),
}

impl Condition {
    /// Whether it was met for as many periods as the alarm requires.
    pub(super) fn is_raised(&self) -> bool {
        self.periods.0 >= self.periods.1
    }

    /// The condition as one line.
    pub(super) fn text(&self) -> String {
        let (met, needed) = self.periods;
        let state = if self.is_raised() {
            "would be raised".to_owned()
        } else {
            format!("its condition was met in {met} of the {needed} periods required; it is raised if this continues")
        };
        format!("**{}** {}: {}; {state}. {}", self.severity, self.alarm, self.seen, self.section)
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({"alarm": self.alarm, "severity": self.severity, "section": self.section, "raised": self.is_raised()})
    }
}

/// The alarms of a stack.
pub(super) fn deployed(stack: &Stack) -> Result<Vec<Alarm>> {
    let (aws, prefix) = (stack.aws()?, format!("{}-", stack.cloudformation_name()));
    let mut alarms = Vec::new();
    let mut request = json!({"AlarmNamePrefix": prefix, "MaxRecords": 100});
    loop {
        let answer = aws.json_call("monitoring", "DescribeAlarms", &request)?;
        for alarm in answer.get("MetricAlarms").and_then(Value::as_array).context("no alarms in the response")? {
            let mut alarm = Alarm::deserialize(alarm).with_context(|| format!("the alarm {alarm} cannot be parsed"))?;
            // CloudFormation names it `<stack>-<name>-<random>`.
            let bare = alarm.name.trim_start_matches(&prefix).to_owned();
            alarm.name = bare.split('-').next().unwrap_or_default().to_owned();
            alarms.push(alarm);
        }
        match answer.get("NextToken").filter(|token| token.is_string()) {
            None => break,
            Some(token) => request = json!({"AlarmNamePrefix": prefix, "MaxRecords": 100, "NextToken": token}),
        }
    }
    if alarms.is_empty() {
        bail!("no alarm is deployed");
    }
    Ok(alarms)
}

/// The alarms whose condition was met in at least one period between two times (milliseconds since 1970), pages first.
pub(super) fn met(alarms: &[Alarm], samples: &[Sample], from_ms: i64, until_ms: i64) -> Vec<Condition> {
    let mut met: Vec<Condition> =
        alarms.iter().filter_map(|alarm| alarm.condition(samples, from_ms, until_ms)).collect();
    met.sort_by_key(|condition| (!condition.is_raised(), condition.severity.clone(), condition.alarm.clone()));
    met
}

impl Alarm {
    fn condition(&self, samples: &[Sample], from_ms: i64, until_ms: i64) -> Option<Condition> {
        let threshold = self.threshold.to_string().parse::<Decimal>().ok()?.normalize();
        let period_ms = self.period.checked_mul(1000).filter(|period| *period > 0)?;
        let mut by_period: BTreeMap<i64, Vec<Decimal>> = BTreeMap::new();
        for sample in samples.iter().filter(|sample| self.watches(sample)) {
            if (from_ms..=until_ms).contains(&sample.at_ms) {
                by_period.entry(sample.at_ms.div_euclid(period_ms)).or_default().push(sample.value);
            }
        }
        let values: Vec<Decimal> = by_period.values().filter_map(|values| self.statistic.of(values)).collect();
        let breaching: Vec<Decimal> =
            values.into_iter().filter(|value| self.comparison_operator.holds(*value, threshold)).collect();
        let silent = if self.treat_missing_data == "breaching" {
            // Complete periods without values.
            let whole = (from_ms.div_euclid(period_ms) + 1)..until_ms.div_euclid(period_ms);
            whole.filter(|period| !by_period.contains_key(period)).count()
        } else {
            0
        };
        let count = i64::try_from(breaching.len() + silent).ok()?;
        if count == 0 {
            return None;
        }
        let seen = match breaching.iter().max() {
            Some(worst) => {
                format!("{} was {}, its limit is {threshold}", self.metric_name, worst.round_dp(2).normalize())
            }
            None => format!("{} was not measured", self.metric_name),
        };
        let (severity, _) = self.description.split_once(": ")?;
        let (_, section) = self.description.rsplit_once(' ')?;
        Some(Condition {
            alarm: self.name.clone(),
            severity: severity.to_owned(),
            section: section.to_owned(),
            seen,
            periods: (count, self.datapoints_to_alarm.unwrap_or(self.evaluation_periods)),
        })
    }

    fn watches(&self, sample: &Sample) -> bool {
        sample.namespace == self.namespace
            && sample.metric == self.metric_name
            && sample.dimensions.len() == self.dimensions.len()
            && self.dimensions.iter().all(|one| sample.dimensions.get(&one.name) == Some(&one.value))
    }
}

impl Statistic {
    fn of(self, values: &[Decimal]) -> Option<Decimal> {
        match self {
            Self::Sum => Some(values.iter().sum()),
            Self::Maximum => values.iter().max().copied(),
            Self::Minimum => values.iter().min().copied(),
            Self::Average => values.iter().sum::<Decimal>().checked_div(Decimal::from(values.len())),
        }
    }
}

impl Comparison {
    fn holds(self, value: Decimal, threshold: Decimal) -> bool {
        match self {
            Self::AtLeast => value >= threshold,
            Self::Above => value > threshold,
            Self::AtMost => value <= threshold,
            Self::Below => value < threshold,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::measure::one;

    fn alarm(statistic: &str, periods: i64, missing: &str) -> Alarm {
        let alarm = json!({
            "AlarmName": "GatewayAlarm", "AlarmDescription": "page: It fails. RUNBOOK.md#a-gateway-fails",
            "Namespace": "q", "MetricName": "Failures", "Dimensions": [{"Name": "provider", "Value": "stripe"}],
            "Statistic": statistic, "Period": 60, "EvaluationPeriods": periods, "Threshold": 0.5,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold", "TreatMissingData": missing,
        });
        Alarm::deserialize(&alarm).unwrap()
    }

    fn at(minute: i64, value: i64) -> Sample {
        Sample { value: value.into(), ..one("q", "Failures", ("provider", "stripe"), minute * 60_000 + 1) }
    }

    #[test]
    fn a_condition_is_counted_by_period_and_raises_its_alarm_when_it_lasts() {
        let samples = [at(1, 1), at(1, 1), at(1, 0), at(2, 1), at(3, 0), at(3, 0)];
        let met = |periods: i64| met(&[alarm("Average", periods, "notBreaching")], &samples, 0, 240_000);
        assert_eq!(
            met(2)[0].text(),
            "**page** GatewayAlarm: Failures was 1, its limit is 0.5; would be raised. RUNBOOK.md#a-gateway-fails"
        );
        assert!(!met(3)[0].is_raised());
        assert!(met(3)[0].text().contains("2 of the 3 periods"));
    }

    #[test]
    fn what_is_quiet_or_another_s_meets_no_condition() {
        let other = Sample { dimensions: BTreeMap::from([("provider".to_owned(), "adyen".to_owned())]), ..at(1, 9) };
        assert_eq!(met(&[alarm("Sum", 1, "notBreaching")], &[other, at(1, 0), at(9, 9)], 0, 300_000), []);
    }

    #[test]
    fn silence_counts_where_the_alarm_says_so() {
        let raised = met(&[alarm("Maximum", 2, "breaching")], &[at(1, 0)], 60_000, 240_000);
        assert!(raised[0].is_raised() && raised[0].text().contains("was not measured"), "{raised:?}");
    }
}
