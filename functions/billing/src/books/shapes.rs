//! Schemas of the ledger API, from the limits that its requests are parsed by.

use chrono::{DateTime, NaiveDate, Utc};
use deserr::{Deserr, IntoValue, ValuePointerRef};
use quittance_domain::id::{ClientId, InvoiceId, LedgerTransactionId, PaymentId};
use quittance_domain::ledger::reconciliation::{Discrepancy, DiscrepancyKind, ReconciliationKey, Sum};
use quittance_domain::ledger::{Account, AccountKind};
use quittance_domain::money::Money;
use quittance_lambda::body::Faults;
use quittance_lambda::body::invoice_reference::InvoiceIdOrNumber;
use quittance_lambda::body::times::{Day, Time};
use quittance_lambda::openapi::examples;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

/// The day of a balance.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AsOfParameters {
    /// The last accounting date included, or a point in time on it; by default today in the seller's time zone.
    #[deserr(default)]
    #[param(nullable = false, value_type = Option<String>)]
    pub(super) as_of: Option<DayOrTime>,
}

/// A day, or a point in time on it.
#[derive(Debug, Clone, Copy)]
pub(super) enum DayOrTime {
    Day(Day),
    Time(Time),
}

impl Deserr<Faults> for DayOrTime {
    fn deserialize_from_value<V: IntoValue>(
        value: deserr::Value<V>,
        location: ValuePointerRef<'_>,
    ) -> Result<Self, Faults> {
        let has_time = matches!(&value, deserr::Value::String(text) if text.contains(['T', 't', ' ']));
        match has_time {
            true => Time::deserialize_from_value(value, location).map(Self::Time),
            false => Day::deserialize_from_value(value, location).map(Self::Day),
        }
    }
}

/// The point in time of a reconciliation.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReconciliationParameters {
    /// Changes before this time are included; by default those until ten minutes ago.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    pub(super) as_of: Option<Time>,
}

/// The day of an ageing.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OnParameters {
    /// The as-of date; by default today.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    pub(super) on: Option<Day>,
}

/// The days of a journal.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JournalParameters {
    /// The first accounting date; by default the first day of the month of `to`.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    pub(super) from: Option<Day>,
    /// The last accounting date; by default today.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    pub(super) to: Option<Day>,
}

/// The filters of transactions.
#[derive(Debug, Deserr, IntoParams)]
#[deserr(error = Faults, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TransactionParameters {
    /// Only transactions with entries on this account.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    pub(super) account: Option<Account>,
    /// Only transactions about this invoice.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    pub(super) invoice_id: Option<InvoiceIdOrNumber>,
    /// Only transactions about this payment.
    #[deserr(default)]
    #[param(nullable = false, inline)]
    pub(super) payment_id: Option<PaymentId>,
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
    pub(super) kind: AccountKind,
    /// The debit.
    #[schema(required)]
    pub(super) debit: Option<Money>,
    /// The credit.
    #[schema(required)]
    pub(super) credit: Option<Money>,
}

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

/// The differences between the ledger and the invoices and payments.
#[derive(Debug, Serialize, ToSchema)]
#[schema(examples(json!({
    "as_of": examples::TIME, "is_complete": true, "findings": [{
        "difference": "wrong_amount", "account": "suspense", "invoice_id": null, "payment_id": PaymentId::EXAMPLE,
        "expected": {"amount": examples::money(), "first_on": "2026-11-02", "last_on": "2026-11-02"},
        "booked": {"amount": {"value": "1000.00", "currency": "EUR"}, "first_on": "2026-11-02", "last_on": "2026-11-02"},
    }],
})))]
pub(crate) struct Reconciliation {
    /// Changes before this time are included.
    pub(super) as_of: DateTime<Utc>,
    /// Whether all differences are listed.
    pub(super) is_complete: bool,
    /// Empty if the ledger agrees.
    pub(super) findings: Vec<Finding>,
}

/// A difference.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Finding {
    /// The kind of difference.
    difference: DiscrepancyKind,
    /// The account; `provider:<name>` stands for a provider's three accounts combined.
    account: String,
    #[schema(required)]
    invoice_id: Option<InvoiceId>,
    #[schema(required)]
    payment_id: Option<PaymentId>,
    /// The expected sum, from invoices and payments.
    #[schema(required)]
    expected: Option<Sum>,
    /// The booked sum, from the ledger.
    #[schema(required)]
    booked: Option<Sum>,
}

impl From<Discrepancy> for Finding {
    fn from(Discrepancy { difference, place, expected, booked }: Discrepancy) -> Self {
        let ReconciliationKey { account, invoice_id, payment_id } = place;
        Self { difference, account, invoice_id, payment_id, expected, booked }
    }
}
