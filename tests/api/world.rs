//! The data that the description's examples use, as rows; and all roles of callers.

use quittance_domain::id::{
    CaseId, ClientId, CorrectionId, CreditNoteId, InvoiceId, LedgerTransactionId, TransactionId, UploadId,
    WebhookEndpointId,
};
use quittance_lambda::caller::{CLIENT_ID_CLAIM, Permission};
use quittance_lambda::openapi::examples;
use quittance_processor::settle::settle;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::TestDatabase;
use crate::database::scene::{TestEvidence, at, money, noon};

/// A client that owns none of the examples.
const OTHER_CLIENT_ID: &str = "cli_019a3f5e2b7c7d10a1b2c3d4e5f60719";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A user of the client who owns the examples.
    Own,
    /// A user of another client.
    Other,
    /// A client's user whom finance has not assigned to a client yet.
    Unbound,
    Finance,
    Oncall,
    Admin,
    /// The platform's own server.
    Bff,
    /// A machine that is trusted to confirm payments.
    Gateway,
    /// A machine client without a scope.
    Scopeless,
    /// A caller without a token.
    Nobody,
    /// A machine with exactly one permission.
    Single(Permission),
    /// A machine with every scope, for tests of anything but authorisation.
    Everything,
}

impl Role {
    /// The roles of the rules, in the order of the columns.
    pub(super) const ALL: [Self; 10] = [
        Self::Own,
        Self::Other,
        Self::Unbound,
        Self::Finance,
        Self::Oncall,
        Self::Admin,
        Self::Bff,
        Self::Gateway,
        Self::Scopeless,
        Self::Nobody,
    ];

    /// The caller's bearer token.
    pub(super) fn token(self) -> String {
        format!("{self:?}")
    }

    pub(super) fn by_token(token: &str) -> Option<Self> {
        let singles = Permission::ALL.map(Self::Single);
        let known = Self::ALL.into_iter().chain(singles).chain([Self::Everything]);
        known.into_iter().find(|role| *role != Self::Nobody && role.token() == token)
    }

    /// The claims of the token, as API Gateway passes them on.
    pub(super) fn claims(self) -> Value {
        let person = |group: &str| json!({"sub": self.token(), "cognito:groups": format!("[{group}]")});
        match self {
            Self::Own | Self::Other | Self::Unbound => {
                let mut claims = person("client");
                match self {
                    Self::Own => claims[CLIENT_ID_CLAIM] = ClientId::EXAMPLE.into(),
                    Self::Other => claims[CLIENT_ID_CLAIM] = OTHER_CLIENT_ID.into(),
                    _ => {}
                }
                claims
            }
            Self::Finance => person("finance"),
            Self::Oncall => person("oncall"),
            Self::Admin => person("admin"),
            _ => json!({"client_id": self.token(), "sub": self.token()}),
        }
    }

    pub(super) fn scopes(self) -> Option<Vec<String>> {
        let permissions: Vec<Permission> = match self {
            Self::Bff => vec![
                Permission::Read,
                Permission::WriteInvoices,
                Permission::ClaimPayments,
                Permission::ManageWebhooks,
                Permission::OperateWebhooks,
                Permission::WritePreferences,
            ],
            Self::Gateway => vec![Permission::ConfirmPayments],
            Self::Single(permission) => vec![permission],
            Self::Everything => Permission::ALL.to_vec(),
            Self::Scopeless => Vec::new(),
            _ => return None,
        };
        Some(permissions.into_iter().map(Permission::scope).collect())
    }
}

fn uuid<T>(id: &str, of: impl Fn(T) -> Uuid) -> Uuid
where
    T: std::str::FromStr<Err: std::fmt::Debug>,
{
    of(id.parse().unwrap())
}

/// A database with the examples' clients and nothing else.
pub(super) async fn clients_only() -> TestDatabase {
    let test = TestDatabase::migrated().await;
    for id in [ClientId::EXAMPLE, OTHER_CLIENT_ID] {
        let insert =
            "insert into billing.clients (id, name, email, address) values ($1, 'n', 'a@b.example', '{Weg 1}')";
        sqlx::query(insert).bind(uuid(id, ClientId::as_uuid)).execute(&test.admin).await.unwrap();
    }
    test
}

