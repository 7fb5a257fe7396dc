//! `payments.payments`: one row per movement of money, under any number of transaction ids.

mod view;

use quittance_domain::id::{ClientId, InvoiceId, PaymentId, Provider, TransactionId};
use quittance_domain::money::Money;
use quittance_domain::payment::PaymentStatus;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::database::Transaction;
use crate::error::StoreError;
pub use crate::payments::view::{PaymentFilter, PaymentView, find, list};

const TABLE: &str = "payments.payments";

/// A payment as of its last settlement.
#[derive(Debug, Clone)]
pub struct KnownPayment {
    /// Our id.
    pub id: PaymentId,
    pub transaction_id: TransactionId,
    /// The provider that moved the money.
    pub provider: Provider,
    /// The status as of its last settlement.
    pub status: PaymentStatus,
    /// The invoices that its evidence named as of its last settlement.
    pub invoices: Vec<InvoiceId>,
    /// The payment that it was merged into, which has its evidence.
    pub merged_into: Option<PaymentId>,
}

impl KnownPayment {
    /// A payment without evidence.
    #[must_use]
    pub const fn new(id: PaymentId, transaction_id: TransactionId, provider: Provider) -> Self {
        Self { id, transaction_id, provider, status: PaymentStatus::Pending, invoices: Vec::new(), merged_into: None }
    }
}

struct Row {
    id: Uuid,
    transaction_id: String,
    provider: String,
    status: String,
    invoice_id: Option<Uuid>,
    further_invoice_ids: Vec<Uuid>,
    merged_into: Option<Uuid>,
}

impl TryFrom<Row> for KnownPayment {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        Ok(Self {
            id: PaymentId::from_uuid(row.id),
            transaction_id: row.transaction_id.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
            provider: row.provider.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
            status: row.status.parse().map_err(|error| StoreError::corrupt(TABLE, error))?,
            invoices: row.invoice_id.into_iter().chain(row.further_invoice_ids).map(InvoiceId::from_uuid).collect(),
            merged_into: row.merged_into.map(PaymentId::from_uuid),
        })
    }
}

/// The columns of a payment that are derived from its facts.
#[derive(Debug, Clone)]
pub struct PaymentUpdate {
    pub id: PaymentId,
    /// The provider that moved the money.
    pub provider: Provider,
    pub status: PaymentStatus,
    /// The captured amount, otherwise the claimed one.
    pub amount: Option<Money>,
    /// The amount that went back.
    pub returned: Option<Money>,
    /// The client of the invoice that it names.
    pub client_id: Option<ClientId>,
    /// The invoices that it names, in the order in which they are to be paid.
    pub invoices: Vec<InvoiceId>,
}

/// Locks payments in the order of their ids. The lock allows others to insert rows that refer to a payment, as when its
/// unapplied cash fills a reopened invoice.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn lock(transaction: &mut Transaction, ids: &[PaymentId]) -> Result<Vec<KnownPayment>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        "select id, transaction_id, provider, status, invoice_id, further_invoice_ids, merged_into
         from payments.payments where id = any($1) order by id for no key update",
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter().map(KnownPayment::try_from).collect()
}

/// Payments outside of `but` that have unapplied cash and name one of the invoices, oldest first; the cases of their
/// unapplied cash are locked in the order of their ids.
///
/// The payments themselves are not locked: the locks on an invoice and on the case of unapplied cash suffice to move
/// money between the two. A payment's own transaction locks all invoices that it names.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn with_unapplied_cash_for(
    transaction: &mut Transaction,
    invoices: &[InvoiceId],
    but: &[PaymentId],
) -> Result<Vec<PaymentId>, StoreError> {
    let invoices: Vec<Uuid> = invoices.iter().map(|id| id.as_uuid()).collect();
    let but: Vec<Uuid> = but.iter().map(|id| id.as_uuid()).collect();
    let ids = sqlx::query_scalar!(
        "select payments.id from payments.payments join payments.cases on cases.payment_id = payments.id
         where cases.kind = 'surplus' and cases.status = 'open' and payments.id <> all($2) and merged_into is null
             and (payments.invoice_id = any($1) or payments.further_invoice_ids && $1)
         order by cases.id for update of cases",
        &invoices,
        &but,
    )
    .fetch_all(&mut **transaction)
    .await?;
    Ok(ids.into_iter().map(PaymentId::from_uuid).collect())
}

/// Reads payments without locking them, in the order of `ids`.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub async fn read(transaction: &mut Transaction, ids: &[PaymentId]) -> Result<Vec<KnownPayment>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select id, transaction_id, provider, status, invoice_id, further_invoice_ids, merged_into
           from unnest($1::uuid[]) with ordinality as wanted (wanted_id, place)
           join payments.payments on payments.id = wanted_id order by place"#,
        &ids,
    )
    .fetch_all(&mut **transaction)
    .await?;
    rows.into_iter().map(KnownPayment::try_from).collect()
}

