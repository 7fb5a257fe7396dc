//! Adyen's Checkout API: refunds. What became of them comes by webhook; there is nothing to ask.

use chrono::TimeDelta;
use quittance_domain::command::{InitiateRefund, QueryPayment};
use serde::Deserialize;
use serde_json::json;

use super::{Adyen, NAME, decimals, unreadable};
use crate::Unreadable;
use crate::api::{Access, Answer, Api, Call, Next, Outcome};
use crate::told::units_of;

impl Api for Adyen {
    fn url(&self) -> &'static str {
        "https://checkout-test.adyen.com"
    }

    /// Adyen knows a key for at least seven days; nothing else tells that a refund was made before.
    fn key_kept_for(&self) -> Option<TimeDelta> {
        Some(TimeDelta::days(6))
    }

    fn before_refund(&self, _: &Access, _: &InitiateRefund) -> Result<Vec<Call>, Unreadable> {
        Ok(Vec::new())
    }

    fn refund(&self, access: &Access, order: &InitiateRefund, _: &[Answer]) -> Result<Next, Unreadable> {
        let reference = order.transaction_id.reference();
        // The reference becomes a part of the path.
        if !reference.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(unreadable(format!("{} is no PSP reference", order.transaction_id)));
        }
        let amount = json!({
            "currency": order.amount.currency().code(), "value": units_of(NAME, order.amount, decimals)?,
        });
        let body = json!({
            "merchantAccount": access.account, "amount": amount, "reference": order.refund_id.to_string(),
        });
        Ok(Next::Call(Call {
            path: format!("/v71/payments/{reference}/refunds"),
            body: Some(body.to_string()),
            headers: vec![
                ("x-api-key", access.key.clone()),
                ("content-type", "application/json".to_owned()),
                ("idempotency-key", order.refund_id.to_string()),
            ],
        }))
    }

    fn refunded(&self, _: &InitiateRefund, answer: &Answer) -> Result<Outcome, Unreadable> {
        Ok(answer.trouble(reason).unwrap_or(Outcome::Accepted))
    }

    fn query(&self, _: &Access, _: &QueryPayment) -> Result<Call, Unreadable> {
        Err(unreadable("Adyen's webhooks say all; there is nothing to ask"))
    }

    fn queried(&self, _: &QueryPayment, _: &Answer) -> Result<Outcome, Unreadable> {
        Err(unreadable("Adyen's webhooks say all; there is nothing to ask"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    error_code: String,
}

/// Adyen's own code for what is wrong; 704 says that the same request is under way, which refuses nothing.
fn reason(body: &[u8]) -> Option<String> {
    let failure: Failure = serde_json::from_slice(body).ok()?;
    (failure.error_code != "704").then_some(failure.error_code)
}
