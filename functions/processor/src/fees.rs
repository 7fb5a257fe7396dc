//! Bank fees for returned debits, recorded once with the return.

use std::collections::BTreeMap;

use quittance_domain::adjustment::AdjustmentKind;
use quittance_domain::event::{AdjustmentRecorded, AdjustmentSummary, InvoiceEvent};
use quittance_domain::id::{AdjustmentId, AuditId, PaymentId};
use quittance_lambda::envelope::CloudEvent;
use quittance_store::audit::{AuditRecord, Json};
use quittance_store::{StoreError, Transaction, adjustments};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::changes::BatchChanges;
use crate::event_builder::{FUNCTION, to_message};
use crate::settle::EvidenceInstruction;

/// Records the bank fees of new evidence.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub(crate) async fn record(
    transaction: &mut Transaction,
    new_evidence: &BTreeMap<PaymentId, Vec<&EvidenceInstruction>>,
    changes: &mut BatchChanges,
) -> Result<(), StoreError> {
    for instruction in new_evidence.values().flatten() {
        let evidence = &instruction.evidence;
        let Some(fee) = evidence.bank_fee else { continue };
        let adjustment = AdjustmentSummary {
            id: AdjustmentId::from_uuid(Uuid::now_v7()),
            kind: AdjustmentKind::Fee,
            provider: evidence.transaction_id.provider(),
            amount: fee.into(),
            // The bank's movement, so that another file with the same movement does not record the fee again.
            reference: evidence.movement.clone(),
        };
        let reason = format!("bank fee of a return, {}", evidence.actor);
        if !adjustments::insert(transaction, &adjustment, &reason, changes.now).await? {
            continue;
        }
        let after = json!({
            "kind": adjustment.kind, "provider": adjustment.provider, "amount": adjustment.amount,
            "reference": adjustment.reference,
        });
        changes.audit.push(AuditRecord {
            id: AuditId::from_uuid(Uuid::now_v7()),
            actor: evidence.actor.clone(),
            action: "adjustment.recorded",
            subject: adjustment.id.to_string(),
            reason,
            before: Json::serialize(&Value::Null),
            after: Json::serialize(&after),
            correlation_id: instruction.correlation_id.clone(),
        });
        let event = InvoiceEvent::AdjustmentRecorded(AdjustmentRecorded { adjustment });
        let correlation_id = instruction.correlation_id.clone();
        let envelope = CloudEvent::of_event(Uuid::now_v7(), FUNCTION, changes.now, correlation_id, event);
        let day = evidence.happened().accounting_date(changes.zone);
        changes.emitted.events.push(to_message(&envelope.booked_on(day))?);
    }
    Ok(())
}
