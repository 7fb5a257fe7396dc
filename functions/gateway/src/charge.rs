//! Charges payments, and makes status inquiries about them.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::command::{Evidence, InitiateCharge, PaymentCommand, QueryPayment};
use quittance_domain::error::Chain;
use quittance_domain::fact::FactKind;
use quittance_lambda::batch::PermanentFailure;
use quittance_providers::api::{CommandResponse, InquiryResponse, PaymentStatement};

use crate::handler::{CallFailure, CommandResult, Gateway, NamedGateway};
use crate::outcome_evidence::{MoneyAttempt, escalation, evidence};

/// For this long an attempt is made, and repeated under its key: the gateway repeats its response, or carries out a
/// call that it never received. After that the payment is not expected any more and the key may have expired, so the
/// payment is only looked up.
const MADE_WITHIN: TimeDelta = TimeDelta::hours(1);

/// A gateway's lists and searches lag behind its actions; a missing payment is only believed this long after the order.
const ABSENT_AFTER: TimeDelta = TimeDelta::hours(3);

impl Gateway {
    /// Charges a payment. Without a clear answer it is reported as unknown, to be resolved by status inquiries. A late
    /// order is only looked up: an earlier delivery may have been carried out, under a key that has expired by now.
    pub(crate) async fn charge(
        &self,
        api: NamedGateway<'_>,
        request: &InitiateCharge,
        now: DateTime<Utc>,
    ) -> CommandResult {
        match self.find_out(api, &inquiry_about(request), now).await {
            InquiryResponse::Statement(PaymentStatement::Evidence(evidence)) => {
                CommandResult::Evidence(found(evidence, now))
            }
            InquiryResponse::Statement(PaymentStatement::Accepted) => CommandResult::Evidence(Vec::new()),
            InquiryResponse::Statement(PaymentStatement::Refused(reason)) => {
                CommandResult::Refused(vec![failed(request, &reason)], reason)
            }
            unknown @ (InquiryResponse::Absent | InquiryResponse::Unknown(_)) => {
                let reason = unknown.to_string();
                tracing::warn!(charge = request.key(), reason, "charge outcome is unknown");
                let attempt = MoneyAttempt::from(request);
                CommandResult::Evidence(vec![evidence(
                    &attempt,
                    FactKind::Unknown,
                    "unknown",
                    Some(&reason),
                    request.ordered_at,
                )])
            }
        }
    }

    /// Makes a status inquiry. A missing answer counts as an answer: the next inquiry follows, or staff have to look.
    pub(crate) async fn query_payment(
        &self,
        api: NamedGateway<'_>,
        inquiry: &QueryPayment,
        now: DateTime<Utc>,
    ) -> CommandResult {
        CommandResult::Evidence(match (self.find_out(api, inquiry, now).await, &inquiry.charge) {
            (InquiryResponse::Statement(PaymentStatement::Evidence(evidence)), _) => found(evidence, now),
            (InquiryResponse::Statement(PaymentStatement::Refused(reason)), Some(request)) => {
                vec![failed(request, &reason)]
            }
            // The gateway has our charge and will report its outcome: a direct debit takes days.
            (InquiryResponse::Statement(PaymentStatement::Accepted), Some(_)) => Vec::new(),
            // That a gateway does not have a payment that a client claims proves nothing; staff see it in the case.
            (undecided, _) if inquiry.is_last => vec![escalation(inquiry, &undecided.to_string())],
            (undecided, _) => {
                tracing::info!(inquiry = inquiry.name(), reason = %undecided, "payment is undecided at the gateway");
                Vec::new()
            }
        })
    }

    /// Repeats the call of a recent charge under its key, or looks the payment up. If the gateway cannot be reached or
    /// understood, the payment stays unknown.
    async fn find_out(&self, api: NamedGateway<'_>, inquiry: &QueryPayment, now: DateTime<Utc>) -> InquiryResponse {
        let age = inquiry.charge.as_ref().map(|request| now - request.ordered_at);
        let is_young = inquiry.may_repeat && age.is_some_and(|age| age <= MADE_WITHIN);
        let asked = match &inquiry.charge {
            Some(request) if is_young => self.collect(api, request).await.map(InquiryResponse::from),
            _ => self.look_up(api, inquiry).await,
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
                tracing::error!(inquiry = inquiry.name(), error = %Chain(&error), "gateway response could not be parsed");
                InquiryResponse::Unknown(error.to_string())
            }
        }
    }

    async fn collect(
        &self,
        NamedGateway { name, api }: NamedGateway<'_>,
        request: &InitiateCharge,
    ) -> Result<CommandResponse, CallFailure> {
        if let Err(unfit) = api.takes(request) {
            return Ok(CommandResponse::Statement(PaymentStatement::Refused(unfit.reason)));
        }
        let access = self.gateways.access(name).await?;
        let answer = self.gateways.make(name, api.url(), api.charge(&access, request)?).await?;
        Ok(api.charged(request, &answer)?)
    }

    async fn look_up(
        &self,
        NamedGateway { name, api }: NamedGateway<'_>,
        inquiry: &QueryPayment,
    ) -> Result<InquiryResponse, CallFailure> {
        let access = self.gateways.access(name).await?;
        let Some(call) = api.look_up(&access, inquiry)? else {
            return Ok(InquiryResponse::Unknown(format!("{name} cannot be asked about {}", inquiry.transaction_id)));
        };
        let answer = self.gateways.make(name, api.url(), call).await?;
        Ok(api.looked_up(inquiry, &answer)?)
    }
}

/// Evidence from an inquiry's response. Objects carry their time of creation, which may be weeks before the money
/// moved: the accounting date is that of the response.
fn found(evidence: Vec<Evidence>, now: DateTime<Utc>) -> Vec<PaymentCommand> {
    let found = |evidence: Evidence| {
        let found_at = evidence.kind.proves_money().then_some(now);
        PaymentCommand::from_evidence(Evidence { found_at, ..evidence })
    };
    evidence.into_iter().map(found).collect()
}

/// The first inquiry about a charge: has it been made?
fn inquiry_about(request: &InitiateCharge) -> QueryPayment {
    QueryPayment {
        payment_id: request.payment_id,
        transaction_id: request.transaction_id.clone(),
        provider: request.provider.clone(),
        names: Vec::new(),
        charge: Some(request.clone()),
        may_repeat: true,
        round: 0,
        since: request.ordered_at,
        is_last: false,
    }
}

/// The attempt failed, as of the time at which it was ordered: whenever the failure is detected, it has no bearing on a
/// later attempt.
fn failed(request: &InitiateCharge, reason: &str) -> PaymentCommand {
    evidence(&MoneyAttempt::from(request), FactKind::Failure, "refused", Some(reason), request.ordered_at)
}
