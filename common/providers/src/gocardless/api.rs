//! GoCardless's API: refunds, and the amounts that its webhooks leave out.

use chrono::{DateTime, SecondsFormat, Utc};
use quittance_domain::command::{Evidence, InitiateCharge, InitiateRefund, ListEvents, QueryPayment, QueryResource};
use quittance_domain::fact::FactKind;
use quittance_domain::money::Currency;
use serde::Deserialize;
use serde_json::json;

use super::{GoCardless, NAME, charges, is_id, unreadable};
use crate::api::{
    Access, Api, Call, CommandResponse, HttpResponse, InquiryResponse, ListedEvents, PaymentStatement, RefundStep,
};
use crate::reported_payment::{
    Metadata, ReportedPayment, form, invoice_number, minor_units, parse, refund_movement, units_of,
};
use crate::{Unreadable, WebhookParser};

/// The version of the responses that this module reads.
const API_VERSION: &str = "2015-07-06";

impl Api for GoCardless {
    fn url(&self) -> &'static str {
        "https://api-sandbox.gocardless.com"
    }

    fn names_payments(&self, reference: &str) -> bool {
        reference.starts_with("PM")
    }

    fn charge(&self, access: &Access, request: &InitiateCharge) -> Result<Call, Unreadable> {
        charges::charge(access, request)
    }

    fn charged(&self, _: &InitiateCharge, answer: &HttpResponse) -> Result<CommandResponse, Unreadable> {
        Ok(charges::charged(answer))
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
        let (from, until) = (time(backfill.from), time(backfill.until));
        let mut fields = vec![("created_at[gte]", from.as_str()), ("created_at[lte]", &until), ("limit", "250")];
        fields.extend(after.map(|after| ("after", after)));
        Ok(call(access, format!("/events?{}", form(&fields)), None))
    }

    /// A list has the format of a webhook, plus a cursor.
    fn parse_listing(&self, _: &Access, answer: &HttpResponse) -> Result<ListedEvents, Unreadable> {
        if let Some(failure) = answer.inquiry_failure(reason) {
            return Ok(ListedEvents::Trouble(failure));
        }
        let page: EventPage = parse(NAME, &answer.body)?;
        Ok(ListedEvents::Page(self.read(&answer.body, None)?, page.meta.cursors.after))
    }

    /// Fetches the existing refunds and the payment's refunded total: a refund request states the new total, so that
    /// none is made by mistake.
    fn before_refund(&self, access: &Access, request: &InitiateRefund) -> Result<Vec<Call>, Unreadable> {
        let id = request.transaction_id.reference();
        if !is_id(id) {
            return Err(unreadable(format!("{} is not a payment of GoCardless", request.transaction_id)));
        }
        let calls = [format!("/refunds?payment={id}&limit=500"), format!("/payments/{id}")];
        Ok(calls.into_iter().map(|path| call(access, path, None)).collect())
    }

    fn refund(
        &self,
        access: &Access,
        request: &InitiateRefund,
        before: &[HttpResponse],
    ) -> Result<RefundStep, Unreadable> {
        if let Some(failure) = before.iter().find_map(|answer| answer.inquiry_failure(reason)) {
            return Ok(RefundStep::Unknown(failure));
        }
        let [refunds, payment] = before else { return Err(unreadable("what was asked first has no answer")) };
        let refund_id = request.refund_id.to_string();
        let known: RefundList = parse(NAME, &refunds.body)?;
        if known.refunds.iter().any(|refund| refund.metadata.refund_id.as_ref() == Some(&refund_id)) {
            return Ok(RefundStep::Made(PaymentStatement::Accepted));
        }
        let payment: Payment = parse::<Payments>(NAME, &payment.body)?.payments;
        let units = units_of(NAME, request.amount, Currency::minor_digits)?;
        let total = payment.amount_refunded.checked_add(units).ok_or_else(|| unreadable("the refunds are too much"))?;
        let body = json!({"refunds": {
            "amount": units, "total_amount_confirmation": total, "links": {"payment": payment.id},
            "metadata": {"refund_id": refund_id, "payment_id": request.payment_id.to_string()},
        }});
        let mut call = call(access, "/refunds".to_owned(), Some(body.to_string()));
        call.headers.push(("content-type", "application/json".to_owned()));
        call.headers.push(("idempotency-key", refund_id));
        Ok(RefundStep::Call(call))
    }

    fn refunded(&self, _: &InitiateRefund, answer: &HttpResponse) -> Result<CommandResponse, Unreadable> {
        Ok(answer.command_failure(reason).unwrap_or(CommandResponse::Statement(PaymentStatement::Accepted)))
    }

    fn query(&self, access: &Access, inquiry: &QueryResource) -> Result<Call, Unreadable> {
        match inquiry.resource.split_once('/') {
            Some(("payments" | "refunds", id)) if is_id(id) => Ok(call(access, format!("/{}", inquiry.resource), None)),
            _ => Err(unreadable("it can be asked about payments and refunds only")),
        }
    }

    fn queried(&self, inquiry: &QueryResource, answer: &HttpResponse) -> Result<InquiryResponse, Unreadable> {
        if let Some(failure) = answer.inquiry_failure(reason) {
            return Ok(InquiryResponse::Unknown(failure));
        }
        let reported: Result<Vec<Evidence>, Unreadable> = if inquiry.resource.starts_with("refunds/") {
            let refund = parse::<Refunds>(NAME, &answer.body)?.refunds;
            if refund.links.payment.is_none() {
                // A refund of a mandate never belonged to a payment of ours.
                return Ok(InquiryResponse::Statement(PaymentStatement::Accepted));
            }
            inquiry.kinds.iter().map(|kind| refund.reported(inquiry, *kind)).collect()
        } else {
            let payment = parse::<Payments>(NAME, &answer.body)?.payments;
            inquiry.kinds.iter().map(|kind| payment.to_evidence(inquiry, *kind)).collect()
        };
        reported.map(|evidence| InquiryResponse::Statement(PaymentStatement::Evidence(evidence)))
    }
}

