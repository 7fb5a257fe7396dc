//! From SQS records to verdicts.

use std::collections::HashMap;
use std::time::SystemTime;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, TimeDelta, Utc};
use lambda_runtime::LambdaEvent;
use quittance_domain::command::{GatewayCommand, InitiateRefund, PaymentCommand, QueryResource};
use quittance_domain::fact::FactKind;
use quittance_idempotency::{
    CLOCK_SKEW_MARGIN, IdempotencyClaim, IdempotencyError, IdempotencyLease, IdempotencyTable,
};
use quittance_lambda::batch::{BatchError, Outage, PermanentFailure, Record, RecordOutcome};
use quittance_lambda::command_queue::{CommandQueue, GatewayQueues};
use quittance_lambda::consumer::consume_records;
use quittance_lambda::envelope::CloudEvent;
use quittance_lambda::parking::DeadLetterQueue;
use quittance_providers::api::{Api, CommandResponse, InquiryResponse, PaymentStatement, RefundStep};
use quittance_providers::{Unreadable, by_name};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::FUNCTION;
use crate::back_off::MessageReceipts;
use crate::call::Gateways;
use crate::outcome_evidence::{MoneyAttempt, evidence};

/// What the gateway function works with.
#[derive(Debug)]
pub struct Gateway {
    /// The gateways.
    pub gateways: Gateways,
    /// Which commands have been carried out.
    pub idempotency: IdempotencyTable,
    /// Where evidence goes.
    pub payments_queue: CommandQueue,
    /// Where the commands come from.
    pub queues: GatewayQueues,
    /// Where messages that cannot succeed go, by provider.
    pub dead_letters: HashMap<&'static str, DeadLetterQueue>,
}

/// What became of a command, and what the processor is told of it.
pub(crate) enum CommandResult {
    /// It is over.
    Told(Vec<PaymentCommand>),
    /// It is over: the gateway refuses it.
    Refused(Vec<PaymentCommand>, String),
    /// Nobody knows: it is to be carried out again.
    Unknown(String),
}

/// Why a call was not made, or its answer is of no use.
pub(crate) enum CallFailure {
    /// Something is out of reach: what became of the call is not known.
    Away(String),
    Unreadable(Unreadable),
    /// Not all of it is understood: to be carried out again after somebody has looked.
    Incomplete(PermanentFailure),
}

/// A gateway with its name.
pub(crate) type NamedGateway<'a> = (&'static str, &'a dyn Api);

impl From<String> for CallFailure {
    fn from(reason: String) -> Self {
        Self::Away(reason)
    }
}

impl From<Unreadable> for CallFailure {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(error)
    }
}

impl Gateway {
    /// Handles a batch of a gateway's queue.
    ///
    /// # Errors
    /// [`Outage`] if nobody knows the queue: everything comes back.
    pub async fn handle(&self, event: LambdaEvent<SqsEvent>) -> Result<SqsBatchResponse, Outage> {
        let deadline = event.context.deadline();
        let source = event.payload.records.first().and_then(|record| record.event_source_arn.clone());
        let (provider, dead_letters) = self.dead_letters_of(&source.unwrap_or_default())?;
        let receipts = MessageReceipts::from_event(&event.payload);
        let response = consume_records(event, dead_letters, async |record: &Record| {
            match CloudEvent::<GatewayCommand>::parse(&record.body) {
                Ok(command) => self.process(command, deadline).await,
                Err(error) => {
                    Ok(RecordOutcome::Park(PermanentFailure { code: error.code(), reason: error.to_string() }))
                }
            }
        })
        .await?;
        if let Some(queue) = self.queues.queue_for(provider) {
            receipts.space_out(queue, &response).await;
        }
        Ok(response)
    }

    /// Whose queue an event comes from, all of its records from one, with the dead-letter queue behind it.
    fn dead_letters_of(&self, source: &str) -> Result<(&'static str, &DeadLetterQueue), Outage> {
        let is_source = |provider: &str| source.ends_with(&format!("-{provider}-gateway.fifo"));
        let found = self
            .dead_letters
            .iter()
            .find(|(provider, _)| is_source(provider))
            .map(|(provider, queue)| (*provider, queue));
        found.ok_or_else(|| Outage(format!("the queue {source} is no gateway's")))
    }

