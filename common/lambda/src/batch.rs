//! The runner for batches of an SQS FIFO queue.
//!
//! What it promises, for a handler that takes records and answers with a verdict for each:
//! - A failure concerns its own message and the later ones *of its group*; other groups go on.
//! - What can never succeed is parked in the dead-letter queue at once, with its reason, and acknowledged, so that
//!   its group goes on. What was tried and failed [`attempts::ATTEMPTS_MAX`] times is parked too; a receive without an attempt,
//!   behind another message of the group or beside other work, does not count.
//! - A panic is the failure of the record that was being handled.
//! - When the deadline is near, no new work is started; what is left comes back.
//! - When the handler reports an [`Outage`], nothing more is parked and all that is not concluded comes back: an outage
//!   of the database must not turn healthy messages into dead letters.
//! - Nothing is acknowledged before its handler or the dead-letter queue has it.
//!
//! It needs an event source mapping with `ReportBatchItemFailures`, and a queue whose own `maxReceiveCount` is well
//! above [`attempts::RECEIVES_MAX`].

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant, SystemTime};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures::FutureExt;
use opentelemetry::KeyValue;

pub mod attempts;

use self::attempts::DeliveryAttempts;
use crate::log_context::LogContext;
use crate::metrics;
use crate::spans::{self, Kind, Open};

/// No new record is started with less than this left: a transaction that waits for locks and is tried again, or a call
/// with its timeouts, fits in.
const TIME_RESERVE: Duration = Duration::from_secs(15);

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// SQS's id of this copy; a replayed message has another.
    pub message_id: String,
    /// The message group.
    pub group_id: String,
    /// The body.
    pub body: String,
    /// How often SQS has handed it out, this time included.
    pub receive_count: u32,
}

/// Why a message can't succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermanentFailure {
    /// A short stable code for alarms and tools.
    pub code: &'static str,
    /// What happened, for people; holds no content of the message.
    pub reason: String,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordOutcome {
    /// Its effect is durable.
    Done,
    /// It can never succeed.
    Park(PermanentFailure),
    /// It may succeed later.
    Retry(String),
    /// It met other work and did nothing. It comes back however often it was received.
    Wait(String),
}

/// Why a handler gave no verdicts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// One of the records spoiled the attempt; tried one by one, the others may succeed.
    #[error("{0}")]
    Spoiled(String),
    /// One of the records met other work; tried one by one, the others may succeed.
    #[error("{0}")]
    Busy(String),
    /// Something that all records need is away.
    #[error("{0}")]
    Outage(String),
}

impl BatchError {
    /// What the failure of a store means for a batch.
    #[must_use]
    pub fn classify(error: &impl std::fmt::Display, is_outage: bool, is_conflict: bool) -> Self {
        let reason = error.to_string();
        match (is_outage, is_conflict) {
            (true, _) => Self::Outage(reason),
            (false, true) => Self::Busy(reason),
            (false, false) => Self::Spoiled(reason),
        }
    }
}

/// Something that all records need is away: the invocation fails and everything comes back.
#[derive(Debug, thiserror::Error)]
#[error("the whole batch will be delivered again: {0}")]
pub struct Outage(pub String);

/// Whether records are handed over together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchMode {
    /// All at once, and one by one if that fails. The handler must have no effect when it fails.
    Together,
    /// One after the other, as for effects that have no transaction.
    OneByOne,
}

/// Handles the records of an event.
///
/// `handle` gets records and answers with one verdict for each, in their order. `park` puts a record into the
/// dead-letter queue and returns once it is durable there. `attempts` lives as long as the process.
///
/// # Errors
/// [`Outage`] when the handler says so.
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
    Park: AsyncFn(&Record, &PermanentFailure) -> Result<(), String>,
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
        spans::end(Some(span), "handle".to_owned(), Some("it comes back"), Vec::new());
    }
    spans::flush().await;
    handled.map(|()| response(batch.failures))
}

/// One log line about a message, with all that finds it again.
macro_rules! say {
    ($level:ident, $record:expr, $marks:expr, $($rest:tt)*) => {
        tracing::$level!(
            message.id = $record.message_id,
            message.group = $record.group_id,
            message.r#type = $marks.kind,
            event_id = $marks.event_id,
            correlation_id = $marks.correlation_id,
            trace_id = $marks.trace_id,
            $($rest)*
        )
    };
}

