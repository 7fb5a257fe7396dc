//! Stripe's API: charges, refunds, questions about payment intents, and its list of events.

use chrono::DateTime;
use quittance_domain::command::{InitiateCharge, InitiateRefund, ListEvents, QueryPayment, QueryResource};
use quittance_domain::fact::FactKind;
use serde::Deserialize;
use serde_json::Value;

use super::objects::{List, PaymentIntent, RefundObject};
use super::{NAME, Stripe, charges, decimals, events, unreadable};
use crate::Unreadable;
use crate::api::{Access, Answer, Api, Call, Listed, Next, Outcome};
use crate::told::{Told, form, minor_units, parse, units_of};

/// The shape of the answers that this module reads.
const API_VERSION: &str = "2024-06-20";

impl Api for Stripe {
    fn url(&self) -> &'static str {
        "https://api.stripe.com"
    }

    fn names_payments(&self, reference: &str) -> bool {
        ["pi_", "ch_", "py_"].iter().any(|prefix| reference.starts_with(prefix))
    }

    fn charge(&self, access: &Access, order: &InitiateCharge) -> Result<Call, Unreadable> {
        charges::charge(access, order)
    }

    fn charged(&self, _: &InitiateCharge, answer: &Answer) -> Result<Outcome, Unreadable> {
        charges::charged(answer)
    }

    fn look_up(&self, access: &Access, question: &QueryPayment) -> Result<Option<Call>, Unreadable> {
        Ok(charges::look_up(access, question))
    }

    fn looked_up(&self, question: &QueryPayment, answer: &Answer) -> Result<Outcome, Unreadable> {
        charges::looked_up(question, answer)
    }

    fn lists_events(&self) -> bool {
        true
    }

    fn list_events(&self, access: &Access, listing: &ListEvents, after: Option<&str>) -> Result<Call, Unreadable> {
        let (from, until) = (listing.from.timestamp().to_string(), listing.until.timestamp().to_string());
        let mut fields = vec![("created[gte]", from.as_str()), ("created[lte]", &until), ("limit", "100")];
        fields.extend(after.map(|after| ("starting_after", after)));
        Ok(call(access, format!("/v1/events?{}", form(&fields)), None))
    }

    fn listed(&self, answer: &Answer) -> Result<Listed, Unreadable> {
        if let Some(trouble) = answer.trouble(reason) {
            return Ok(Listed::Trouble(trouble.to_string()));
        }
        let page: EventPage = parse(NAME, &answer.body)?;
        let next =
            page.data.last().filter(|_| page.has_more).and_then(|event| Some(event.get("id")?.as_str()?.to_owned()));
        Ok(Listed::Page(events::read_all(&page.data), next))
    }

    /// Under a key that it knows Stripe repeats its first answer, a failure of its own included; so what became of an
    /// earlier call is looked up, not asked for again.
    fn before_refund(&self, access: &Access, order: &InitiateRefund) -> Result<Vec<Call>, Unreadable> {
        let (of, name) = refunded_object(order)?;
        Ok(vec![call(access, format!("/v1/refunds?{of}={name}&limit=100"), None)])
    }

    fn refund(&self, access: &Access, order: &InitiateRefund, before: &[Answer]) -> Result<Next, Unreadable> {
        for answer in before {
            if let Some(trouble) = answer.trouble(reason) {
                return Ok(Next::Clear(trouble));
            }
            let known: List = parse(NAME, &answer.body)?;
            let refund_id = order.refund_id.to_string();
            if let Some(made) = known.data.iter().find(|refund| refund.metadata.refund_id.as_ref() == Some(&refund_id))
            {
                return told(order, made).map(Next::Clear);
            }
        }
        let (of, name) = refunded_object(order)?;
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
        Ok(Next::Call(call))
    }

    fn refunded(&self, order: &InitiateRefund, answer: &Answer) -> Result<Outcome, Unreadable> {
        match answer.trouble(reason) {
            Some(trouble) => Ok(trouble),
            None => told(order, &parse(NAME, &answer.body)?),
        }
    }

    fn query(&self, access: &Access, question: &QueryResource) -> Result<Call, Unreadable> {
        match question.resource.split_once('/') {
            Some(("payment_intents", id)) if is_name(id) => Ok(call(access, format!("/v1/payment_intents/{id}"), None)),
            _ => Err(unreadable("it can be asked about payment_intents only")),
        }
    }

    fn queried(&self, _: &QueryResource, answer: &Answer) -> Result<Outcome, Unreadable> {
        if let Some(trouble) = answer.trouble(reason) {
            return Ok(trouble);
        }
        let intent: PaymentIntent = parse(NAME, &answer.body)?;
        Ok(match intent.told_by_status()? {
            Some(evidence) => Outcome::Told(vec![evidence]),
            None => Outcome::Accepted,
        })
    }
}

/// What is refunded: a payment intent, or a charge that has none.
fn refunded_object(order: &InitiateRefund) -> Result<(&'static str, &str), Unreadable> {
    let name = order.transaction_id.reference();
    // The name becomes a part of a URL.
    if !is_name(name) {
        return Err(unreadable(format!("{} is no payment of Stripe's", order.transaction_id)));
    }
    Ok((if name.starts_with("pi_") { "payment_intent" } else { "charge" }, name))
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// What became of our refund.
fn told(order: &InitiateRefund, refund: &RefundObject) -> Result<Outcome, Unreadable> {
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
        reason: None,
    };
    Ok(Outcome::Told(vec![told.evidence(NAME)?]))
}

pub(super) fn call(access: &Access, path: String, body: Option<String>) -> Call {
    let headers = vec![("authorization", format!("Bearer {}", access.key)), ("stripe-version", API_VERSION.to_owned())];
    Call { path, body, headers }
}

#[derive(Deserialize)]
struct EventPage {
    data: Vec<Value>,
    #[serde(default)]
    has_more: bool,
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

/// Stripe's own code for what is wrong. That a key was used for another call says nothing about this one.
pub(super) fn reason(body: &[u8]) -> Option<String> {
    let error = serde_json::from_slice::<Failure>(body).ok()?.error;
    (error.r#type != "idempotency_error").then(|| error.code.unwrap_or(error.r#type))
}
