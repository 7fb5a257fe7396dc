//! Charges payments through Stripe, and reads their outcome.

use quittance_domain::command::{InitiateCharge, QueryPayment};
use serde::Deserialize;

use super::api::{call, is_name, reason};
use super::objects::PaymentIntent;
use super::{NAME, decimals};
use crate::Unreadable;
use crate::api::{Access, Call, CommandResponse, HttpResponse, InquiryResponse, PaymentStatement};
use crate::reported_payment::{form, parse, units_of};

/// A payment intent for a card, confirmed immediately and off-session: a card that requires the payer's presence is
/// declined.
pub(super) fn charge(access: &Access, request: &InitiateCharge) -> Result<Call, Unreadable> {
    let units = units_of(NAME, request.amount, decimals)?.to_string();
    let currency = request.amount.currency().code().to_lowercase();
    let (payment_id, invoice_id, attempt) =
        (request.payment_id.to_string(), request.invoice_id.to_string(), request.attempt.to_string());
    let (customer, method) = request.method();
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
    call.headers.push(("idempotency-key", request.key()));
    Ok(call)
}

pub(super) fn charged(answer: &HttpResponse) -> Result<CommandResponse, Unreadable> {
    match answer.command_failure(reason) {
        Some(failure) => Ok(failure),
        None => statement(&parse(NAME, &answer.body)?).map(CommandResponse::Statement),
    }
}

/// The payment intent that has our ids, or one by its id.
pub(super) fn look_up(access: &Access, inquiry: &QueryPayment) -> Option<Call> {
    let Some(request) = &inquiry.charge else {
        let mut names = inquiry.names.iter().map(|name| name.reference());
        let name = names.find(|name| name.starts_with("pi_") && is_name(name))?;
        return Some(call(access, format!("/v1/payment_intents/{name}"), None));
    };
    let query = format!("metadata['payment_id']:'{}'", request.payment_id);
    let query = form(&[("query", &query), ("limit", "100")]);
    Some(call(access, format!("/v1/payment_intents/search?{query}"), None))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Found {
    Many { data: Vec<PaymentIntent> },
    One(Box<PaymentIntent>),
}

pub(super) fn looked_up(inquiry: &QueryPayment, answer: &HttpResponse) -> Result<InquiryResponse, Unreadable> {
    if let Some(failure) = answer.inquiry_failure(reason) {
        return Ok(InquiryResponse::Unknown(failure));
    }
    let found = match parse(NAME, &answer.body)? {
        Found::One(intent) => vec![*intent],
        Found::Many { data } => data,
    };
    let Some(request) = &inquiry.charge else {
        // The creator of the payment may not have finished it.
        let reported = found.first().map(PaymentIntent::evidence_by_status).transpose()?.flatten();
        let statement =
            reported.map_or(PaymentStatement::Accepted, |evidence| PaymentStatement::Evidence(vec![evidence]));
        return Ok(InquiryResponse::Statement(statement));
    };
    match found.iter().find(|intent| intent.metadata.is_of(request)) {
        Some(intent) => statement(intent).map(InquiryResponse::Statement),
        None => Ok(InquiryResponse::Absent),
    }
}

/// The outcome of a payment intent that we confirmed: if it requires further action, nobody will take it.
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