/// Moves the evidence of a duplicate, and of payments merged into it before, to the payment that is kept.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn merge(transaction: &mut Transaction, kept: PaymentId, twin: PaymentId) -> Result<(), StoreError> {
    let (kept, twin) = (kept.as_uuid(), twin.as_uuid());
    sqlx::query!(
        "update payments.payments set merged_into = $1, updated_at = now() where id = $2 or merged_into = $2",
        kept,
        twin,
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!("update payments.payment_references set payment_id = $1 where payment_id = $2", kept, twin)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// The derived columns, one array each.
struct Columns {
    ids: Vec<Uuid>,
    providers: Vec<String>,
    statuses: Vec<&'static str>,
    amounts: Vec<Option<Decimal>>,
    currencies: Vec<Option<&'static str>>,
    returned: Vec<Decimal>,
    clients: Vec<Option<Uuid>>,
    invoices: Vec<Option<Uuid>>,
    /// An array of arrays must be rectangular, so each payment's further invoices are sent as PostgreSQL's text form.
    further: Vec<String>,
}

impl Columns {
    fn from_updates(states: &[&PaymentUpdate]) -> Self {
        Self {
            ids: states.iter().map(|state| state.id.as_uuid()).collect(),
            providers: states.iter().map(|state| state.provider.to_string()).collect(),
            statuses: states.iter().map(|state| state.status.as_str()).collect(),
            amounts: states.iter().map(|state| state.amount.map(Money::amount)).collect(),
            currencies: states.iter().map(|state| state.amount.map(|amount| amount.currency().code())).collect(),
            returned: states.iter().map(|state| state.returned.map_or(Decimal::ZERO, Money::amount)).collect(),
            clients: states.iter().map(|state| state.client_id.map(ClientId::as_uuid)).collect(),
            invoices: states.iter().map(|state| Some(state.invoices.first()?.as_uuid())).collect(),
            further: states.iter().map(|state| further_invoices(&state.invoices)).collect(),
        }
    }
}

/// Inserts payments with the state of their first facts. Their transaction ids were reserved before.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn insert(
    transaction: &mut Transaction,
    payments: &[(&KnownPayment, &PaymentUpdate)],
) -> Result<(), StoreError> {
    if payments.is_empty() {
        return Ok(());
    }
    let columns = Columns::from_updates(&payments.iter().map(|(_, state)| *state).collect::<Vec<_>>());
    let names: Vec<&str> = payments.iter().map(|(new, _)| new.transaction_id.as_str()).collect();
    sqlx::query!(
        "insert into payments.payments (id, transaction_id, provider, status, amount, currency, returned_amount,
             client_id, invoice_id, further_invoice_ids)
         select id, transaction_id, provider, status, amount, currency, returned_amount, client_id, invoice_id,
             further_invoice_ids::uuid[]
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::numeric[], $6::text[], $7::numeric[],
                 $8::uuid[], $9::uuid[], $10::text[])
             as new (id, transaction_id, provider, status, amount, currency, returned_amount, client_id, invoice_id,
                 further_invoice_ids)",
        &columns.ids,
        &names as &[&str],
        &columns.providers,
        &columns.statuses as &[&str],
        &columns.amounts as &[Option<Decimal>],
        &columns.currencies as &[Option<&str>],
        &columns.returned,
        &columns.clients as &[Option<Uuid>],
        &columns.invoices as &[Option<Uuid>],
        &columns.further,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Writes the derived columns of existing payments.
///
/// # Errors
/// [`StoreError`] if the database refuses or fails.
pub async fn update(transaction: &mut Transaction, updates: &[&PaymentUpdate]) -> Result<(), StoreError> {
    if updates.is_empty() {
        return Ok(());
    }
    let columns = Columns::from_updates(updates);
    sqlx::query!(
        "update payments.payments
         set provider = new.provider, status = new.status, amount = new.amount, currency = new.currency,
             returned_amount = new.returned_amount, client_id = new.client_id, invoice_id = new.invoice_id,
             further_invoice_ids = new.further_invoice_ids::uuid[], updated_at = now()
         from unnest($1::uuid[], $2::text[], $3::numeric[], $4::text[], $5::numeric[], $6::uuid[], $7::uuid[], $8::text[],
                 $9::text[])
             as new (id, status, amount, currency, returned_amount, client_id, invoice_id, further_invoice_ids,
                 provider)
         where payments.id = new.id",
        &columns.ids,
        &columns.statuses as &[&str],
        &columns.amounts as &[Option<Decimal>],
        &columns.currencies as &[Option<&str>],
        &columns.returned,
        &columns.clients as &[Option<Uuid>],
        &columns.invoices as &[Option<Uuid>],
        &columns.further,
        &columns.providers,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The invoices after the first, in PostgreSQL's text form of a UUID array.
pub(crate) fn further_invoices(invoices: &[InvoiceId]) -> String {
    let further: Vec<String> = invoices.iter().skip(1).map(|id| id.as_uuid().to_string()).collect();
    format!("{{{}}}", further.join(","))
}
