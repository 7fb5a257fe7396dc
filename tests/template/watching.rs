//! Alarms, the dashboard and the runbook: every failure raises an alarm that links to instructions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use quittance_providers::Forged;
use serde_json::{Value, json};
use xtask::paths::workspace_root;

use super::document::{Resource, Template, target};
use super::metrics::measured;

/// The parts of a section that an alarm links to, in this order.
const PARTS: [&str; 4] = ["**Meaning.**", "**Look.**", "**Act.**", "**Verify.**"];

fn alarms() -> Vec<(&'static str, &'static Resource)> {
    Template::read().all("AWS::CloudWatch::Alarm")
}

/// The runbook's sections by the anchors that GitHub derives from their headings.
fn sections() -> BTreeMap<String, String> {
    let text = fs::read_to_string(workspace_root().join("RUNBOOK.md")).expect("the runbook is there");
    let sections = text.split("\n## ").skip(1).map(|section| {
        let (heading, body) = section.split_once('\n').expect("a section has a body");
        let kept = heading.to_lowercase().replace(' ', "-");
        (kept.chars().filter(|letter| letter.is_alphanumeric() || *letter == '-').collect(), body.to_owned())
    });
    sections.collect()
}

/// The section that an alarm links to.
fn anchor(alarm: &Resource) -> Option<&str> {
    alarm.property("/AlarmDescription").as_str()?.rsplit_once(" RUNBOOK.md#").map(|(_, anchor)| anchor)
}

/// What an alarm watches: namespace, metric, and the value of each dimension as in the template.
fn watched(alarm: &Resource) -> (Value, &str, BTreeMap<&str, &Value>) {
    let dimensions = alarm.property("/Dimensions").as_array().into_iter().flatten();
    let dimensions = dimensions.filter_map(|dimension| Some((dimension["Name"].as_str()?, &dimension["Value"])));
    let metric = alarm.property("/MetricName").as_str().expect("an alarm names a metric");
    (alarm.property("/Namespace").clone(), metric, dimensions.collect())
}

fn assert_watches(name: &str, metric: (&str, &str), dimension: (&str, &Value)) {
    let template = Template::read();
    let alarm = template.resources.get(name).unwrap_or_else(|| panic!("there is no {name}"));
    let expected = (json!(metric.0), metric.1, BTreeMap::from([dimension]));
    assert_eq!(watched(alarm), expected, "{name}");
    // An average would hide a single failing function, and a function that does nothing writes no values.
    let statistic = if metric.0 == "AWS/Lambda" { "Sum" } else { "Maximum" };
    for (property, expected) in [
        ("/Statistic", statistic),
        ("/ComparisonOperator", "GreaterThanOrEqualToThreshold"),
        ("/TreatMissingData", "notBreaching"),
    ] {
        assert_eq!(alarm.property(property), expected, "{name}");
    }
}

/// The dashboard as CloudWatch gets it, except for values that CloudFormation substitutes.
fn dashboard() -> Value {
    let body = Template::read().resource("Dashboard").property("/DashboardBody/Fn::Sub");
    serde_json::from_str(body.as_str().expect("the dashboard has a body")).expect("it is JSON")
}

/// The content of each line of the dashboard's graphs.
fn shown() -> Vec<Value> {
    let dashboard = dashboard();
    let widgets = dashboard["widgets"].as_array().expect("it has widgets");
    let lines = widgets.iter().filter_map(|widget| widget["properties"]["metrics"].as_array());
    let lines: Vec<Value> = lines.flatten().cloned().collect();
    assert!(lines.len() > 50, "only {} lines", lines.len());
    lines
}

#[test]
fn every_alarm_states_its_urgency_and_ends_with_its_runbook_section() {
    let sections = sections();
    for (name, alarm) in alarms() {
        let description = alarm.property("/AlarmDescription").as_str().unwrap_or_default();
        let topic = match description.split_once(": ").map(|(urgency, _)| urgency) {
            Some("page") => "AlarmsTopic",
            Some("ticket") => "TicketsTopic",
            _ => panic!("{name} is neither a page nor a ticket: {description}"),
        };
        assert_eq!(alarm.property("/AlarmActions"), &json!([{"Ref": topic}]), "{name}");
        let section = anchor(alarm).and_then(|anchor| sections.get(anchor));
        let section = section.unwrap_or_else(|| panic!("{name} links to no section: {description}"));
        let places: Vec<Option<usize>> = PARTS.iter().map(|part| section.find(part)).collect();
        assert!(
            places.iter().all(Option::is_some) && places.is_sorted(),
            "the section of {name} lacks one of {PARTS:?}"
        );
    }
}

