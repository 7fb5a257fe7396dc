//! Collecting a payment through Stripe, and what became of it.

use quittance_domain::command::{InitiateCharge, QueryPayment};
use serde::Deserialize;

use super::api::{call, is_name, reason};
use super::objects::PaymentIntent;
use super::{NAME, decimals};
use crate::Unreadable;
use crate::api::{Access, Call, CommandResponse, HttpResponse, InquiryResponse, PaymentStatement};
use crate::reported_payment::{form, parse, units_of};

/// A payment intent for a card, confirmed at once and without the payer: a card that wants the payer's presence is
/// declined.
pub(super) fn charge(access: &Access, order: &InitiateCharge) -> Result<Call, Unreadable> {
    let units = units_of(NAME, order.amount, decimals)?.to_string();
    let currency = order.amount.currency().code().to_lowercase();
    let (payment_id, invoice_id, attempt) =
        (order.payment_id.to_string(), order.invoice_id.to_string(), order.attempt.to_string());
    let (customer, method) = order.method();
    let mut fields = vec![
        ("amount", units.as_str()),
        ("currency", &currency),
        ("payment_method", method),
        ("payment_method_types[0]", "card"),
        ("confirm", "true"),
        ("off_session", "true"),
        ("metadata[payment_id]", &payment_id),
        ("metadata[invoice_id]", &invoice_id),
        ("metadata[attempt]", &attempt),
    ];
    fields.extend(customer.map(|customer| ("customer", customer)));
    let mut call = call(access, "/v1/payment_intents".to_owned(), Some(form(&fields)));
    call.headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
    call.headers.push(("idempotency-key", order.key()));
    Ok(call)
}

pub(super) fn charged(answer: &HttpResponse) -> Result<CommandResponse, Unreadable> {
    match answer.command_failure(reason) {
        Some(failure) => Ok(failure),
        None => statement(&parse(NAME, &answer.body)?).map(CommandResponse::Statement),
    }
}

/// The payment intent that carries our ids, or one by its name.
pub(super) fn look_up(access: &Access, question: &QueryPayment) -> Option<Call> {
    let Some(order) = &question.charge else {
        let mut names = question.names.iter().map(|name| name.reference());
        let name = names.find(|name| name.starts_with("pi_") && is_name(name))?;
        return Some(call(access, format!("/v1/payment_intents/{name}"), None));
    };
    let query = format!("metadata['payment_id']:'{}'", order.payment_id);
    let query = form(&[("query", &query), ("limit", "100")]);
    Some(call(access, format!("/v1/payment_intents/search?{query}"), None))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Found {
    Many { data: Vec<PaymentIntent> },
    One(Box<PaymentIntent>),
}

pub(super) fn looked_up(question: &QueryPayment, answer: &HttpResponse) -> Result<InquiryResponse, Unreadable> {
    if let Some(failure) = answer.inquiry_failure(reason) {
        return Ok(InquiryResponse::Unknown(failure));
    }
    let found = match parse(NAME, &answer.body)? {
        Found::One(intent) => vec![*intent],
        Found::Many { data } => data,
    };
    let Some(order) = &question.charge else {
        // Whoever made the payment may still be at it.
        let told = found.first().map(PaymentIntent::evidence_by_status).transpose()?.flatten();
        let statement = told.map_or(PaymentStatement::Accepted, |evidence| PaymentStatement::Evidence(vec![evidence]));
        return Ok(InquiryResponse::Statement(statement));
    };
    match found.iter().find(|intent| intent.metadata.is_of(order)) {
        Some(intent) => statement(intent).map(InquiryResponse::Statement),
        None => Ok(InquiryResponse::Absent),
    }
}

/// What became of a payment intent that we confirmed: what it waits for then, nobody will give it.
fn statement(intent: &PaymentIntent) -> Result<PaymentStatement, Unreadable> {
    if let Some(evidence) = intent.evidence_by_status()? {
        return Ok(PaymentStatement::Evidence(vec![evidence]));
    }
    Ok(match intent.status.as_str() {
        "requires_payment_method" | "requires_action" | "requires_confirmation" => {
            PaymentStatement::Refused(intent.failure().unwrap_or_else(|| intent.status.clone()))
        }
        _ => PaymentStatement::Accepted,
    })
}
