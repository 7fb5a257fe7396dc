//! Stripe's API: charges, refunds, status inquiries about payment intents, and event backfills.

use chrono::DateTime;
use quittance_domain::command::{Evidence, InitiateCharge, InitiateRefund, ListEvents, QueryPayment, QueryResource};
use quittance_domain::fact::FactKind;
use serde::Deserialize;
use serde_json::Value;

use super::events::Payment;
use super::objects::{List, PaymentIntent, Reference, RefundObject};
use super::{NAME, Stripe, charges, decimals, events, unreadable};
use crate::Unreadable;
use crate::api::{
    Access, Api, Call, CommandResponse, HttpResponse, InquiryResponse, ListedEvents, PaymentStatement, RefundStep,
};
use crate::reported_payment::{ReportedPayment, form, minor_units, parse, refund_movement, units_of};

/// The version of the responses that this module reads.
const API_VERSION: &str = "2024-06-20";

impl Api for Stripe {
    fn url(&self) -> &'static str {
        "https://api.stripe.com"
    }

    fn names_payments(&self, reference: &str) -> bool {
        ["pi_", "ch_", "py_"].iter().any(|prefix| reference.starts_with(prefix))
    }

    fn charge(&self, access: &Access, request: &InitiateCharge) -> Result<Call, Unreadable> {
        charges::charge(access, request)
    }

    fn charged(&self, _: &InitiateCharge, answer: &HttpResponse) -> Result<CommandResponse, Unreadable> {
        charges::charged(answer)
    }

    fn look_up(&self, access: &Access, inquiry: &QueryPayment) -> Result<Option<Call>, Unreadable> {
        Ok(charges::look_up(access, inquiry))
    }

    fn looked_up(&self, inquiry: &QueryPayment, answer: &HttpResponse) -> Result<InquiryResponse, Unreadable> {
        charges::looked_up(inquiry, answer)
    }

    fn lists_events(&self) -> bool {
        true
    }

    fn list_events(&self, access: &Access, backfill: &ListEvents, after: Option<&str>) -> Result<Call, Unreadable> {
        let (from, until) = (backfill.from.timestamp().to_string(), backfill.until.timestamp().to_string());
        let mut fields = vec![("created[gte]", from.as_str()), ("created[lte]", &until), ("limit", "100")];
        fields.extend(after.map(|after| ("starting_after", after)));
        Ok(call(access, format!("/v1/events?{}", form(&fields)), None))
    }

    fn parse_listing(&self, access: &Access, answer: &HttpResponse) -> Result<ListedEvents, Unreadable> {
        if let Some(failure) = answer.inquiry_failure(reason) {
            return Ok(ListedEvents::Trouble(failure));
        }
        let page: EventPage = parse(NAME, &answer.body)?;
        let next =
            page.data.last().filter(|_| page.has_more).and_then(|event| Some(event.get("id")?.as_str()?.to_owned()));
        Ok(ListedEvents::Page(events::read_all(&page.data, access.account()), next))
    }

    /// Under a known key Stripe repeats its first response, even if that was a failure of its own; so the outcome of an
    /// earlier call is looked up, not requested again.
    fn before_refund(&self, access: &Access, request: &InitiateRefund) -> Result<Vec<Call>, Unreadable> {
        let (of, name) = refunded_object(request)?;
        Ok(vec![call(access, format!("/v1/refunds?{of}={name}&limit=100"), None)])
    }

    fn refund(
        &self,
        access: &Access,
        request: &InitiateRefund,
        before: &[HttpResponse],
    ) -> Result<RefundStep, Unreadable> {
        for answer in before {
            if let Some(failure) = answer.inquiry_failure(reason) {
                return Ok(RefundStep::Unknown(failure));
            }
            let known: List = parse(NAME, &answer.body)?;
            let refund_id = request.refund_id.to_string();
            if let Some(made) = known.data.iter().find(|refund| refund.metadata.refund_id.as_ref() == Some(&refund_id))
            {
                return statement(request, made).map(RefundStep::Made);
            }
        }
        let (of, name) = refunded_object(request)?;
        let units = units_of(NAME, request.amount, decimals)?.to_string();
        let (refund_id, payment_id) = (request.refund_id.to_string(), request.payment_id.to_string());
        let fields = [
            (of, name),
            ("amount", &units),
            ("metadata[refund_id]", &refund_id),
            ("metadata[payment_id]", &payment_id),
        ];
        let mut call = call(access, "/v1/refunds".to_owned(), Some(form(&fields)));
        call.headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        call.headers.push(("idempotency-key", refund_id));
        Ok(RefundStep::Call(call))
    }

    fn refunded(&self, request: &InitiateRefund, answer: &HttpResponse) -> Result<CommandResponse, Unreadable> {
        match answer.command_failure(reason) {
            Some(failure) => Ok(failure),
            None => statement(request, &parse(NAME, &answer.body)?).map(CommandResponse::Statement),
        }
    }

    fn query(&self, access: &Access, inquiry: &QueryResource) -> Result<Call, Unreadable> {
        match inquiry.resource.split_once('/') {
            Some(("payment_intents", id)) if is_name(id) => Ok(call(access, format!("/v1/payment_intents/{id}"), None)),
            Some(("charges", id)) if is_name(id) => {
                Ok(call(access, format!("/v1/refunds?charge={id}&limit=100"), None))
            }
            _ => Err(unreadable("it can be asked about payment_intents and the refunds of charges only")),
        }
    }

    fn queried(&self, inquiry: &QueryResource, answer: &HttpResponse) -> Result<InquiryResponse, Unreadable> {
        if let Some(failure) = answer.inquiry_failure(reason) {
            return Ok(InquiryResponse::Unknown(failure));
        }
        if inquiry.resource.starts_with("charges/") {
            let refunds: List = parse(NAME, &answer.body)?;
            if refunds.has_more {
                return Err(unreadable("the charge has more refunds than one answer lists"));
            }
            let evidence = refunds.data.iter().filter_map(|refund| refund_evidence(refund).transpose());
            let evidence = evidence.collect::<Result<Vec<_>, _>>()?;
            return Ok(InquiryResponse::Statement(PaymentStatement::Evidence(evidence)));
        }
        let intent: PaymentIntent = parse(NAME, &answer.body)?;
        let evidence = intent.evidence_by_status()?;
        let statement =
            evidence.map_or(PaymentStatement::Accepted, |evidence| PaymentStatement::Evidence(vec![evidence]));
        Ok(InquiryResponse::Statement(statement))
    }
}