#[test]
fn a_page_comes_within_ten_minutes_or_with_the_next_sums_of_the_books() {
    for (name, alarm) in alarms() {
        let takes_s = alarm.number("/Period").zip(alarm.number("/EvaluationPeriods")).map(|(each, times)| each * times);
        let is_page = alarm.property("/AlarmActions") == &json!([{"Ref": "AlarmsTopic"}]);
        let limit_s = if name == "LedgerUnbalancedAlarm" { 7_200 } else { 600 };
        assert!(!is_page || takes_s <= Some(limit_s), "{name} takes {takes_s:?} s");
    }
}

#[test]
fn refused_requests_page_nobody() {
    for (name, alarm) in alarms().into_iter().filter(|(_, alarm)| watched(alarm).1 == "RequestsRefused") {
        assert_eq!(alarm.property("/AlarmActions"), &json!([{"Ref": "TicketsTopic"}]), "{name}");
    }
}

#[test]
fn every_section_for_an_alarm_has_one_and_its_links_lead_somewhere() {
    let sections = sections();
    let linked: BTreeSet<&str> = alarms().into_iter().filter_map(|(_, alarm)| anchor(alarm)).collect();
    for (name, section) in &sections {
        let is_for_an_alarm = PARTS.iter().any(|part| section.contains(part));
        assert_eq!(is_for_an_alarm, linked.contains(name.as_str()), "{name}");
    }
    let text = fs::read_to_string(workspace_root().join("RUNBOOK.md")).unwrap();
    for link in text.split("](#").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link)) {
        let is_smaller = text.contains(&format!("\n### {}\n", sentence(link)));
        assert!(sections.contains_key(link) || is_smaller, "the runbook links to #{link}, which is not there");
    }
}

