//! The runner for batches of an SQS FIFO queue.
//!
//! Guarantees for a handler that takes records and returns an outcome for each:
//! - A failure affects only its own message and the later ones *of its group*; other groups continue.
//! - A message that can never succeed is parked in the dead-letter queue immediately, with its reason, and
//!   acknowledged, so that its group continues. A message whose attempts failed [`attempts::ATTEMPTS_MAX`] times is
//!   parked too; a receive without an attempt, behind another message of the group or because of other work in
//!   progress, does not count.
//! - A panic counts as a failure of the record that was being handled.
//! - Near the deadline no new work is started; remaining records are returned for redelivery.
//! - When the handler reports an [`Outage`], nothing more is parked and every unfinished record is returned: a database
//!   outage must not turn healthy messages into dead letters.
//! - A record is acknowledged only after its handler or the dead-letter queue has stored it durably.
//!
//! Requires an event source mapping with `ReportBatchItemFailures`, and a queue whose own `maxReceiveCount` is well
//! above [`attempts::RECEIVES_MAX`].

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant, SystemTime};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures::FutureExt;
use opentelemetry::KeyValue;
use quittance_domain::error::Chain;

pub mod attempts;

use self::attempts::DeliveryAttempts;
use crate::log_context::LogContext;
use crate::metrics;
use crate::parking::ParkError;
use crate::spans::{self, Kind, Open};

/// No new record is started with less time left than this: enough for a transaction that waits for locks and is
/// retried, or for a call with its timeouts.
const TIME_RESERVE: Duration = Duration::from_secs(15);

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The SQS message id of this copy; a replayed message has another.
    pub message_id: String,
    /// The message group.
    pub group_id: String,
    pub body: String,
    /// The number of receives, including this one.
    pub receive_count: u32,
}

/// Why a message cannot succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermanentFailure {
    /// A short stable code for alarms and tools.
    pub code: &'static str,
    /// The reason, for people; contains no content of the message.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordOutcome {
    /// Its effect is durable.
    Done,
    /// It can never succeed.
    Park(PermanentFailure),
    /// It may succeed later.
    Retry(String),
    /// It conflicted with other work and had no effect. It is redelivered, however often it was received.
    Wait(String),
}

/// Why a handler returned no outcomes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// One of the records made the attempt fail; one by one, the others may succeed.
    #[error("{0}")]
    Spoiled(String),
    /// One of the records conflicted with other work; one by one, the others may succeed.
    #[error("{0}")]
    Busy(String),
    /// A dependency that all records need is unavailable.
    #[error("{0}")]
    Outage(String),
}

impl BatchError {
    /// How the failure of a store affects a batch.
    #[must_use]
    pub fn classify(error: &(impl std::error::Error + ?Sized), is_outage: bool, is_conflict: bool) -> Self {
        let reason = Chain(&error).to_string();
        match (is_outage, is_conflict) {
            (true, _) => Self::Outage(reason),
            (false, true) => Self::Busy(reason),
            (false, false) => Self::Spoiled(reason),
        }
    }
}

/// A dependency that all records need is unavailable: the invocation fails and every record is redelivered.
#[derive(Debug, thiserror::Error)]
#[error("the whole batch will be delivered again: {0}")]
pub struct Outage(pub String);

/// Whether records are handled together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchMode {
    /// All at once, and one by one if that fails. A failing handler must have no effect.
    Together,
    /// One after the other, for effects that are not transactional.
    OneByOne,
}

