//! Schemas of the ledger API, from the limits that its requests are parsed by.

use quittance_domain::ledger::reconciliation::DiscrepancyKind;
use quittance_lambda::openapi::examples;
use quittance_lambda::openapi::parameters::in_query;
use quittance_lambda::openapi::schema::{Members, day, flag, list_of, object, one_of, refer, refer_as, time, words};
use quittance_lambda::{described, parameters};
use serde_json::json;
use utoipa::openapi::ObjectBuilder;

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

pub(super) fn account() -> ObjectBuilder {
    words(
        "The account's code: `receivable:<client>`, `credit:<client>`, `clearing:<provider>`, `disputes:<provider>`, \
         `refunds:<provider>`, `fees:<provider>`, `rounding`, `goodwill`, `suspense`, `tax`, `revenue`.",
    )
}

fn sides(members: Members) -> Members {
    members
        .with_or_null("debit", refer_as("Money", "The debit."))
        .with_or_null("credit", refer_as("Money", "The credit."))
}

described! {
    pub(crate) TrialBalance => object("Every account with a balance.")
        .with("as_of", day("The last accounting date included."))
        .with("accounts", list_of(
            sides(object("An account.").with("account", account()).with("kind", one_of(kinds(), "The kind of account."))).open(),
            "In order of code.",
        ))
        .with("totals", list_of(
            object("The totals in one currency.")
                .with("debit", refer_as("Money", "The sum of all debits."))
                .with("credit", refer_as("Money", "The sum of all credits; equal to the debits."))
                .open(),
            "One for each currency.",
        ))
        .open()
}

described! {
    pub(crate) LedgerTransaction => object("The posting of one event, or the reversal of one.")
        .with("id", refer("LedgerTransactionId"))
        .with("event_id", words("The event that it posts."))
        .with("description", words("The description."))
        .with("accounting_date", day("The accounting date: the bank's booking date, the day of the gateway's time in the seller's time zone, or the date of a document."))
        .with("occurred_at", time("The time of the event that it posts."))
        .with("recorded_at", time("When it was posted."))
        .with_or_null("reverses", refer_as("LedgerTransactionId", "The transaction that it reverses."))
        .with("entries", list_of(
            sides(object("An entry.").with("account", account())).open(),
            "They sum to zero.",
        ))
        .open()
}

described! {
    /// A page of the ledger's transactions.
    pub(crate) LedgerTransactions =>
        crate::page::shape("transactions", "LedgerTransaction").open(), holding [LedgerTransaction]
}

described! {
    /// Aged receivables.
    pub(crate) Ageings => object("Receivables by client, currency and how long they are overdue.")
        .with("on", day("The as-of date."))
        .with("clients", list_of(
            object("A client and a currency.")
                .with("client_id", refer("ClientId"))
                .with("client", words("The client's name."))
                .with("not_due", refer_as("Money", "Not due yet."))
                .with("days_1_to_30", refer_as("Money", "Overdue for 1 to 30 days."))
                .with("days_31_to_60", refer_as("Money", "Overdue for 31 to 60 days."))
                .with("days_61_to_90", refer_as("Money", "Overdue for 61 to 90 days."))
                .with("days_over_90", refer_as("Money", "Overdue for more than 90 days."))
                .open(),
            "By name.",
        ))
        .open()
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
