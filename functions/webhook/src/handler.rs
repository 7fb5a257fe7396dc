//! From SQS records to verdicts.

use std::time::SystemTime;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, Utc};
use lambda_runtime::LambdaEvent;
use quittance_domain::event::InvoiceEvent;
use quittance_idempotency::{CLOCK_SKEW_MARGIN, Claim, IdempotencyError, IdempotencyTable};
use quittance_lambda::batch::{BatchError, Outage, Record, Refusal, Verdict};
use quittance_lambda::consumer::consume_events;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::DeadLetterQueue;
use sha2::{Digest, Sha256};

use crate::deliver::Receiver;

/// What the webhook function works with.
#[derive(Clone)]
pub struct Webhooks {
    /// Who is told.
    pub receiver: Receiver,
    /// Which events have been told.
    pub idempotency: IdempotencyTable,
    /// Where messages that cannot succeed go.
    pub dead_letters: DeadLetterQueue,
}

impl Webhooks {
    /// Handles a batch of the webhook queue.
    ///
    /// # Errors
    /// None: each record has its own verdict.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        let deadline = event.context.deadline();
        consume_events(event, &self.dead_letters, async |record: &Record, event| {
            self.process(record, event, deadline).await
        })
        .await
    }

    async fn process(
        &self,
        record: &Record,
        event: CloudEvent<InvoiceEvent>,
        deadline: SystemTime,
    ) -> Result<Verdict, BatchError> {
        let id = event.id.to_string();
        let fingerprint = hex::encode(Sha256::digest(&record.body));
        let lease_until = DateTime::<Utc>::from(deadline) + CLOCK_SKEW_MARGIN;
        let retry = |error: IdempotencyError| BatchError::Spoiled(error.to_string());
        let lease = match self.idempotency.claim(&id, &fingerprint, Utc::now(), lease_until).await.map_err(retry)? {
            Claim::Won(lease) => lease,
            Claim::Completed(_) => return Ok(Verdict::Done),
            Claim::InProgress | Claim::Unknown => {
                return Ok(Verdict::Retry(format!("webhook {id} is being delivered")));
            }
            Claim::FailedForGood(reason) => return Ok(Verdict::Park(Refusal { code: "failed_before", reason })),
            Claim::OtherPayload => {
                let reason = format!("event {id} came with two bodies; the first was told");
                return Ok(Verdict::Park(Refusal { code: "other_payload", reason }));
            }
        };
        match self.receiver.deliver(&id, &record.body, Utc::now()).await {
            Ok(()) => {
                self.idempotency.complete(&lease, None).await.map_err(retry)?;
                Ok(Verdict::Done)
            }
            Err(reason) => {
                // The receiver may have it all the same: it tells a repetition by the webhook-id.
                self.idempotency.release(&lease).await.map_err(retry)?;
                Ok(Verdict::Retry(reason))
            }
        }
    }
}
