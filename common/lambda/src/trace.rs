//! W3C Trace Context: links everything that one request caused, for tracing tools.
//!
//! Every message, outbox row, audit record and event carries a correlation id. The trace id is derived from it, so that
//! whatever carries the one carries the other, across queues, the outbox, webhooks and replays; each message is a span
//! of its own.

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The header that carries it (W3C Trace Context, section 3.2).
pub const HEADER: &str = "traceparent";

/// The header with the trace that AWS started itself (X-Ray): `Root=1-<8 hex digits>-<24 hex digits>;…`.
const XRAY_HEADER: &str = "x-amzn-trace-id";

/// A trace, and the message in it that is the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
}

/// The text is not a `traceparent` of version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a traceparent of version 00 (W3C Trace Context)")]
pub struct TraceError;

impl TraceContext {
    /// The context of a message: the trace of its correlation id, and its own id as the span.
    #[must_use]
    pub fn derive(correlation_id: &str, message_id: Uuid) -> Self {
        let (_, low) = message_id.as_u64_pair();
        // Zero is not a valid id (W3C Trace Context, section 3.2.2).
        Self { trace_id: trace_id(correlation_id).max(1), span_id: low.max(1) }
    }

    /// The trace id and the span id.
    pub(crate) const fn ids(&self) -> (u128, u64) {
        (self.trace_id, self.span_id)
    }

    /// The trace id: 32 lower-case hex digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

/// The trace id for a correlation id: the id itself if it is a UUID or a trace id, otherwise its digest.
fn trace_id(correlation_id: &str) -> u128 {
    Uuid::try_parse(correlation_id).map_or_else(
        |_| {
            let digest = Sha256::digest(correlation_id.as_bytes());
            digest.iter().take(16).fold(0, |id, byte| (id << 8) | u128::from(*byte))
        },
        |id| id.as_u128(),
    )
}

/// The parent of a request's span: the caller's span, if it belongs to the request's trace.
pub(crate) fn parent(headers: &HeaderMap, trace: &TraceContext) -> Option<TraceContext> {
    let given = headers.get(HEADER)?.to_str().ok()?.parse::<TraceContext>().ok()?;
    (given.trace_id == trace.trace_id).then_some(given)
}

/// The trace id of a request, as its caller or AWS gives it: 32 hex digits.
pub(crate) fn given(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let of_caller = || text(HEADER)?.parse::<TraceContext>().ok().map(|context| context.trace_id());
    of_caller().or_else(|| of_xray(text(XRAY_HEADER)?))
}

fn of_xray(header: &str) -> Option<String> {
    let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root=1-"))?;
    let (time, unique) = root.split_once('-')?;
    let digits = format!("{time}{unique}");
    hex_digits(&digits, 32).map(|_| digits)
}

/// Parses the given number of lower-case hex digits that are not all zero.
fn hex_digits(text: &str, count: usize) -> Option<u128> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let value = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == count && is_hex)?;
    (value != 0).then_some(value)
}

impl fmt::Display for TraceContext {
    /// The format of the header and of the CloudEvents extension `traceparent`. The flag marks it as recorded.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "00-{:032x}-{:016x}-01", self.trace_id, self.span_id)
    }
}

impl FromStr for TraceContext {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        let mut next = || parts.next().ok_or(TraceError);
        let (version, trace, span, flags) = (next()?, next()?, next()?, next()?);
        let is_whole = parts.next().is_none() && version == "00" && flags.len() == 2;
        let ids = hex_digits(trace, 32).zip(hex_digits(span, 16)).filter(|_| is_whole);
        let (trace_id, span_id) = ids.ok_or(TraceError)?;
        Ok(Self { trace_id, span_id: u64::try_from(span_id).map_err(|_| TraceError)? })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_as_it_is_written_and_nothing_else_is_read() {
        assert_eq!(GIVEN.parse::<TraceContext>().unwrap().to_string(), GIVEN);
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert!(text.parse::<TraceContext>().is_err(), "{text}");
        }
    }

    #[test]
    fn messages_of_one_correlation_id_are_spans_of_one_trace() {
        let ids = [Uuid::now_v7(), Uuid::now_v7()];
        for correlation_id in ["4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"] {
            let [first, second] = ids.map(|id| TraceContext::derive(correlation_id, id));
            assert_eq!(first.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
            assert_eq!(second.trace_id(), first.trace_id());
            assert_ne!(first.to_string(), second.to_string());
        }
        let (order, other) = (TraceContext::derive("order-7", ids[0]), TraceContext::derive("order-8", ids[0]));
        assert_ne!(order.trace_id(), other.trace_id());
        assert_eq!(order.to_string().parse(), Ok(order));
    }

    #[test]
    fn a_request_belongs_to_the_trace_that_its_caller_names_or_else_to_that_of_aws() {
        let mut headers = HeaderMap::new();
        assert_eq!(given(&headers), None);
        let xray = "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1";
        headers.insert(XRAY_HEADER, HeaderValue::from_static(xray));
        assert_eq!(given(&headers).as_deref(), Some("67891233abcdef012345678912345678"));
        headers.insert(HEADER, HeaderValue::from_static(GIVEN));
        assert_eq!(given(&headers).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        headers.insert(HEADER, HeaderValue::from_static("nonsense"));
        assert_eq!(given(&headers).as_deref(), Some("67891233abcdef012345678912345678"));
    }
}
