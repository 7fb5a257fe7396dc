//! Audit records and the words of cases.

use quittance_domain::case::CaseKind;
use quittance_domain::id::{AuditId, ClientId, InvoiceId};
use quittance_domain::invoice::{Invoice, InvoiceStatus};
use quittance_domain::money::Money;
use quittance_domain::payment::{PaymentState, PaymentStatus};
use quittance_domain::refund::RefundRequest;
use quittance_domain::settlement::{Allocation, Credit, Holdings, Invoices, Movement, Outcome, SurplusReason};
use quittance_store::audit::{AuditRecord, Json};
use quittance_store::cases::KnownCase;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::changes::Cause;
use crate::ground::Dossier;
use crate::settle::Instruction;
use crate::telling::Telling;

/// Where a payment stood before something was told of it, and the invoices that it was for; nothing of a new payment.
pub(crate) fn before(dossier: &Dossier, invoices: &Invoices) -> Json {
    if dossier.payment.invoices.is_empty() && dossier.holdings == Holdings::default() {
        return Json::of(&());
    }
    Json::of(&Before {
        status: dossier.payment.status,
        holdings: HoldingsShown::of(&dossier.holdings),
        invoices: dossier.payment.invoices.iter().filter_map(|id| invoices.get(id)).map(InvoiceShown::of).collect(),
    })
}

/// What one more cause did to a payment.
pub(crate) fn settled(
    dossier: &Dossier,
    state: &PaymentState,
    telling: &Telling<'_>,
    outcome: Outcome,
    before: Json,
    movements: &[Movement],
) -> AuditRecord {
    let Cause { actor, action, reason, correlation_id, .. } = telling.cause;
    AuditRecord {
        id: telling.audit_id,
        actor: (*actor).to_owned(),
        action,
        subject: dossier.payment.id.to_string(),
        reason: format!("{reason}: {outcome}"),
        before,
        after: Json::of(&After {
            outcome,
            status: state.status,
            captured: state.captured,
            returned: state.returned,
            named: &state.invoices,
            holdings: HoldingsShown::of(&dossier.holdings),
            movements: movements.iter().map(MovementShown::of).collect(),
        }),
        correlation_id: (*correlation_id).to_owned(),
    }
}

/// Evidence that came together with later evidence of the same payment, whose record tells what followed.
pub(crate) fn evidence(dossier: &Dossier, instruction: &Instruction) -> AuditRecord {
    let evidence = &instruction.evidence;
    AuditRecord {
        id: AuditId::from_uuid(Uuid::now_v7()),
        actor: evidence.actor.clone(),
        action: "payment.evidence_recorded",
        subject: dossier.payment.id.to_string(),
        reason: evidence_reason(instruction),
        before: Json::of(&()),
        after: Json::of(&json!({"named": dossier.payment.invoices})),
        correlation_id: instruction.correlation_id.clone(),
    }
}

pub(crate) fn evidence_reason(instruction: &Instruction) -> String {
    let evidence = &instruction.evidence;
    match evidence.amount {
        Some(amount) => format!("{} of {amount} through {}", evidence.kind, evidence.door),
        None => format!("{} through {}", evidence.kind, evidence.door),
    }
}

/// How far a refund is.
pub(crate) fn refund(
    dossier: &Dossier,
    request: &RefundRequest,
    refusal: Option<&str>,
    telling: &Telling<'_>,
    id: AuditId,
) -> AuditRecord {
    let amount = request.amount;
    AuditRecord {
        id,
        actor: telling.cause.actor.to_owned(),
        action: "payment.refund_changed",
        subject: dossier.payment.id.to_string(),
        reason: match refusal {
            Some(refusal) => format!("refund of {amount} {}: {refusal}", request.status),
            None => format!("refund of {amount} {}", request.status),
        },
        before: Json::of(&()),
        after: Json::of(&json!({
            "refund_id": request.id, "amount": amount, "status": request.status, "refusal": refusal,
            "named": dossier.payment.invoices,
        })),
        correlation_id: telling.cause.correlation_id.to_owned(),
    }
}

/// The words of a contradiction.
pub(crate) fn contradiction(state: &PaymentState) -> String {
    let posted = state.captured.map_or_else(|| "nothing".to_owned(), |amount| amount.to_string());
    format!("sources disagree about amount, currency or invoice of this payment; posted is {posted}")
}

/// The words of a case about refunds of which nobody has said why they were made.
pub(crate) fn unexplained_refund() -> String {
    "money was refunded and nobody has said why; the invoice is not owed again for it".to_owned()
}

/// The words of a case about surplus: those of the money that came last, else those that it had.
pub(crate) fn surplus_reason(kind: CaseKind, open: Option<&KnownCase>, movements: &[Movement]) -> String {
    let credited = movements.iter().rev().find_map(|movement| match movement {
        Movement::Credited { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    match (kind, credited, open) {
        (CaseKind::Overdrawn, _, _) => "more money went back than came in".to_owned(),
        (_, Some(reason), _) => reason.to_owned(),
        (_, None, Some(open)) => open.reason.clone(),
        (_, None, None) => SurplusReason::RefundFailed.as_str().to_owned(),
    }
}

#[derive(Serialize)]
struct Before<'a> {
    status: PaymentStatus,
    holdings: HoldingsShown<'a>,
    invoices: Vec<InvoiceShown>,
}

#[derive(Serialize)]
struct After<'a> {
    outcome: Outcome,
    status: PaymentStatus,
    captured: Option<Money>,
    returned: Option<Money>,
    named: &'a [InvoiceId],
    holdings: HoldingsShown<'a>,
    movements: Vec<MovementShown>,
}

#[derive(Serialize)]
struct HoldingsShown<'a> {
    allocated: &'a [Allocation],
    surplus: &'a [Credit],
}

impl<'a> HoldingsShown<'a> {
    fn of(holdings: &'a Holdings) -> Self {
        Self { allocated: &holdings.allocations, surplus: &holdings.credits }
    }
}

#[derive(Serialize)]
struct InvoiceShown {
    id: InvoiceId,
    paid: Money,
    status: InvoiceStatus,
    version: i64,
}

impl InvoiceShown {
    fn of(invoice: &Invoice) -> Self {
        Self { id: invoice.id(), paid: invoice.paid(), status: invoice.status(), version: invoice.version() }
    }
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum MovementShown {
    Allocated { amount: Money, invoice: InvoiceShown },
    Released { amount: Money, invoice: InvoiceShown },
    Unapplied { amount: Money, invoice: InvoiceShown },
    Credited { amount: Money, client_id: Option<ClientId>, reason: SurplusReason },
    Debited { amount: Money, client_id: Option<ClientId> },
}

impl MovementShown {
    fn of(movement: &Movement) -> Self {
        match movement {
            Movement::Allocated { invoice, amount, .. } => {
                Self::Allocated { amount: *amount, invoice: InvoiceShown::of(invoice) }
            }
            Movement::Released { invoice, amount, .. } => {
                Self::Released { amount: *amount, invoice: InvoiceShown::of(invoice) }
            }
            Movement::Unapplied { invoice, amount, .. } => {
                Self::Unapplied { amount: *amount, invoice: InvoiceShown::of(invoice) }
            }
            Movement::Credited { client_id, amount, reason } => {
                Self::Credited { amount: *amount, client_id: *client_id, reason: *reason }
            }
            Movement::Debited { client_id, amount } => Self::Debited { amount: *amount, client_id: *client_id },
        }
    }
}
