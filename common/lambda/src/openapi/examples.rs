//! Values of the consistent set of data that all examples of the API's description use, besides the ids, which their
//! types name.

use serde_json::{Value, json};

/// Another payment that may be the same money.
pub const TWIN: &str = "manual:PO-2026-4711";
pub const IDEMPOTENCY_KEY: &str = "8e03978e-40d5-43dd-bc93-6894a57f9324";
/// The time of all examples.
pub const TIME: &str = "2026-11-02T12:00:01.250Z";

/// The amount of the invoice and the payment.
#[must_use]
pub fn money() -> Value {
    json!({"value": "1190.00", "currency": "EUR"})
}
