//! `/v1/ledger`: the books, for finance.

pub(crate) mod adjustments;
pub mod corrections;
pub(crate) mod proposals;
mod shapes;

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use http::header::CONTENT_TYPE;
use quittance_domain::calendar::day_in;
use quittance_domain::id::LedgerTransactionId;
use quittance_domain::ledger::Account;
use quittance_domain::ledger::journal::{self, LedgerTransaction};
use quittance_domain::ledger::reconciliation::reconcile;
use quittance_domain::money::{Currency, Money, MoneyError};
use quittance_lambda::body::times::{Day, Time};
use quittance_lambda::body::values::Text;
use quittance_lambda::permit::Permit;
use quittance_lambda::problem::Problem;
use quittance_lambda::query::{ListRequest, PageParameters, Parameters, refused};
use quittance_store::StoreError;
use quittance_store::books::{self, Ageing, TransactionFilter};

use self::shapes::{
    AccountBalance, AgedReceivables, Ageings, AsOfParameters, CurrencyTotals, DayOrTime, Finding, JournalParameters,
    LedgerTransactions, OnParameters, PostedEntry, PostedTransaction, Reconciliation, ReconciliationParameters,
    TransactionParameters, TrialBalance,
};
use crate::Billing;
use crate::invoices::filtered_invoice;

/// A reason, for the ledger and the audit record.
type Reason = Text<1, 200>;

/// The maximum number of differences in a report; more have a common cause.
const FINDINGS_MAX: i64 = 1_000;

/// The maximum number of transactions in a journal: Lambda responses are limited to 6 MB.
const JOURNAL_MAX: i64 = 10_000;

/// Events of the last minutes may not be posted yet.
const POSTING_DELAY_MAX: TimeDelta = TimeDelta::minutes(10);

/// Returns the trial balance at the end of a day.
#[utoipa::path(
    get,
    path = "/v1/ledger/trial-balance",
    operation_id = "readTrialBalance",
    tag = "ledger",
    params(AsOfParameters),
    responses((status = 200, description = "The trial balance.", body = TrialBalance))
)]
pub(crate) async fn trial_balance(
    State(billing): State<Arc<Billing>>,
    Parameters(query): Parameters<AsOfParameters>,
) -> Result<Json<TrialBalance>, Problem> {
    let as_of = match query.as_of {
        Some(DayOrTime::Day(day)) => day.get(),
        Some(DayOrTime::Time(time)) => day_in(billing.zone, time.get()),
        None => billing.today(),
    };
    let mut snapshot = billing.database.snapshot().await?;
    let balances = books::balances(&mut snapshot, as_of).await?;
    let totals = totals(&balances).map_err(|error| StoreError::corrupt("ledger.entries", error))?;
    let row = |(account, balance): (Account, Money)| {
        let (debit, credit) = sides(balance);
        AccountBalance { kind: account.kind(), account, debit, credit }
    };
    Ok(Json(TrialBalance { as_of, accounts: balances.into_iter().map(row).collect(), totals }))
}

/// A balance in its debit or credit column.
fn sides(balance: Money) -> (Option<Money>, Option<Money>) {
    if balance.is_negative() { (None, Some(balance.negated())) } else { (Some(balance), None) }
}

fn totals(balances: &[(Account, Money)]) -> Result<Vec<CurrencyTotals>, MoneyError> {
    let mut currencies: Vec<Currency> = balances.iter().map(|(_, balance)| balance.currency()).collect();
    currencies.sort();
    currencies.dedup();
    let total = |currency: Currency| {
        let of = balances.iter().map(|(_, balance)| sides(*balance)).filter(|(debit, credit)| {
            [debit, credit].into_iter().flatten().any(|amount| amount.currency() == currency)
        });
        let (mut debits, mut credits) = (Money::zero(currency), Money::zero(currency));
        for (debit, credit) in of {
            debits = debit.map_or(Ok(debits), |debit| debits.checked_add(debit))?;
            credits = credit.map_or(Ok(credits), |credit| credits.checked_add(credit))?;
        }
        Ok(CurrencyTotals { debit: debits, credit: credits })
    };
    currencies.into_iter().map(total).collect()
}

/// Lists ledger transactions by accounting date.
#[utoipa::path(
    get,
    path = "/v1/ledger/transactions",
    operation_id = "listLedgerTransactions",
    tag = "ledger",
    params(TransactionParameters, PageParameters),
    responses((status = 200, description = "A page of transactions.", body = LedgerTransactions))
)]
pub(crate) async fn transactions(
    State(billing): State<Arc<Billing>>,
    Permit { reach, .. }: Permit,
    ListRequest { filters, page }: ListRequest<TransactionParameters, LedgerTransactionId>,
) -> Result<Json<LedgerTransactions>, Problem> {
    let filter = TransactionFilter {
        account: filters.account,
        invoice_id: filtered_invoice(&billing, filters.invoice_id, reach).await?,
        payment_id: filters.payment_id,
        after: page.after,
        ..TransactionFilter::default()
    };
    let mut snapshot = billing.database.snapshot().await?;
    let found = books::transactions(&mut snapshot, &filter, page.to_read()).await?;
    let (found, next_cursor) = page.cut(found, |transaction| transaction.id.to_string());
    Ok(Json(LedgerTransactions { transactions: found.into_iter().map(PostedTransaction::from).collect(), next_cursor }))
}

