//! Commands of staff and clients for tests.

use quittance_domain::case::CaseDecision;
use quittance_domain::command::{ChargePayment, DecideCase, EscalatePayment, MergePayments, RequestRefund};
use quittance_domain::id::{CaseId, ClientId, InvoiceId, RefundId};
use quittance_domain::refund_reason::{RefundReason, RefundTerms};
use quittance_processor::decide::{StaffCommand, StaffInstruction};
use uuid::Uuid;

use super::TestDatabase;
use super::scene::{money, noon};

const STAFF: &str = "user:finance";

/// The id of the refund with that number.
pub(crate) fn refund_id(number: u128) -> RefundId {
    RefundId::from_uuid(Uuid::from_u128(number))
}

/// A refund that makes the invoice owed again.
pub(crate) fn refund(transaction_id: &str, number: u128, value: &str) -> StaffInstruction {
    refund_with(transaction_id, number, value, RefundTerms { reason: RefundReason::Unspecified, reopens: true })
}

/// A refund for that reason.
pub(crate) fn refund_for(transaction_id: &str, number: u128, value: &str, reason: RefundReason) -> StaffInstruction {
    refund_with(transaction_id, number, value, RefundTerms { reason, reopens: false })
}

fn refund_with(transaction_id: &str, number: u128, value: &str, terms: RefundTerms) -> StaffInstruction {
    decision(StaffCommand::Refund(RequestRefund {
        terms,
        transaction_id: transaction_id.parse().unwrap(),
        refund_id: refund_id(number),
        amount: money(value, "EUR").positive().unwrap(),
        reason: "as agreed".to_owned(),
        actor: STAFF.to_owned(),
    }))
}

/// A decision that closes a case.
pub(crate) fn close(transaction_id: &str, case_id: CaseId, decided: CaseDecision, request: &str) -> StaffInstruction {
    decision(StaffCommand::Case(DecideCase {
        transaction_id: transaction_id.parse().unwrap(),
        case_id,
        decision: decided,
        amount: None,
        reason: "as agreed".to_owned(),
        actor: STAFF.to_owned(),
        request: request.to_owned(),
    }))
}

/// A merge of two payments that are the same money.
pub(crate) fn merge(kept: &str, duplicate: &str, request: &str) -> StaffInstruction {
    decision(StaffCommand::Merge(MergePayments {
        transaction_id: kept.parse().unwrap(),
        duplicate: duplicate.parse().unwrap(),
        reason: "the bank says so".to_owned(),
        actor: STAFF.to_owned(),
        request: request.to_owned(),
    }))
}

/// A charge of a client's card for an invoice.
pub(crate) fn charge(name: &str, whose: (ClientId, InvoiceId), value: &str, request: &str) -> StaffInstruction {
    let (client, invoice) = whose;
    charge_with(name, client, invoice, value, request, "cus_1/pm_1")
}

/// A charge of that card for an invoice.
pub(crate) fn charge_with(
    name: &str,
    client: ClientId,
    invoice: InvoiceId,
    value: &str,
    request: &str,
    method: &str,
) -> StaffInstruction {
    decision(StaffCommand::Charge(ChargePayment {
        transaction_id: name.parse().unwrap(),
        provider: "stripe".parse().unwrap(),
        invoice_id: invoice,
        client_id: client,
        amount: money(value, "EUR").positive().unwrap(),
        payment_method: method.to_owned(),
        actor: "client:bff".to_owned(),
        request: request.to_owned(),
        ordered_at: noon(),
    }))
}

/// The escalation after the last status inquiry.
pub(crate) fn escalate(name: &str, request: &str) -> StaffInstruction {
    decision(StaffCommand::Escalation(EscalatePayment {
        transaction_id: name.parse().unwrap(),
        reason: "the gateway answered 503".to_owned(),
        actor: "gateway:stripe".to_owned(),
        request: request.to_owned(),
    }))
}

fn decision(command: StaffCommand) -> StaffInstruction {
    StaffInstruction { command, correlation_id: "test".to_owned(), decided_at: noon() }
}

impl TestDatabase {
    /// The only open case of a kind.
    pub(crate) async fn case(&self, kind: &str) -> CaseId {
        let id = sqlx::query_scalar("select id from payments.cases where kind = $1 and status = 'open'")
            .bind(kind)
            .fetch_one(&self.admin)
            .await;
        CaseId::from_uuid(id.unwrap())
    }

    /// How a case was closed, and why the last decision about it was refused.
    pub(crate) async fn outcome(&self, case: CaseId) -> (Option<String>, Option<String>) {
        sqlx::query_as("select resolution, refusal from payments.cases where id = $1")
            .bind(case.as_uuid())
            .fetch_one(&self.admin)
            .await
            .unwrap()
    }

    /// Amount, status and refusal of each refund, in the order of their amounts and statuses.
    pub(crate) async fn refunds(&self) -> Vec<(String, String, Option<String>)> {
        sqlx::query_as(
            "select trim_scale(amount)::text, status, refusal from payments.refunds order by amount, status, id",
        )
        .fetch_all(&self.admin)
        .await
        .unwrap()
    }
}
