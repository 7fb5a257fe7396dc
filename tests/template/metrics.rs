//! Metrics: those that the code writes, and those that filters make of logs.

use std::collections::BTreeSet;
use std::fs;

use quittance_lambda::metrics::ALL;
use serde_json::{Map, Value};
use xtask::paths::workspace_root;

use super::document::Template;

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
fn the_architecture_lists_every_metric_with_its_unit_and_dimensions() {
    let text = fs::read_to_string(workspace_root().join("ARCHITECTURE.md")).expect("it is there");
    let section = text.split("\n## What is measured\n").nth(1).expect("it says what is measured");
    let section = section.split("\n## ").next().unwrap_or_default();
    let listed = section.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let dimensions = cells[3].split(", ").filter(|cell| !cell.is_empty());
        (
            cells[1].trim_matches('`').to_owned(),
            cells[2].to_owned(),
            dimensions.map(|dimension| dimension.trim_matches('`').to_owned()).collect(),
        )
    });
    assert_eq!(listed.collect::<BTreeSet<Measured>>(), measured());
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
