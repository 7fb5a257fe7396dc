//! From SQS records to verdicts.

use std::time::SystemTime;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use aws_sdk_sesv2::error::BuildError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use chrono::{DateTime, Utc};
use lambda_runtime::LambdaEvent;
use quittance_domain::event::InvoiceEvent;
use quittance_idempotency::{CLOCK_SKEW_MARGIN, Claim, IdempotencyError, IdempotencyTable};
use quittance_lambda::batch::{BatchError, Outage, Record, Refusal, Verdict};
use quittance_lambda::consumer::consume_events;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::DeadLetterQueue;
use sha2::{Digest, Sha256};

use crate::compose::{Email, receipt_email};

/// What the notification function works with.
#[derive(Clone)]
pub struct Notifications {
    /// SES.
    pub ses: aws_sdk_sesv2::Client,
    /// The verified address that e-mails come from.
    pub sender: String,
    /// Which events have been written of.
    pub idempotency: IdempotencyTable,
    /// Where messages that cannot succeed go.
    pub dead_letters: DeadLetterQueue,
}

impl Notifications {
    /// Handles a batch of the notification queue.
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
        let InvoiceEvent::ReceiptIssued(receipt) = &event.payload else {
            let reason =
                format!("nobody is written to of {}; mend the subscription's filter", event.payload.type_name());
            return Ok(Verdict::Park(Refusal { code: "unexpected_type", reason }));
        };
        // One notification per channel: each has a record of its own.
        let key = format!("{}:email", event.id);
        let fingerprint = hex::encode(Sha256::digest(&record.body));
        let lease_until = DateTime::<Utc>::from(deadline) + CLOCK_SKEW_MARGIN;
        let retry = |error: IdempotencyError| BatchError::Spoiled(error.to_string());
        let lease = match self.idempotency.claim(&key, &fingerprint, Utc::now(), lease_until).await.map_err(retry)? {
            Claim::Won(lease) => lease,
            Claim::Completed(_) => return Ok(Verdict::Done),
            Claim::InProgress | Claim::Unknown => return Ok(Verdict::Retry(format!("e-mail {key} is being sent"))),
            Claim::FailedForGood(reason) => return Ok(Verdict::Park(Refusal { code: "failed_before", reason })),
            Claim::OtherPayload => {
                let reason = format!("event {} came with two bodies; the first was sent", event.id);
                return Ok(Verdict::Park(Refusal { code: "other_payload", reason }));
            }
        };
        match self.send(&receipt_email(receipt)).await {
            Ok(()) => {
                self.idempotency.complete(&lease, None).await.map_err(retry)?;
                Ok(Verdict::Done)
            }
            Err(reason) => {
                self.idempotency.release(&lease).await.map_err(retry)?;
                Ok(Verdict::Retry(format!("receipt {}: {reason}", receipt.number)))
            }
        }
    }

    /// Hands an e-mail to SES. The error holds no address.
    async fn send(&self, email: &Email) -> Result<(), String> {
        let content = content(email).map_err(|error| format!("the e-mail cannot be built: {error}"))?;
        self.ses
            .send_email()
            .from_email_address(&self.sender)
            .destination(Destination::builder().to_addresses(&email.to).build())
            .content(content)
            .send()
            .await
            .map(drop)
            .map_err(|error| format!("SES did not take the e-mail: {}", kind(&error.into_service_error())))
    }
}

fn content(email: &Email) -> Result<EmailContent, BuildError> {
    let text = |data: &str| Content::builder().data(data).charset("UTF-8").build();
    let message = Message::builder()
        .subject(text(&email.subject)?)
        .body(Body::builder().text(text(&email.text)?).build())
        .build();
    Ok(EmailContent::builder().simple(message).build())
}

/// SES's messages name the addressee; its codes do not.
fn kind(error: &aws_sdk_sesv2::operation::send_email::SendEmailError) -> String {
    error.meta().code().unwrap_or("no answer").to_owned()
}
