//! Structured logs: one JSON object per line, with dotted field names.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use quittance_domain::error::Chain;

use crate::spans;

/// The level without `LOG_LEVEL`.
const DEFAULT_FILTER: &str = "info";

/// The OpenTelemetry collector's endpoint (`http://localhost:4318`); without it no spans are exported.
const COLLECTOR_SETTING: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The variable in which Lambda names the function.
const FUNCTION_SETTING: &str = "AWS_LAMBDA_FUNCTION_NAME";

/// Starts logging to standard output, and exporting spans if there is a collector. To be called once, first thing in
/// `main`.
pub fn start() {
    let filter = std::env::var("LOG_LEVEL")
        .ok()
        .and_then(|level| EnvFilter::try_new(level).ok())
        .unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER));
    tracing_subscriber::fmt()
        .json()
        .fmt_fields(JsonFields::new())
        .flatten_event(true)
        .with_current_span(false)
        .with_env_filter(filter)
        .init();
    let setting = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(collector), Some(function)) = (setting(COLLECTOR_SETTING), setting(FUNCTION_SETTING))
        && let Err(error) = spans::start(&collector, &function)
    {
        tracing::warn!(error = %Chain(&error), "no spans are exported");
    }
}
