//! What the gateway function itself has to tell of payments, beside what gateways say.

use chrono::{DateTime, Utc};
use quittance_domain::command::{
    EscalatePayment, Evidence, InitiateCharge, InitiateRefund, InvoiceReference, PaymentCommand, QueryPayment,
};
use quittance_domain::fact::{EvidenceChannel, FactKind, kept_reason};
use quittance_domain::id::{InvoiceId, PaymentId, Provider, TransactionId};
use quittance_domain::money::PositiveMoney;

/// An attempt to move money, by the key that the gateway knows it by.
pub(crate) struct MoneyAttempt<'a> {
    key: String,
    payment_id: PaymentId,
    transaction_id: &'a TransactionId,
    provider: &'a Provider,
    amount: PositiveMoney,
    invoice_id: Option<InvoiceId>,
}

impl<'a> From<&'a InitiateCharge> for MoneyAttempt<'a> {
    fn from(order: &'a InitiateCharge) -> Self {
        Self {
            key: order.key(),
            payment_id: order.payment_id,
            transaction_id: &order.transaction_id,
            provider: &order.provider,
            amount: order.amount,
            invoice_id: Some(order.invoice_id),
        }
    }
}

impl<'a> From<&'a InitiateRefund> for MoneyAttempt<'a> {
    fn from(order: &'a InitiateRefund) -> Self {
        Self {
            key: order.refund_id.to_string(),
            payment_id: order.payment_id,
            transaction_id: &order.transaction_id,
            provider: &order.provider,
            amount: order.amount,
            invoice_id: None,
        }
    }
}

/// What became of an attempt, told once however often it is found: `what` is a part of the message's name.
pub(crate) fn evidence(
    subject: &MoneyAttempt<'_>,
    kind: FactKind,
    (what, reason): (&str, Option<&str>),
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

/// The gateway was asked for the last time, and has not decided.
pub(crate) fn escalation(question: &QueryPayment, reason: &str) -> PaymentCommand {
    PaymentCommand::EscalatePayment(EscalatePayment {
        transaction_id: question.transaction_id.clone(),
        reason: kept_reason(reason),
        actor: format!("gateway:{}", question.provider),
        request: question.name(),
    })
}