/// A database with the examples' data: a draft, a payment of another invoice with unapplied cash, the case about it, a
/// second payment, an upload, and a webhook endpoint.
pub(super) async fn world() -> TestDatabase {
    let test = clients_only().await;
    let client = uuid(ClientId::EXAMPLE, ClientId::as_uuid);
    let draft = "with draft as (
            insert into billing.invoices (id, client_id, currency, total, due_on)
            values ($1, $2, 'EUR', 1190, '2026-12-01') returning id
        ) insert into billing.invoice_lines (invoice_id, position, description, quantity, unit_amount)
        select id, 1, 'Consulting', 1, 1190 from draft";
    let invoice = uuid(InvoiceId::EXAMPLE, InvoiceId::as_uuid);
    sqlx::query(draft).bind(invoice).bind(client).execute(&test.admin).await.unwrap();
    let upload = "insert into billing.uploads (id, kind, uploaded_by, client_id, object_key)
        values ($1, 'payment_confirmation', 'user:1', $2, 'uploads/1')";
    let id = uuid(UploadId::EXAMPLE, UploadId::as_uuid);
    sqlx::query(upload).bind(id).bind(client).execute(&test.admin).await.unwrap();
    let endpoint = "insert into billing.webhook_endpoints (id, url, secret_id, created_by)
        values ($1, 'https://bff.example/', gen_random_uuid(), 'machine:bff')";
    let id = uuid(WebhookEndpointId::EXAMPLE, WebhookEndpointId::as_uuid);
    sqlx::query(endpoint).bind(id).execute(&test.admin).await.unwrap();

    let paid = test.open_invoice(ClientId::from_uuid(client), "1190.00", "EUR").await;
    let note = "insert into billing.credit_notes (id, invoice_id, number, currency, total, tax, reason, issued_on)
        values ($1, $2, 'CN-2026-000007', 'EUR', 1, 0, 'Rebate', '2026-11-12')";
    let id = uuid(CreditNoteId::EXAMPLE, CreditNoteId::as_uuid);
    sqlx::query(note).bind(id).bind(paid.as_uuid()).execute(&test.admin).await.unwrap();
    let processor = test.as_role(crate::processor::ROLE, 2).await;
    let reported = [
        TestEvidence::capture(TransactionId::EXAMPLE, Some(paid), money("2380.00", "EUR")),
        TestEvidence::claim(examples::TWIN, Some(paid), money("1190.00", "EUR")),
    ];
    settle(&processor, &reported.map(|reported| reported.instruction()), at(noon())).await.unwrap();
    let case = sqlx::query("update payments.cases set id = $1 where kind = 'surplus'")
        .bind(uuid(CaseId::EXAMPLE, CaseId::as_uuid))
        .execute(&test.admin)
        .await
        .unwrap();
    assert_eq!(case.rows_affected(), 1, "the payment has a surplus");
    let posted = "with posted as (
            insert into ledger.transactions (id, event_id, description, occurred_at)
            values ($1, 'event', 'Payment', now()) returning id
        ), accounts as (insert into ledger.accounts (code) values ('clearing:stripe'), ('suspense') returning code)
        insert into ledger.entries (transaction_id, account, amount, currency, occurred_at)
        select id, code, case code when 'suspense' then -1 else 1 end, 'EUR', now() from posted, accounts";
    let id = uuid(LedgerTransactionId::EXAMPLE, LedgerTransactionId::as_uuid);
    sqlx::query(posted).bind(id).execute(&test.admin).await.unwrap();
    let proposed = "insert into billing.proposed_corrections (id, transaction_id, reason, proposed_by)
        values ($1, $2, 'posted twice', 'user:somebody')";
    let correction = uuid(CorrectionId::EXAMPLE, CorrectionId::as_uuid);
    sqlx::query(proposed).bind(correction).bind(id).execute(&test.admin).await.unwrap();
    test
}

/// A digest of every row of the functions' schemas: it is equal if nothing has changed.
pub(super) async fn state(test: &TestDatabase) -> String {
    let tables = "select format('%I.%I', table_schema, table_name) from information_schema.tables
        where table_schema in ('billing', 'payments', 'ledger', 'audit') and table_type = 'BASE TABLE' order by 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&test.admin).await.unwrap();
    assert!(tables.len() > 10, "only {tables:?}");
    let digest = |table: &String| {
        format!("(select md5(coalesce(string_agg(rows::text, ' ' order by rows::text), '')) from {table} rows)")
    };
    let digests: Vec<String> = tables.iter().map(digest).collect();
    let query = sqlx::AssertSqlSafe(format!("select {}", digests.join(" || ")));
    sqlx::query_scalar(query).fetch_one(&test.admin).await.unwrap()
}
