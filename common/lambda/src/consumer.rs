//! A queue consumer: handles record by record, and parks what cannot succeed in the function's own dead-letter queue.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::LambdaEvent;
use quittance_domain::event::InvoiceEvent;

use crate::batch::{self, BatchError, BatchMode, Outage, PermanentFailure, Record, RecordOutcome};
use crate::envelope::CloudEvent;
use crate::parking::DeadLetterQueue;

/// Handles the records of an event one after the other, for effects that are not transactional.
///
/// # Errors
/// [`Outage`] if `handle` reports one: every record is redelivered.
pub async fn consume_records(
    event: LambdaEvent<SqsEvent>,
    dead_letters: &DeadLetterQueue,
    handle: impl AsyncFn(&Record) -> Result<RecordOutcome, BatchError>,
) -> Result<SqsBatchResponse, Outage> {
    let handle_all = async |records: &[Record]| {
        let mut outcomes = Vec::with_capacity(records.len());
        for record in records {
            outcomes.push(handle(record).await?);
        }
        Ok(outcomes)
    };
    let park = async |record: &Record, refusal: &PermanentFailure| dead_letters.park(record, refusal).await;
    let deadline = event.context.deadline();
    // Boxed to keep the types of nested handlers shallow.
    Box::pin(batch::run(event.payload, deadline, BatchMode::OneByOne, dead_letters.attempts(), handle_all, park)).await
}

/// Handles events of `InvoiceEventsTopic` delivered by a queue, one after the other. A body that is not a known event
/// is parked.
///
/// # Errors
/// [`Outage`] if `handle` reports one: every record is redelivered.
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