/// The object to refund: a payment intent, or a charge without one.
fn refunded_object(request: &InitiateRefund) -> Result<(&'static str, &str), Unreadable> {
    let name = request.transaction_id.reference();
    // The id becomes part of a URL.
    if !is_name(name) {
        return Err(unreadable(format!("{} is not a payment of Stripe", request.transaction_id)));
    }
    Ok((if name.starts_with("pi_") { "payment_intent" } else { "charge" }, name))
}

pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The evidence of a refund; none while it is not decided.
fn refund_evidence(refund: &RefundObject) -> Result<Option<Evidence>, Unreadable> {
    let Some(kind) = refund.kind() else { return Ok(None) };
    let (intent, charge) = (refund.payment_intent.as_ref(), refund.charge.as_ref());
    let payment = Payment::from_ids(intent.map(Reference::id), charge.map(Reference::id))?;
    let movement = refund_movement(refund.metadata.refund_id.as_deref(), &refund.id);
    reported_refund(refund, kind, payment.id, payment.also, movement)?.evidence(NAME).map(Some)
}

/// The outcome of our refund.
fn statement(request: &InitiateRefund, refund: &RefundObject) -> Result<PaymentStatement, Unreadable> {
    let Some(kind) = refund.kind() else { return Ok(PaymentStatement::Accepted) };
    let payment = request.transaction_id.reference();
    let mut reported = reported_refund(refund, kind, payment, Vec::new(), request.refund_id.to_string())?;
    reported.payment_id = Some(request.payment_id);
    Ok(PaymentStatement::Evidence(vec![reported.evidence(NAME)?]))
}

fn reported_refund<'a>(
    refund: &RefundObject,
    kind: FactKind,
    payment: &'a str,
    also: Vec<&'a str>,
    movement: String,
) -> Result<ReportedPayment<'a>, Unreadable> {
    Ok(ReportedPayment {
        kind,
        payment,
        also,
        amount: Some(minor_units(NAME, refund.amount, &refund.currency, decimals)?),
        event: format!("{}:{}", refund.id, refund.status.as_deref().unwrap_or_default()),
        movement,
        invoice: None,
        payment_id: None,
        occurred_at: DateTime::from_timestamp(refund.created, 0).ok_or_else(|| unreadable("created is not a time"))?,
        reason: None,
    })
}

pub(super) fn call(access: &Access, path: String, body: Option<String>) -> Call {
    let mut headers =
        vec![("authorization", format!("Bearer {}", access.key)), ("stripe-version", API_VERSION.to_owned())];
    headers.extend(access.account().map(|account| ("stripe-account", account.to_owned())));
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

/// Stripe's own error code. That a key was used for another call does not show what became of this one.
pub(super) fn reason(body: &[u8]) -> Option<String> {
    let error = serde_json::from_slice::<Failure>(body).ok()?.error;
    (error.r#type != "idempotency_error").then(|| error.code.unwrap_or(error.r#type))
}
