//! `POST /v1/ledger/transactions/{id}/reverse`: takes back what is booked, and books what should have been.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use quittance_domain::id::LedgerTransactionId;
use quittance_domain::ledger::Account;
use quittance_domain::money::{Currency, Money};
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::parameters::{ChangeHeaders, in_path};
use quittance_lambda::openapi::responses::{Conflict, UnknownInBody};
use quittance_lambda::openapi::schema::{Members, object, refer, refer_as, some_of, text, time, words};
use quittance_lambda::problem::Problem;
use quittance_lambda::{described, parameters};
use quittance_store::Transaction;
use quittance_store::ledger::{self, Reversal};
use serde_json::{Value, json};
use utoipa::openapi::ObjectBuilder;
use uuid::Uuid;

use super::{REASON_LENGTH_MAX, shapes};
use crate::work::{Request, Work, answer};
use crate::{Billing, path_id, unavailable};

/// No event posts more than four entries; what staff book has not many more.
const ENTRIES_MAX: usize = 20;

parameters! {
    /// The transaction in a path.
    pub(crate) TransactionPath => [in_path("id", refer("LedgerTransactionId"), "The transaction.")]
}

fn entry_shape() -> ObjectBuilder {
    object("An entry, with a debit or a credit.")
        .with("account", shapes::account())
        .optional("debit", refer("PositiveMoney"))
        .optional("credit", refer("PositiveMoney"))
        .closed()
}

fn replacement_shape() -> Members {
    object("What should have been booked: about the same invoice and payment.")
        .optional("occurred_at", time("When it happened; without it when the other did."))
        .with("entries", some_of(entry_shape(), ENTRIES_MAX, "They sum to zero in each currency; each account once."))
}

described! {
    /// The body of a reversal.
    pub(crate) NewCorrection => object("Why it is taken back, and what takes its place.")
        .with("reason", text(1, REASON_LENGTH_MAX, "For the books and the audit record."))
        .optional("replacement", replacement_shape().closed())
        .closed_like(json!({"reason": "posted for another client"}))
}

described! {
    /// The mirror of a transaction.
    pub(crate) Correction => object("The transaction that mirrors another, and what took its place.")
        .with("id", refer("LedgerTransactionId"))
        .with("reverses", refer_as("LedgerTransactionId", "What it takes back."))
        .with("reason", words("Why."))
        .with_or_null("replacement_id", refer_as("LedgerTransactionId", "What took its place."))
        .open()
}

/// What should have been booked.
struct Replacement {
    occurred_at: Option<DateTime<Utc>>,
    entries: Vec<(Account, Money)>,
}

/// Takes a transaction back by one that mirrors it, and books what takes its place. What is booked is never changed.
///
/// Alone, the mirror is of now. With a replacement it is of when the transaction happened, so that the balance of every day
/// is what it should have been. What was taken back alone can be replaced later, by the same request with a replacement.
#[utoipa::path(
    post,
    path = "/v1/ledger/transactions/{id}/reverse",
    operation_id = "reverseLedgerTransaction",
    tag = "ledger",
    params(TransactionPath, ChangeHeaders),
    request_body = NewCorrection,
    responses((status = 201, description = "The mirror.", body = Correction), Conflict, UnknownInBody)
)]
pub(crate) async fn reverse(
    State(billing): State<Arc<Billing>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    caller.may(Permission::CorrectBooks)?;
    let reversed: LedgerTransactionId = path_id("ledger transaction", &id)?;
    let (reason, replacement) = parse(&body)?;
    let name = reversed.to_string();
    let mut work = match Work::begin(&billing, &caller, &headers, &[b"POST reverse", name.as_bytes(), &body]).await? {
        Request::New(work) => work,
        Request::Answered(status, body) => return Ok(answer(status, body)),
    };
    let mirror = taken_back(&mut work.transaction, reversed, &reason, replacement.is_some()).await?;
    let replacement_id = replacement.as_ref().map(|_| LedgerTransactionId::from_uuid(Uuid::now_v7()));
    if let Some((id, Replacement { occurred_at, entries })) = replacement_id.zip(replacement) {
        ledger::replace(&mut work.transaction, id, reversed, occurred_at, &entries).await.map_err(unavailable)?;
    }
    let body = json!({"id": mirror, "reverses": reversed, "reason": reason, "replacement_id": replacement_id});
    work.audit("ledger.transaction_reversed", reversed.to_string(), Value::Null, body.clone()).await?;
    work.commit(StatusCode::CREATED, &body).await?;
    Ok(answer(StatusCode::CREATED, body))
}

