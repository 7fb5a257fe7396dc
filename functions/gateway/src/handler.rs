//! Turns SQS records into outcomes.

use std::collections::HashMap;
use std::time::SystemTime;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use chrono::{DateTime, TimeDelta, Utc};
use lambda_runtime::LambdaEvent;
use quittance_domain::command::{GatewayCommand, InitiateRefund, PaymentCommand, QueryResource};
use quittance_domain::error::Chain;
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
use crate::call::GatewayError;
use crate::call::Gateways;
use crate::outcome_evidence::{MoneyAttempt, evidence};

/// The gateway function's dependencies.
#[derive(Debug)]
pub struct Gateway {
    pub gateways: Gateways,
    /// The commands that have been carried out.
    pub idempotency: IdempotencyTable,
    /// The processor's queue, for evidence.
    pub payments_queue: CommandQueue,
    /// The command queues.
    pub queues: GatewayQueues,
    /// The dead-letter queues, by provider.
    pub dead_letters: HashMap<&'static str, DeadLetterQueue>,
}

/// The outcome of a command, with the resulting commands to the processor.
pub(crate) enum CommandResult {
    /// Concluded.
    Evidence(Vec<PaymentCommand>),
    /// Concluded: the gateway refused it.
    Refused(Vec<PaymentCommand>, String),
    /// The outcome is unknown: the command is to be repeated.
    Unknown(String),
}

/// Why a call was not made, or its response is unusable.
pub(crate) enum CallFailure {
    /// A dependency is unreachable: the outcome of the call is unknown.
    Away(String),
    Unreadable(Unreadable),
    /// The response could only be parsed in part: the command is to be replayed after a fix.
    Incomplete(PermanentFailure),
}

/// A gateway with its name.
#[derive(Clone, Copy)]
pub(crate) struct NamedGateway<'a> {
    pub(crate) name: &'static str,
    pub(crate) api: &'a dyn Api,
}