    /// Carries a command out, once however often it comes.
    pub(crate) async fn process(
        &self,
        command: CloudEvent<GatewayCommand>,
        deadline: SystemTime,
    ) -> Result<RecordOutcome, BatchError> {
        let key = command.payload.name();
        let now = Utc::now();
        let lease_until = DateTime::<Utc>::from(deadline) + CLOCK_SKEW_MARGIN;
        let claimed = self.idempotency.claim(&key, &fingerprint(&command.payload)?, now, lease_until).await;
        let lease = match claimed.map_err(busy)? {
            IdempotencyClaim::Won(lease) => lease,
            IdempotencyClaim::Completed(_) | IdempotencyClaim::FailedForGood(_) => return Ok(RecordOutcome::Done),
            IdempotencyClaim::InProgress | IdempotencyClaim::Unknown => {
                return Ok(RecordOutcome::Wait(format!("{key} is being carried out")));
            }
            IdempotencyClaim::OtherPayload => {
                let reason = format!("{key} came with two contents; the first was carried out");
                return Ok(RecordOutcome::Park(PermanentFailure { code: "idempotency_conflict", reason }));
            }
        };
        let done = self.carry_out(&command, now, deadline).await;
        self.finish(&command, lease, done).await
    }

    async fn finish(
        &self,
        command: &CloudEvent<GatewayCommand>,
        lease: IdempotencyLease,
        done: Result<CommandResult, PermanentFailure>,
    ) -> Result<RecordOutcome, BatchError> {
        let name = command.payload.name();
        match done {
            Ok(CommandResult::Told(told)) => {
                self.send_to_processor(told, &command.correlationid).await?;
                self.idempotency.complete(&lease, None).await.map_err(busy)?;
                Ok(RecordOutcome::Done)
            }
            Ok(CommandResult::Refused(told, reason)) => {
                tracing::warn!(command = name, reason, "gateway refused the command");
                self.send_to_processor(told, &command.correlationid).await?;
                self.idempotency.fail_for_good(&lease, &reason).await.map_err(busy)?;
                Ok(RecordOutcome::Done)
            }
            // When it comes back, the gateway is asked what became of it.
            Ok(CommandResult::Unknown(reason)) => {
                self.idempotency.release(&lease).await.map_err(busy)?;
                Ok(RecordOutcome::Wait(format!("{name}: {reason}")))
            }
            Err(refusal) => {
                self.idempotency.release(&lease).await.map_err(busy)?;
                Ok(RecordOutcome::Park(refusal))
            }
        }
    }

    async fn carry_out(
        &self,
        command: &CloudEvent<GatewayCommand>,
        now: DateTime<Utc>,
        deadline: SystemTime,
    ) -> Result<CommandResult, PermanentFailure> {
        let provider = command.payload.provider();
        let known = by_name(provider.as_str());
        let Some(api) = known.and_then(|provider| Some((provider.name(), provider.api()?))) else {
            let reason = format!("there is no gateway of the provider `{provider}` here");
            return Err(PermanentFailure { code: "unknown_provider", reason });
        };
        let done = match &command.payload {
            GatewayCommand::InitiateCharge(order) => Ok(self.charge(api, order, now).await),
            GatewayCommand::InitiateRefund(order) => {
                refuse_late(api, order, now - command.time)?;
                self.refund(api, order, now).await
            }
            GatewayCommand::QueryPayment(question) => Ok(self.query_payment(api, question, now).await),
            GatewayCommand::QueryResource(question) => self.query_resource(api, question).await,
            GatewayCommand::ListEvents(listing) => {
                self.list_events(api, listing, &command.correlationid, deadline).await
            }
        };
        match done {
            Ok(done) => Ok(done),
            Err(CallFailure::Away(reason)) => Ok(CommandResult::Unknown(reason)),
            Err(CallFailure::Unreadable(error)) => {
                Err(PermanentFailure { code: "unreadable_answer", reason: error.to_string() })
            }
            Err(CallFailure::Incomplete(refusal)) => Err(refusal),
        }
    }

