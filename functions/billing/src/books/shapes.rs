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
        "as_of", words("A day, or a moment."),
        "The last accounting date that counts, or a moment on it; else today in the seller's time zone.",
    )]
}

parameters! {
    /// The point in time of a reconciliation.
    pub(crate) ReconciliationParameters => [
        in_query("as_of", time("A moment."), "Until when what happened counts; else until ten minutes ago."),
    ]
}

parameters! {
    /// The day of an ageing.
    pub(crate) OnParameters => [in_query("on", day("A day."), "The day on which it is looked at; else today.")]
}

parameters! {
    /// The days of a journal.
    pub(crate) JournalParameters => [
        in_query("from", day("A day."), "The first accounting date; else the first of the last day's month."),
        in_query("to", day("A day."), "The last day; else today."),
    ]
}

parameters! {
    /// The filters of transactions.
    pub(crate) TransactionParameters => [
        in_query("account", words("An account's code, as in `clearing:stripe`."), "Only those that touch it."),
        in_query("invoice_id", refer("InvoiceId"), "Only those about this invoice."),
        in_query("payment_id", refer("PaymentId"), "Only those about this payment."),
    ]
}

pub(super) fn account() -> ObjectBuilder {
    words(
        "The account's code: `receivable:<client>`, `credit:<client>`, `clearing:<provider>`, `disputes:<provider>`, \
         `refunds:<provider>`, `fees:<provider>`, `rounding`, `suspense`, `tax`, `revenue`.",
    )
}

fn sides(members: Members) -> Members {
    members
        .with_or_null("debit", refer_as("Money", "What stands on its debit side."))
        .with_or_null("credit", refer_as("Money", "What stands on its credit side."))
}

described! {
    /// A trial balance.
    pub(crate) TrialBalance => object("Every account that something stands on.")
        .with("as_of", day("The last accounting date that counts."))
        .with("accounts", list_of(
            sides(object("An account.").with("account", account()).with("kind", one_of(kinds(), "What kind it is."))).open(),
            "In the order of their codes.",
        ))
        .with("totals", list_of(
            object("A currency.")
                .with("debit", refer_as("Money", "The sum of all debits."))
                .with("credit", refer_as("Money", "The sum of all credits: the same."))
                .open(),
            "One for each currency.",
        ))
        .open()
}

described! {
    /// A transaction of the ledger.
    pub(crate) LedgerTransaction => object("What one event posted, or the mirror of it.")
        .with("id", refer("LedgerTransactionId"))
        .with("event_id", words("The event that it posts."))
        .with("description", words("What happened."))
        .with("accounting_date", day("The day on which it is booked: the bank's booking date, the day of the gateway's moment in the seller's time zone, the date of a document."))
        .with("occurred_at", time("When the event happened that it posts."))
        .with("recorded_at", time("When it was written into the books."))
        .with_or_null("reverses", refer_as("LedgerTransactionId", "The transaction that it takes back."))
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
    pub(crate) Ageings => object("What is owed and not paid.")
        .with("on", day("The day on which it was looked at."))
        .with("clients", list_of(
            object("A client and a currency.")
                .with("client_id", refer("ClientId"))
                .with("client", words("Their name."))
                .with("not_due", refer_as("Money", "Not due yet."))
                .with("days_1_to_30", refer_as("Money", "Due for 1 to 30 days."))
                .with("days_31_to_60", refer_as("Money", "Due for 31 to 60 days."))
                .with("days_61_to_90", refer_as("Money", "Due for 61 to 90 days."))
                .with("days_over_90", refer_as("Money", "Due for longer."))
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
    pub(crate) Reconciliation => object("What the books and the invoices and payments do not say alike.")
        .with("as_of", time("Until when what happened counts."))
        .with("is_complete", flag("Whether these are all."))
        .with("findings", list_of(
            object("A difference.")
                .with("difference", one_of(DiscrepancyKind::ALL.iter().map(|one| one.as_str()), "How they differ."))
                .with("account", words("The account; `provider:<name>` stands for its three accounts together."))
                .with_or_null("invoice_id", refer("InvoiceId"))
                .with_or_null("payment_id", refer("PaymentId"))
                .with_or_null("expected", sum_shape())
                .with_or_null("booked", sum_shape())
                .open(),
            "None, if all is well.",
        ))
        .open_like(json!({
            "as_of": examples::TIME, "is_complete": true, "findings": [{
                "difference": "wrong_amount", "account": "suspense", "invoice_id": null, "payment_id": examples::PAYMENT_ID,
                "expected": {"amount": examples::money(), "first_on": "2026-11-02", "last_on": "2026-11-02"},
                "booked": {"amount": {"value": "1000.00", "currency": "EUR"}, "first_on": "2026-11-02", "last_on": "2026-11-02"},
            }],
        }))
}
