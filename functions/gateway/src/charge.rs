//! Collecting payments, and asking what became of them.

use chrono::{DateTime, TimeDelta, Utc};
use quittance_domain::command::{InitiateCharge, PaymentCommand, QueryPayment};
use quittance_domain::fact::FactKind;
use quittance_providers::api::Outcome;

use crate::handler::{Done, Gateway, Named, Trouble};
use crate::telling::{Subject, escalation, evidence};

/// An attempt whose outcome is unknown is repeated under its key for so long: the gateway answers as it did, or carries
/// out what never reached it. Later nobody expects the payment any more, and it is only looked up.
const REPEATED_FOR: TimeDelta = TimeDelta::hours(1);

impl Gateway {
    /// Collects a payment. Without a clear answer it is told to be unknown; the questions about it find out.
    pub(crate) async fn charge(
        &self,
        api: Named<'_>,
        order: &InitiateCharge,
        now: DateTime<Utc>,
    ) -> Result<Done, Trouble> {
        let outcome = match self.ask_for(api, order).await {
            Err(Trouble::Away(reason)) => Outcome::Unknown(reason),
            other => other?,
        };
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
        let repeated = question.charge.as_ref().filter(|order| is_repeated(order, question, now));
        let asked = match repeated {
            Some(order) => self.ask_for(api, order).await,
            None => self.look_up(api, question).await,
        };
        let outcome = match asked {
            Err(Trouble::Away(reason)) => Outcome::Unknown(reason),
            other => other?,
        };
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

/// A charge that the gateway has given a name is looked up by it.
fn is_repeated(order: &InitiateCharge, question: &QueryPayment, now: DateTime<Utc>) -> bool {
    question.names.is_empty() && now - order.ordered_at <= REPEATED_FOR
}

fn failed(order: &InitiateCharge, reason: &str, now: DateTime<Utc>) -> PaymentCommand {
    evidence(&Subject::from(order), FactKind::Failure, ("refused", Some(reason)), now)
}
