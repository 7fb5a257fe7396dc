//! Audit records and the reasons of cases.

use quittance_domain::case::CaseKind;
use quittance_domain::id::{AuditId, ClientId, InvoiceId};
use quittance_domain::invoice::{Invoice, InvoiceStatus};
use quittance_domain::money::Money;
use quittance_domain::payment::{PaymentState, PaymentStatus};
use quittance_domain::refund::RefundRequest;
use quittance_domain::settlement::{
    Allocation, FundsMovement, LockedInvoices, PaymentFunds, SettlementOutcome, UnappliedCash, UnappliedReason,
};
use quittance_store::audit::{AuditRecord, Json};
use quittance_store::cases::KnownCase;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::changes::Trigger;
use crate::event_builder::EventBuilder;
use crate::locked_batch::PaymentAggregate;
use crate::settle::EvidenceInstruction;

/// The payment and its invoices before a change; empty for a new payment.
pub(crate) fn before(aggregate: &PaymentAggregate, invoices: &LockedInvoices) -> Json {
    if aggregate.payment.invoices.is_empty() && aggregate.funds == PaymentFunds::default() {
        return Json::serialize(&());
    }
    Json::serialize(&Before {
        status: aggregate.payment.status,
        funds: AuditedHoldings::from_funds(&aggregate.funds),
        invoices: aggregate
            .payment
            .invoices
            .iter()
            .filter_map(|id| invoices.get(id))
            .map(AuditedInvoice::from_invoice)
            .collect(),
    })
}

/// The audit record of a settlement.
pub(crate) fn settled(
    aggregate: &PaymentAggregate,
    state: &PaymentState,
    builder: &EventBuilder<'_>,
    outcome: SettlementOutcome,
    before: Json,
    movements: &[FundsMovement],
) -> AuditRecord {
    let Trigger { actor, action, reason, correlation_id, .. } = builder.trigger;
    AuditRecord {
        id: builder.audit_id,
        actor: (*actor).to_owned(),
        action,
        subject: aggregate.payment.id.to_string(),
        reason: format!("{reason}: {outcome}"),
        before,
        after: Json::serialize(&After {
            outcome,
            status: state.status,
            captured: state.captured,
            returned: state.returned,
            named: &state.invoices,
            funds: AuditedHoldings::from_funds(&aggregate.funds),
            movements: movements.iter().map(AuditedMovement::from_movement).collect(),
        }),
        correlation_id: (*correlation_id).to_owned(),
    }
}

/// The audit record of evidence that was settled together with later evidence, whose record has the outcome.
pub(crate) fn evidence(aggregate: &PaymentAggregate, instruction: &EvidenceInstruction) -> AuditRecord {
    let evidence = &instruction.evidence;
    AuditRecord {
        id: AuditId::from_uuid(Uuid::now_v7()),
        actor: evidence.actor.clone(),
        action: "payment.evidence_recorded",
        subject: aggregate.payment.id.to_string(),
        reason: evidence_reason(instruction),
        before: Json::serialize(&()),
        after: Json::serialize(&json!({"named": aggregate.payment.invoices})),
        correlation_id: instruction.correlation_id.clone(),
    }
}

pub(crate) fn evidence_reason(instruction: &EvidenceInstruction) -> String {
    let evidence = &instruction.evidence;
    match evidence.amount {
        Some(amount) => format!("{} of {amount} through {}", evidence.kind, evidence.channel),
        None => format!("{} through {}", evidence.kind, evidence.channel),
    }
}

/// The audit record of a refund's status.
pub(crate) fn refund(
    aggregate: &PaymentAggregate,
    request: &RefundRequest,
    refusal: Option<&str>,
    builder: &EventBuilder<'_>,
    id: AuditId,
) -> AuditRecord {
    let amount = request.amount;
    AuditRecord {
        id,
        actor: builder.trigger.actor.to_owned(),
        action: "payment.refund_changed",
        subject: aggregate.payment.id.to_string(),
        reason: match refusal {
            Some(refusal) => format!("refund of {amount} {}: {refusal}", request.status),
            None => format!("refund of {amount} {}", request.status),
        },
        before: Json::serialize(&()),
        after: Json::serialize(&json!({
            "refund_id": request.id, "amount": amount, "status": request.status, "refusal": refusal,
            "named": aggregate.payment.invoices,
        })),
        correlation_id: builder.trigger.correlation_id.to_owned(),
    }
}