/// Takes a transaction back, unless that was done before and only its replacement is missing. Answers its mirror.
async fn taken_back(
    transaction: &mut Transaction,
    reversed: LedgerTransactionId,
    reason: &str,
    is_replaced: bool,
) -> Result<LedgerTransactionId, Problem> {
    let mirror = LedgerTransactionId::from_uuid(Uuid::now_v7());
    let at = (!is_replaced).then(Utc::now);
    match ledger::reverse(transaction, mirror, reversed, reason, at).await.map_err(unavailable)? {
        Reversal::Posted => Ok(mirror),
        Reversal::AlreadyReversed => {
            let earlier = ledger::mirror(transaction, reversed).await.map_err(unavailable)?;
            let open = earlier.filter(|earlier| is_replaced && !earlier.is_replaced).map(|earlier| earlier.id);
            open.ok_or_else(|| Problem::conflict(format!("ledger transaction {reversed} was taken back before")))
        }
        Reversal::Unknown => Err(Problem::not_found("ledger transaction", reversed)),
    }
}

fn parse(body: &[u8]) -> Result<(String, Option<Replacement>), Problem> {
    let mut fields = Fields::parse(body)?;
    let reason = fields.text("reason", 1, REASON_LENGTH_MAX);
    let replacement = if fields.has("replacement") { fields.nested("replacement", replacement) } else { None };
    fields.finish()?;
    // Without a reason, `finish` has refused.
    reason.map(|reason| (reason, replacement)).ok_or_else(|| Problem::invalid(Vec::new()))
}

fn replacement(fields: &mut Fields) -> Option<Replacement> {
    let occurred_at = fields.optional::<DateTime<Utc>>("occurred_at");
    if occurred_at.is_some_and(|time| time > Utc::now()) {
        fields.problem("occurred_at", "lies in the future");
    }
    let entries = fields.objects("entries", ENTRIES_MAX, entry)?;
    match balance(&entries) {
        Ok(()) => Some(Replacement { occurred_at, entries }),
        Err(problem) => {
            fields.problem("entries", problem);
            None
        }
    }
}

fn entry(fields: &mut Fields) -> Option<(Account, Money)> {
    let account = fields.required::<Account>("account");
    let (debit, credit) = (fields.optional_money("debit"), fields.optional_money("credit"));
    let amount = match (debit, credit) {
        (Some(debit), None) => Some(debit.into()),
        (None, Some(credit)) => Some(Money::from(credit).negated()),
        _ => {
            fields.problem("debit", "an entry has either a debit or a credit");
            None
        }
    };
    account.zip(amount)
}

/// Whether entries are what the books take: each account once in a currency, and nothing left over.
fn balance(entries: &[(Account, Money)]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut sums: BTreeMap<Currency, Money> = BTreeMap::new();
    for (account, amount) in entries {
        let currency = amount.currency();
        if !seen.insert((account, currency)) {
            return Err(format!("{account} comes twice in {currency}"));
        }
        let sum = sums.entry(currency).or_insert_with(|| Money::zero(currency));
        *sum = sum.checked_add(*amount).map_err(|error| error.to_string())?;
    }
    match sums.values().find(|sum| !sum.is_zero()) {
        Some(sum) => Err(format!("debits less credits are {sum}, and must be nothing")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(of: &[(&str, &str, &str)]) -> Vec<(Account, Money)> {
        let entry = |(account, value, currency): &(&str, &str, &str)| {
            (account.parse().unwrap(), Money::parse(value, currency).unwrap())
        };
        of.iter().map(entry).collect()
    }

    #[test]
    fn entries_balance_in_each_currency_with_each_account_once() {
        for (of, refusal) in [
            (vec![("tax", "-1", "EUR"), ("revenue", "1", "EUR")], None),
            (vec![("tax", "-1", "EUR"), ("revenue", "1", "USD")], Some("-1.00 EUR")),
            (vec![("tax", "-1", "EUR"), ("tax", "1", "EUR")], Some("twice in EUR")),
            (vec![("tax", "-1", "EUR"), ("revenue", "1", "EUR"), ("tax", "2", "USD"), ("revenue", "-2", "USD")], None),
        ] {
            match (balance(&entries(&of)), refusal) {
                (Ok(()), None) => {}
                (Err(told), Some(refusal)) => assert!(told.contains(refusal), "{told}"),
                (outcome, _) => panic!("{of:?}: {outcome:?}"),
            }
        }
    }
}