/// Handles the records of an event.
///
/// `handle` receives records and returns one outcome for each, in their order. `park` puts a record into the
/// dead-letter queue and returns once it is durable there. `attempts` lives as long as the process.
///
/// # Errors
/// [`Outage`] if the handler reports one.
pub async fn run<Handle, Park>(
    event: SqsEvent,
    deadline: SystemTime,
    mode: BatchMode,
    attempts: &DeliveryAttempts,
    handle: Handle,
    park: Park,
) -> Result<SqsBatchResponse, Outage>
where
    Handle: AsyncFn(&[Record]) -> Result<Vec<RecordOutcome>, BatchError>,
    Park: AsyncFn(&Record, &PermanentFailure) -> Result<(), ParkError>,
{
    let started = Instant::now();
    let records: Vec<Record> = event.records.into_iter().map(record).collect();
    let begin = |record: &Record| {
        let span = spans::begin(Kind::Consumer, LogContext::parse(&record.body).trace?, true)?;
        Some((record.message_id.clone(), span))
    };
    let spans = records.iter().filter_map(begin).collect();
    let mut batch = Batch { failures: Vec::new(), blocked: HashSet::new(), done: 0, spans, attempts, park };
    let handled = batch.all(&records, deadline, mode, &handle).await;
    let retried = if handled.is_err() { records.len() } else { batch.failures.len() };
    metrics::MESSAGES_DONE.record([], batch.done);
    metrics::MESSAGES_RETRIED.record([], retried);
    metrics::BATCH_DURATION.record([], started.elapsed().as_millis());
    if handled.is_err() {
        metrics::OUTAGES.record([], 1);
    }
    for (_, span) in batch.spans.drain() {
        spans::end(Some(span), "handle".to_owned(), Some("will be redelivered"), Vec::new());
    }
    spans::flush().await;
    handled.map(|()| response(batch.failures))
}

/// One log line about a message, with every id needed to find it.
macro_rules! say {
    ($level:ident, $record:expr, $context:expr, $($rest:tt)*) => {
        tracing::$level!(
            message.id = $record.message_id,
            message.group = $record.group_id,
            message.r#type = $context.kind,
            event_id = $context.event_id,
            correlation_id = $context.correlation_id,
            trace_id = $context.trace_id,
            $($rest)*
        )
    };
}

/// The records to return for redelivery, and what is needed to conclude the others.
struct Batch<'a, Park> {
    failures: Vec<String>,
    blocked: HashSet<String>,
    done: u32,
    spans: HashMap<String, Open>,
    attempts: &'a DeliveryAttempts,
    park: Park,
}