/// The records that come back, and what is needed to conclude the others.
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
    Park: AsyncFn(&Record, &PermanentFailure) -> Result<(), String>,
{
    /// Handles all records, together if they may be and none spoils it.
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
                Ok(verdicts) => {
                    for (record, verdict) in records.iter().zip(verdicts) {
                        self.finish(record, verdict).await;
                    }
                    return Ok(());
                }
                Err(BatchError::Outage(reason)) => return Err(Outage(reason)),
                Err(error) => tracing::warn!(reason = %error, "batch is processed one by one"),
            }
        }
        self.one_by_one(records, deadline, handle).await
    }

    /// Handles records one after the other. An outage ends the invocation if nothing was concluded before it; later,
    /// what is left comes back by itself, as a record that was parked must not come back and be parked again.
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
            let verdict = match attempt(handle, std::slice::from_ref(record)).await {
                Ok(mut verdicts) => verdicts.pop().unwrap_or_else(|| RecordOutcome::Retry("no verdict".to_owned())),
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
            self.finish(record, verdict).await;
        }
        Ok(())
    }

    /// Acknowledges, parks or returns a record. A record whose group is blocked comes back, so that it stays behind
    /// the one that blocks it.
    async fn finish(&mut self, record: &Record, verdict: RecordOutcome) {
        if self.blocked.contains(&record.group_id) {
            return self.return_untried(record);
        }
        let marks = LogContext::parse(&record.body);
        let refusal = match verdict {
            RecordOutcome::Done => {
                self.done += 1;
                self.attempts.forget(&record.message_id);
                say!(info, record, marks, "done");
                return self.end_span(record, &marks, None);
            }
            RecordOutcome::Park(refusal) => refusal,
            RecordOutcome::Retry(reason) if self.attempts.fail(&record.message_id, record.receive_count) => {
                PermanentFailure { code: "retries_exhausted", reason }
            }
            RecordOutcome::Retry(reason) => {
                say!(warn, record, marks, reason, "will be retried");
                self.end_span(record, &marks, Some("it comes back"));
                return self.fail(record);
            }
            RecordOutcome::Wait(reason) => {
                say!(warn, record, marks, reason, "will be retried");
                self.end_span(record, &marks, Some("it comes back"));
                return self.return_untried(record);
            }
        };
        self.end_span(record, &marks, Some(refusal.code));
        match (self.park)(record, &refusal).await {
            Ok(()) => {
                self.attempts.forget(&record.message_id);
                let PermanentFailure { code, reason } = refusal;
                say!(
                    error,
                    record,
                    marks,
                    parked.code = code,
                    parked.reason = reason,
                    "parked in the dead-letter queue"
                );
            }
            Err(error) => {
                say!(error, record, marks, error, "cannot be parked; it comes back");
                self.fail(record);
            }
        }
    }

    fn end_span(&mut self, record: &Record, marks: &LogContext, failure: Option<&str>) {
        let span = self.spans.remove(&record.message_id);
        let group = KeyValue::new("messaging.message.conversation_id", marks.correlation_id.clone());
        spans::end(span, format!("handle {}", marks.kind), failure, vec![group]);
    }

    /// Returns a record that was not tried: that it was received is no attempt.
    fn return_untried(&mut self, record: &Record) {
        self.attempts.skip(&record.message_id);
        self.fail(record);
    }

    fn fail(&mut self, record: &Record) {
        self.blocked.insert(record.group_id.clone());
        self.failures.push(record.message_id.clone());
    }
}

/// Runs the handler once; a panic spoils the attempt.
async fn attempt<Handle>(handle: &Handle, records: &[Record]) -> Result<Vec<RecordOutcome>, BatchError>
where
    Handle: AsyncFn(&[Record]) -> Result<Vec<RecordOutcome>, BatchError>,
{
    // Boxed, so that the types of nested handlers stay shallow.
    match AssertUnwindSafe(Box::pin(handle(records))).catch_unwind().await {
        Ok(Ok(verdicts)) if verdicts.len() != records.len() => {
            Err(BatchError::Spoiled(format!("{} verdicts for {} records", verdicts.len(), records.len())))
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
