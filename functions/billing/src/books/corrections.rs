//! `POST /v1/ledger/transactions/{id}/reverse`: reverses a posting, and posts its replacement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use deserr::{Deserr, ValuePointerRef};
use http::StatusCode;
use quittance_domain::case::may_approve_alone;
use quittance_domain::id::LedgerTransactionId;
use quittance_domain::ledger::Account;
use quittance_domain::money::{Currency, Money, MoneyError, PositiveMoney};
use quittance_lambda::body::Faults;
use quittance_lambda::body::times::{RecentDay, RecentTime};
use quittance_lambda::body::values::List;
use quittance_lambda::change::{ChangeRequest, Changes, Reply};
use quittance_lambda::openapi::parameters::ChangeHeaders;
use quittance_lambda::openapi::responses::{Conflict, UnknownInBody};
use quittance_lambda::path_id::PathId;
use quittance_lambda::problem::Problem;
use quittance_store::ledger::{self, ReversalOutcome};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Reason;
use super::proposals::{self, CorrectionProposal};
use crate::Billing;
use crate::idempotent_change::IdempotentChange;

/// No event posts more than four entries; postings by staff have only a few more.
const ENTRIES_MAX: usize = 20;

/// An entry, with a debit or a credit.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields, validate = one_side -> Faults)]
pub(crate) struct NewEntry {
    account: Account,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    debit: Option<PositiveMoney>,
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    credit: Option<PositiveMoney>,
}

impl NewEntry {
    /// The debit, or the credit as a negative amount.
    fn amount(&self) -> Option<Money> {
        match (self.debit, self.credit) {
            (Some(debit), None) => Some(debit.into()),
            (None, Some(credit)) => Some(Money::from(credit).negated()),
            _ => None,
        }
    }
}

fn one_side(entry: NewEntry, location: ValuePointerRef<'_>) -> Result<NewEntry, Faults> {
    match entry.amount() {
        Some(_) => Ok(entry),
        None => Err(Faults::at(location.push_key("debit"), "an entry has either a debit or a credit")),
    }
}

/// The entries of a posting.
type Entries = List<NewEntry, 1, ENTRIES_MAX>;

/// The correct posting, about the same invoice and payment.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields, validate = balanced -> Faults)]
pub(crate) struct Replacement {
    /// When it happened, from ten years ago until tomorrow; by default the time of the reversed transaction.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    occurred_at: Option<RecentTime>,
    /// The accounting date; by default the day of `occurred_at`, otherwise that of the reversed transaction.
    #[deserr(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    accounting_date: Option<RecentDay>,
    /// They sum to zero in each currency; each account once.
    entries: Entries,
}

fn balanced(replacement: Replacement, location: ValuePointerRef<'_>) -> Result<Replacement, Faults> {
    match balance(&replacement.postings()) {
        Ok(()) => Ok(replacement),
        Err(error) => Err(Faults::at(location.push_key("entries"), error)),
    }
}

impl Replacement {
    /// Its accounts and amounts; debits are positive. Every entry has one side, as its parser checks.
    fn postings(&self) -> Vec<(Account, Money)> {
        let entries = self.entries.as_slice().iter();
        entries.filter_map(|entry| Some((entry.account.clone(), entry.amount()?))).collect()
    }

    /// The sum of its debits in each currency.
    fn debits(&self) -> Result<BTreeMap<Currency, Money>, MoneyError> {
        let mut sums = BTreeMap::new();
        for amount in self.entries.as_slice().iter().filter_map(|entry| entry.debit).map(Money::from) {
            let currency = amount.currency();
            let sum = sums.entry(currency).or_insert_with(|| Money::zero(currency));
            *sum = sum.checked_add(amount)?;
        }
        Ok(sums)
    }
}

/// The reason of the reversal, and the replacement.
#[derive(Debug, Clone, Serialize, Deserr, ToSchema)]
#[serde(deny_unknown_fields)]
#[deserr(error = Faults, deny_unknown_fields)]
#[schema(examples(json!({"reason": "posted for another client"})))]
pub struct NewCorrection {
    /// The reason, for the ledger and the audit record.
    reason: Reason,
    #[deserr(default)]
    replacement: Option<Replacement>,
}