impl<Park> Batch<'_, Park>
where
    Park: AsyncFn(&Record, &PermanentFailure) -> Result<(), ParkError>,
{
    /// Handles all records: together if allowed, one by one if that fails.
    async fn all<Handle>(
        &mut self,
        records: &[Record],
        deadline: SystemTime,
        mode: BatchMode,
        handle: &Handle,
    ) -> Result<(), Outage>
    where
        Handle: AsyncFn(&[Record]) -> Result<Vec<RecordOutcome>, BatchError>,
    {
        if mode == BatchMode::Together && records.len() > 1 {
            match attempt(handle, records).await {
                Ok(outcomes) => {
                    for (record, outcome) in records.iter().zip(outcomes) {
                        self.finish(record, outcome).await;
                    }
                    return Ok(());
                }
                Err(BatchError::Outage(reason)) => return Err(Outage(reason)),
                Err(error) => tracing::warn!(reason = %error, "batch is processed one by one"),
            }
        }
        self.one_by_one(records, deadline, handle).await
    }

    /// Handles records one after the other. An outage fails the invocation only if no record was concluded before it;
    /// otherwise the remaining records are returned, because a record that was parked must not be redelivered and
    /// parked again.
    async fn one_by_one<Handle>(
        &mut self,
        records: &[Record],
        deadline: SystemTime,
        handle: &Handle,
    ) -> Result<(), Outage>
    where
        Handle: AsyncFn(&[Record]) -> Result<Vec<RecordOutcome>, BatchError>,
    {
        let mut is_away = false;
        for (place, record) in records.iter().enumerate() {
            if is_away || self.blocked.contains(&record.group_id) || !time_is_left(deadline) {
                self.return_untried(record);
                continue;
            }
            let outcome = match attempt(handle, std::slice::from_ref(record)).await {
                Ok(mut outcomes) => outcomes.pop().unwrap_or_else(|| RecordOutcome::Retry("no outcome".to_owned())),
                Err(BatchError::Spoiled(reason)) => RecordOutcome::Retry(reason),
                Err(BatchError::Busy(reason)) => RecordOutcome::Wait(reason),
                Err(BatchError::Outage(reason)) if place == 0 => return Err(Outage(reason)),
                Err(BatchError::Outage(reason)) => {
                    tracing::warn!(reason, "remaining records of the batch will be redelivered");
                    metrics::OUTAGES.record([], 1);
                    is_away = true;
                    self.return_untried(record);
                    continue;
                }
            };
            self.finish(record, outcome).await;
        }
        Ok(())
    }

    /// Acknowledges, parks or returns a record. A record whose group is blocked is returned, so that it stays behind
    /// the record that blocks it.
    async fn finish(&mut self, record: &Record, outcome: RecordOutcome) {
        if self.blocked.contains(&record.group_id) {
            return self.return_untried(record);
        }
        let context = LogContext::parse(&record.body);
        let refusal = match outcome {
            RecordOutcome::Done => {
                self.done += 1;
                self.attempts.forget(&record.message_id);
                say!(info, record, context, "done");
                return self.end_span(record, &context, None);
            }
            RecordOutcome::Park(refusal) => refusal,
            RecordOutcome::Retry(reason) if self.attempts.fail(&record.message_id, record.receive_count) => {
                PermanentFailure { code: "retries_exhausted", reason }
            }
            RecordOutcome::Retry(reason) => {
                say!(warn, record, context, reason, "will be retried");
                self.end_span(record, &context, Some("will be redelivered"));
                return self.fail(record);
            }
            RecordOutcome::Wait(reason) => {
                say!(warn, record, context, reason, "will be retried");
                self.end_span(record, &context, Some("will be redelivered"));
                return self.return_untried(record);
            }
        };
        self.end_span(record, &context, Some(refusal.code));
        match (self.park)(record, &refusal).await {
            Ok(()) => {
                self.attempts.forget(&record.message_id);
                let PermanentFailure { code, reason } = refusal;
                say!(
                    error,
                    record,
                    context,
                    parked.code = code,
                    parked.reason = reason,
                    "parked in the dead-letter queue"
                );
            }
            Err(error) => {
                say!(error, record, context, error = %Chain(&error), "cannot be parked; it will be redelivered");
                self.fail(record);
            }
        }
    }

    fn end_span(&mut self, record: &Record, context: &LogContext, failure: Option<&str>) {
        let span = self.spans.remove(&record.message_id);
        let group = KeyValue::new("messaging.message.conversation_id", context.correlation_id.clone());
        spans::end(span, format!("handle {}", context.kind), failure, vec![group]);
    }

    /// Returns a record without an attempt: its receive does not count as one.
    fn return_untried(&mut self, record: &Record) {
        self.attempts.skip(&record.message_id);
        self.fail(record);
    }

    fn fail(&mut self, record: &Record) {
        self.blocked.insert(record.group_id.clone());
        self.failures.push(record.message_id.clone());
    }
}

/// Runs the handler once; a panic makes the attempt fail.
async fn attempt<Handle>(handle: &Handle, records: &[Record]) -> Result<Vec<RecordOutcome>, BatchError>
where
    Handle: AsyncFn(&[Record]) -> Result<Vec<RecordOutcome>, BatchError>,
{
    // Boxed to keep the types of nested handlers shallow.
    match AssertUnwindSafe(Box::pin(handle(records))).catch_unwind().await {
        Ok(Ok(outcomes)) if outcomes.len() != records.len() => {
            Err(BatchError::Spoiled(format!("{} outcomes for {} records", outcomes.len(), records.len())))
        }
        Ok(result) => result,
        Err(_) => Err(BatchError::Spoiled("the handler panicked; its log has the place".to_owned())),
    }
}

fn time_is_left(deadline: SystemTime) -> bool {
    deadline.duration_since(SystemTime::now()).is_ok_and(|left| left > TIME_RESERVE)
}

fn record(message: SqsMessage) -> Record {
    let attribute = |name: &str| message.attributes.get(name).cloned();
    let message_id = message.message_id.clone().unwrap_or_default();
    Record {
        // A standard queue has no groups: each message is its own.
        group_id: attribute("MessageGroupId").unwrap_or_else(|| message_id.clone()),
        receive_count: attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1),
        body: message.body.unwrap_or_default(),
        message_id,
    }
}

fn response(failures: Vec<String>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures
        .into_iter()
        .map(|message_id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message_id;
            failure
        })
        .collect();
    response
}

#[cfg(test)]
mod tests;
