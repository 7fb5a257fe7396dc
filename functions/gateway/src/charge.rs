//! Collecting payments, and asking what became of them.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::command::{InitiateCharge, PaymentCommand, QueryPayment};
use quittance_domain::fact::FactKind;
use quittance_providers::api::Outcome;

use crate::handler::{Done, Gateway, Named, Trouble};
use crate::telling::{Subject, escalation, evidence};

/// An attempt is made, and repeated under its key, for so long: the gateway answers as it did, or carries out what never
/// reached it. Later nobody expects the payment any more, the key may be forgotten, and it is only looked up.
const MADE_WITHIN: TimeDelta = TimeDelta::hours(1);

impl Gateway {
    /// Collects a payment. Without a clear answer it is told to be unknown; the questions about it find out. An order that
    /// is late is only looked up: an earlier delivery may have been carried out, under a key that is forgotten by now.
    pub(crate) async fn charge(
        &self,
        api: Named<'_>,
        order: &InitiateCharge,
        now: DateTime<Utc>,
    ) -> Result<Done, Trouble> {
        let outcome = self.find_out(api, &question_about(order), now).await?;
        Ok(match outcome {
            Outcome::Told(evidence) => Done::Told(evidence.into_iter().map(PaymentCommand::of).collect()),
            Outcome::Accepted => Done::Told(Vec::new()),
            Outcome::Refused(reason) => Done::Refused(vec![failed(order, &reason, now)], reason),
            Outcome::Unknown(reason) => {
                tracing::warn!(charge = order.key(), reason, "it is not known whether the gateway collects it");
                Done::Told(vec![evidence(&Subject::from(order), FactKind::Unknown, ("unknown", Some(&reason)), now)])
            }
        })
    }

    /// Makes the call of a charge that is young, under its key; looks up what is older, or has a name at the gateway.
    async fn find_out(&self, api: Named<'_>, question: &QueryPayment, now: DateTime<Utc>) -> Result<Outcome, Trouble> {
        let young = question.charge.as_ref().filter(|order| is_young(order, question, now));
        let asked = match young {
            Some(order) => self.ask_for(api, order).await,
            None => self.look_up(api, question).await,
        };
        match asked {
            Err(Trouble::Away(reason)) => Ok(Outcome::Unknown(reason)),
            other => other,
        }
    }

    async fn ask_for(&self, (name, api): Named<'_>, order: &InitiateCharge) -> Result<Outcome, Trouble> {
        let access = self.gateways.access(name).await?;
        let answer = self.gateways.make(name, api.url(), api.charge(&access, order)?).await?;
        Ok(api.charged(order, &answer)?)
    }

    /// Asks what became of a payment. No answer is an answer: the next question follows, or staff have to look.
    pub(crate) async fn query_payment(
        &self,
        api: Named<'_>,
        question: &QueryPayment,
        now: DateTime<Utc>,
    ) -> Result<Done, Trouble> {
        let outcome = self.find_out(api, question, now).await?;
        Ok(Done::Told(match (outcome, &question.charge) {
            (Outcome::Told(evidence), _) => evidence.into_iter().map(PaymentCommand::of).collect(),
            (Outcome::Refused(reason), Some(order)) => vec![failed(order, &reason, now)],
            // That a gateway does not know what a client claims proves nothing; staff see it in the case.
            (undecided, _) if question.is_last => vec![escalation(question, &undecided.to_string())],
            (undecided, _) => {
                tracing::info!(question = question.name(), reason = %undecided, "the payment is not decided");
                Vec::new()
            }
        }))
    }

    async fn look_up(&self, (name, api): Named<'_>, question: &QueryPayment) -> Result<Outcome, Trouble> {
        let access = self.gateways.access(name).await?;
        let Some(call) = api.look_up(&access, question)? else {
            return Ok(Outcome::Unknown(format!("{name} cannot be asked about {}", question.transaction_id)));
        };
        let answer = self.gateways.make(name, api.url(), call).await?;
        Ok(api.looked_up(question, &answer)?)
    }
}

/// The first question about a charge: has it been made?
fn question_about(order: &InitiateCharge) -> QueryPayment {
    QueryPayment {
        payment_id: order.payment_id,
        transaction_id: order.transaction_id.clone(),
        provider: order.provider.clone(),
        names: Vec::new(),
        charge: Some(order.clone()),
        round: 0,
        since: order.ordered_at,
        is_last: false,
    }
}

/// A charge that the gateway has given a name is looked up by it, however young.
fn is_young(order: &InitiateCharge, question: &QueryPayment, now: DateTime<Utc>) -> bool {
    question.names.is_empty() && now - order.ordered_at <= MADE_WITHIN
}

fn failed(order: &InitiateCharge, reason: &str, now: DateTime<Utc>) -> PaymentCommand {
    evidence(&Subject::from(order), FactKind::Failure, ("refused", Some(reason)), now)
}