/// The reversing transaction, and the replacement.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Correction {
    id: LedgerTransactionId,
    /// The transaction that it reverses.
    reverses: LedgerTransactionId,
    /// The reason.
    reason: String,
    /// The replacement; null if there is none.
    #[schema(required)]
    replacement_id: Option<LedgerTransactionId>,
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
    params(("id" = LedgerTransactionId, Path, description = "The transaction."), ChangeHeaders),
    request_body = NewCorrection,
    responses(
        (status = 201, description = "The reversing transaction.", body = Correction),
        (status = 202, description = "The correction awaits a second person's approval.", body = CorrectionProposal),
        Conflict, UnknownInBody
    )
)]
pub(crate) async fn reverse(
    State(billing): State<Arc<Billing>>,
    PathId(reversed): PathId<LedgerTransactionId>,
    ChangeRequest { head, body }: ChangeRequest<NewCorrection>,
) -> Result<Response, Reply> {
    let NewCorrection { reason, replacement } = body;
    let mut work = billing.begin(head).await?;
    if needs_second_person(&mut work, reversed, replacement.as_ref()).await? {
        return proposals::propose(work, reversed, reason.into(), replacement).await;
    }
    let correction = correct(&mut work, reversed, reason.as_str(), replacement.as_ref()).await?;
    work.finish(StatusCode::CREATED, &correction).await
}

/// Whether a correction exceeds the amount that one person may approve alone.
async fn needs_second_person(
    work: &mut IdempotentChange<'_>,
    reversed: LedgerTransactionId,
    replacement: Option<&Replacement>,
) -> Result<bool, Reply> {
    let debits = ledger::debits(&mut work.transaction, reversed).await?;
    if debits.is_empty() {
        return Err(Problem::not_found("ledger transaction", reversed).into());
    }
    let replaced = replacement.map(Replacement::debits).transpose();
    let replaced = replaced.map_err(|error| Faults::of("/replacement", error))?.unwrap_or_default();
    Ok(debits.into_iter().chain(replaced.into_values()).any(|amount| !may_approve_alone(amount)))
}

/// Reverses the transaction and posts its replacement.
pub(super) async fn correct(
    work: &mut IdempotentChange<'_>,
    reversed: LedgerTransactionId,
    reason: &str,
    replacement: Option<&Replacement>,
) -> Result<Correction, Problem> {
    let mirror = take_back(work, reversed, reason, replacement.is_some()).await?;
    let replacement_id = replacement.map(|_| LedgerTransactionId::from_uuid(Uuid::now_v7()));
    if let Some((id, replacement)) = replacement_id.zip(replacement) {
        let occurred_at = replacement.occurred_at.map(RecentTime::get);
        let day = replacement.accounting_date.map(RecentDay::get);
        let day = day.or_else(|| occurred_at.map(|time| work.day_of(time)));
        let postings = replacement.postings();
        ledger::replace(&mut work.transaction, id, reversed, occurred_at, day, &postings).await?;
    }
    let correction = Correction { id: mirror, reverses: reversed, reason: reason.to_owned(), replacement_id };
    work.audit("ledger.transaction_reversed", reversed.to_string(), Value::Null, json!(correction)).await?;
    Ok(correction)
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
    match ledger::reverse(transaction, mirror, reversed, reason, at).await? {
        ReversalOutcome::Posted => Ok(mirror),
        ReversalOutcome::AlreadyReversed => {
            let earlier = ledger::mirror(transaction, reversed).await?;
            let open = earlier.filter(|earlier| is_replaced && !earlier.is_replaced).map(|earlier| earlier.id);
            open.ok_or_else(|| Problem::conflict(format!("ledger transaction {reversed} is reversed already")))
        }
        ReversalOutcome::Unknown => Err(Problem::not_found("ledger transaction", reversed)),
    }
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
