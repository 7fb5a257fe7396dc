//! The consistent set of data that all examples of the API's description use.

use serde_json::{Value, json};

pub const CLIENT_ID: &str = "cli_019a3f5e2b7c7d10a1b2c3d4e5f60718";
/// An invoice of that client.
pub const INVOICE_ID: &str = "inv_019a3f5f00017a3cb4c5d6e7f8091a2b";
/// A credit note about it.
pub const CREDIT_NOTE_ID: &str = "crn_019a3f6000017a3cb4c5d6e7f8091a2b";
/// A payment of that invoice.
pub const PAYMENT_ID: &str = "pay_019a3f6012347f5e8899aabbccddeeff";
pub const TRANSACTION_ID: &str = "stripe:pi_3SP0AbCdEfGhIjKl1Zz9Yy8X";
pub const PROVIDER: &str = "stripe";
/// Another payment that may be the same money.
pub const TWIN: &str = "manual:PO-2026-4711";
/// An upload of the client.
pub const UPLOAD_ID: &str = "upl_019a3f6034567f5e8899aabbccddee03";
/// A refund of the payment.
pub const REFUND_ID: &str = "ref_019a3f6023457f5e8899aabbccddee02";
/// A case about the payment.
pub const CASE_ID: &str = "cas_019a3f6045677f5e8899aabbccddee04";
/// An audit record.
pub const AUDIT_ID: &str = "aud_019a3f6012357f5e8899aabbccddee01";
/// The posting of the payment.
pub const LEDGER_TRANSACTION_ID: &str = "ltx_019a3f6056787f5e8899aabbccddee05";
/// A fee of the provider.
pub const ADJUSTMENT_ID: &str = "adj_019a3f6067897f5e8899aabbccddee06";
/// A correction that waits for a second person's approval.
pub const CORRECTION_ID: &str = "cor_019a3f6067897f5e8899aabbccddee07";
pub const IDEMPOTENCY_KEY: &str = "8e03978e-40d5-43dd-bc93-6894a57f9324";
pub const WEBHOOK_ENDPOINT_ID: &str = "whe_019a3f6056787f5e8899aabbccddee05";
/// The time of all examples.
pub const TIME: &str = "2026-11-02T12:00:01.250Z";

/// The amount of the invoice and the payment.
#[must_use]
pub fn money() -> Value {
    json!({"value": "1190.00", "currency": "EUR"})
}
