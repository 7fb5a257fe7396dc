//! A queue's consumer: record by record, with what cannot succeed parked in the function's own dead-letter queue.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::LambdaEvent;
use quittance_domain::event::InvoiceEvent;

use crate::batch::{self, BatchError, BatchMode, Outage, PermanentFailure, Record, RecordOutcome};
use crate::envelope::CloudEvent;
use crate::parking::DeadLetterQueue;

/// Handles the records of an event one after the other, as for effects that have no transaction.
///
/// # Errors
/// [`Outage`] when `handle` says so: everything comes back.
pub async fn consume_records(
    event: LambdaEvent<SqsEvent>,
    dead_letters: &DeadLetterQueue,
    handle: impl AsyncFn(&Record) -> Result<RecordOutcome, BatchError>,
) -> Result<SqsBatchResponse, Outage> {
    let handle_all = async |records: &[Record]| {
        let mut verdicts = Vec::with_capacity(records.len());
        for record in records {
            verdicts.push(handle(record).await?);
        }
        Ok(verdicts)
    };
    let park = async |record: &Record, refusal: &PermanentFailure| dead_letters.park(record, refusal).await;
    let deadline = event.context.deadline();
    // Boxed, so that the types of nested handlers stay shallow.
    Box::pin(batch::run(event.payload, deadline, BatchMode::OneByOne, dead_letters.attempts(), handle_all, park)).await
}

/// Handles the events of `InvoiceEventsTopic` that a queue brings, one after the other. A body that is no event of a
/// known shape is parked.
///
/// # Errors
/// [`Outage`] when `handle` says so: everything comes back.
pub async fn consume_events(
    event: LambdaEvent<SqsEvent>,
    dead_letters: &DeadLetterQueue,
    handle: impl AsyncFn(&Record, CloudEvent<InvoiceEvent>) -> Result<RecordOutcome, BatchError>,
) -> Result<SqsBatchResponse, Outage> {
    consume_records(event, dead_letters, async |record: &Record| match CloudEvent::parse(&record.body) {
        Ok(event) => handle(record, event).await,
        Err(error) => Ok(RecordOutcome::Park(PermanentFailure { code: error.code(), reason: error.to_string() })),
    })
    .await
}
