//! Structured logs: one JSON object a line, with dotted field names.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

/// The level when `LOG_LEVEL` says nothing.
const DEFAULT_FILTER: &str = "info";

/// Starts logging to standard output. Call once, first thing in `main`.
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
}
