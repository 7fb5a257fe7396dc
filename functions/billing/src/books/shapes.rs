//! Schemas of the ledger API, from the limits that its requests are parsed by.

use chrono::{DateTime, NaiveDate, Utc};
use quittance_domain::id::{ClientId, LedgerTransactionId};
use quittance_domain::ledger::Account;
use quittance_domain::ledger::reconciliation::DiscrepancyKind;
use quittance_domain::money::Money;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::in_query;
use quittance_lambda::openapi::schema::{day, flag, list_of, object, one_of, refer, refer_as, time, words};
use quittance_lambda::{described, parameters};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::kinds;

parameters! {
    /// The day of a balance.
    pub(crate) AsOfParameters => [in_query(
        "as_of", words("A day, or a point in time."),
        "The last accounting date included, or a point in time on it; by default today in the seller's time zone.",
    )]
}

parameters! {
    /// The point in time of a reconciliation.
    pub(crate) ReconciliationParameters => [
        in_query("as_of", time("A point in time."), "Changes before this time are included; by default those until ten minutes ago."),
    ]
}

parameters! {
    /// The day of an ageing.
    pub(crate) OnParameters => [in_query("on", day("A day."), "The as-of date; by default today.")]
}

parameters! {
    /// The days of a journal.
    pub(crate) JournalParameters => [
        in_query("from", day("A day."), "The first accounting date; by default the first day of the month of `to`."),
        in_query("to", day("A day."), "The last accounting date; by default today."),
    ]
}

parameters! {
    /// The filters of transactions.
    pub(crate) TransactionParameters => [
        in_query("account", words("An account's code: `clearing:stripe`."), "Only transactions with entries on this account."),
        in_query("invoice_id", refer("InvoiceId"), "Only transactions about this invoice."),
        in_query("payment_id", refer("PaymentId"), "Only transactions about this payment."),
    ]
}

/// Every account with a balance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrialBalance {
    /// The last accounting date included.
    pub(super) as_of: NaiveDate,
    /// In order of code.
    pub(super) accounts: Vec<AccountBalance>,
    /// One for each currency.
    pub(super) totals: Vec<CurrencyTotals>,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountBalance {
    pub(super) account: Account,
    /// The kind of account.
    #[schema(value_type = AccountKindName)]
    pub(super) kind: &'static str,
    /// The debit.
    #[schema(required)]
    pub(super) debit: Option<Money>,
    /// The credit.
    #[schema(required)]
    pub(super) credit: Option<Money>,
}

/// The kind of an account.
#[derive(Debug)]
enum AccountKindName {}

impl PartialSchema for AccountKindName {
    fn schema() -> RefOr<Schema> {
        one_of(kinds(), "The kind of account.").into()
    }
}

impl ToSchema for AccountKindName {}

/// The totals in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CurrencyTotals {
    /// The sum of all debits.
    pub(super) debit: Money,
    /// The sum of all credits; equal to the debits.
    pub(super) credit: Money,
}

/// The posting of one event, or the reversal of one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PostedTransaction {
    pub(super) id: LedgerTransactionId,
    /// The event that it posts.
    pub(super) event_id: String,
    /// The description.
    pub(super) description: String,
    /// The accounting date: the bank's booking date, the day of the gateway's time in the seller's time zone, or the date
    /// of a document.
    pub(super) accounting_date: NaiveDate,
    /// The time of the event that it posts.
    pub(super) occurred_at: DateTime<Utc>,
    /// When it was posted.
    pub(super) recorded_at: DateTime<Utc>,
    /// The transaction that it reverses.
    #[schema(required)]
    pub(super) reverses: Option<LedgerTransactionId>,
    /// They sum to zero.
    pub(super) entries: Vec<PostedEntry>,
}

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PostedEntry {
    pub(super) account: Account,
    /// The debit.
    #[schema(required)]
    pub(super) debit: Option<Money>,
    /// The credit.
    #[schema(required)]
    pub(super) credit: Option<Money>,
}

/// A page of the ledger's transactions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LedgerTransactions {
    /// In order of accounting date.
    pub(super) transactions: Vec<PostedTransaction>,
    /// Cursor of the next page; null on the last.
    #[schema(required)]
    pub(super) next_cursor: Option<String>,
}

/// Receivables by client, currency and how long they are overdue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ageings {
    /// The as-of date.
    pub(super) on: NaiveDate,
    /// By name.
    pub(super) clients: Vec<AgedReceivables>,
}

/// A client and a currency.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgedReceivables {
    pub(super) client_id: ClientId,
    /// The client's name.
    pub(super) client: String,
    /// Not due yet.
    pub(super) not_due: Money,
    /// Overdue for 1 to 30 days.
    pub(super) days_1_to_30: Money,
    /// Overdue for 31 to 60 days.
    pub(super) days_31_to_60: Money,
    /// Overdue for 61 to 90 days.
    pub(super) days_61_to_90: Money,
    /// Overdue for more than 90 days.
    pub(super) days_over_90: Money,
}

fn sum_shape() -> ObjectBuilder {
    object("A sum.")
        .with("amount", refer_as("Money", "Debits less credits."))
        .with("first_on", day("The day of the first movement."))
        .with("last_on", day("The day of the last movement."))
        .open()
}

described! {
    /// The reconciliation of the ledger with invoices and payments.
    pub(crate) Reconciliation => object("The differences between the ledger and the invoices and payments.")
        .with("as_of", time("Changes before this time are included."))
        .with("is_complete", flag("Whether all differences are listed."))
        .with("findings", list_of(
            object("A difference.")
                .with("difference", one_of(DiscrepancyKind::ALL.iter().map(|one| one.as_str()), "The kind of difference."))
                .with("account", words("The account; `provider:<name>` stands for a provider's three accounts combined."))
                .with_or_null("invoice_id", refer("InvoiceId"))
                .with_or_null("payment_id", refer("PaymentId"))
                .with_or_null("expected", sum_shape())
                .with_or_null("booked", sum_shape())
                .open(),
            "Empty if the ledger agrees.",
        ))
        .open_like(json!({
            "as_of": examples::TIME, "is_complete": true, "findings": [{
                "difference": "wrong_amount", "account": "suspense", "invoice_id": null, "payment_id": examples::PAYMENT_ID,
                "expected": {"amount": examples::money(), "first_on": "2026-11-02", "last_on": "2026-11-02"},
                "booked": {"amount": {"value": "1000.00", "currency": "EUR"}, "first_on": "2026-11-02", "last_on": "2026-11-02"},
            }],
        }))
}
