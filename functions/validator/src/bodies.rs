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
        "A payment that somebody says was made or, with `payment_method`, that its gateway is to collect. Whether it could be \
         collected, `GET /v1/payments/{transaction_id}` tells.",
    )
        .with("transaction_id", refer("TransactionId"))
        .with("provider", refer("Provider"))
        .with("invoice_id", refer_as("InvoiceId", "The invoice it pays."))
        .with("amount", refer_as("PositiveMoney", "How much."))
        .optional("payment_method", matching(
            format!("^[!-~]{{1,{PAYMENT_METHOD_LENGTH_MAX}}}$"),
            "With it the gateway is asked to collect the payment; only the platform's machines and staff may. The gateway's name \
             of the card or mandate: `pm_…` or `cus_…/pm_…` at Stripe, `<shopper>/<card>` at Adyen, `MD…` at GoCardless. The \
             `transaction_id` is then a name of your own, none of the gateway's (`pi_…`, `PM…`, 16 capitals and digits).",
        ))
        .closed_like(json!({
            "transaction_id": examples::TRANSACTION_ID, "provider": examples::PROVIDER,
            "invoice_id": examples::INVOICE_ID, "amount": examples::money(),
        }))
}

/// The schema of a movement of money.
fn movement(shape: Members, kinds: &[FactKind]) -> Members {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let kind = one_of(names.clone(), "What happened.").default(names.first().map(|name| json!(name)));
    shape
        .optional(
            "provider",
            refer_as("Provider", "Whose name the payment has in the path; for a bare one a bank transfer."),
        )
        .optional("kind", kind)
        .optional("movement", text(1, MOVEMENT_LENGTH_MAX, "The refund's id, or the returned debit's reference."))
        .optional("invoice_id", refer_as("InvoiceId", "The invoice it pays."))
        .optional("invoice_number", text(1, INVOICE_NUMBER_LENGTH_MAX, "The number printed on the invoice it pays."))
        .optional("invoice_ids", some_of(refer("InvoiceId"), INVOICES_MAX, "The invoices it pays, in that order."))
        .with("amount", refer_as("PositiveMoney", "How much."))
        .optional("occurred_at", time("When it happened, from ten years ago until tomorrow; now, if left out."))
}

described! {
    /// The body of `POST /v1/payments/{transaction_id}/confirmation`.
    pub(crate) Confirmation => movement(object(
        "Money that arrived, or went back. The invoices are named in one way only: by `invoice_id`, `invoice_number` or \
         `invoice_ids`; payment and invoices may be unknown. Anything but a settlement names its `movement`.",
    ), &CONFIRMABLE)
        .closed_like(json!({"invoice_id": examples::INVOICE_ID, "amount": examples::money()}))
}

described! {
    /// The body of `POST /v1/payments/{transaction_id}/evidence`.
    pub(crate) EvidenceByHand => movement(object(
        "Money that staff know to have come or gone back. Money that came (`capture`) may name its invoices, in one way only; \
         a `refund` that was sent back, a `refund_failure` that did not reach the payer and a `reversal` by the payer's bank name \
         their `movement`.",
    ), &ENTERABLE)
        .with("reason", text(1, REASON_LENGTH_MAX, "How staff know, for the audit."))
        .closed_like(json!({
            "kind": "reversal", "movement": "RETURN-2026-4711", "amount": examples::money(),
            "reason": "seen on the bank's account page",
        }))
}

fn reason() -> Members {
    object("What is to be done, and why.").with("reason", text(1, REASON_LENGTH_MAX, "Why, for the audit."))
}

described! {
    /// The body of `POST /v1/payments/{transaction_id}/refunds`.
    pub(crate) NewRefund => reason()
        .with("amount", refer_as("PositiveMoney", "How much."))
        .optional("reason_kind", one_of(
            RefundReason::ALL.iter().map(|reason| reason.as_str()),
            "What kind of reason there is. Only after `chargeback` and `returned_by_bank`, or with `reopen`, the invoice is owed \
             again; `goodwill` is booked as an expense, `credited` and `duplicate` against the client's credit, `unspecified` \
             too, until somebody says why.",
        ).default(Some(json!("unspecified"))))
        .optional("reopen", flag("Whether the invoice is owed again, whatever the reason.").default(Some(json!(false))))
        .closed_like(json!({"amount": examples::money(), "reason": "delivered too late", "reason_kind": "goodwill"}))
}

described! {
    /// The body of `POST /v1/payments/{transaction_id}/merge`.
    pub(crate) Merge => reason()
        .with("twin", refer_as("TransactionId", "The payment that is the same money."))
        .closed_like(json!({"twin": examples::TWIN, "reason": "the bank line of the same transfer"}))
}

described! {
    /// The body of `POST /v1/payments/{transaction_id}/unmatch`.
    pub(crate) Unmatch => reason()
        .with("invoice_id", refer_as("InvoiceId", "The invoice that the payment does not pay."))
        .closed_like(json!({"invoice_id": examples::INVOICE_ID, "reason": "it is another client's money"}))
}

/// The amount of the case that the caller saw.
fn grounds() -> Members {
    reason()
        .optional("amount", refer_as("PositiveMoney", "What the case showed; refused if that has changed meanwhile."))
}

described! {
    /// The body of `POST /v1/cases/{id}/apply`.
    pub(crate) Application => grounds()
        .with("invoice_id", refer_as("InvoiceId", "Another open invoice of the client, to pay with the surplus."))
        .closed_like(json!({"invoice_id": examples::INVOICE_ID, "reason": "agreed by telephone"}))
}

described! {
    /// The body of `POST /v1/cases/{id}/classify`.
    pub(crate) Classification => grounds()
        .with("reason_kind", one_of(
            RefundReason::ALL.iter().map(|reason| reason.as_str()),
            "Why the money was refunded; `unspecified` only with `reopen`.",
        ))
        .optional("reopen", flag("Whether the invoice is owed again, whatever the reason.").default(Some(json!(false))))
        .closed_like(json!({"reason_kind": "goodwill", "reason": "agreed by telephone"}))
}

described! {
    /// The body of the other decisions about a case.
    pub(crate) Decision => grounds().closed_like(json!({"reason": "agreed by telephone"}))
}

described! {
    /// The response to an accepted request.
    pub(crate) Accepted => object("What was accepted.")
        .with("transaction_id", refer_as("TransactionId", "The payment, with its provider in front."))
        .perhaps("refund_id", refer_as("RefundId", "The refund that was asked for."))
        .with("status", one_of([ACCEPTED], "It is durable."))
        .open_like(json!({"transaction_id": examples::TRANSACTION_ID, "status": ACCEPTED}))
}

described! {
    /// A gateway's message, in its own format.
    pub(crate) GatewayMessage => object("The gateway's own event, signed as the gateway signs.").open()
}

parameters! {
    /// The gateway in a path.
    pub(crate) ProviderPath => [
        in_path("provider", one_of(gateways(), "A gateway that tells of payments by itself."), "The gateway."),
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
        let index = format!("^/v1/payments/[A-Za-z0-9._:-]{{1,{}}}$", TransactionId::LENGTH_MAX);
        let accepted = ResponseBuilder::new()
            .description("It is durable and will be carried out; whether it could be, the payment and its cases tell.")
            .content("application/json", ContentBuilder::new().schema(Some(refer(&Accepted::name()))).build())
            .header("Location", Header::new(matching(index, "Where to see what becomes of the payment.")))
            .build();
        [("202".to_owned(), accepted.into()), (KEY_IN_USE.status.to_owned(), KEY_IN_USE.reference())].into()
    }
}
