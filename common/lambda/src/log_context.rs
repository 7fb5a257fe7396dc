//! The log context of a message, in addition to its SQS id and group.

use serde::Deserialize;

use crate::trace::TraceContext;

/// The longest text of a field; anything longer is not ours.
const LENGTH_MAX: usize = 64;

/// The log context of a message; empty if its body has none. Nothing else of a body is logged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LogContext {
    /// The type: `ConfirmPayment`, `invoice.paid`.
    pub(crate) kind: String,
    /// The envelope's id.
    pub(crate) event_id: String,
    pub(crate) correlation_id: String,
    /// The trace id for tracing tools.
    pub(crate) trace_id: String,
    /// The trace, with the message as a span of it.
    pub(crate) trace: Option<TraceContext>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    id: String,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    correlationid: String,
    #[serde(default)]
    traceparent: String,
}

impl LogContext {
    /// Reads the context from a body.
    pub(crate) fn parse(body: &str) -> Self {
        let Ok(envelope) = serde_json::from_str::<Envelope>(body) else { return Self::default() };
        let harmless = |text: String| {
            let is_harmless = text.len() <= LENGTH_MAX
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            if is_harmless { text } else { String::new() }
        };
        let trace = envelope.traceparent.parse::<TraceContext>().ok();
        Self {
            kind: harmless(envelope.r#type),
            event_id: harmless(envelope.id),
            correlation_id: harmless(envelope.correlationid),
            trace_id: trace.map(|trace| trace.trace_id()).unwrap_or_default(),
            trace,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_from_an_envelope_and_nothing_is_made_of_other_bodies() {
        let body = r#"{"id": "7", "type": "invoice.paid", "correlationid": "c-1", "data": {"name": "Ada"},
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}"#;
        let context = LogContext::parse(body);
        assert_eq!(
            (
                context.kind.as_str(),
                context.event_id.as_str(),
                context.correlation_id.as_str(),
                context.trace_id.as_str()
            ),
            ("invoice.paid", "7", "c-1", "4bf92f3577b34da6a3ce929d0e0e4736")
        );
        for body in ["", "no JSON", "[]", "{}", r#"{"id": 7}"#, r#"{"type": "Ada Meier, Weg 1", "traceparent": "x"}"#] {
            assert_eq!(LogContext::parse(body), LogContext::default(), "{body}");
        }
    }
}
