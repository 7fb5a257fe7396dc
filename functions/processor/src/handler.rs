//! From SQS records to verdicts.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::Utc;
use lambda_runtime::LambdaEvent;
use quittance_domain::command::PaymentCommand;
use quittance_lambda::batch::{self, BatchError, Mode, Outage, Record, Refusal, Verdict};
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::publisher::Publisher;
use quittance_store::{Database, StoreError, outbox};

use crate::settle::{Instruction, settle};

/// What the processor works with.
#[derive(Debug, Clone)]
pub struct Processor {
    /// The database, as the processor's own role.
    pub database: Database,
    /// The events topic.
    pub publisher: Publisher,
    /// Where messages that cannot succeed go.
    pub dead_letters: DeadLetterQueue,
}

impl Processor {
    /// Handles a batch of the payments queue.
    ///
    /// # Errors
    /// [`Outage`] while the database is away: everything comes back.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        batch::run(
            event.payload,
            event.context.deadline(),
            Mode::Together,
            async |records: &[Record]| self.process(records).await,
            async |record: &Record, refusal: &Refusal| self.dead_letters.park(record, refusal).await,
        )
        .await
    }

    /// Settles what the records say, publishes what happened, and gives a verdict for each record.
    async fn process(&self, records: &[Record]) -> Result<Vec<Verdict>, BatchError> {
        let (mut instructions, mut places) = (Vec::new(), Vec::new());
        let mut verdicts = Vec::with_capacity(records.len());
        for (place, record) in records.iter().enumerate() {
            verdicts.push(match instruction(record) {
                Ok(instruction) => {
                    instructions.push(instruction);
                    places.push(place);
                    Verdict::Done
                }
                Err(refusal) => Verdict::Park(refusal),
            });
        }
        if instructions.is_empty() {
            return Ok(verdicts);
        }
        let settled = settle(&self.database, &instructions, Utc::now()).await.map_err(|error| batch_error(&error))?;
        for renamed in settled.renamed {
            let verdict = places.get(renamed).and_then(|place| verdicts.get_mut(*place));
            if let (Some(verdict), Some(instruction)) = (verdict, instructions.get(renamed)) {
                *verdict = Verdict::Park(other_payload(instruction));
            }
        }
        let published = self.publisher.publish(&settled.messages).await.published;
        // The payments are committed. What is not published or not marked now, the relay publishes.
        if let Err(error) = outbox::mark_published(&self.database, &published).await {
            tracing::warn!(error = %error, "published events stay marked as unpublished");
        }
        Ok(verdicts)
    }
}

fn instruction(record: &Record) -> Result<Instruction, Refusal> {
    let event = CloudEvent::<PaymentCommand>::parse(&record.body)
        .map_err(|error| Refusal { code: error.code(), reason: error.to_string() })?;
    let (PaymentCommand::ClaimPayment(evidence) | PaymentCommand::ConfirmPayment(evidence)) = event.payload;
    if !evidence.amount.is_positive() {
        let reason = format!("payment {}: the amount {} is not positive", evidence.transaction_id, evidence.amount);
        return Err(Refusal { code: "invalid_amount", reason });
    }
    Ok(Instruction { evidence, correlation_id: event.correlationid })
}

fn other_payload(instruction: &Instruction) -> Refusal {
    let evidence = &instruction.evidence;
    let reason = format!(
        "payment {}: the {} message {} was recorded with another payment, kind or amount; the first stands",
        evidence.transaction_id, evidence.door, evidence.event_id
    );
    Refusal { code: "other_payload", reason }
}

fn batch_error(error: &StoreError) -> BatchError {
    if error.is_outage() { BatchError::Outage(error.to_string()) } else { BatchError::Spoiled(error.to_string()) }
}
