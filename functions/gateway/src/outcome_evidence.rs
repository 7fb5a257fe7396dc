//! Evidence about payments from the gateway function itself, beside what gateways report.

use chrono::{DateTime, Utc};
use quittance_domain::command::{
    EscalatePayment, Evidence, InitiateCharge, InitiateRefund, InvoiceReference, PaymentCommand, QueryPayment,
};
use quittance_domain::fact::{EvidenceChannel, FactKind, kept_reason};
use quittance_domain::id::{InvoiceId, PaymentId, Provider, TransactionId};
use quittance_domain::money::PositiveMoney;

/// An attempt to move money, under the key that was sent to the gateway.
pub(crate) struct MoneyAttempt<'a> {
    key: String,
    payment_id: PaymentId,
    transaction_id: &'a TransactionId,
    provider: &'a Provider,
    amount: PositiveMoney,
    invoice_id: Option<InvoiceId>,
}

impl<'a> From<&'a InitiateCharge> for MoneyAttempt<'a> {
    fn from(request: &'a InitiateCharge) -> Self {
        Self {
            key: request.key(),
            payment_id: request.payment_id,
            transaction_id: &request.transaction_id,
            provider: &request.provider,
            amount: request.amount,
            invoice_id: Some(request.invoice_id),
        }
    }
}

impl<'a> From<&'a InitiateRefund> for MoneyAttempt<'a> {
    fn from(request: &'a InitiateRefund) -> Self {
        Self {
            key: request.refund_id.to_string(),
            payment_id: request.payment_id,
            transaction_id: &request.transaction_id,
            provider: &request.provider,
            amount: request.amount,
            invoice_id: None,
        }
    }
}

/// The outcome of an attempt, recorded once however often it is detected: `what` is part of the event id.
pub(crate) fn evidence(
    subject: &MoneyAttempt<'_>,
    kind: FactKind,
    what: &str,
    reason: Option<&str>,
    occurred_at: DateTime<Utc>,
) -> PaymentCommand {
    PaymentCommand::from_evidence(Evidence {
        transaction_id: subject.transaction_id.clone(),
        provider: subject.provider.clone(),
        kind,
        amount: Some(subject.amount),
        channel: EvidenceChannel::Gateway,
        event_id: format!("{}:{what}:{}", subject.provider, subject.key),
        movement: subject.key.clone(),
        invoice: subject.invoice_id.map(InvoiceReference::Id),
        further_invoices: Vec::new(),
        payment_id: Some(subject.payment_id),
        references: Vec::new(),
        client_id: None,
        actor: format!("gateway:{}", subject.provider),
        reason: reason.map(kept_reason),
        bank_fee: None,
        found_at: None,
        attachment: None,
        occurred_at,
    })
}

/// The command after the last inquiry about an undecided payment.
pub(crate) fn escalation(inquiry: &QueryPayment, reason: &str) -> PaymentCommand {
    PaymentCommand::EscalatePayment(EscalatePayment {
        transaction_id: inquiry.transaction_id.clone(),
        reason: kept_reason(reason),
        actor: format!("gateway:{}", inquiry.provider),
        request: inquiry.name(),
    })
}
