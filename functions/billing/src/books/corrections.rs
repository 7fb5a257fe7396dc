//! `POST /v1/ledger/transactions/{id}/reverse`: reverses a posting, and posts its replacement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use http::{HeaderMap, StatusCode};
use quittance_domain::calendar::recent_time;
use quittance_domain::case::may_approve_alone;
use quittance_domain::id::LedgerTransactionId;
use quittance_domain::ledger::Account;
use quittance_domain::money::{Currency, Money, MoneyError};
use quittance_lambda::caller::{Caller, Permission};
use quittance_lambda::fields::Fields;
use quittance_lambda::openapi::parameters::{ChangeHeaders, in_path};
use quittance_lambda::openapi::responses::{Conflict, UnknownInBody};
use quittance_lambda::openapi::schema::{Members, day, object, refer, refer_as, some_of, text, time, words};
use quittance_lambda::problem::Problem;
use quittance_lambda::{described, parameters};
use quittance_store::ledger::{self, ReversalOutcome};
use serde_json::{Value, json};
use utoipa::openapi::ObjectBuilder;
use uuid::Uuid;

use super::proposals::{self, ProposedCorrection};
use super::{REASON_LENGTH_MAX, accounting_date, shapes};
use crate::idempotent_change::{ChangeRequest, IdempotentChange, answer};
use crate::page::refused;
use crate::{Billing, path_id, unavailable};

/// No event posts more than four entries; postings by staff have only a few more.
const ENTRIES_MAX: usize = 20;

parameters! {
    pub(crate) TransactionPath => [in_path("id", refer("LedgerTransactionId"), "The transaction.")]
}

fn entry_shape() -> ObjectBuilder {
    object("An entry, with a debit or a credit.")
        .with("account", shapes::account())
        .optional("debit", refer("PositiveMoney"))
        .optional("credit", refer("PositiveMoney"))
        .closed()
}

pub(super) fn replacement_shape() -> Members {
    object("The correct posting, about the same invoice and payment.")
        .optional(
            "occurred_at",
            time(
                "When it happened, from ten years ago until tomorrow; by default the time of the reversed transaction.",
            ),
        )
        .optional(
            "accounting_date",
            day(
                "The accounting date; by default the day of `occurred_at`, otherwise that of the reversed transaction.",
            ),
        )
        .with("entries", some_of(entry_shape(), ENTRIES_MAX, "They sum to zero in each currency; each account once."))
}

described! {
    /// The body of a reversal.
    pub(crate) NewCorrection => object("The reason of the reversal, and the replacement.")
        .with("reason", text(1, REASON_LENGTH_MAX, "The reason, for the ledger and the audit record."))
        .optional("replacement", replacement_shape().closed())
        .closed_like(json!({"reason": "posted for another client"}))
}

described! {
    /// The reversing transaction.
    pub(crate) Correction => object("The reversing transaction, and the replacement.")
        .with("id", refer("LedgerTransactionId"))
        .with("reverses", refer_as("LedgerTransactionId", "The transaction that it reverses."))
        .with("reason", words("The reason."))
        .with_or_null("replacement_id", refer_as("LedgerTransactionId", "The replacement; null if there is none."))
        .open()
}

/// The replacement posting.
pub(super) struct Replacement {
    occurred_at: Option<DateTime<Utc>>,
    accounting_date: Option<NaiveDate>,
    entries: Vec<(Account, Money)>,
}

impl Replacement {
    /// The sum of its debits in each currency.
    fn debits(&self) -> Result<BTreeMap<Currency, Money>, MoneyError> {
        let mut sums = BTreeMap::new();
        for (_, amount) in self.entries.iter().filter(|(_, amount)| amount.is_positive()) {
            let currency = amount.currency();
            let sum = sums.entry(currency).or_insert_with(|| Money::zero(currency));
            *sum = sum.checked_add(*amount)?;
        }
        Ok(sums)
    }
}

/// Reverses a ledger transaction, and posts its replacement if one is given. Postings are never changed.
///
/// Without a replacement, the reversal is booked today. With a replacement it is booked on the accounting date of the
/// transaction, so that the balance of every day is as it should have been. A transaction that was only reversed can be
/// replaced later, by the same request with a replacement. A correction that moves more than 10,000 waits until a
/// second person approves it (`POST /v1/ledger/corrections/{id}/approve`).
#[utoipa::path(
    post,
    path = "/v1/ledger/transactions/{id}/reverse",
    operation_id = "reverseLedgerTransaction",
    tag = "ledger",
    params(TransactionPath, ChangeHeaders),
    request_body = NewCorrection,
    responses(
        (status = 201, description = "The reversing transaction.", body = Correction),
        (status = 202, description = "The correction awaits a second person's approval.", body = ProposedCorrection),
        Conflict, UnknownInBody
    )
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
    let mut work =
        match IdempotentChange::begin(&billing, &caller, &headers, &[b"POST reverse", name.as_bytes(), &body]).await? {
            ChangeRequest::New(work) => work,
            ChangeRequest::Answered(status, body) => return Ok(answer(status, body)),
        };
    if needs_second_person(&mut work, reversed, replacement.as_ref()).await? {
        return proposals::propose(work, reversed, reason, &body).await;
    }
    let body = correct(&mut work, reversed, &reason, replacement.as_ref()).await?;
    work.commit(StatusCode::CREATED, &body).await?;
    Ok(answer(StatusCode::CREATED, body))
}

