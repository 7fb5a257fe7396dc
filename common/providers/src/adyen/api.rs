//! Adyen's Checkout API: refunds. What became of them comes by webhook; there is nothing to ask.

use quittance_domain::command::{InitiateRefund, QueryPayment};
use serde::Deserialize;
use serde_json::json;

use super::{Adyen, NAME, decimals, unreadable};
use crate::Unreadable;
use crate::api::{Access, Answer, Api, Call, Outcome};
use crate::told::units_of;

impl Api for Adyen {
    fn url(&self) -> &'static str {
        "https://checkout-test.adyen.com"
    }

    fn refund(&self, access: &Access, order: &InitiateRefund, _: Option<&Answer>) -> Result<Call, Unreadable> {
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
        Ok(Call {
            path: format!("/v71/payments/{reference}/refunds"),
            body: Some(body.to_string()),
            headers: vec![
                ("x-api-key", access.key.clone()),
                ("content-type", "application/json".to_owned()),
                ("idempotency-key", order.refund_id.to_string()),
            ],
        })
    }

    fn refunded(&self, _: &InitiateRefund, answer: &Answer) -> Result<Outcome, Unreadable> {
        Ok(trouble(answer).unwrap_or(Outcome::Accepted))
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

/// A refusal with Adyen's own code for it. 704 says that the same request is under way.
fn trouble(answer: &Answer) -> Option<Outcome> {
    let trouble = answer.trouble()?;
    let Ok(failure) = serde_json::from_slice::<Failure>(&answer.body) else { return Some(trouble) };
    let code: String = failure.error_code.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    Some(match trouble {
        Outcome::Refused(_) if code == "704" => Outcome::Unknown(code),
        Outcome::Refused(reason) => Outcome::Refused(format!("{reason}: {code}")),
        other => other,
    })
}
