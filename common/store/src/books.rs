//! Reads the books: balances, transactions, statements, ageing, and their differences from invoices and payments.
//! Related data is read from one [`snapshot`](crate::Database::snapshot).

use chrono::{DateTime, NaiveDate, Utc};
use quittance_domain::id::{ClientId, InvoiceId, LedgerTransactionId, PaymentId};
use quittance_domain::ledger::Account;
use quittance_domain::ledger::journal::LedgerTransaction;
use quittance_domain::ledger::reconciliation::{ReconciledPair, ReconciliationKey, Sum};
use quittance_domain::money::{Money, MoneyError};
use rust_decimal::Decimal;

use crate::database::{Database, Transaction};
use crate::error::StoreError;

const TABLE: &str = "ledger.entries";

/// A sum may exceed the maximum of a single amount.
fn sum(amount: Decimal, currency: &str) -> Result<Money, StoreError> {
    let read = |error: MoneyError| StoreError::corrupt(TABLE, error);
    Money::sum(amount, currency.parse().map_err(read)?).map_err(read)
}

fn account(code: &str) -> Result<Account, StoreError> {
    code.parse().map_err(|error| StoreError::corrupt("ledger.accounts", error))
}

/// The balances of all accounts at the end of a day, except zero balances; ordered by account code.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn balances(snapshot: &mut Transaction, as_of: NaiveDate) -> Result<Vec<(Account, Money)>, StoreError> {
    let rows = sqlx::query!(
        r#"select account as "account!", currency as "currency!", amount as "amount!" from ledger.balances_on($1)
         where amount <> 0 order by account, currency"#,
        as_of,
    )
    .fetch_all(&mut **snapshot)
    .await?;
    rows.into_iter().map(|row| Ok((account(&row.account)?, sum(row.amount, &row.currency)?))).collect()
}

/// Whether an account was ever posted to.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn is_open(transaction: &mut Transaction, account: &Account) -> Result<bool, StoreError> {
    let is_open = sqlx::query_scalar!(
        r#"select exists (select from ledger.accounts where code = $1) as "is_open!""#,
        account.to_string(),
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(is_open)
}

/// The balance of one account at the end of a day, by currency.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn balance(snapshot: &mut Transaction, of: &Account, as_of: NaiveDate) -> Result<Vec<Money>, StoreError> {
    let rows = sqlx::query!(
        r#"select currency as "currency!", amount as "amount!" from ledger.balances_on($1, $2) order by currency"#,
        as_of,
        of.to_string(),
    )
    .fetch_all(&mut **snapshot)
    .await?;
    rows.into_iter().map(|row| sum(row.amount, &row.currency)).collect()
}

#[derive(Debug, Clone, Default)]
pub struct TransactionFilter {
    /// Only those that post to this account.
    pub account: Option<Account>,
    /// Only those about this invoice.
    pub invoice_id: Option<InvoiceId>,
    /// Only those about this payment.
    pub payment_id: Option<PaymentId>,
    /// Only those with this accounting date or a later one.
    pub from: Option<NaiveDate>,
    /// Only those with this accounting date or an earlier one.
    pub to: Option<NaiveDate>,
    /// Only those after this one, in the order of accounting dates.
    pub after: Option<LedgerTransactionId>,
}

/// Lists transactions in the order of their accounting dates, and those of one day by the time of the event.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn transactions(
    snapshot: &mut Transaction,
    filter: &TransactionFilter,
    limit: i64,
) -> Result<Vec<LedgerTransaction>, StoreError> {
    let rows = sqlx::query!(
        r#"select id, event_id, description, occurred_at, accounting_date, recorded_at, reverses,
             array(select account from ledger.entries where transaction_id = id order by amount desc, account) as "accounts!: Vec<String>",
             array(select amount from ledger.entries where transaction_id = id order by amount desc, account) as "amounts!: Vec<Decimal>",
             array(select currency::text from ledger.entries where transaction_id = id order by amount desc, account)
                 as "currencies!: Vec<String>"
         from ledger.transactions
         where ($1::text is null or exists (select from ledger.entries where transaction_id = id and account = $1))
             and ($2::uuid is null or invoice_id = $2) and ($3::uuid is null or payment_id = $3)
             and ($4::date is null or accounting_date >= $4) and ($5::date is null or accounting_date <= $5)
             and ($6::uuid is null
                  or (accounting_date, occurred_at, id) > (
                      select last.accounting_date, last.occurred_at, last.id from ledger.transactions as last where last.id = $6
                  ))
         order by accounting_date, occurred_at, id limit $7"#,
        filter.account.as_ref().map(ToString::to_string),
        filter.invoice_id.map(InvoiceId::as_uuid),
        filter.payment_id.map(PaymentId::as_uuid),
        filter.from,
        filter.to,
        filter.after.map(LedgerTransactionId::as_uuid),
        limit,
    )
    .fetch_all(&mut **snapshot)
    .await?;
    rows.into_iter()
        .map(|row| {
            let amounts = row.amounts.into_iter().zip(row.currencies);
            let entries = row.accounts.iter().zip(amounts);
            let entries = entries.map(|(code, (amount, currency))| Ok((account(code)?, sum(amount, &currency)?)));
            Ok(LedgerTransaction {
                id: LedgerTransactionId::from_uuid(row.id),
                event_id: row.event_id,
                description: row.description,
                accounting_date: row.accounting_date,
                occurred_at: row.occurred_at,
                recorded_at: row.recorded_at,
                reverses: row.reverses.map(LedgerTransactionId::from_uuid),
                entries: entries.collect::<Result<_, StoreError>>()?,
            })
        })
        .collect()
}

