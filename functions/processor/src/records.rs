//! Audit records and the words of cases.

use quittance_domain::case::CaseKind;
use quittance_domain::id::AuditId;
use quittance_domain::payment::PaymentState;
use quittance_domain::refund::RefundRequest;
use quittance_domain::settlement::{Holdings, Invoices, Movement, Outcome};
use quittance_store::audit::AuditRecord;
use quittance_store::cases::KnownCase;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::changes::Cause;
use crate::ground::Dossier;
use crate::settle::Instruction;
use crate::telling::Telling;

/// Where a payment's money stood, and the invoices that it is for.
pub(crate) fn before(dossier: &Dossier, invoices: &Invoices) -> Value {
    let named: Vec<Value> =
        dossier.payment.invoices.iter().filter_map(|id| invoices.get(id)).map(invoice_state).collect();
    json!({"status": dossier.payment.status.as_str(), "holdings": holdings(&dossier.holdings), "invoices": named})
}

/// What one more cause did to a payment.
pub(crate) fn settled(
    dossier: &Dossier,
    state: &PaymentState,
    telling: &Telling<'_>,
    outcome: Outcome,
    before: Value,
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
        after: json!({
            "outcome": outcome, "status": state.status, "captured": state.captured, "returned": state.returned,
            "named": state.invoices, "holdings": holdings(&dossier.holdings),
            "movements": movements.iter().map(movement).collect::<Vec<_>>(),
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
        before: Value::Null,
        after: json!({"named": dossier.payment.invoices}),
        correlation_id: instruction.correlation_id.clone(),
    }
}

pub(crate) fn evidence_reason(instruction: &Instruction) -> String {
    let evidence = &instruction.evidence;
    format!("{} of {} through {}", evidence.kind, evidence.amount, evidence.door)
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
        before: Value::Null,
        after: json!({
            "refund_id": request.id, "amount": amount, "status": request.status, "refusal": refusal,
            "named": dossier.payment.invoices,
        }),
        correlation_id: telling.cause.correlation_id.to_owned(),
    }
}

/// The words of a contradiction.
pub(crate) fn contradiction(state: &PaymentState) -> String {
    let posted = state.captured.map_or_else(|| "nothing".to_owned(), |amount| amount.to_string());
    format!("sources disagree about this payment; what all of them prove is posted: {posted}")
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
        (_, None, None) => "no_longer_reserved".to_owned(),
    }
}

fn holdings(holdings: &Holdings) -> Value {
    let allocated = |held: &quittance_domain::settlement::Allocation| json!({"invoice_id": held.invoice_id, "amount": held.amount, "by_staff": held.by_staff});
    let credited =
        |held: &quittance_domain::settlement::Credit| json!({"client_id": held.client_id, "amount": held.amount});
    json!({
        "allocated": holdings.allocations.iter().map(allocated).collect::<Vec<_>>(),
        "surplus": holdings.credits.iter().map(credited).collect::<Vec<_>>(),
    })
}

fn movement(movement: &Movement) -> Value {
    match movement {
        Movement::Allocated { invoice, amount, .. } => {
            json!({"kind": "allocated", "amount": amount, "invoice": invoice_state(invoice)})
        }
        Movement::Released { invoice, amount, .. } => {
            json!({"kind": "released", "amount": amount, "invoice": invoice_state(invoice)})
        }
        Movement::Credited { client_id, amount, reason } => {
            json!({"kind": "credited", "amount": amount, "client_id": client_id, "reason": reason})
        }
        Movement::Debited { client_id, amount } => {
            json!({"kind": "debited", "amount": amount, "client_id": client_id})
        }
    }
}

fn invoice_state(invoice: &quittance_domain::invoice::Invoice) -> Value {
    json!({
        "id": invoice.id(), "paid": invoice.paid(), "status": invoice.status(), "version": invoice.version(),
    })
}
