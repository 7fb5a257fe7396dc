//! Collecting payments, and asking what became of them.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::command::{Evidence, InitiateCharge, PaymentCommand, QueryPayment};
use quittance_domain::fact::FactKind;
use quittance_lambda::batch::PermanentFailure;
use quittance_providers::api::{CommandResponse, InquiryResponse, PaymentStatement};

use crate::handler::{CallFailure, CommandResult, Gateway, NamedGateway};
use crate::outcome_evidence::{MoneyAttempt, escalation, evidence};

/// An attempt is made, and repeated under its key, for so long: the gateway answers as it did, or carries out what never
/// reached it. Later nobody expects the payment any more, the key may be forgotten, and it is only looked up.
const MADE_WITHIN: TimeDelta = TimeDelta::hours(1);

/// What a gateway lists or finds lags behind what it has done; that it has no such payment is believed only so long after
/// the order.
const ABSENT_AFTER: TimeDelta = TimeDelta::hours(3);

impl Gateway {
    /// Collects a payment. Without a clear answer it is told to be unknown; the questions about it find out. An order that
    /// is late is only looked up: an earlier delivery may have been carried out, under a key that is forgotten by now.
    pub(crate) async fn charge(
        &self,
        api: NamedGateway<'_>,
        order: &InitiateCharge,
        now: DateTime<Utc>,
    ) -> CommandResult {
        match self.find_out(api, &question_about(order), now).await {
            InquiryResponse::Statement(PaymentStatement::Evidence(evidence)) => {
                CommandResult::Told(found(evidence, now))
            }
            InquiryResponse::Statement(PaymentStatement::Accepted) => CommandResult::Told(Vec::new()),
            InquiryResponse::Statement(PaymentStatement::Refused(reason)) => {
                CommandResult::Refused(vec![failed(order, &reason)], reason)
            }
            unknown @ (InquiryResponse::Absent | InquiryResponse::Unknown(_)) => {
                let reason = unknown.to_string();
                tracing::warn!(charge = order.key(), reason, "charge outcome is unknown");
                let told = ("unknown", Some(reason.as_str()));
                CommandResult::Told(vec![evidence(
                    &MoneyAttempt::from(order),
                    FactKind::Unknown,
                    told,
                    order.ordered_at,
                )])
            }
        }
    }

    /// Asks what became of a payment. No answer is an answer: the next question follows, or staff have to look.
    pub(crate) async fn query_payment(
        &self,
        api: NamedGateway<'_>,
        question: &QueryPayment,
        now: DateTime<Utc>,
    ) -> CommandResult {
        CommandResult::Told(match (self.find_out(api, question, now).await, &question.charge) {
            (InquiryResponse::Statement(PaymentStatement::Evidence(evidence)), _) => found(evidence, now),
            (InquiryResponse::Statement(PaymentStatement::Refused(reason)), Some(order)) => {
                vec![failed(order, &reason)]
            }
            // The gateway has our charge and will say what becomes of it: a direct debit takes days.
            (InquiryResponse::Statement(PaymentStatement::Accepted), Some(_)) => Vec::new(),
            // That a gateway does not know what a client claims proves nothing; staff see it in the case.
            (undecided, _) if question.is_last => vec![escalation(question, &undecided.to_string())],
            (undecided, _) => {
                tracing::info!(question = question.name(), reason = %undecided, "payment is undecided at the gateway");
                Vec::new()
            }
        })
    }

    /// Makes the call of a charge that is young, under its key, or looks the payment up. What cannot be reached or read
    /// leaves it unknown.
    async fn find_out(&self, api: NamedGateway<'_>, question: &QueryPayment, now: DateTime<Utc>) -> InquiryResponse {
        let age = question.charge.as_ref().map(|order| now - order.ordered_at);
        let is_young = question.may_repeat && age.is_some_and(|age| age <= MADE_WITHIN);
        let asked = match &question.charge {
            Some(order) if is_young => self.collect(api, order).await.map(InquiryResponse::from),
            _ => self.look_up(api, question).await,
        };
        match asked {
            Ok(InquiryResponse::Absent) if age.is_some_and(|age| age > ABSENT_AFTER) => {
                InquiryResponse::Statement(PaymentStatement::Refused(InquiryResponse::Absent.to_string()))
            }
            Ok(response) => response,
            Err(CallFailure::Away(reason) | CallFailure::Incomplete(PermanentFailure { reason, .. })) => {
                InquiryResponse::Unknown(reason)
            }
            Err(CallFailure::Unreadable(error)) => {
                tracing::error!(question = question.name(), error = %error, "gateway response could not be parsed");
                InquiryResponse::Unknown(error.to_string())
            }
        }
    }

    async fn collect(
        &self,
        (name, api): NamedGateway<'_>,
        order: &InitiateCharge,
    ) -> Result<CommandResponse, CallFailure> {
        if let Err(unfit) = api.takes(order) {
            return Ok(CommandResponse::Statement(PaymentStatement::Refused(unfit.reason)));
        }
        let access = self.gateways.access(name).await?;
        let answer = self.gateways.make(name, api.url(), api.charge(&access, order)?).await?;
        Ok(api.charged(order, &answer)?)
    }

    async fn look_up(
        &self,
        (name, api): NamedGateway<'_>,
        question: &QueryPayment,
    ) -> Result<InquiryResponse, CallFailure> {
        let access = self.gateways.access(name).await?;
        let Some(call) = api.look_up(&access, question)? else {
            return Ok(InquiryResponse::Unknown(format!("{name} cannot be asked about {}", question.transaction_id)));
        };
        let answer = self.gateways.make(name, api.url(), call).await?;
        Ok(api.looked_up(question, &answer)?)
    }
}

/// Evidence that a gateway gave when it was asked. Objects have the time at which they were made, which may be weeks before
/// the money moved: in the books it is of now.
fn found(evidence: Vec<Evidence>, now: DateTime<Utc>) -> Vec<PaymentCommand> {
    let found = |evidence: Evidence| {
        let found_at = evidence.kind.proves_money().then_some(now);
        PaymentCommand::from_evidence(Evidence { found_at, ..evidence })
    };
    evidence.into_iter().map(found).collect()
}

/// The first question about a charge: has it been made?
fn question_about(order: &InitiateCharge) -> QueryPayment {
    QueryPayment {
        payment_id: order.payment_id,
        transaction_id: order.transaction_id.clone(),
        provider: order.provider.clone(),
        names: Vec::new(),
        charge: Some(order.clone()),
        may_repeat: true,
        round: 0,
        since: order.ordered_at,
        is_last: false,
    }
}

/// The attempt has failed, at the time at which it was ordered: whenever that is found out, it says nothing of a later one.
fn failed(order: &InitiateCharge, reason: &str) -> PaymentCommand {
    evidence(&MoneyAttempt::from(order), FactKind::Failure, ("refused", Some(reason)), order.ordered_at)
}
