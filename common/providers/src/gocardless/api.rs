//! GoCardless's API: refunds, and the amounts that its webhooks leave out.

use quittance_domain::command::{Evidence, InitiateRefund, QueryPayment};
use quittance_domain::fact::FactKind;
use quittance_domain::money::Currency;
use serde::Deserialize;
use serde_json::json;

use super::{GoCardless, NAME, is_id, unreadable};
use crate::Unreadable;
use crate::api::{Access, Answer, Api, Call, Next, Outcome};
use crate::told::{Told, invoice_number, minor_units, parse, refund_movement, units_of};

/// The shape of the answers that this module reads.
const API_VERSION: &str = "2015-07-06";

impl Api for GoCardless {
    fn url(&self) -> &'static str {
        "https://api-sandbox.gocardless.com"
    }

    /// Which refunds there are, and what the payment has refunded so far: a refund states the sum of all, so that none
    /// is made unawares.
    fn before_refund(&self, access: &Access, order: &InitiateRefund) -> Result<Vec<Call>, Unreadable> {
        let id = order.transaction_id.reference();
        if !is_id(id) {
            return Err(unreadable(format!("{} is no payment of GoCardless's", order.transaction_id)));
        }
        let calls = [format!("/refunds?payment={id}&limit=500"), format!("/payments/{id}")];
        Ok(calls.into_iter().map(|path| call(access, path, None)).collect())
    }

    fn refund(&self, access: &Access, order: &InitiateRefund, before: &[Answer]) -> Result<Next, Unreadable> {
        if let Some(trouble) = before.iter().find_map(|answer| answer.trouble(reason)) {
            return Ok(Next::Clear(trouble));
        }
        let [refunds, payment] = before else { return Err(unreadable("what was asked first has no answer")) };
        let refund_id = order.refund_id.to_string();
        let known: RefundList = parse(NAME, &refunds.body)?;
        if known.refunds.iter().any(|refund| refund.metadata.refund_id.as_ref() == Some(&refund_id)) {
            return Ok(Next::Clear(Outcome::Accepted));
        }
        let payment: Payment = parse::<Payments>(NAME, &payment.body)?.payments;
        let units = units_of(NAME, order.amount, Currency::minor_digits)?;
        let total = payment.amount_refunded.checked_add(units).ok_or_else(|| unreadable("the refunds are too much"))?;
        let body = json!({"refunds": {
            "amount": units, "total_amount_confirmation": total, "links": {"payment": payment.id},
            "metadata": {"refund_id": refund_id, "payment_id": order.payment_id.to_string()},
        }});
        let mut call = call(access, "/refunds".to_owned(), Some(body.to_string()));
        call.headers.push(("content-type", "application/json".to_owned()));
        call.headers.push(("idempotency-key", refund_id));
        Ok(Next::Call(call))
    }

    fn refunded(&self, _: &InitiateRefund, answer: &Answer) -> Result<Outcome, Unreadable> {
        Ok(answer.trouble(reason).unwrap_or(Outcome::Accepted))
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
        if let Some(trouble) = answer.trouble(reason) {
            return Ok(trouble);
        }
        let told: Result<Vec<Evidence>, Unreadable> = if question.resource.starts_with("refunds/") {
            let refund = parse::<Refunds>(NAME, &answer.body)?.refunds;
            if refund.links.payment.is_none() {
                // What is refunded of a mandate was never a payment of ours.
                return Ok(Outcome::Accepted);
            }
            question.kinds.iter().map(|kind| refund.told(question, *kind)).collect()
        } else {
            let payment = parse::<Payments>(NAME, &answer.body)?.payments;
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
struct RefundList {
    refunds: Vec<Refund>,
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
        let told = Told {
            kind,
            payment,
            also: Vec::new(),
            amount: minor_units(NAME, self.amount, &self.currency, Currency::minor_digits)?,
            event: event(question, kind),
            movement: refund_movement(self.metadata.refund_id.as_deref(), &self.id),
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

/// GoCardless's own code for what is wrong. That a refund was made before, or another in between, refuses nothing: it is
/// found when it is looked up.
fn reason(body: &[u8]) -> Option<String> {
    let failure: Failure = serde_json::from_slice(body).ok()?;
    let reason = failure.error.errors.into_iter().find_map(|error| error.reason).unwrap_or(failure.error.r#type);
    let is_clear = !["idempotent_creation_conflict", "total_amount_confirmation_invalid"].contains(&reason.as_str());
    is_clear.then_some(reason)
}