/// The reason of a case about contradictory evidence.
pub(crate) fn contradiction(state: &PaymentState) -> String {
    let posted = state.captured.map_or_else(|| "nothing".to_owned(), |amount| amount.to_string());
    format!("sources disagree about amount, currency or invoice of this payment; posted is {posted}")
}

/// The reason of a case about unexplained refunds.
pub(crate) fn unexplained_refund() -> String {
    "money was refunded without a reason; the invoice is not owed again".to_owned()
}

/// The reason of a case about unapplied cash: that of the latest amount, or the case's earlier one.
pub(crate) fn unapplied_cash_reason(kind: CaseKind, open: Option<&KnownCase>, movements: &[FundsMovement]) -> String {
    let credited = movements.iter().rev().find_map(|movement| match movement {
        FundsMovement::Credited { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    match (kind, credited, open) {
        (CaseKind::Overdrawn, _, _) => "more money went back than came in".to_owned(),
        (_, Some(reason), _) => reason.to_owned(),
        (_, None, Some(open)) => open.reason.clone(),
        (_, None, None) => UnappliedReason::RefundFailed.as_str().to_owned(),
    }
}

#[derive(Serialize)]
struct Before<'a> {
    status: PaymentStatus,
    funds: AuditedHoldings<'a>,
    invoices: Vec<AuditedInvoice>,
}

#[derive(Serialize)]
struct After<'a> {
    outcome: SettlementOutcome,
    status: PaymentStatus,
    captured: Option<Money>,
    returned: Option<Money>,
    named: &'a [InvoiceId],
    funds: AuditedHoldings<'a>,
    movements: Vec<AuditedMovement>,
}

#[derive(Serialize)]
struct AuditedHoldings<'a> {
    allocated: &'a [Allocation],
    surplus: &'a [UnappliedCash],
}

impl<'a> AuditedHoldings<'a> {
    fn from_funds(funds: &'a PaymentFunds) -> Self {
        Self { allocated: &funds.allocations, surplus: &funds.credits }
    }
}

#[derive(Serialize)]
struct AuditedInvoice {
    id: InvoiceId,
    paid: Money,
    status: InvoiceStatus,
    version: i64,
}

impl AuditedInvoice {
    fn from_invoice(invoice: &Invoice) -> Self {
        Self { id: invoice.id(), paid: invoice.paid(), status: invoice.status(), version: invoice.version() }
    }
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum AuditedMovement {
    Allocated { amount: Money, invoice: AuditedInvoice },
    Released { amount: Money, invoice: AuditedInvoice },
    Unapplied { amount: Money, invoice: AuditedInvoice },
    Credited { amount: Money, client_id: Option<ClientId>, reason: UnappliedReason },
    Debited { amount: Money, client_id: Option<ClientId> },
}

impl AuditedMovement {
    fn from_movement(movement: &FundsMovement) -> Self {
        match movement {
            FundsMovement::Allocated { invoice, amount, .. } => {
                Self::Allocated { amount: *amount, invoice: AuditedInvoice::from_invoice(invoice) }
            }
            FundsMovement::Released { invoice, amount, .. } => {
                Self::Released { amount: *amount, invoice: AuditedInvoice::from_invoice(invoice) }
            }
            FundsMovement::Unapplied { invoice, amount, .. } => {
                Self::Unapplied { amount: *amount, invoice: AuditedInvoice::from_invoice(invoice) }
            }
            FundsMovement::Credited { client_id, amount, reason } => {
                Self::Credited { amount: *amount, client_id: *client_id, reason: *reason }
            }
            FundsMovement::Debited { client_id, amount } => Self::Debited { amount: *amount, client_id: *client_id },
        }
    }
}
