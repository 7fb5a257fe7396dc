//! Spans of the traces that messages and requests belong to, exported by OTLP (OpenTelemetry Protocol, HTTP) at the end of
//! each invocation, if there is a collector to take them; in AWS the collector hands them on to X-Ray.
//!
//! A request is a server's span, a handled message a consumer's, and a message that is sent a producer's, under the span id
//! that stands in its `traceparent`; so each hop hangs under the one before.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _, SpanLinks};
use quittance_domain::event::EventMessage;
use uuid::Uuid;

use crate::log_context::LogContext;
use crate::trace::TraceContext;

/// A collector that takes longer is passed over: the invocation waits for it.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// So many spans wait for the end of an invocation; what is beyond is not told.
const WAITING_MAX: usize = 1_000;

static SPANS: OnceLock<Spans> = OnceLock::new();

struct Spans {
    exporter: SpanExporter,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ended: Vec<SpanData>,
    /// The span of this invocation in each trace: what is sent hangs under it.
    current: HashMap<u128, u64>,
}

/// What a span is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request that is answered.
    Server,
    /// A message that is handled.
    Consumer,
}

/// A span that has begun.
#[derive(Debug)]
pub(crate) struct Open {
    kind: Kind,
    trace_id: u128,
    span_id: u64,
    parent: Option<u64>,
    begun: SystemTime,
}

/// Exports spans from now on, as a function's.
///
/// # Errors
/// A sentence, if no exporter can be made for the collector's URL.
pub fn start(collector: &str, function: &str) -> Result<(), String> {
    let endpoint = format!("{}/v1/traces", collector.trim_end_matches('/'));
    let builder = SpanExporter::builder().with_http().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT);
    let mut exporter = builder.build().map_err(|error| format!("spans cannot be exported: {error}"))?;
    exporter.set_resource(&Resource::builder_empty().with_service_name(function.to_owned()).build());
    // Who started first stays.
    let _started = SPANS.set(Spans { exporter, state: Mutex::default() });
    Ok(())
}

fn state(spans: &Spans) -> MutexGuard<'_, State> {
    spans.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins a span within a trace, under the span that the context names, if `is_under` it.
pub(crate) fn begin(kind: Kind, context: TraceContext, is_under: bool) -> Option<Open> {
    let spans = SPANS.get()?;
    let (_, span_id) = Uuid::new_v4().as_u64_pair();
    let (trace_id, parent) = context.ids();
    state(spans).current.insert(trace_id, span_id);
    Some(Open { kind, trace_id, span_id, parent: is_under.then_some(parent), begun: SystemTime::now() })
}

/// Ends a span; with what went wrong, if anything did.
pub(crate) fn end(open: Option<Open>, name: String, failure: Option<&str>, attributes: Vec<KeyValue>) {
    let Some(Open { kind, trace_id, span_id, parent, begun }) = open else { return };
    let kind = match kind {
        Kind::Server => SpanKind::Server,
        Kind::Consumer => SpanKind::Consumer,
    };
    let status = failure.map_or(Status::Unset, |failure| Status::error(failure.to_owned()));
    keep(kind, (trace_id, span_id, parent), name, begun, status, attributes);
}

/// Tells of messages that were published: each is a span of its own, at once over.
pub(crate) fn published(messages: &[EventMessage], published: &[Uuid]) {
    if SPANS.get().is_none() {
        return;
    }
    for message in messages.iter().filter(|message| published.contains(&message.id)) {
        if let Some(trace) = LogContext::parse(&message.body).trace {
            sent(&message.event_type, trace);
        }
    }
}

/// The same of one message.
pub(crate) fn sent(name: &str, context: TraceContext) {
    let Some(spans) = SPANS.get() else { return };
    let (trace_id, span_id) = context.ids();
    let parent = state(spans).current.get(&trace_id).copied();
    let name = format!("send {name}");
    keep(SpanKind::Producer, (trace_id, span_id, parent), name, SystemTime::now(), Status::Unset, Vec::new());
}

fn keep(
    span_kind: SpanKind,
    (trace_id, span_id, parent): (u128, u64, Option<u64>),
    name: String,
    start_time: SystemTime,
    status: Status,
    attributes: Vec<KeyValue>,
) {
    let Some(spans) = SPANS.get() else { return };
    let (trace_id, span_id) = (TraceId::from(trace_id), SpanId::from(span_id));
    let mut state = state(spans);
    if state.ended.len() >= WAITING_MAX {
        return;
    }
    state.ended.push(SpanData {
        span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: parent.map_or(SpanId::INVALID, SpanId::from),
        parent_span_is_remote: true,
        span_kind,
        name: name.into(),
        start_time,
        end_time: SystemTime::now(),
        attributes,
        dropped_attributes_count: 0,
        events: Default::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: InstrumentationScope::builder("quittance").build(),
    });
}

/// Exports what has ended. That a collector does not take it fails nothing.
pub async fn flush() {
    let Some(spans) = SPANS.get() else { return };
    let ended = {
        let mut state = state(spans);
        state.current.clear();
        std::mem::take(&mut state.ended)
    };
    if ended.is_empty() {
        return;
    }
    if let Err(error) = spans.exporter.export(ended).await {
        tracing::warn!(error = %error, "spans are not exported");
    }
}
