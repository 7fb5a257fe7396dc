//! Stripe's API: refunds, and what became of payment intents.

use chrono::DateTime;
use quittance_domain::command::{InitiateRefund, QueryPayment};
use quittance_domain::fact::FactKind;
use serde::Deserialize;

use super::objects::{PaymentIntent, RefundObject};
use super::{NAME, Stripe, decimals, unreadable};
use crate::Unreadable;
use crate::api::{Access, Answer, Api, Call, Outcome};
use crate::told::{Told, form, minor_units, place, units_of};

/// The shape of the answers that this module reads.
const API_VERSION: &str = "2024-06-20";

impl Api for Stripe {
    fn url(&self) -> &'static str {
        "https://api.stripe.com"
    }

    fn refund(&self, access: &Access, order: &InitiateRefund, _: Option<&Answer>) -> Result<Call, Unreadable> {
        let name = order.transaction_id.reference();
        let of = if name.starts_with("ch_") { "charge" } else { "payment_intent" };
        let units = units_of(NAME, order.amount, decimals)?.to_string();
        let (refund_id, payment_id) = (order.refund_id.to_string(), order.payment_id.to_string());
        let fields = [
            (of, name),
            ("amount", &units),
            ("metadata[refund_id]", &refund_id),
            ("metadata[payment_id]", &payment_id),
        ];
        let mut call = call(access, "/v1/refunds".to_owned(), Some(form(&fields)));
        call.headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        call.headers.push(("idempotency-key", refund_id));
        Ok(call)
    }

    fn refunded(&self, order: &InitiateRefund, answer: &Answer) -> Result<Outcome, Unreadable> {
        if let Some(trouble) = trouble(answer) {
            return Ok(trouble);
        }
        let refund: RefundObject = read(&answer.body)?;
        let status = refund.status.as_deref().unwrap_or("pending");
        let kind = match status {
            "succeeded" => FactKind::Refund,
            "failed" | "canceled" => FactKind::RefundFailure,
            _ => return Ok(Outcome::Accepted),
        };
        let told = Told {
            kind,
            payment: order.transaction_id.reference(),
            also: Vec::new(),
            amount: minor_units(NAME, refund.amount, &refund.currency, decimals)?,
            event: format!("{}:{status}", refund.id),
            movement: order.refund_id.to_string(),
            invoice: None,
            payment_id: Some(order.payment_id),
            occurred_at: DateTime::from_timestamp(refund.created, 0).ok_or_else(|| unreadable("created is no time"))?,
        };
        Ok(Outcome::Told(vec![told.evidence(NAME)?]))
    }

    fn query(&self, access: &Access, question: &QueryPayment) -> Result<Call, Unreadable> {
        match question.resource.split_once('/') {
            Some(("payment_intents", id)) if id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                Ok(call(access, format!("/v1/payment_intents/{id}"), None))
            }
            _ => Err(unreadable("it can be asked about payment_intents only")),
        }
    }

    fn queried(&self, _: &QueryPayment, answer: &Answer) -> Result<Outcome, Unreadable> {
        if let Some(trouble) = trouble(answer) {
            return Ok(trouble);
        }
        let intent: PaymentIntent = read(&answer.body)?;
        Ok(match intent.told_by_status()? {
            Some(evidence) => Outcome::Told(vec![evidence]),
            None => Outcome::Accepted,
        })
    }
}

fn call(access: &Access, path: String, body: Option<String>) -> Call {
    let headers = vec![("authorization", format!("Bearer {}", access.key)), ("stripe-version", API_VERSION.to_owned())];
    Call { path, body, headers }
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(body).map_err(|error| unreadable(place(&error)))
}

#[derive(Deserialize)]
struct Failure {
    error: FailureDetail,
}

#[derive(Deserialize)]
struct FailureDetail {
    #[serde(default)]
    r#type: String,
    code: Option<String>,
}

/// A refusal with Stripe's own code for it. That a key was used for another call says nothing about this one.
fn trouble(answer: &Answer) -> Option<Outcome> {
    let trouble = answer.trouble()?;
    let Ok(failure) = serde_json::from_slice::<Failure>(&answer.body) else { return Some(trouble) };
    let code = failure.error.code.unwrap_or(failure.error.r#type.clone());
    let code: String =
        code.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '_').take(60).collect();
    Some(match trouble {
        Outcome::Refused(_) if failure.error.r#type == "idempotency_error" => Outcome::Unknown(code),
        Outcome::Refused(reason) => Outcome::Refused(format!("{reason}: {code}")),
        Outcome::Unknown(reason) => Outcome::Unknown(format!("{reason}: {code}")),
        other => other,
    })
}
