//! Structured logs: one JSON object a line, with dotted field names.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use crate::spans;

/// The level when `LOG_LEVEL` says nothing.
const DEFAULT_FILTER: &str = "info";

/// Where a collector of OpenTelemetry listens (`http://localhost:4318`); without it no spans are exported.
const COLLECTOR_SETTING: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Where Lambda says which function this is.
const FUNCTION_SETTING: &str = "AWS_LAMBDA_FUNCTION_NAME";

/// Starts logging to standard output, and spans if there is a collector. Call once, first thing in `main`.
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
        tracing::warn!(error, "no spans are exported");
    }
}