impl From<LedgerTransaction> for PostedTransaction {
    fn from(transaction: LedgerTransaction) -> Self {
        let entry = |(account, amount): (Account, Money)| {
            let (debit, credit) = sides(amount);
            PostedEntry { account, debit, credit }
        };
        Self {
            id: transaction.id,
            event_id: transaction.event_id,
            description: transaction.description,
            accounting_date: transaction.accounting_date,
            occurred_at: transaction.occurred_at,
            recorded_at: transaction.recorded_at,
            reverses: transaction.reverses,
            entries: transaction.entries.into_iter().map(entry).collect(),
        }
    }
}

/// Returns the aged receivables by client as of a day.
#[utoipa::path(
    get,
    path = "/v1/ledger/ageing",
    operation_id = "readAgeing",
    tag = "ledger",
    params(OnParameters),
    responses((status = 200, description = "The aged receivables.", body = Ageings))
)]
pub(crate) async fn ageing(
    State(billing): State<Arc<Billing>>,
    Parameters(query): Parameters<OnParameters>,
) -> Result<Json<Ageings>, Problem> {
    let on = query.on.map_or_else(|| billing.today(), Day::get);
    let ageing = books::ageing(&billing.database, on).await?;
    let row = |Ageing { client_id, client, buckets }: Ageing| {
        let [not_due, days_1_to_30, days_31_to_60, days_61_to_90, days_over_90] = buckets;
        AgedReceivables { client_id, client, not_due, days_1_to_30, days_31_to_60, days_61_to_90, days_over_90 }
    };
    Ok(Json(Ageings { on, clients: ageing.into_iter().map(row).collect() }))
}

/// Reconciles the ledger with invoices and payments.
#[utoipa::path(
    get,
    path = "/v1/ledger/reconciliation",
    operation_id = "reconcileLedger",
    tag = "ledger",
    params(ReconciliationParameters),
    responses((status = 200, description = "The differences; none if the ledger agrees.", body = Reconciliation))
)]
pub(crate) async fn reconciliation(
    State(billing): State<Arc<Billing>>,
    Parameters(query): Parameters<ReconciliationParameters>,
) -> Result<Json<Reconciliation>, Problem> {
    let as_of = query.as_of.map_or_else(|| Utc::now() - POSTING_DELAY_MAX, Time::get);
    let differences = books::differences(&billing.database, as_of, FINDINGS_MAX).await?;
    let is_complete = i64::try_from(differences.len()).is_ok_and(|count| count < FINDINGS_MAX);
    let findings = reconcile(differences).into_iter().map(Finding::from).collect();
    Ok(Json(Reconciliation { as_of, is_complete, findings }))
}

/// Exports the journal of a period as a Beancount file with balance assertions.
#[utoipa::path(
    get,
    path = "/v1/ledger/journal",
    operation_id = "exportJournal",
    tag = "ledger",
    params(JournalParameters),
    responses((status = 200, description = "A Beancount file.", content_type = "text/plain", body = String))
)]
pub(crate) async fn journal(
    State(billing): State<Arc<Billing>>,
    Parameters(query): Parameters<JournalParameters>,
) -> Result<Response, Problem> {
    let (from, to) = days(query.from, query.to, billing.today())?;
    let filter = TransactionFilter { from: Some(from), to: Some(to), ..TransactionFilter::default() };
    let mut snapshot = billing.database.snapshot().await?;
    let found = books::transactions(&mut snapshot, &filter, JOURNAL_MAX + 1).await?;
    if i64::try_from(found.len()).is_ok_and(|count| count > JOURNAL_MAX) {
        return Err(refused("to", format!("there are more than {JOURNAL_MAX} transactions; request fewer days")));
    }
    let opening = books::balances(&mut snapshot, day_before(from)).await?;
    let closing = books::balances(&mut snapshot, to).await?;
    let mut text = String::new();
    write_journal(&mut text, from, &opening, &found, to, &closing)
        .map_err(|error| StoreError::corrupt("ledger.entries", error))?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

fn write_journal(
    text: &mut String,
    from: NaiveDate,
    opening: &[(Account, Money)],
    transactions: &[LedgerTransaction],
    to: NaiveDate,
    closing: &[(Account, Money)],
) -> fmt::Result {
    let named = opening.iter().chain(closing).chain(transactions.iter().flat_map(|one| &one.entries));
    let mut accounts: Vec<&Account> = named.map(|(account, _)| account).collect();
    accounts.sort();
    accounts.dedup();
    for account in &accounts {
        journal::open(account, text)?;
    }
    journal::write_opening(from, opening, text)?;
    for transaction in transactions {
        journal::write(transaction, text)?;
    }
    for (account, balance) in closing {
        journal::assert_balance(to, account, *balance, text)?;
    }
    Ok(())
}

/// The first and the last day of a period; by default this month up to today.
pub(crate) fn days(from: Option<Day>, to: Option<Day>, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), Problem> {
    let to = to.map_or(today, Day::get);
    let from = from.map(Day::get).or_else(|| chrono::Datelike::with_day(&to, 1)).unwrap_or(to);
    if from > to {
        return Err(refused("from", "must not be after `to`"));
    }
    Ok((from, to))
}

/// The start of a day, in UTC.
pub(crate) fn start_of(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// The day before another, within the days that are accepted.
pub(crate) fn day_before(day: NaiveDate) -> NaiveDate {
    day.pred_opt().unwrap_or(day)
}
