//! Metrics: those that the code writes, and those that filters derive from logs.

use std::collections::BTreeSet;

use quittance_lambda::metrics::ALL;
use serde_json::{Map, Value};

use super::document::Template;
use crate::generated;

/// Name, unit and dimensions.
pub(super) type Measured = (String, String, BTreeSet<String>);

/// Every metric in the stack's own namespace.
pub(super) fn measured() -> BTreeSet<Measured> {
    let texts = |texts: Vec<&str>| texts.into_iter().map(ToOwned::to_owned).collect();
    let written =
        ALL.iter().map(|metric| (metric.name.to_owned(), metric.unit.as_str().to_owned(), texts(metric.dimensions())));
    let filters = Template::read().all("AWS::Logs::MetricFilter");
    let filtered = filters.into_iter().map(|(name, filter)| {
        let transformation = filter.property("/MetricTransformations/0");
        assert_eq!(transformation["MetricNamespace"]["Ref"], "AWS::StackName", "{name}");
        let dimensions = transformation["Dimensions"].as_array().into_iter().flatten();
        let dimensions = dimensions.filter_map(|dimension| dimension["Key"].as_str()).collect();
        let named = transformation["MetricName"].as_str().expect("a filter names its metric");
        (named.to_owned(), "Count".to_owned(), texts(dimensions))
    });
    written.chain(filtered).collect()
}

#[test]
fn the_page_of_metrics_lists_each_with_its_unit_and_dimensions() {
    let row = |name: &str, unit: &str, dimensions: &[&str], written_by: &str, meaning: &str| {
        assert!(!written_by.is_empty() && !meaning.is_empty(), "{name} has no meaning");
        let dimensions: Vec<String> = dimensions.iter().map(|dimension| format!("`{dimension}`")).collect();
        format!("| `{name}` | {unit} | {} | {written_by} | {meaning} |\n", dimensions.join(", "))
    };
    let mut rows: Vec<String> = ALL
        .iter()
        .map(|metric| row(metric.name, metric.unit.as_str(), &metric.dimensions(), metric.written_by, metric.meaning))
        .collect();
    for (_, filter) in Template::read().all("AWS::Logs::MetricFilter") {
        let transformation = filter.property("/MetricTransformations/0");
        let dimensions = transformation["Dimensions"].as_array().into_iter().flatten();
        let dimensions: Vec<&str> = dimensions.filter_map(|dimension| dimension["Key"].as_str()).collect();
        let filtered = row(
            transformation["MetricName"].as_str().unwrap_or_default(),
            "Count",
            &dimensions,
            filter.metadata("WrittenBy"),
            filter.metadata("Meaning"),
        );
        if !rows.contains(&filtered) {
            rows.push(filtered);
        }
    }
    let head = "| metric | unit | dimensions | written by | meaning |\n|---|---|---|---|---|\n";
    generated::assert_current("docs/metrics.md", "metrics", &format!("{head}{}", rows.concat()));
}

#[test]
fn every_function_that_measures_writes_into_the_stacks_own_namespace() {
    let template = Template::read();
    let namespace = template.at("/Globals/Function/Environment/Variables/METRICS_NAMESPACE/Ref");
    assert_eq!(namespace, "AWS::StackName");
    for (name, function) in template.all("AWS::Serverless::Function") {
        let own = function.property("/Environment/Variables").as_object();
        assert!(own.is_none_or(|own: &Map<String, Value>| !own.contains_key("METRICS_NAMESPACE")), "{name}");
    }
}
