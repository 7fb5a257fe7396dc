//! Adyen's Checkout API: charges and refunds. Their outcome is reported by webhook; it cannot be inquired.

use chrono::TimeDelta;
use quittance_domain::command::{InitiateCharge, InitiateRefund, ListEvents, QueryPayment, QueryResource};
use quittance_domain::fact::FactKind;
use serde::Deserialize;
use serde_json::json;

use super::{Adyen, NAME, decimals, unreadable};
use crate::Unreadable;
use crate::api::{
    Access, Api, Call, CommandResponse, HttpResponse, InquiryResponse, ListedEvents, PaymentStatement, RefundStep, code,
};
use crate::reported_payment::{ReportedPayment, parse, units_of};

impl Api for Adyen {
    fn url(&self) -> &'static str {
        "https://checkout-test.adyen.com"
    }

    /// A PSP reference has 16 capitals and digits.
    fn names_payments(&self, reference: &str) -> bool {
        reference.len() == 16 && reference.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    }

    /// A payment with a stored card, without the payer present.
    fn charge(&self, access: &Access, request: &InitiateCharge) -> Result<Call, Unreadable> {
        let (Some(shopper), card) = request.method() else {
            let reason = format!("the payment method of {} is not shopper/card", request.key());
            return Err(unreadable(reason));
        };
        let body = json!({
            "merchantAccount": access.account,
            "amount": {"currency": request.amount.currency().code(), "value": units_of(NAME, request.amount, decimals)?},
            // Signed in the webhook, unlike metadata.
            "reference": request.payment_id.to_string(),
            "shopperReference": shopper,
            "paymentMethod": {"type": "scheme", "storedPaymentMethodId": card},
            "shopperInteraction": "ContAuth",
            "recurringProcessingModel": "UnscheduledCardOnFile",
        });
        Ok(post(access, "/v71/payments".to_owned(), body.to_string(), request.key()))
    }

    fn charged(&self, request: &InitiateCharge, answer: &HttpResponse) -> Result<CommandResponse, Unreadable> {
        if let Some(failure) = answer.command_failure(reason) {
            return Ok(failure);
        }
        let paid: Paid = parse(NAME, &answer.body)?;
        Ok(CommandResponse::Statement(match paid.result_code.as_str() {
            "Authorised" => PaymentStatement::Evidence(vec![paid.reported_payment(request).evidence(NAME)?]),
            "Pending" | "Received" => PaymentStatement::Accepted,
            // Refused, cancelled, or an action by the payer is required.
            other => {
                let refusal = paid.refusal_reason_code.as_deref().map(code).filter(|code| !code.is_empty());
                PaymentStatement::Refused(refusal.unwrap_or_else(|| code(other)))
            }
        }))
    }

    fn look_up(&self, _: &Access, _: &QueryPayment) -> Result<Option<Call>, Unreadable> {
        Ok(None)
    }

    fn looked_up(&self, _: &QueryPayment, _: &HttpResponse) -> Result<InquiryResponse, Unreadable> {
        Err(unreadable("Adyen has no status inquiries"))
    }

    fn lists_events(&self) -> bool {
        false
    }

    fn list_events(&self, _: &Access, _: &ListEvents, _: Option<&str>) -> Result<Call, Unreadable> {
        Err(unreadable("Adyen does not list its events"))
    }

    fn parse_listing(&self, _: &Access, _: &HttpResponse) -> Result<ListedEvents, Unreadable> {
        Err(unreadable("Adyen does not list its events"))
    }

    /// Adyen keeps a key for at least seven days; nothing else shows whether a refund was made before.
    fn key_kept_for(&self) -> Option<TimeDelta> {
        Some(TimeDelta::days(6))
    }

    fn before_refund(&self, _: &Access, _: &InitiateRefund) -> Result<Vec<Call>, Unreadable> {
        Ok(Vec::new())
    }

    fn refund(&self, access: &Access, request: &InitiateRefund, _: &[HttpResponse]) -> Result<RefundStep, Unreadable> {
        let reference = request.transaction_id.reference();
        // The reference becomes part of the path.
        if !reference.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(unreadable(format!("{} is not a PSP reference", request.transaction_id)));
        }
        let amount = json!({
            "currency": request.amount.currency().code(), "value": units_of(NAME, request.amount, decimals)?,
        });
        let body = json!({
            "merchantAccount": access.account, "amount": amount, "reference": request.refund_id.to_string(),
        });
        let path = format!("/v71/payments/{reference}/refunds");
        Ok(RefundStep::Call(post(access, path, body.to_string(), request.refund_id.to_string())))
    }

    fn refunded(&self, _: &InitiateRefund, answer: &HttpResponse) -> Result<CommandResponse, Unreadable> {
        Ok(answer.command_failure(reason).unwrap_or(CommandResponse::Statement(PaymentStatement::Accepted)))
    }

    fn query(&self, _: &Access, _: &QueryResource) -> Result<Call, Unreadable> {
        Err(unreadable("Adyen needs no requests for details"))
    }

    fn queried(&self, _: &QueryResource, _: &HttpResponse) -> Result<InquiryResponse, Unreadable> {
        Err(unreadable("Adyen needs no requests for details"))
    }
}

fn post(access: &Access, path: String, body: String, key: String) -> Call {
    let headers = vec![
        ("x-api-key", access.key.clone()),
        ("content-type", "application/json".to_owned()),
        ("idempotency-key", key),
    ];
    Call { path, body: Some(body), headers }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paid {
    psp_reference: String,
    result_code: String,
    refusal_reason_code: Option<String>,
}

impl Paid {
    /// The same evidence as the webhook's, under the same id: an authorisation counts as capture there too.
    fn reported_payment(&self, request: &InitiateCharge) -> ReportedPayment<'_> {
        ReportedPayment {
            kind: FactKind::ImpliedCapture,
            payment: &self.psp_reference,
            also: Vec::new(),
            amount: Some(request.amount.into()),
            event: format!("{}:AUTHORISATION:true", self.psp_reference),
            movement: self.psp_reference.clone(),
            invoice: None,
            payment_id: Some(request.payment_id),
            occurred_at: request.ordered_at,
            reason: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    error_code: String,
}

/// Adyen's own error code; 704 means that the same request is in progress, which is not a refusal.
fn reason(body: &[u8]) -> Option<String> {
    let failure: Failure = serde_json::from_slice(body).ok()?;
    (failure.error_code != "704").then_some(failure.error_code)
}
