//! Bodies of staff decisions, and the response to every accepted request.

use std::collections::BTreeMap;

use deserr::{Deserr, ValuePointerRef};
use quittance_domain::id::{InvoiceId, RefundId, TransactionId};
use quittance_domain::money::PositiveMoney;
use quittance_domain::refund_reason::{RefundReason, RefundTerms};
use quittance_lambda::body::Faults;
use quittance_lambda::body::invoice_reference::InvoiceIdOrNumber;
use quittance_lambda::body::values::Text;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::responses::KEY_IN_USE;
use quittance_providers::ALL;
use serde::Serialize;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

/// A reason, for the audit record.
pub(crate) type Reason = Text<1, 500>;

/// The reference of a payment: any of its transaction ids.
type PaymentReference = Text<1, { TransactionId::LENGTH_MAX }>;

/// A refund and its reason.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({
    "amount": {"value": "1190.00", "currency": "EUR"}, "reason": "delivered too late", "reason_kind": "goodwill",
})))]
pub struct NewRefundRequest {
    /// The amount to refund.
    pub(crate) amount: PositiveMoney,
    /// The reason, for the audit record.
    pub(crate) reason: Reason,
    /// The kind of reason; `unspecified` by default. The invoice is owed again only for `chargeback` and
    /// `returned_by_bank`, or with `reopen`. `goodwill` is booked as an expense; `credited` and `duplicate` are booked
    /// against the client's credit, and so is `unspecified` until it is classified.
    #[deserr(default)]
    reason_kind: Option<RefundReason>,
    /// Whether the invoice is owed again, regardless of the reason; by default it is not.
    #[deserr(default)]
    reopen: Option<bool>,
}

impl NewRefundRequest {
    pub(crate) fn terms(&self) -> RefundTerms {
        RefundTerms { reason: self.reason_kind.unwrap_or_default(), reopens: self.reopen.unwrap_or_default() }
    }
}

/// A duplicate to merge into the payment.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({"twin": examples::TWIN, "reason": "the bank line of the same transfer"})))]
pub(crate) struct Merge {
    /// The duplicate: the other record of the same payment.
    pub(crate) twin: PaymentReference,
    /// The reason, for the audit record.
    pub(crate) reason: Reason,
}

/// An invoice that the payment must not pay.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({"invoice_id": InvoiceId::EXAMPLE, "reason": "it is another client's money"})))]
pub(crate) struct Unmatch {
    /// The invoice that the payment must not pay.
    pub(crate) invoice_id: InvoiceIdOrNumber,
    /// The reason, for the audit record.
    pub(crate) reason: Reason,
}

/// The reason of a decision about a case, and the amount that the caller saw: a case that has changed since must be
/// reviewed again.
#[derive(Debug)]
pub(crate) struct DecisionGrounds {
    pub(crate) reason: String,
    pub(crate) amount: Option<PositiveMoney>,
}

/// The invoice to which the unapplied cash of a case is applied.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({"invoice_id": InvoiceId::EXAMPLE, "reason": "agreed by telephone"})))]
pub(crate) struct Application {
    /// The reason, for the audit record.
    reason: Reason,
    /// The amount that the case showed; if it has changed since, the decision is refused.
    #[deserr(default)]
    amount: Option<PositiveMoney>,
    /// Another open invoice of the client, to which the unapplied cash is applied.
    pub(crate) invoice_id: InvoiceIdOrNumber,
}

/// The reason of an unexplained refund.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields, validate = classified -> Faults)]
#[schema(examples(json!({"reason_kind": "goodwill", "reason": "agreed by telephone"})))]
pub(crate) struct Classification {
    /// The reason, for the audit record.
    reason: Reason,
    /// The amount that the case showed; if it has changed since, the decision is refused.
    #[deserr(default)]
    amount: Option<PositiveMoney>,
    /// The kind of reason for the refund; `unspecified` only with `reopen`.
    reason_kind: RefundReason,
    /// Whether the invoice is owed again, regardless of the reason; by default it is not.
    #[deserr(default)]
    reopen: Option<bool>,
}

fn classified(body: Classification, location: ValuePointerRef<'_>) -> Result<Classification, Faults> {
    if body.reason_kind == RefundReason::Unspecified && body.reopen != Some(true) {
        return Err(Faults::at(location.push_key("reason_kind"), "must state the reason of the refund"));
    }
    Ok(body)
}

impl Classification {
    pub(crate) fn terms(&self) -> RefundTerms {
        RefundTerms { reason: self.reason_kind, reopens: self.reopen.unwrap_or_default() }
    }
}

/// A decision about a case.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({"reason": "agreed by telephone"})))]
pub(crate) struct Decision {
    /// The reason, for the audit record.
    reason: Reason,
    /// The amount that the case showed; if it has changed since, the decision is refused.
    #[deserr(default)]
    amount: Option<PositiveMoney>,
}

macro_rules! grounds {
    ($($body:ident),+) => {
        $(impl From<$body> for DecisionGrounds {
            fn from(body: $body) -> Self {
                Self { reason: body.reason.into(), amount: body.amount }
            }
        })+
    };
}

grounds!(Application, Classification, Decision);

/// The accepted request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({"transaction_id": TransactionId::EXAMPLE, "status": "accepted"})))]
pub(crate) struct Accepted {
    /// The payment, prefixed with its provider.
    pub(crate) transaction_id: TransactionId,
    /// The requested refund.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) refund_id: Option<RefundId>,
    /// `accepted`: the request is stored durably.
    pub(crate) status: &'static str,
}

/// The gateway's own message, signed by the gateway.
#[derive(Debug, ToSchema)]
pub(crate) struct GatewayMessage {}

/// A gateway that sends webhooks.
#[derive(Debug)]
pub(crate) enum GatewayName {}

impl PartialSchema for GatewayName {
    fn schema() -> RefOr<Schema> {
        let gateways = ALL.iter().filter(|provider| provider.webhooks().is_some()).map(|provider| provider.name());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(gateways)).into()
    }
}

impl ToSchema for GatewayName {}

/// 202: the command is durable; and 409 while the first request with the key is running.
#[derive(Debug)]
pub(crate) enum AcceptedOnce {}

impl IntoResponses for AcceptedOnce {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let pattern = format!("^/v1/payments/[A-Za-z0-9._:-]{{1,{}}}$", TransactionId::LENGTH_MAX);
        let path = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
        let location =
            HeaderBuilder::new().schema(Some(path)).description(Some("The payment, which shows the outcome."));
        let accepted = ResponseBuilder::new()
            .description(
                "The request is stored durably and will be processed; the payment and its cases show the outcome.",
            )
            .content(
                "application/json",
                ContentBuilder::new().schema(Some(Ref::from_schema_name(Accepted::name()))).build(),
            )
            .header("Location", location.build())
            .build();
        [("202".to_owned(), accepted.into()), (KEY_IN_USE.status.to_owned(), KEY_IN_USE.reference())].into()
    }
}
