//! Turns SQS records into outcomes.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::Utc;
use lambda_runtime::LambdaEvent;
use quittance_domain::error::Chain;
use quittance_domain::event::InvoiceEvent;
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::batch::{BatchError, Outage, Record, RecordOutcome};
use quittance_lambda::consumer::consume_events;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_store::{Database, StoreError};

use crate::post::{post, roll_up};

/// The ledger's dependencies.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// The database, as the ledger's own role.
    pub database: Database,
    /// The events that have been posted.
    pub idempotency: IdempotencyTable,
    /// The dead-letter queue.
    pub dead_letters: DeadLetterQueue,
}

impl Ledger {
    /// Handles a batch of the ledger queue.
    ///
    /// # Errors
    /// [`Outage`] while the database is unavailable: every record is redelivered.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        let answer =
            consume_events(event, &self.dead_letters, async |_: &Record, event| self.process(event).await).await;
        if answer.is_ok() {
            roll_up(&self.database, Utc::now()).await;
        }
        answer
    }

    async fn process(&self, event: CloudEvent<InvoiceEvent>) -> Result<RecordOutcome, BatchError> {
        let key = event.id.to_string();
        let retry = |error: quittance_idempotency::IdempotencyError| BatchError::Spoiled(Chain(&error).to_string());
        if self.idempotency.is_completed(&key, Utc::now()).await.map_err(retry)? {
            return Ok(RecordOutcome::Done);
        }
        let batch_error = |error: StoreError| BatchError::classify(&error, error.is_outage(), error.is_conflict());
        post(&self.database, &event).await.map_err(batch_error)?;
        self.idempotency.record_completed(&key, Utc::now()).await.map_err(retry)?;
        Ok(RecordOutcome::Done)
    }
}
