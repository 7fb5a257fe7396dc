//! Builds the command for a line: the same each time, from the decision about it.

use chrono::{NaiveTime, Utc};
use quittance_domain::command::{Evidence, InvoiceReference, PaymentCommand};
use quittance_domain::fact::{EvidenceChannel, FactKind, kept_reason};
use quittance_domain::id::TransactionId;
use quittance_domain::upload::LineOutcome;
use quittance_lambda::envelope::CloudEvent;
use quittance_store::upload_lines::UploadLine;
use quittance_store::uploads::Upload;
use uuid::Uuid;

use crate::FUNCTION;

/// The ids under which the processor knows a line.
#[derive(Debug, Clone)]
pub(crate) struct LineNames {
    /// The id of the message: the same from every file that reports it.
    pub(crate) event_id: String,
    /// The movement of money.
    pub(crate) movement: String,
}

/// The command for a line; none if it was left out.
pub(crate) fn command(
    upload: &Upload,
    line: &UploadLine,
    names: LineNames,
    hints: Vec<InvoiceReference>,
) -> Option<CloudEvent<PaymentCommand>> {
    let decision = &line.decision;
    let (kind, channel) = match decision.outcome {
        LineOutcome::Claimed => (FactKind::Claim, EvidenceChannel::Confirmation),
        // Uploaded by staff, not signed by the bank: equivalent to captured, not settled.
        LineOutcome::Matched | LineOutcome::Unmatched => (FactKind::Capture, EvidenceChannel::Bank),
        LineOutcome::Returned => (FactKind::Reversal, EvidenceChannel::Bank),
        // Sent under a transaction id of its own: staff find the payment that it returns.
        LineOutcome::Rejected => (FactKind::Reversal, EvidenceChannel::Bank),
        LineOutcome::Duplicate | LineOutcome::Ignored => return None,
    };
    let transaction_id: TransactionId = decision.transaction_id.clone()?;
    let went_back = decision.bank_fee.map_or(Ok(line.amount), |fee| line.amount.checked_sub(fee)).ok()?;
    let mut hints = hints.into_iter();
    let evidence = Evidence {
        provider: transaction_id.provider(),
        kind,
        amount: Some(went_back.positive().ok()?),
        found_at: None,
        bank_fee: decision.bank_fee.and_then(|fee| fee.positive().ok()),
        channel,
        event_id: names.event_id,
        movement: names.movement,
        invoice: hints.next(),
        further_invoices: hints.collect(),
        payment_id: decision.payment_id,
        references: Vec::new(),
        client_id: upload.client_id,
        actor: format!("upload:{}#{}", upload.id, line.line),
        reason: decision.reason.as_deref().map(kept_reason),
        attachment: upload.typed.is_some().then_some(upload.id),
        occurred_at: line.booked_on?.and_time(NaiveTime::MIN).and_utc(),
        transaction_id: transaction_id.clone(),
    };
    let (id, correlation_id) = (Uuid::now_v7(), upload.id.to_string());
    let command = PaymentCommand::from_evidence(evidence);
    Some(CloudEvent::new(id, FUNCTION, transaction_id.to_string(), Utc::now(), correlation_id, command))
}