pub(super) fn call(access: &Access, path: String, body: Option<String>) -> Call {
    let headers =
        vec![("authorization", format!("Bearer {}", access.key)), ("gocardless-version", API_VERSION.to_owned())];
    Call { path, body, headers }
}

#[derive(Deserialize)]
struct EventPage {
    meta: PageMeta,
}

#[derive(Deserialize)]
pub(super) struct PageMeta {
    pub(super) cursors: Cursors,
}

#[derive(Deserialize)]
pub(super) struct Cursors {
    pub(super) after: Option<String>,
}

/// A time in the format of GoCardless's filters.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[derive(Deserialize)]
pub(super) struct Payments {
    pub(super) payments: Payment,
}

#[derive(Deserialize)]
pub(super) struct Payment {
    id: String,
    amount: i64,
    #[serde(default)]
    amount_refunded: i64,
    currency: String,
    reference: Option<String>,
    #[serde(default)]
    pub(super) status: String,
    pub(super) created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(super) metadata: Metadata,
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

impl Payment {
    fn to_evidence(&self, inquiry: &QueryResource, kind: FactKind) -> Result<Evidence, Unreadable> {
        self.evidence(kind, event(inquiry, kind), inquiry.occurred_at)
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn evidence(
        &self,
        kind: FactKind,
        event: String,
        occurred_at: DateTime<Utc>,
    ) -> Result<Evidence, Unreadable> {
        let reported = ReportedPayment {
            kind,
            payment: &self.id,
            also: Vec::new(),
            amount: Some(minor_units(NAME, self.amount, &self.currency, Currency::minor_digits)?),
            event,
            movement: self.id.clone(),
            invoice: self.metadata.invoice().or_else(|| self.reference.as_deref().and_then(invoice_number)),
            payment_id: self.metadata.payment(),
            occurred_at,
            reason: None,
        };
        reported.evidence(NAME)
    }
}

impl Refund {
    fn reported(&self, inquiry: &QueryResource, kind: FactKind) -> Result<Evidence, Unreadable> {
        let payment = self.links.payment.as_deref().ok_or_else(|| unreadable("a refund links no payment"))?;
        let reported = ReportedPayment {
            kind,
            payment,
            also: Vec::new(),
            amount: Some(minor_units(NAME, self.amount, &self.currency, Currency::minor_digits)?),
            event: event(inquiry, kind),
            movement: refund_movement(self.metadata.refund_id.as_deref(), &self.id),
            invoice: None,
            payment_id: None,
            occurred_at: inquiry.occurred_at,
            reason: None,
        };
        reported.evidence(NAME)
    }
}

/// One event may provide two pieces of evidence.
fn event(inquiry: &QueryResource, kind: FactKind) -> String {
    if inquiry.kinds.len() > 1 { format!("{}:{kind}", inquiry.event_id) } else { inquiry.event_id.clone() }
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

/// GoCardless's own error code. That a refund was made before, or that another was made in between, is not a refusal:
/// the refund is found by looking it up.
pub(super) fn reason(body: &[u8]) -> Option<String> {
    let is_clear = |reason: &String| ![MADE_BEFORE, "total_amount_confirmation_invalid"].contains(&reason.as_str());
    code(body).filter(is_clear)
}

/// GoCardless's code for a call that was already made under the same key.
pub(super) const MADE_BEFORE: &str = "idempotent_creation_conflict";

pub(super) fn code(body: &[u8]) -> Option<String> {
    let error = serde_json::from_slice::<Failure>(body).ok()?.error;
    Some(error.errors.into_iter().find_map(|error| error.reason).unwrap_or(error.r#type))
}
