//! Schemas of the validator's requests and responses, from the limits that requests are parsed by.

use std::collections::BTreeMap;

use quittance_domain::fact::FactKind;
use quittance_domain::id::TransactionId;
use quittance_domain::refund_reason::RefundReason;
use quittance_lambda::described;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::in_path;
use quittance_lambda::openapi::responses::KEY_IN_USE;
use quittance_lambda::openapi::schema::{
    Members, flag, matching, object, one_of, refer, refer_as, some_of, text, time,
};
use quittance_lambda::parameters;
use quittance_providers::ALL;
use serde_json::json;
use utoipa::openapi::{ContentBuilder, Header, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::by_hand::ENTERABLE;
use crate::commands::{CONFIRMABLE, INVOICE_NUMBER_LENGTH_MAX, INVOICES_MAX, MOVEMENT_LENGTH_MAX};
use crate::decisions::REASON_LENGTH_MAX;
use crate::once::ACCEPTED;

/// The longest payment method token of a provider.
pub(crate) const PAYMENT_METHOD_LENGTH_MAX: usize = 255;

described! {
    /// The body of `POST /v1/payments`.
    pub(crate) NewPayment => object(
        "A claimed payment or, with `payment_method`, a payment for the gateway to collect. `GET \
         /v1/payments/{transaction_id}` shows the outcome.",
    )
        .with("transaction_id", refer("TransactionId"))
        .with("provider", refer("Provider"))
        .with("invoice_id", refer_as("InvoiceId", "The invoice that it pays."))
        .with("amount", refer_as("PositiveMoney", "The amount."))
        .optional("payment_method", matching(
            format!("^[!-~]{{1,{PAYMENT_METHOD_LENGTH_MAX}}}$"),
            "The card or mandate from which the gateway collects the payment, by the gateway's name for it: `pm_…` or \
             `cus_…/pm_…` at Stripe, `<shopper>/<card>` at Adyen, `MD…` at GoCardless. Only the platform's machine clients \
             and staff may set it. The `transaction_id` is then a name of your own, which must not look like one of the \
             gateway's (`pi_…`, `PM…`, 16 capitals and digits).",
        ))
        .closed_like(json!({
            "transaction_id": examples::TRANSACTION_ID, "provider": examples::PROVIDER,
            "invoice_id": examples::INVOICE_ID, "amount": examples::money(),
        }))
}

/// The schema of a movement of money.
fn movement(shape: Members, kinds: &[FactKind]) -> Members {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let kind = one_of(names.clone(), "The kind of movement.").default(names.first().map(|name| json!(name)));
    shape
        .optional(
            "provider",
            refer_as(
                "Provider",
                "The provider whose name for the payment is in the path; a bare name without it is a bank transfer.",
            ),
        )
        .optional("kind", kind)
        .optional("movement", text(1, MOVEMENT_LENGTH_MAX, "The refund's id, or the returned debit's reference."))
        .optional("invoice_id", refer_as("InvoiceId", "The invoice that it pays."))
        .optional(
            "invoice_number",
            text(1, INVOICE_NUMBER_LENGTH_MAX, "The number printed on the invoice that it pays."),
        )
        .optional("invoice_ids", some_of(refer("InvoiceId"), INVOICES_MAX, "The invoices that it pays, in this order."))
        .with("amount", refer_as("PositiveMoney", "The amount."))
        .optional(
            "occurred_at",
            time("When the money moved, from ten years ago until tomorrow; the current time by default."),
        )
}

described! {
    /// The body of `POST /v1/payments/{transaction_id}/confirmation`.
    pub(crate) Confirmation => movement(object(
        "A movement of money: received or sent back. The invoices are named in one way only: by `invoice_id`, \
         `invoice_number` or `invoice_ids`; payment and invoices may be unknown. Every kind except `settlement` needs a \
         `movement`.",
    ), &CONFIRMABLE)
        .closed_like(json!({"invoice_id": examples::INVOICE_ID, "amount": examples::money()}))
}

described! {
    /// The body of `POST /v1/payments/{transaction_id}/evidence`.
    pub(crate) EvidenceByHand => movement(object(
        "A movement of money that staff enter by hand. A `capture` (money received) may name its invoices, in one way only. \
         A `refund` (money sent back), a `refund_failure` (it did not reach the payer) and a `reversal` (by the payer's bank) \
         need a `movement`.",
    ), &ENTERABLE)
        .with("reason", text(1, REASON_LENGTH_MAX, "The proof, for the audit record."))
        .closed_like(json!({
            "kind": "reversal", "movement": "RETURN-2026-4711", "amount": examples::money(),
            "reason": "seen on the bank's account page",
        }))
}

fn reason() -> Members {
    object("The request and its reason.")
        .with("reason", text(1, REASON_LENGTH_MAX, "The reason, for the audit record."))
}

described! {
    /// The body of `POST /v1/payments/{transaction_id}/refunds`.
    pub(crate) NewRefund => reason()
        .with("amount", refer_as("PositiveMoney", "The amount to refund."))
        .optional("reason_kind", one_of(
            RefundReason::ALL.iter().map(|reason| reason.as_str()),
            "The kind of reason. The invoice is owed again only for `chargeback` and `returned_by_bank`, or with `reopen`. \
             `goodwill` is booked as an expense; `credited` and `duplicate` are booked against the client's credit, and so is \
             `unspecified` until it is classified.",
        ).default(Some(json!("unspecified"))))
        .optional("reopen", flag("Whether the invoice is owed again, regardless of the reason.").default(Some(json!(false))))
        .closed_like(json!({"amount": examples::money(), "reason": "delivered too late", "reason_kind": "goodwill"}))
}

described! {
    /// The body of `POST /v1/payments/{transaction_id}/merge`.
    pub(crate) Merge => reason()
        .with("twin", refer_as("TransactionId", "The duplicate: the other record of the same payment."))
        .closed_like(json!({"twin": examples::TWIN, "reason": "the bank line of the same transfer"}))
}

described! {
    /// The body of `POST /v1/payments/{transaction_id}/unmatch`.
    pub(crate) Unmatch => reason()
        .with("invoice_id", refer_as("InvoiceId", "The invoice that the payment must not pay."))
        .closed_like(json!({"invoice_id": examples::INVOICE_ID, "reason": "it is another client's money"}))
}

/// The amount of the case that the caller saw.
fn grounds() -> Members {
    reason().optional(
        "amount",
        refer_as("PositiveMoney", "The amount that the case showed; if it has changed since, the decision is refused."),
    )
}

described! {
    /// The body of `POST /v1/cases/{id}/apply`.
    pub(crate) Application => grounds()
        .with("invoice_id", refer_as("InvoiceId", "Another open invoice of the client, to which the unapplied cash is applied."))
        .closed_like(json!({"invoice_id": examples::INVOICE_ID, "reason": "agreed by telephone"}))
}

described! {
    /// The body of `POST /v1/cases/{id}/classify`.
    pub(crate) Classification => grounds()
        .with("reason_kind", one_of(
            RefundReason::ALL.iter().map(|reason| reason.as_str()),
            "The kind of reason for the refund; `unspecified` only with `reopen`.",
        ))
        .optional("reopen", flag("Whether the invoice is owed again, regardless of the reason.").default(Some(json!(false))))
        .closed_like(json!({"reason_kind": "goodwill", "reason": "agreed by telephone"}))
}

described! {
    /// The body of the other decisions about a case.
    pub(crate) Decision => grounds().closed_like(json!({"reason": "agreed by telephone"}))
}

described! {
    /// The response to an accepted request.
    pub(crate) Accepted => object("The accepted request.")
        .with("transaction_id", refer_as("TransactionId", "The payment, prefixed with its provider."))
        .perhaps("refund_id", refer_as("RefundId", "The requested refund."))
        .with("status", one_of([ACCEPTED], "The request is stored durably."))
        .open_like(json!({"transaction_id": examples::TRANSACTION_ID, "status": ACCEPTED}))
}

described! {
    /// A gateway's message, in its own format.
    pub(crate) GatewayMessage => object("The gateway's own message, signed by the gateway.").open()
}

parameters! {
    /// The gateway in a path.
    pub(crate) ProviderPath => [
        in_path("provider", one_of(gateways(), "A gateway that sends webhooks."), "The gateway."),
    ]
}

fn gateways() -> impl Iterator<Item = &'static str> {
    ALL.iter().filter(|provider| provider.webhooks().is_some()).map(|provider| provider.name())
}

/// 202: the command is durable; and 409 while the first request with the key is running.
#[derive(Debug)]
pub(crate) enum AcceptedOnce {}

impl IntoResponses for AcceptedOnce {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let pattern = format!("^/v1/payments/[A-Za-z0-9._:-]{{1,{}}}$", TransactionId::LENGTH_MAX);
        let accepted = ResponseBuilder::new()
            .description(
                "The request is stored durably and will be processed; the payment and its cases show the outcome.",
            )
            .content("application/json", ContentBuilder::new().schema(Some(refer(&Accepted::name()))).build())
            .header("Location", Header::new(matching(pattern, "The path of the payment, which shows the outcome.")))
            .build();
        [("202".to_owned(), accepted.into()), (KEY_IN_USE.status.to_owned(), KEY_IN_USE.reference())].into()
    }
}
