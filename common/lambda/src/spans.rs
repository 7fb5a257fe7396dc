//! Spans of the traces that messages and requests belong to, exported by OTLP (OpenTelemetry Protocol, HTTP) at the end
//! of each invocation, if there is a collector; in AWS the collector forwards them to X-Ray.
//!
//! A request is a server span, a handled message a consumer span, and a sent message a producer span, with the span id
//! of its `traceparent`; so each hop is a child of the one before.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _, SpanLinks};
use quittance_domain::error::Chain;
use quittance_domain::event::EventMessage;
use uuid::Uuid;

use crate::log_context::LogContext;
use crate::trace::TraceContext;

/// Export is abandoned after this time, because the invocation waits for it.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// The maximum number of spans that wait for the end of an invocation; more are dropped.
const WAITING_MAX: usize = 1_000;

static SPANS: OnceLock<Spans> = OnceLock::new();

struct Spans {
    exporter: SpanExporter,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ended: Vec<SpanData>,
    /// The span of this invocation in each trace: the parent of what is sent.
    current: HashMap<u128, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request.
    Server,
    /// A handled message.
    Consumer,
}

#[derive(Debug)]
pub(crate) struct Open {
    kind: Kind,
    trace_id: u128,
    span_id: u64,
    parent: Option<u64>,
    begun: SystemTime,
}

/// Starts exporting spans on behalf of a function.
///
/// # Errors
/// [`ExporterBuildError`] if no exporter can be created for the collector's URL.
pub fn start(collector: &str, function: &str) -> Result<(), ExporterBuildError> {
    let endpoint = format!("{}/v1/traces", collector.trim_end_matches('/'));
    let builder = SpanExporter::builder().with_http().with_endpoint(endpoint).with_timeout(EXPORT_TIMEOUT);
    let mut exporter = builder.build()?;
    exporter.set_resource(&Resource::builder_empty().with_service_name(function.to_owned()).build());
    // The first exporter stays in use.
    let _started = SPANS.set(Spans { exporter, state: Mutex::default() });
    Ok(())
}

fn state(spans: &Spans) -> MutexGuard<'_, State> {
    spans.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a span within a trace, as a child of the span that the context names if `is_under` is set.
pub(crate) fn begin(kind: Kind, context: TraceContext, is_under: bool) -> Option<Open> {
    let spans = SPANS.get()?;
    let (_, span_id) = Uuid::new_v4().as_u64_pair();
    let (trace_id, parent) = context.ids();
    state(spans).current.insert(trace_id, span_id);
    Some(Open { kind, trace_id, span_id, parent: is_under.then_some(parent), begun: SystemTime::now() })
}

/// Ends a span, with the failure if there was one.
pub(crate) fn end(open: Option<Open>, name: String, failure: Option<&str>, attributes: Vec<KeyValue>) {
    let Some(Open { kind, trace_id, span_id, parent, begun }) = open else { return };
    let kind = match kind {
        Kind::Server => SpanKind::Server,
        Kind::Consumer => SpanKind::Consumer,
    };
    let status = failure.map_or(Status::Unset, |failure| Status::error(failure.to_owned()));
    keep(kind, SpanIds { trace_id, span_id, parent }, name, begun, status, attributes);
}

/// Records published messages: each is a span of its own that ends immediately.
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

/// The same for one message.
pub(crate) fn sent(name: &str, context: TraceContext) {
    let Some(spans) = SPANS.get() else { return };
    let (trace_id, span_id) = context.ids();
    let parent = state(spans).current.get(&trace_id).copied();
    let name = format!("send {name}");
    keep(SpanKind::Producer, SpanIds { trace_id, span_id, parent }, name, SystemTime::now(), Status::Unset, Vec::new());
}

struct SpanIds {
    trace_id: u128,
    span_id: u64,
    parent: Option<u64>,
}

fn keep(
    span_kind: SpanKind,
    ids: SpanIds,
    name: String,
    start_time: SystemTime,
    status: Status,
    attributes: Vec<KeyValue>,
) {
    let Some(spans) = SPANS.get() else { return };
    let (trace_id, span_id) = (TraceId::from(ids.trace_id), SpanId::from(ids.span_id));
    let mut state = state(spans);
    if state.ended.len() >= WAITING_MAX {
        return;
    }
    state.ended.push(SpanData {
        span_context: SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: ids.parent.map_or(SpanId::INVALID, SpanId::from),
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

/// Exports finished spans. A collector that does not accept them makes nothing fail.
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
        tracing::warn!(error = %Chain(&error), "spans are not exported");
    }
}
