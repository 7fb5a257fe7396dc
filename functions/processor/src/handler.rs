//! Processes SQS records into outcomes.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use lambda_runtime::LambdaEvent;
use quittance_domain::command::PaymentCommand;
use quittance_domain::error::Chain;
use quittance_lambda::batch::{self, BatchError, BatchMode, Outage, PermanentFailure, Record, RecordOutcome};
use quittance_lambda::command_queue::GatewayQueues;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_lambda::publisher::Publisher;
use quittance_store::{Database, StoreError, outbox};

use crate::decide::{StaffCommand, StaffCommandResult, StaffInstruction, decide};
use crate::emitted_events::EmittedEvents;
use crate::settle::{EvidenceInstruction, settle};

/// The processor's dependencies.
#[derive(Debug, Clone)]
pub struct Processor {
    /// The database, as the processor's own role.
    pub database: Database,
    /// The events topic.
    pub publisher: Publisher,
    /// The gateways' command queues.
    pub gateways: GatewayQueues,
    /// The seller's time zone, which determines accounting dates.
    pub zone: Tz,
    /// Where messages that cannot succeed go.
    pub dead_letters: DeadLetterQueue,
}

impl Processor {
    /// Handles a batch of the payments queue.
    ///
    /// # Errors
    /// [`Outage`] while the database is unavailable: the whole batch is redelivered.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        batch::run(
            event.payload,
            event.context.deadline(),
            BatchMode::Together,
            self.dead_letters.attempts(),
            async |records: &[Record]| self.process(records).await,
            async |record: &Record, refusal: &PermanentFailure| self.dead_letters.park(record, refusal).await,
        )
        .await
    }

    /// Processes the records, publishes the resulting messages, and returns an outcome for each record. Consecutive
    /// evidence is settled together; staff commands keep their position between.
    ///
    /// A failure after a first part was committed is harmless: redelivered messages find their own effects.
    async fn process(&self, records: &[Record]) -> Result<Vec<RecordOutcome>, BatchError> {
        let mut outcomes = vec![RecordOutcome::Done; records.len()];
        let mut evidence = Vec::new();
        for (index, record) in records.iter().enumerate() {
            match parse_instruction(&record.body) {
                Ok(Instruction::Evidence(instruction)) => evidence.push((index, instruction)),
                Ok(Instruction::Decision(decision)) => {
                    self.settle(std::mem::take(&mut evidence), &mut outcomes).await?;
                    let decided = decide(&self.database, &decision, self.now()).await;
                    match decided.map_err(|error| batch_error(&error))? {
                        StaffCommandResult::Committed(emitted) => self.publish(&emitted).await,
                        StaffCommandResult::OtherContent => park(&mut outcomes, index, decision_conflict(&decision)),
                    }
                }
                Err(refusal) => park(&mut outcomes, index, refusal),
            }
        }
        self.settle(evidence, &mut outcomes).await?;
        Ok(outcomes)
    }

    async fn settle(
        &self,
        evidence: Vec<(usize, EvidenceInstruction)>,
        outcomes: &mut [RecordOutcome],
    ) -> Result<(), BatchError> {
        if evidence.is_empty() {
            return Ok(());
        }
        let (indexes, instructions): (Vec<usize>, Vec<EvidenceInstruction>) = evidence.into_iter().unzip();
        let settled = settle(&self.database, &instructions, self.now()).await.map_err(|error| batch_error(&error))?;
        for conflicting in settled.conflicting {
            if let (Some(index), Some(instruction)) = (indexes.get(conflicting), instructions.get(conflicting)) {
                park(outcomes, *index, idempotency_conflict(instruction));
            }
        }
        self.publish(&settled.emitted).await;
        Ok(())
    }

    fn now(&self) -> DateTime<Tz> {
        Utc::now().with_timezone(&self.zone)
    }

    /// Publishes committed messages and writes metrics. The relay publishes what is not published or marked here.
    async fn publish(&self, emitted: &EmittedEvents) {
        emitted.record();
        let mut published = Vec::new();
        if !emitted.events.is_empty() {
            published = self.publisher.publish(&emitted.events).await.published;
        }
        if !emitted.commands.is_empty() {
            published.extend(self.gateways.publish(&emitted.commands).await.published);
        }
        if published.is_empty() {
            return;
        }
        if let Err(error) = outbox::mark_published(&self.database, &published).await {
            tracing::warn!(error = %Chain(&error), "published events were not marked as published");
        }
    }
}

fn park(outcomes: &mut [RecordOutcome], index: usize, refusal: PermanentFailure) {
    if let Some(outcome) = outcomes.get_mut(index) {
        *outcome = RecordOutcome::Park(refusal);
    }
}

/// A parsed message.
pub(crate) enum Instruction {
    Evidence(EvidenceInstruction),
    Decision(StaffInstruction),
}

pub(crate) fn parse_instruction(body: &str) -> Result<Instruction, PermanentFailure> {
    let event = CloudEvent::<PaymentCommand>::parse(body)
        .map_err(|error| PermanentFailure { code: error.code(), reason: error.to_string() })?;
    let (correlation_id, decided_at) = (event.correlationid, event.time);
    let command = match event.payload {
        PaymentCommand::ClaimPayment(evidence) | PaymentCommand::ConfirmPayment(evidence) => {
            if !evidence.has_required_amount() {
                let reason = format!("the {} {} has no amount", evidence.kind, evidence.event_id);
                return Err(PermanentFailure { code: "malformed", reason });
            }
            return Ok(Instruction::Evidence(EvidenceInstruction { evidence, correlation_id }));
        }
        PaymentCommand::EnterEvidence(evidence) => StaffCommand::Entry(evidence),
        PaymentCommand::RequestRefund(command) => StaffCommand::Refund(command),
        PaymentCommand::ReleaseCredited(command) => StaffCommand::Credit(command),
        PaymentCommand::DecideCase(command) => StaffCommand::Case(command),
        PaymentCommand::MergePayments(command) => StaffCommand::Merge(command),
        PaymentCommand::UnmatchPayment(command) => StaffCommand::Unmatch(command),
        PaymentCommand::ChargePayment(command) => StaffCommand::Charge(command),
        PaymentCommand::EscalatePayment(command) => StaffCommand::Escalation(command),
    };
    Ok(Instruction::Decision(StaffInstruction { command, correlation_id, decided_at }))
}

pub(crate) fn idempotency_conflict(instruction: &EvidenceInstruction) -> PermanentFailure {
    let evidence = &instruction.evidence;
    let reason = format!(
        "payment {}: the {} message {} was recorded with another payment, kind or amount; the first stands",
        evidence.transaction_id, evidence.channel, evidence.event_id
    );
    PermanentFailure { code: "idempotency_conflict", reason }
}

pub(crate) fn decision_conflict(decision: &StaffInstruction) -> PermanentFailure {
    let reason = format!("{} was recorded with other content; the first stands", decision.command);
    PermanentFailure { code: "idempotency_conflict", reason }
}

fn batch_error(error: &StoreError) -> BatchError {
    BatchError::classify(error, error.is_outage(), error.is_conflict())
}