impl From<GatewayError> for CallFailure {
    fn from(error: GatewayError) -> Self {
        Self::Away(Chain(&error).to_string())
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
    /// [`Outage`] if the queue is unknown: every record is redelivered.
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

    /// The provider of an event's queue, from which all its records come, with its dead-letter queue.
    fn dead_letters_of(&self, source: &str) -> Result<(&'static str, &DeadLetterQueue), Outage> {
        let is_source = |provider: &str| source.ends_with(&format!("-{provider}-gateway.fifo"));
        let found = self
            .dead_letters
            .iter()
            .find(|(provider, _)| is_source(provider))
            .map(|(provider, queue)| (*provider, queue));
        found.ok_or_else(|| Outage(format!("the queue {source} is no gateway's")))
    }

    /// Carries a command out once, however often it is delivered.
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
            Ok(CommandResult::Evidence(reported)) => {
                self.send_to_processor(reported, &command.correlationid).await?;
                self.idempotency.complete(&lease, None).await.map_err(busy)?;
                Ok(RecordOutcome::Done)
            }
            Ok(CommandResult::Refused(reported, reason)) => {
                tracing::warn!(command = name, reason, "gateway refused the command");
                self.send_to_processor(reported, &command.correlationid).await?;
                self.idempotency.fail_for_good(&lease, &reason).await.map_err(busy)?;
                Ok(RecordOutcome::Done)
            }
            // When it is redelivered, the gateway is asked for its outcome.
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
        let Some(api) = known.and_then(|provider| Some(NamedGateway { name: provider.name(), api: provider.api()? }))
        else {
            let reason = format!("there is no gateway of the provider `{provider}` here");
            return Err(PermanentFailure { code: "unknown_provider", reason });
        };
        let done = match &command.payload {
            GatewayCommand::InitiateCharge(request) => Ok(self.charge(api, request, now).await),
            GatewayCommand::InitiateRefund(request) => {
                refuse_late(api, request, now - command.time)?;
                self.refund(api, request, now).await
            }
            GatewayCommand::QueryPayment(inquiry) => Ok(self.query_payment(api, inquiry, now).await),
            GatewayCommand::QueryResource(inquiry) => self.query_resource(api, inquiry).await,
            GatewayCommand::ListEvents(backfill) => {
                self.list_events(api, backfill, &command.correlationid, deadline).await
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
        NamedGateway { name, api }: NamedGateway<'_>,
        request: &InitiateRefund,
        now: DateTime<Utc>,
    ) -> Result<CommandResult, CallFailure> {
        let access = self.gateways.access(name).await?;
        let mut before = Vec::new();
        for call in api.before_refund(&access, request)? {
            before.push(self.gateways.make(name, api.url(), call).await?);
        }
        let response = match api.refund(&access, request, &before)? {
            RefundStep::Call(call) => api.refunded(request, &self.gateways.make(name, api.url(), call).await?)?,
            RefundStep::Made(statement) => CommandResponse::Statement(statement),
            RefundStep::Unknown(reason) => CommandResponse::Unknown(reason),
        };
        Ok(match response {
            CommandResponse::Statement(PaymentStatement::Evidence(evidence)) => {
                CommandResult::Evidence(evidence.into_iter().map(PaymentCommand::from_evidence).collect())
            }
            CommandResponse::Statement(PaymentStatement::Accepted) => CommandResult::Evidence(Vec::new()),
            // A refund that the gateway refused did not happen: its reservation is released.
            CommandResponse::Statement(PaymentStatement::Refused(reason)) => {
                let attempt = MoneyAttempt::from(request);
                let failure = evidence(&attempt, FactKind::RefundFailure, "refused", Some(&reason), now);
                CommandResult::Refused(vec![failure], reason)
            }
            CommandResponse::Unknown(reason) => CommandResult::Unknown(reason),
        })
    }

    async fn query_resource(
        &self,
        NamedGateway { name, api }: NamedGateway<'_>,
        inquiry: &QueryResource,
    ) -> Result<CommandResult, CallFailure> {
        let access = self.gateways.access(name).await?;
        let call = api.query(&access, inquiry)?;
        let answer = self.gateways.make(name, api.url(), call).await?;
        Ok(match api.queried(inquiry, &answer)? {
            InquiryResponse::Statement(PaymentStatement::Evidence(evidence)) => {
                CommandResult::Evidence(evidence.into_iter().map(PaymentCommand::from_evidence).collect())
            }
            InquiryResponse::Statement(PaymentStatement::Accepted) => CommandResult::Evidence(Vec::new()),
            // The gateway reported an event but does not return its object yet: it is asked again later.
            unknown => CommandResult::Unknown(unknown.to_string()),
        })
    }

    /// Sends the resulting commands to the processor.
    pub(crate) async fn send_to_processor(
        &self,
        reported: Vec<PaymentCommand>,
        correlation_id: &str,
    ) -> Result<(), BatchError> {
        let envelope = |command: PaymentCommand| {
            let subject = command.transaction_id().to_string();
            CloudEvent::new(Uuid::now_v7(), FUNCTION, subject, Utc::now(), correlation_id.to_owned(), command)
        };
        let commands: Vec<_> = reported.into_iter().map(envelope).collect();
        self.payments_queue.send(&commands).await.map_err(|error| BatchError::Busy(Chain(&error).to_string()))
    }
}

/// Refuses a refund that is protected from duplication only by its idempotency key once that key may have expired.
fn refuse_late(
    NamedGateway { name, api }: NamedGateway<'_>,
    request: &InitiateRefund,
    age: TimeDelta,
) -> Result<(), PermanentFailure> {
    if api.key_kept_for().is_none_or(|kept| age <= kept) {
        return Ok(());
    }
    let reason = format!("{} is older than {name} remembers its key; look there, then decide", request.refund_id);
    Err(PermanentFailure { code: "outcome_unknown", reason })
}

/// A digest of the command's content, the same for every delivery.
fn fingerprint(command: &GatewayCommand) -> Result<String, BatchError> {
    let content = serde_json::to_vec(command).map_err(|error| BatchError::Spoiled(Chain(&error).to_string()))?;
    Ok(hex::encode(Sha256::digest(content)))
}

/// The table does not answer, or another worker has the command: it is redelivered.
fn busy(error: IdempotencyError) -> BatchError {
    BatchError::Busy(Chain(&error).to_string())
}
