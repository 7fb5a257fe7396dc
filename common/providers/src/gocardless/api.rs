//! GoCardless's API: refunds, and the amounts that its webhooks leave out.

use quittance_domain::command::{Evidence, InitiateRefund, QueryPayment};
use quittance_domain::fact::FactKind;
use quittance_domain::id::RefundId;
use quittance_domain::money::Currency;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{GoCardless, NAME, is_id, unreadable};
use crate::Unreadable;
use crate::api::{Access, Answer, Api, Call, Outcome};
use crate::told::{Told, invoice_number, minor_units, place, units_of};

/// The shape of the answers that this module reads.
const API_VERSION: &str = "2015-07-06";

impl Api for GoCardless {
    fn url(&self) -> &'static str {
        "https://api.gocardless.com"
    }

    /// A refund states the sum of all refunds of its payment, so that none is made unawares.
    fn before_refund(&self, access: &Access, order: &InitiateRefund) -> Option<Call> {
        let id = order.transaction_id.reference();
        is_id(id).then(|| call(access, format!("/payments/{id}"), None))
    }

    fn refund(&self, access: &Access, order: &InitiateRefund, before: Option<&Answer>) -> Result<Call, Unreadable> {
        let before = before.filter(|answer| answer.trouble().is_none());
        let before = before.ok_or_else(|| unreadable(format!("{} cannot be looked up", order.transaction_id)))?;
        let payment: Payment = read::<Payments>(&before.body)?.payments;
        let units = units_of(NAME, order.amount, Currency::minor_digits)?;
        let total = payment.amount_refunded.checked_add(units).ok_or_else(|| unreadable("the refunds are too much"))?;
        let body = json!({"refunds": {
            "amount": units, "total_amount_confirmation": total, "links": {"payment": payment.id},
            "metadata": {"refund_id": order.refund_id.to_string(), "payment_id": order.payment_id.to_string()},
        }});
        let mut call = call(access, "/refunds".to_owned(), Some(body.to_string()));
        call.headers.push(("content-type", "application/json".to_owned()));
        call.headers.push(("idempotency-key", order.refund_id.to_string()));
        Ok(call)
    }

    /// A refund that was made before answers 409 with its id, and is then as good as accepted.
    fn refunded(&self, _: &InitiateRefund, answer: &Answer) -> Result<Outcome, Unreadable> {
        let made_before = reason(answer).as_deref() == Some("idempotent_creation_conflict");
        Ok(if made_before { Outcome::Accepted } else { trouble(answer).unwrap_or(Outcome::Accepted) })
    }

    fn query(&self, access: &Access, question: &QueryPayment) -> Result<Call, Unreadable> {
        match question.resource.split_once('/') {
            Some(("payments" | "refunds", id)) if is_id(id) => {
                Ok(call(access, format!("/{}", question.resource), None))
            }
            _ => Err(unreadable("it can be asked about payments and refunds only")),
        }
    }

    fn queried(&self, question: &QueryPayment, answer: &Answer) -> Result<Outcome, Unreadable> {
        if let Some(trouble) = trouble(answer) {
            return Ok(trouble);
        }
        let told: Result<Vec<Evidence>, Unreadable> = if question.resource.starts_with("refunds/") {
            let refund = read::<Refunds>(&answer.body)?.refunds;
            question.kinds.iter().map(|kind| refund.told(question, *kind)).collect()
        } else {
            let payment = read::<Payments>(&answer.body)?.payments;
            question.kinds.iter().map(|kind| payment.told(question, *kind)).collect()
        };
        told.map(Outcome::Told)
    }
}

fn call(access: &Access, path: String, body: Option<String>) -> Call {
    let headers =
        vec![("authorization", format!("Bearer {}", access.key)), ("gocardless-version", API_VERSION.to_owned())];
    Call { path, body, headers }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(body).map_err(|error| unreadable(place(&error)))
}

#[derive(Deserialize)]
struct Payments {
    payments: Payment,
}

#[derive(Deserialize)]
struct Payment {
    id: String,
    amount: i64,
    #[serde(default)]
    amount_refunded: i64,
    currency: String,
    reference: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Refunds {
    refunds: Refund,
}

#[derive(Deserialize)]
struct Refund {
    id: String,
    amount: i64,
    currency: String,
    links: RefundLinks,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct RefundLinks {
    payment: Option<String>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    invoice_id: Option<String>,
    invoice_number: Option<String>,
    payment_id: Option<String>,
    refund_id: Option<String>,
}

impl Payment {
    fn told(&self, question: &QueryPayment, kind: FactKind) -> Result<Evidence, Unreadable> {
        let by_id = self.metadata.invoice_id.as_deref().and_then(|id| id.parse().ok());
        let number = self.metadata.invoice_number.as_deref().or(self.reference.as_deref());
        let told = Told {
            kind,
            payment: &self.id,
            also: Vec::new(),
            amount: minor_units(NAME, self.amount, &self.currency, Currency::minor_digits)?,
            event: event(question, kind),
            movement: self.id.clone(),
            invoice: by_id.map(quittance_domain::command::InvoiceHint::Id).or_else(|| number.and_then(invoice_number)),
            payment_id: self.metadata.payment_id.as_deref().and_then(|id| id.parse().ok()),
            occurred_at: question.occurred_at,
        };
        told.evidence(NAME)
    }
}

impl Refund {
    fn told(&self, question: &QueryPayment, kind: FactKind) -> Result<Evidence, Unreadable> {
        let payment = self.links.payment.as_deref().ok_or_else(|| unreadable("a refund links no payment"))?;
        // A refund that we asked for carries our id.
        let ours = self.metadata.refund_id.as_ref().filter(|id| id.parse::<RefundId>().is_ok());
        let told = Told {
            kind,
            payment,
            also: Vec::new(),
            amount: minor_units(NAME, self.amount, &self.currency, Currency::minor_digits)?,
            event: event(question, kind),
            movement: ours.unwrap_or(&self.id).clone(),
            invoice: None,
            payment_id: None,
            occurred_at: question.occurred_at,
        };
        told.evidence(NAME)
    }
}

/// One event may tell two things.
fn event(question: &QueryPayment, kind: FactKind) -> String {
    if question.kinds.len() > 1 { format!("{}:{kind}", question.event_id) } else { question.event_id.clone() }
}

#[derive(Deserialize)]
struct Failure {
    error: FailureDetail,
}

#[derive(Deserialize)]
struct FailureDetail {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    reason: Option<String>,
}

/// GoCardless's own code for what is wrong.
fn reason(answer: &Answer) -> Option<String> {
    let failure: Failure = serde_json::from_slice(&answer.body).ok()?;
    let reason = failure.error.errors.into_iter().find_map(|error| error.reason).unwrap_or(failure.error.r#type);
    Some(reason.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(60).collect())
}

fn trouble(answer: &Answer) -> Option<Outcome> {
    let trouble = answer.trouble()?;
    let Some(code) = reason(answer) else { return Some(trouble) };
    Some(match trouble {
        Outcome::Refused(reason) => Outcome::Refused(format!("{reason}: {code}")),
        Outcome::Unknown(reason) => Outcome::Unknown(format!("{reason}: {code}")),
        other => other,
    })
}