    async fn refund(
        &self,
        (name, api): NamedGateway<'_>,
        order: &InitiateRefund,
        now: DateTime<Utc>,
    ) -> Result<CommandResult, CallFailure> {
        let access = self.gateways.access(name).await?;
        let mut before = Vec::new();
        for call in api.before_refund(&access, order)? {
            before.push(self.gateways.make(name, api.url(), call).await?);
        }
        let response = match api.refund(&access, order, &before)? {
            RefundStep::Call(call) => api.refunded(order, &self.gateways.make(name, api.url(), call).await?)?,
            RefundStep::Made(statement) => CommandResponse::Statement(statement),
            RefundStep::Unknown(reason) => CommandResponse::Unknown(reason),
        };
        Ok(match response {
            CommandResponse::Statement(PaymentStatement::Evidence(evidence)) => {
                CommandResult::Told(evidence.into_iter().map(PaymentCommand::from_evidence).collect())
            }
            CommandResponse::Statement(PaymentStatement::Accepted) => CommandResult::Told(Vec::new()),
            // What the gateway refuses did not happen: what was reserved for it is free again.
            CommandResponse::Statement(PaymentStatement::Refused(reason)) => {
                let event = ("refused", Some(reason.as_str()));
                CommandResult::Refused(
                    vec![evidence(&MoneyAttempt::from(order), FactKind::RefundFailure, event, now)],
                    reason,
                )
            }
            CommandResponse::Unknown(reason) => CommandResult::Unknown(reason),
        })
    }

    async fn query_resource(
        &self,
        (name, api): NamedGateway<'_>,
        question: &QueryResource,
    ) -> Result<CommandResult, CallFailure> {
        let access = self.gateways.access(name).await?;
        let call = api.query(&access, question)?;
        let answer = self.gateways.make(name, api.url(), call).await?;
        Ok(match api.queried(question, &answer)? {
            InquiryResponse::Statement(PaymentStatement::Evidence(evidence)) => {
                CommandResult::Told(evidence.into_iter().map(PaymentCommand::from_evidence).collect())
            }
            InquiryResponse::Statement(PaymentStatement::Accepted) => CommandResult::Told(Vec::new()),
            // The gateway reported an event whose object it does not show: it is asked again later.
            unknown => CommandResult::Unknown(unknown.to_string()),
        })
    }

    /// Sends what was found out to the processor.
    pub(crate) async fn send_to_processor(
        &self,
        told: Vec<PaymentCommand>,
        correlation_id: &str,
    ) -> Result<(), BatchError> {
        let envelope = |command: PaymentCommand| {
            let subject = command.transaction_id().to_string();
            CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, Utc::now(), correlation_id.to_owned(), command)
        };
        let commands: Vec<_> = told.into_iter().map(envelope).collect();
        self.payments_queue.send(&commands).await.map_err(BatchError::Busy)
    }
}

/// A refund that nothing but its key protects from being made twice is not asked for when the key may be forgotten.
fn refuse_late((name, api): NamedGateway<'_>, order: &InitiateRefund, age: TimeDelta) -> Result<(), PermanentFailure> {
    if api.key_kept_for().is_none_or(|kept| age <= kept) {
        return Ok(());
    }
    let reason = format!("{} is older than {name} remembers its key; look there, then decide", order.refund_id);
    Err(PermanentFailure { code: "outcome_unknown", reason })
}

/// A digest of what is asked for, the same for every delivery.
fn fingerprint(command: &GatewayCommand) -> Result<String, BatchError> {
    let content = serde_json::to_vec(command).map_err(|error| BatchError::Spoiled(error.to_string()))?;
    Ok(hex::encode(Sha256::digest(content)))
}

/// The table does not answer, or another worker has the command: it comes back.
fn busy(error: IdempotencyError) -> BatchError {
    BatchError::Busy(error.to_string())
}