/// A movement on a client's accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    pub accounting_date: NaiveDate,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// When it was posted.
    pub recorded_at: DateTime<Utc>,
    pub description: String,
    /// The increase of what the client owes; negative for a decrease.
    pub amount: Money,
}

/// The movements on a client's accounts between two days, inclusive, in the order of their accounting dates. Credit
/// that was applied to an invoice of the client changes nothing and is left out.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn statement(
    snapshot: &mut Transaction,
    client: ClientId,
    from: NaiveDate,
    to: NaiveDate,
    limit: i64,
) -> Result<Vec<StatementLine>, StoreError> {
    let accounts = [Account::Receivable(client).to_string(), Account::Credit(client).to_string()];
    let rows = sqlx::query!(
        r#"select transactions.accounting_date, transactions.occurred_at, transactions.recorded_at, description,
             sum(amount) as "amount!", currency
         from ledger.entries join ledger.transactions on transactions.id = transaction_id
         where account = any($1) and entries.accounting_date between $2 and $3
         group by transactions.id, currency having sum(amount) <> 0
         order by transactions.accounting_date, transactions.occurred_at, transactions.id limit $4"#,
        &accounts,
        from,
        to,
        limit,
    )
    .fetch_all(&mut **snapshot)
    .await?;
    rows.into_iter()
        .map(|row| {
            let amount = sum(row.amount, &row.currency)?;
            Ok(StatementLine {
                accounting_date: row.accounting_date,
                occurred_at: row.occurred_at,
                recorded_at: row.recorded_at,
                description: row.description,
                amount,
            })
        })
        .collect()
}

/// A client's receivables by the number of days they are overdue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ageing {
    pub client_id: ClientId,
    /// The client's name.
    pub client: String,
    /// Not due yet; then overdue by 1 to 30, 31 to 60, 61 to 90, and more days.
    pub buckets: [Money; 5],
}

/// Receivables on a day, by client and currency.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn ageing(database: &Database, on: NaiveDate) -> Result<Vec<Ageing>, StoreError> {
    let rows = sqlx::query!(
        r#"select client_id, name, currency,
             sum(open) filter (where days <= 0) as not_due, sum(open) filter (where days between 1 and 30) as month,
             sum(open) filter (where days between 31 and 60) as two_months,
             sum(open) filter (where days between 61 and 90) as three_months, sum(open) filter (where days > 90) as older
         from (select client_id, currency, total - credited_amount - paid_amount as open, $1 - due_on as days from billing.invoices
               where status in ('open', 'partially_paid')) as due
             join billing.clients on clients.id = client_id
         group by client_id, name, currency order by name, client_id, currency"#,
        on,
    )
    .fetch_all(database.pool().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            let bucket = |amount: Option<Decimal>| sum(amount.unwrap_or_default(), &row.currency);
            Ok(Ageing {
                client_id: ClientId::from_uuid(row.client_id),
                buckets: [
                    bucket(row.not_due)?,
                    bucket(row.month)?,
                    bucket(row.two_months)?,
                    bucket(row.three_months)?,
                    bucket(row.older)?,
                ],
                client: row.name,
            })
        })
        .collect()
}

/// The keys, in one currency, for which billing and the processor on one side and the ledger on the other have
/// different sums of the changes up to then; limited in number.
///
/// # Errors
/// [`StoreError`] if the database fails or a stored value is invalid.
pub async fn differences(
    database: &Database,
    as_of: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<ReconciledPair>, StoreError> {
    let rows = sqlx::query_file!("src/books/differences.sql", as_of, limit).fetch_all(database.pool().await?).await?;
    rows.into_iter()
        .map(|row| {
            let reported = |amount: Option<Decimal>, first_on, last_on| -> Result<Option<Sum>, StoreError> {
                let Some(((amount, first_on), last_on)) = amount.zip(first_on).zip(last_on) else { return Ok(None) };
                Ok(Some(Sum { amount: sum(amount, &row.currency)?, first_on, last_on }))
            };
            let expected = reported(row.expected, row.expected_first_on, row.expected_last_on)?;
            let booked = reported(row.booked, row.booked_first_on, row.booked_last_on)?;
            let place = ReconciliationKey {
                account: row.account,
                invoice_id: row.invoice_id.map(InvoiceId::from_uuid),
                payment_id: row.payment_id.map(PaymentId::from_uuid),
            };
            Ok(ReconciledPair { place, expected, booked })
        })
        .collect()
}