/// Whether a correction exceeds the amount that one person may approve alone.
async fn needs_second_person(
    work: &mut IdempotentChange<'_>,
    reversed: LedgerTransactionId,
    replacement: Option<&Replacement>,
) -> Result<bool, Problem> {
    let debits = ledger::debits(&mut work.transaction, reversed).await.map_err(unavailable)?;
    if debits.is_empty() {
        return Err(Problem::not_found("ledger transaction", reversed));
    }
    let replaced = replacement.map(Replacement::debits).transpose();
    let replaced = replaced.map_err(|error| refused("replacement", error))?.unwrap_or_default();
    Ok(debits.into_iter().chain(replaced.into_values()).any(|amount| !may_approve_alone(amount)))
}

/// Reverses the transaction and posts its replacement. Returns the response data.
pub(super) async fn correct(
    work: &mut IdempotentChange<'_>,
    reversed: LedgerTransactionId,
    reason: &str,
    replacement: Option<&Replacement>,
) -> Result<Value, Problem> {
    let mirror = take_back(work, reversed, reason, replacement.is_some()).await?;
    let replacement_id = replacement.map(|_| LedgerTransactionId::from_uuid(Uuid::now_v7()));
    if let Some((id, Replacement { occurred_at, accounting_date, entries })) = replacement_id.zip(replacement) {
        let day = accounting_date.or_else(|| occurred_at.map(|time| work.day_of(time)));
        ledger::replace(&mut work.transaction, id, reversed, *occurred_at, day, entries).await.map_err(unavailable)?;
    }
    let body = json!({"id": mirror, "reverses": reversed, "reason": reason, "replacement_id": replacement_id});
    work.audit("ledger.transaction_reversed", reversed.to_string(), Value::Null, body.clone()).await?;
    Ok(body)
}

/// Reverses a transaction, unless that was done before and only its replacement is missing. Returns the reversing
/// transaction.
async fn take_back(
    work: &mut IdempotentChange<'_>,
    reversed: LedgerTransactionId,
    reason: &str,
    is_replaced: bool,
) -> Result<LedgerTransactionId, Problem> {
    let mirror = LedgerTransactionId::from_uuid(Uuid::now_v7());
    let at = (!is_replaced).then(|| (Utc::now(), work.today));
    let transaction = &mut work.transaction;
    match ledger::reverse(transaction, mirror, reversed, reason, at).await.map_err(unavailable)? {
        ReversalOutcome::Posted => Ok(mirror),
        ReversalOutcome::AlreadyReversed => {
            let earlier = ledger::mirror(transaction, reversed).await.map_err(unavailable)?;
            let open = earlier.filter(|earlier| is_replaced && !earlier.is_replaced).map(|earlier| earlier.id);
            open.ok_or_else(|| Problem::conflict(format!("ledger transaction {reversed} is reversed already")))
        }
        ReversalOutcome::Unknown => Err(Problem::not_found("ledger transaction", reversed)),
    }
}

pub(super) fn parse(body: &[u8]) -> Result<(String, Option<Replacement>), Problem> {
    let mut fields = Fields::parse(body)?;
    let reason = fields.text("reason", 1, REASON_LENGTH_MAX);
    let replacement = if fields.has("replacement") { fields.nested("replacement", replacement) } else { None };
    fields.finish()?;
    // Without a reason, `finish` has failed already.
    reason.map(|reason| (reason, replacement)).ok_or_else(|| Problem::invalid(Vec::new()))
}

fn replacement(fields: &mut Fields) -> Option<Replacement> {
    let occurred_at = fields.optional::<DateTime<Utc>>("occurred_at");
    if let Some(Err(refusal)) = occurred_at.map(|time| recent_time(time, Utc::now())) {
        fields.problem("occurred_at", refusal);
    }
    let accounting_date = accounting_date(fields);
    let entries = fields.objects("entries", ENTRIES_MAX, entry)?;
    match balance(&entries) {
        Ok(()) => Some(Replacement { occurred_at, accounting_date, entries }),
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

#[derive(Debug, thiserror::Error)]
enum UnbalancedPosting {
    #[error("{0} occurs twice in {1}")]
    Repeated(Account, Currency),
    #[error("debits less credits are {0} and must be zero")]
    Difference(Money),
    #[error(transparent)]
    Sum(#[from] MoneyError),
}

/// Checks that entries form a valid posting: each account once per currency, and balanced.
fn balance(entries: &[(Account, Money)]) -> Result<(), UnbalancedPosting> {
    let mut seen = BTreeSet::new();
    let mut sums: BTreeMap<Currency, Money> = BTreeMap::new();
    for (account, amount) in entries {
        let currency = amount.currency();
        if !seen.insert((account, currency)) {
            return Err(UnbalancedPosting::Repeated(account.clone(), currency));
        }
        let sum = sums.entry(currency).or_insert_with(|| Money::zero(currency));
        *sum = sum.checked_add(*amount)?;
    }
    match sums.values().find(|sum| !sum.is_zero()) {
        Some(sum) => Err(UnbalancedPosting::Difference(*sum)),
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
                (Err(error), Some(refusal)) => assert!(error.to_string().contains(refusal), "{error}"),
                (outcome, _) => panic!("{of:?}: {outcome:?}"),
            }
        }
    }
}
