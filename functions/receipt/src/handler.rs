//! Turns SQS records into outcomes.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::Utc;
use lambda_runtime::LambdaEvent;
use quittance_domain::error::Chain;
use quittance_domain::event::InvoiceEvent;
use quittance_idempotency::IdempotencyTable;
use quittance_lambda::batch::{BatchError, Outage, PermanentFailure, Record, RecordOutcome};
use quittance_lambda::consumer::consume_events;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::DeadLetterQueue;

use crate::issue::{Issuer, ReceiptOccasion};

/// The receipt function's dependencies.
#[derive(Clone)]
pub struct Receipts {
    /// Creates and stores receipts.
    pub issuer: Issuer,
    /// The events that have their receipt.
    pub idempotency: IdempotencyTable,
    /// The dead-letter queue.
    pub dead_letters: DeadLetterQueue,
}

impl Receipts {
    /// Handles a batch of the receipt queue.
    ///
    /// # Errors
    /// None: each record has its own outcome.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        consume_events(event, &self.dead_letters, async |_: &Record, event| self.process(event).await).await
    }

    async fn process(&self, event: CloudEvent<InvoiceEvent>) -> Result<RecordOutcome, BatchError> {
        let occasion = match &event.payload {
            InvoiceEvent::Paid(settled) | InvoiceEvent::PartiallyPaid(settled) => ReceiptOccasion::Settled(settled),
            InvoiceEvent::Refunded(refund) => match &refund.client {
                Some(client) => ReceiptOccasion::Refunded(refund, client),
                // The money went back to an unknown payer, so nobody can be given a receipt.
                None => return Ok(RecordOutcome::Done),
            },
            other => {
                let reason = format!("no receipt is issued for {}; fix the subscription's filter", other.type_name());
                return Ok(RecordOutcome::Park(PermanentFailure { code: "unexpected_type", reason }));
            }
        };
        let key = event.id.to_string();
        let retry = |error: quittance_idempotency::IdempotencyError| BatchError::Spoiled(Chain(&error).to_string());
        if self.idempotency.is_completed(&key, Utc::now()).await.map_err(retry)? {
            return Ok(RecordOutcome::Done);
        }
        self.issuer.issue(&event, occasion).await.map_err(|error| BatchError::Spoiled(Chain(&error).to_string()))?;
        self.idempotency.record_completed(&key, Utc::now()).await.map_err(retry)?;
        Ok(RecordOutcome::Done)
    }
}