/// The heading of an anchor, if only its first letter is a capital and it has no punctuation.
fn sentence(anchor: &str) -> String {
    let words = anchor.replace('-', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[test]
fn every_dead_letter_queue_raises_an_alarm_with_its_first_message() {
    for (name, _) in
        Template::read().all("AWS::SQS::Queue").into_iter().filter(|(name, _)| name.ends_with("DeadLetterQueue"))
    {
        let queue = json!({"Fn::GetAtt": format!("{name}.QueueName")});
        let alarm = format!("{name}Alarm");
        assert_watches(&alarm, ("AWS/SQS", "ApproximateNumberOfMessagesVisible"), ("QueueName", &queue));
        let alarm = Template::read().resource(&alarm);
        assert_eq!((alarm.number("/Threshold"), alarm.number("/EvaluationPeriods")), (Some(1), Some(1)), "{name}");
    }
}

#[test]
fn every_queue_that_is_read_raises_an_alarm_when_its_messages_grow_old() {
    for (_, _, queue, _) in Template::read().queue_sources() {
        let value = json!({"Fn::GetAtt": format!("{queue}.QueueName")});
        assert_watches(
            &format!("{queue}AgeAlarm"),
            ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
            ("QueueName", &value),
        );
    }
}

#[test]
fn every_function_raises_an_alarm_when_it_fails_and_when_it_is_throttled() {
    for (name, _) in Template::read().all("AWS::Serverless::Function") {
        let prefix = name.trim_end_matches("Function");
        for metric in ["Errors", "Throttles"] {
            let function = json!({"Ref": name});
            assert_watches(&format!("{prefix}{metric}Alarm"), ("AWS/Lambda", metric), ("FunctionName", &function));
        }
    }
}

#[test]
fn every_gateway_that_can_be_called_raises_an_alarm_when_it_does_not_answer() {
    let callable = quittance_providers::ALL.iter().filter(|provider| provider.api().is_some());
    let callable: BTreeSet<&str> = callable.map(|provider| provider.name()).collect();
    let of_gateways = alarms().into_iter().filter(|(_, alarm)| watched(alarm).1 == "GatewayFailures");
    let watched: BTreeSet<&str> =
        of_gateways.filter_map(|(_, alarm)| watched(alarm).2.get("provider").copied()?.as_str()).collect();
    assert_eq!(watched, callable);
}

#[test]
fn alarms_about_refusals_name_existing_reasons() {
    let given = [Forged::WrongSignature.code(), Forged::Stale.code(), "invalid_request", "forbidden"];
    let of_refusals = alarms().into_iter().filter(|(_, alarm)| watched(alarm).1 == "RequestsRefused");
    let watched: BTreeSet<&str> =
        of_refusals.filter_map(|(_, alarm)| watched(alarm).2.get("reason").copied()?.as_str()).collect();
    assert_eq!(watched, BTreeSet::from(given));
}

#[test]
fn alarms_and_the_dashboard_name_metrics_that_are_written_with_their_dimensions() {
    let own = json!({"Ref": "AWS::StackName"});
    let mut named: BTreeSet<(String, BTreeSet<String>)> = BTreeSet::new();
    let texts = |texts: Vec<&str>| texts.into_iter().map(ToOwned::to_owned).collect::<BTreeSet<String>>();
    for (_, alarm) in alarms() {
        let (namespace, metric, dimensions) = watched(alarm);
        if namespace == own {
            named.insert((metric.to_owned(), texts(dimensions.into_keys().collect())));
        }
    }
    for line in shown() {
        let line = line.as_array().expect("a line is a list");
        let words: Vec<&str> = line.iter().map_while(Value::as_str).collect();
        if let ["${AWS::StackName}", metric, dimensions @ ..] = words.as_slice() {
            named.insert(((*metric).to_owned(), texts(dimensions.iter().copied().step_by(2).collect())));
        }
        // SEARCH('{"<namespace>",<dimension>,…} MetricName="<metric>"', …)
        if let Some(search) = line.first().and_then(|search| search["expression"].as_str()) {
            let (dimensions, rest) = search.split_once("\"${AWS::StackName}\",").unwrap().1.split_once('}').unwrap();
            let metric = rest.split('"').nth(1).expect("a search names its metric");
            named.insert((metric.to_owned(), texts(dimensions.split(',').collect())));
        }
    }
    let written: BTreeSet<_> = measured().into_iter().map(|(name, _, dimensions)| (name, dimensions)).collect();
    assert_eq!(named.difference(&written).collect::<Vec<_>>(), Vec::<&(String, BTreeSet<String>)>::new());
    assert_eq!(
        written.difference(&named).collect::<Vec<_>>(),
        Vec::<&(String, BTreeSet<String>)>::new(),
        "nobody looks"
    );
}

#[test]
fn the_dashboard_shows_every_queue_every_dead_letter_queue_and_every_function() {
    let template = Template::read();
    let lines: BTreeSet<(String, String)> =
        shown().iter().filter_map(|line| Some((line[1].as_str()?.to_owned(), line[3].as_str()?.to_owned()))).collect();
    let mut expected = BTreeSet::new();
    for (queue, _) in template.all("AWS::SQS::Queue") {
        expected.insert(("ApproximateNumberOfMessagesVisible", format!("${{{queue}.QueueName}}")));
    }
    for (_, _, queue, _) in template.queue_sources() {
        expected.insert(("ApproximateAgeOfOldestMessage", format!("${{{queue}.QueueName}}")));
    }
    for (function, _) in template.all("AWS::Serverless::Function") {
        for metric in ["Errors", "Throttles", "Duration"] {
            expected.insert((metric, format!("${{{function}}}")));
        }
    }
    for (metric, value) in expected {
        assert!(lines.contains(&(metric.to_owned(), value.clone())), "{metric} of {value} is not shown");
    }
}

#[test]
fn what_a_filter_counts_is_logged_and_raises_an_alarm() {
    let template = Template::read();
    for (name, code, group, file) in [
        (
            "WebhookEndpointDisabled",
            "webhook_endpoint_disabled",
            "DeliveryLogGroup",
            "functions/delivery/src/handler.rs",
        ),
        ("NotificationParked", "notification_parked", "NotificationLogGroup", "functions/notification/src/attempt.rs"),
    ] {
        let filter = template.resource(&format!("{name}Metric"));
        let source = fs::read_to_string(workspace_root().join(file)).unwrap();
        assert!(source.contains(&format!(r#"alarm = "{code}""#)), "what the filter of {name} looks for is logged");
        assert_eq!(filter.property("/FilterPattern"), &json!(format!(r#"{{ $.alarm = "{code}" }}"#)));
        assert_eq!(target(filter.property("/LogGroupName")).as_deref(), Some(group));
        let counted = filter.property("/MetricTransformations/0/MetricName").as_str().expect("it counts");
        assert_eq!(watched(template.resource(&format!("{name}Alarm"))).1, counted);
    }
}

#[test]
fn a_relay_that_says_nothing_is_an_alarm_too() {
    let alarm = Template::read().resource("OutboxLagAlarm");
    assert_eq!(alarm.property("/TreatMissingData"), "breaching");
}
