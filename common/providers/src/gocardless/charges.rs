//! Charges payments through GoCardless, and reads their outcome.

use chrono::{DateTime, TimeDelta};
use quittance_domain::command::{InitiateCharge, QueryPayment};
use quittance_domain::fact::FactKind;
use quittance_domain::money::Currency;
use serde::Deserialize;
use serde_json::json;

use super::api::{MADE_BEFORE, PageMeta, Payment, Payments, call, code, reason, time};
use super::{NAME, is_id, unreadable};
use crate::Unreadable;
use crate::api::{Access, Call, CommandResponse, HttpResponse, InquiryResponse, PaymentStatement};
use crate::reported_payment::{form, parse, units_of};

/// Their clock may be behind ours.
const CLOCK_SKEW_MARGIN: TimeDelta = TimeDelta::minutes(5);

/// A payment under a mandate.
pub(super) fn charge(access: &Access, request: &InitiateCharge) -> Result<Call, Unreadable> {
    let (_, mandate) = request.method();
    if !is_id(mandate) {
        return Err(unreadable(format!("the payment method of {} is not a mandate", request.key())));
    }
    let body = json!({"payments": {
        "amount": units_of(NAME, request.amount, Currency::minor_digits)?,
        "currency": request.amount.currency().code(),
        "links": {"mandate": mandate},
        // A failed debit that is retried automatically could coincide with another attempt of ours.
        "retry_if_possible": false,
        // GoCardless stores at most three members.
        "metadata": {
            "payment_id": request.payment_id.to_string(),
            "invoice_id": request.invoice_id.to_string(),
            "attempt": request.attempt.to_string(),
        },
    }});
    let mut call = call(access, "/payments".to_owned(), Some(body.to_string()));
    call.headers.push(("content-type", "application/json".to_owned()));
    call.headers.push(("idempotency-key", request.key()));
    Ok(call)
}

/// A direct debit takes days: its outcome is reported by webhook.
pub(super) fn charged(answer: &HttpResponse) -> CommandResponse {
    let accepted = CommandResponse::Statement(PaymentStatement::Accepted);
    match answer.command_failure(reason) {
        Some(_) if code(&answer.body).is_some_and(|code| code == MADE_BEFORE) => accepted,
        Some(failure) => failure,
        None => accepted,
    }
}

/// The payment under the mandate that has our ids, or a payment by its id.
pub(super) fn look_up(access: &Access, inquiry: &QueryPayment) -> Option<Call> {
    let Some(request) = &inquiry.charge else {
        let mut names = inquiry.names.iter().map(|name| name.reference());
        let name = names.find(|name| name.starts_with("PM") && is_id(name))?;
        return Some(call(access, format!("/payments/{name}"), None));
    };
    let (_, mandate) = request.method();
    let since = time(request.ordered_at - CLOCK_SKEW_MARGIN);
    let query = form(&[("mandate", mandate), ("created_at[gte]", &since), ("limit", "500")]);
    Some(call(access, format!("/payments?{query}"), None))
}

#[derive(Deserialize)]
struct PaymentList {
    payments: Vec<Payment>,
    meta: Option<PageMeta>,
}

pub(super) fn looked_up(inquiry: &QueryPayment, answer: &HttpResponse) -> Result<InquiryResponse, Unreadable> {
    if let Some(failure) = answer.inquiry_failure(reason) {
        return Ok(InquiryResponse::Unknown(failure));
    }
    let Some(request) = &inquiry.charge else {
        return statement(&parse::<Payments>(NAME, &answer.body)?.payments).map(InquiryResponse::Statement);
    };
    let list: PaymentList = parse(NAME, &answer.body)?;
    match list.payments.iter().find(|payment| payment.metadata.is_of(request)) {
        Some(payment) => statement(payment).map(InquiryResponse::Statement),
        None if list.meta.is_some_and(|meta| meta.cursors.after.is_some()) => {
            Ok(InquiryResponse::Unknown("the mandate has more payments than one answer lists".to_owned()))
        }
        None => Ok(InquiryResponse::Absent),
    }
}

/// What a payment's status proves; webhooks report the rest, with its times.
fn statement(payment: &Payment) -> Result<PaymentStatement, Unreadable> {
    let kind = match payment.status.as_str() {
        "confirmed" | "paid_out" => FactKind::Capture,
        "failed" | "cancelled" | "customer_approval_denied" => FactKind::Failure,
        _ => return Ok(PaymentStatement::Accepted),
    };
    let occurred_at: DateTime<_> = payment.created_at.ok_or_else(|| unreadable("a payment has no created_at"))?;
    let event = format!("{}:{kind}", payment.id());
    Ok(PaymentStatement::Evidence(vec![payment.evidence(kind, event, occurred_at)?]))
}
