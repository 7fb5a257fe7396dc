//! The database's own restrictions: each login role can do what its function does and no more, and history cannot be
//! changed.

use sqlx::PgPool;

use crate::database::TestDatabase;

const ROLES: [&str; 11] = [
    "quittance_billing",
    "quittance_validator",
    "quittance_importer",
    "quittance_processor",
    "quittance_relay",
    "quittance_ledger",
    "quittance_webhook",
    "quittance_delivery",
    "quittance_notification",
    "quittance_feedback",
    "quittance_operator",
];

/// Tables with immutable rows.
const HISTORY: [(&str, &str); 9] = [
    ("payments.facts", "actor = ''"),
    ("payments.allocations", "amount = 1"),
    ("payments.credits", "amount = 1"),
    ("payments.decisions", "subject = ''"),
    ("payments.entries_by_hand", "entered_by = ''"),
    ("payments.vouched_alone", "amount = 1"),
    ("ledger.transactions", "description = ''"),
    ("ledger.entries", "amount = 1"),
    ("audit.records", "reason = ''"),
];

/// Columns about where money is, and what happens to it, which only the processor may write.
const MONEY: [&str; 10] = [
    "update payments.payments set status = 'confirmed'",
    "update payments.payments set merged_into = id",
    "update payments.payments set returned_amount = 0",
    "update payments.refunds set status = 'succeeded'",
    "insert into payments.refunds (id) values (gen_random_uuid())",
    "update payments.cases set status = 'closed'",
    "insert into payments.cases (id) values (gen_random_uuid())",
    "insert into payments.decisions (request, subject) values ('r', 's')",
    "update payments.payment_references set payment_id = payment_id",
    "insert into payments.payment_references (reference, payment_id) values ('r', gen_random_uuid())",
];

/// SQLSTATE: the role lacks the privilege.
const NO_RIGHT: &str = "42501";
/// SQLSTATE: a trigger protects history.
const HISTORY_STAYS: &str = "23001";

/// The SQLSTATE with which the database refuses a statement; none if it executes it.
async fn refusal(pool: &PgPool, statement: &str) -> Option<String> {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(pool).await;
    done.err().map(|error| {
        let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
        code.unwrap_or_else(|| panic!("{statement}: {error}"))
    })
}

#[tokio::test]
async fn no_login_role_can_change_or_delete_what_has_happened() {
    let test = TestDatabase::migrated().await;
    for role in ROLES {
        let pool = test.pool_of(role, 1).await;
        for (table, change) in HISTORY {
            for statement in [
                format!("update {table} set {change}"),
                format!("delete from {table}"),
                format!("truncate {table} cascade"),
            ] {
                assert_eq!(refusal(&pool, &statement).await.as_deref(), Some(NO_RIGHT), "{role}: {statement}");
            }
        }
    }
}

#[tokio::test]
async fn not_even_the_owner_changes_history_by_a_slip() {
    let test = TestDatabase::migrated().await;
    for (table, change) in HISTORY {
        for statement in [
            format!("update {table} set {change}"),
            format!("delete from {table}"),
            format!("truncate {table} cascade"),
        ] {
            assert_eq!(refusal(&test.admin, &statement).await.as_deref(), Some(HISTORY_STAYS), "{statement}");
        }
    }
}

const INVOICE: &str = "insert into billing.invoices (id, client_id, currency, total, due_on)
    values ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', 'EUR', 1, now())";

/// Statements that a role has no privilege for.
const FORBIDDEN: [(&str, &str); 45] = [
    ("quittance_processor", "update billing.invoices set total = 1"),
    ("quittance_processor", "update billing.invoices set client_id = client_id"),
    ("quittance_processor", "update billing.clients set name = 'x'"),
    ("quittance_processor", INVOICE),
    ("quittance_processor", "select * from payments.outbox"),
    ("quittance_processor", "delete from payments.outbox"),
    ("quittance_processor", "select * from audit.records"),
    ("quittance_processor", "insert into ledger.accounts (code) values ('x')"),
    ("quittance_processor", "update payments.payments set transaction_id = 'x'"),
    ("quittance_processor", "delete from payments.payments"),
    ("quittance_processor", "update payments.refunds set amount = 1"),
    ("quittance_processor", "update payments.refunds set payment_id = id"),
    ("quittance_processor", "delete from payments.refunds"),
    ("quittance_processor", "update payments.cases set kind = 'surplus'"),
    ("quittance_processor", "update payments.cases set payment_id = id"),
    ("quittance_processor", "delete from payments.cases"),
    ("quittance_processor", "update payments.payment_references set reference = 'x'"),
    ("quittance_processor", "delete from payments.payment_references"),
    ("quittance_validator", "update billing.invoices set status = 'paid'"),
    ("quittance_validator", INVOICE),
    ("quittance_validator", "select * from billing.clients"),
    ("quittance_validator", "select * from payments.payments"),
    ("quittance_validator", "select amount from payments.payments"),
    ("quittance_validator", "select amount from payments.refunds"),
    ("quittance_validator", "select reason from payments.cases"),
    ("quittance_billing", "select * from payments.refundable('stripe:pi_1')"),
    ("quittance_billing", "update billing.proposed_corrections set reason = 'x'"),
    ("quittance_billing", "delete from billing.proposed_corrections"),
    ("quittance_validator", "select * from payments.facts"),
    ("quittance_importer", "update billing.invoices set status = 'paid'"),
    ("quittance_importer", INVOICE),
    ("quittance_importer", "select * from billing.invoices"),
    ("quittance_importer", "update billing.uploads set client_id = null"),
    (
        "quittance_importer",
        "insert into payments.payments (id, transaction_id, provider) values (gen_random_uuid(), 'x', 'x')",
    ),
    ("quittance_billing", "update billing.invoices set paid_amount = total, status = 'paid'"),
    ("quittance_billing", "update billing.invoices set total = 1"),
    ("quittance_billing", "update payments.payments set status = 'confirmed'"),
    ("quittance_billing", "insert into payments.facts (id) values (gen_random_uuid())"),
    ("quittance_billing", "insert into ledger.accounts (code) values ('x')"),
    ("quittance_relay", "select * from billing.invoices"),
    ("quittance_relay", "select amount from payments.facts"),
    (
        "quittance_relay",
        "insert into payments.outbox (id, destination, group_id, type, body) values (gen_random_uuid(), 'invoice_events', 'g', 't', '{}')",
    ),
    ("quittance_relay", "update payments.outbox set body = '{}'"),
    ("quittance_ledger", "select * from billing.clients"),
    ("quittance_ledger", "select * from payments.payments"),
];

#[tokio::test]
async fn each_login_role_is_kept_to_its_own_work() {
    let test = TestDatabase::migrated().await;
    test.open_invoice(test.client().await, "100.00", "EUR").await;
    for (role, statement) in FORBIDDEN {
        let pool = test.pool_of(role, 1).await;
        assert_eq!(refusal(&pool, statement).await.as_deref(), Some(NO_RIGHT), "{role}: {statement}");
    }
    // The database refuses to commit the operator's dry runs: `operator::rehearsals` tests that.
    for role in ROLES.iter().filter(|role| !["quittance_processor", "quittance_operator"].contains(role)) {
        let pool = test.pool_of(role, 1).await;
        for statement in MONEY {
            assert_eq!(refusal(&pool, statement).await.as_deref(), Some(NO_RIGHT), "{role}: {statement}");
        }
    }
    for role in ROLES {
        let pool = test.pool_of(role, 1).await;
        for schema in ["public", "billing", "payments", "ledger", "audit"] {
            let statement = format!("create table {schema}.mine (id int)");
            assert_eq!(refusal(&pool, &statement).await.as_deref(), Some(NO_RIGHT), "{role}: {statement}");
        }
    }
}

#[tokio::test]
async fn delivery_reads_what_it_needs_and_changes_a_status_at_most() {
    let test = TestDatabase::migrated().await;
    for (role, statement) in [
        ("quittance_billing", "update billing.webhook_endpoints set url = 'x'"),
        ("quittance_billing", "delete from billing.webhook_endpoints"),
        ("quittance_webhook", "select url from billing.webhook_endpoints"),
        ("quittance_webhook", "select secret_id from billing.webhook_endpoints"),
        ("quittance_webhook", "update billing.webhook_endpoints set status = 'enabled'"),
        ("quittance_webhook", "select total from billing.invoices"),
        ("quittance_webhook", "select * from billing.clients"),
        ("quittance_webhook", "select * from payments.payments"),
        ("quittance_delivery", "update billing.webhook_endpoints set url = 'x'"),
        ("quittance_delivery", "update billing.webhook_endpoints set secret_id = id"),
        ("quittance_delivery", "insert into billing.webhook_endpoints (id) values (gen_random_uuid())"),
        ("quittance_delivery", "delete from billing.webhook_endpoints"),
        ("quittance_delivery", "select * from billing.invoices"),
        ("quittance_delivery", "select * from audit.records"),
    ] {
        let pool = test.pool_of(role, 1).await;
        assert_eq!(refusal(&pool, statement).await.as_deref(), Some(NO_RIGHT), "{role}: {statement}");
    }
}

#[tokio::test]
async fn notification_reads_preferences_and_feedback_adds_to_the_suppression_list() {
    let test = TestDatabase::migrated().await;
    for (role, statement) in [
        ("quittance_billing", "insert into billing.suppressed_addresses values ('a@b.example', 'bounce', now())"),
        ("quittance_billing", "delete from billing.notification_preferences"),
        ("quittance_notification", "update billing.notification_preferences set is_enabled = true"),
        ("quittance_notification", "insert into billing.suppressed_addresses values ('a@b.example', 'bounce', now())"),
        ("quittance_notification", "select * from billing.clients"),
        ("quittance_notification", "select * from billing.invoices"),
        ("quittance_notification", "select * from payments.payments"),
        ("quittance_notification", "insert into audit.records (id) values (gen_random_uuid())"),
        ("quittance_feedback", "select * from billing.notification_preferences"),
        ("quittance_feedback", "update billing.suppressed_addresses set reason = 'complaint'"),
        ("quittance_feedback", "delete from billing.suppressed_addresses"),
        ("quittance_feedback", "select * from billing.clients"),
        ("quittance_feedback", "select * from audit.records"),
    ] {
        let pool = test.pool_of(role, 1).await;
        assert_eq!(refusal(&pool, statement).await.as_deref(), Some(NO_RIGHT), "{role}: {statement}");
    }
}

#[tokio::test]
async fn the_database_refuses_allocations_beyond_an_invoices_total() {
    let test = TestDatabase::migrated().await;
    test.open_invoice(test.client().await, "100.00", "EUR").await;
    let processor = test.pool_of("quittance_processor", 1).await;
    let (bounds, follows) = ("invoices_paid_within_total", "invoices_status_follows_paid_amount");
    for (change, constraint) in [
        ("paid_amount = 100.01, status = 'paid'", "invoices_paid_within_owed"),
        ("paid_amount = -1, status = 'open'", bounds),
        ("paid_amount = 99, status = 'paid'", follows),
        ("paid_amount = 100, status = 'partially_paid'", follows),
        ("paid_amount = 1, status = 'void'", follows),
        ("paid_amount = 0, status = 'forgiven'", "invoices_status_follows"),
        ("version = version, paid_amount = 100, status = 'paid'", "invoices_version_grows"),
    ] {
        let version = if change.starts_with("version") { "" } else { "version = version + 1, " };
        let statement = format!("update billing.invoices set {version}{change}");
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&processor).await.unwrap_err();
        let broken = refused.as_database_error().and_then(|error| error.constraint());
        assert_eq!(broken, Some(constraint), "{change}: {refused}");
    }
    assert_eq!(
        refusal(&processor, "update billing.invoices set version = 3, paid_amount = 100, status = 'paid'").await,
        None
    );
}

#[tokio::test]
async fn each_login_role_gives_up_in_time() {
    let test = TestDatabase::migrated().await;
    let settings = "select count(*) from pg_roles where rolname like 'quittance\\_%' and rolcanlogin and not rolsuper
        and (select count(*) from unnest(rolconfig) as setting
             where setting ~ '^(statement_timeout|lock_timeout|idle_in_transaction_session_timeout)=[1-9]') = 3";
    assert_eq!(test.count(settings).await, i64::try_from(ROLES.len()).unwrap());
}

#[tokio::test]
async fn the_database_refuses_invalid_state_changes_of_an_invoice() {
    const STATES: [(&str, u32); 5] = [("draft", 0), ("open", 0), ("partially_paid", 50), ("paid", 100), ("void", 0)];
    const LEADS: [(&str, &[&str]); 5] = [
        ("draft", &["open"]),
        ("open", &["partially_paid", "paid", "void"]),
        ("partially_paid", &["open", "paid"]),
        ("paid", &["open", "partially_paid"]),
        ("void", &[]),
    ];
    let test = TestDatabase::migrated().await;
    let client = test.client().await;
    for (from, leads) in LEADS {
        for (to, paid) in STATES.into_iter().filter(|(to, _)| *to != from) {
            let before = STATES.iter().find(|(state, _)| *state == from).map_or(0, |(_, paid)| *paid);
            let statements = format!(
                "insert into billing.invoices
                     (id, client_id, number, currency, total, status, paid_amount, issued_on, due_on, version)
                     values (gen_random_uuid(), '{}', '{from} {to}', 'EUR', 100, '{from}', {before}, now(), now(), 7);
                 update billing.invoices set status = '{to}', paid_amount = {paid}, version = 8 where number = '{from} {to}'",
                client.as_uuid()
            );
            let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&test.admin).await.err();
            let broken = done.as_ref().and_then(|error| error.as_database_error()?.constraint());
            let expected = (!leads.contains(&to)).then_some("invoices_status_follows");
            assert_eq!(broken, expected, "{from} to {to}: {done:?}");
        }
    }
    test.open_invoice(client, "100.00", "EUR").await;
    for version in ["version", "version - 1", "0"] {
        let change =
            format!("update billing.invoices set version = {version}, due_on = '2027-01-01' where version = 2");
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(change)).execute(&test.admin).await.unwrap_err();
        let broken = refused.as_database_error().and_then(|error| error.constraint());
        assert_eq!(broken, Some("invoices_version_grows"), "{version}: {refused}");
    }
}

#[tokio::test]
async fn a_case_is_closed_with_a_resolution_and_by_staff_with_a_reason() {
    let test = TestDatabase::migrated().await;
    let payment = "insert into payments.payments (id, transaction_id, provider)
        values ('00000000-0000-0000-0000-000000000001', 'stripe:pi_1', 'stripe')";
    sqlx::query(payment).execute(&test.admin).await.unwrap();
    let open = "insert into payments.cases (id, kind, payment_id, reason)
        values (gen_random_uuid(), 'surplus', '00000000-0000-0000-0000-000000000001', 'r')";
    let processor = test.pool_of("quittance_processor", 1).await;
    sqlx::query(open).execute(&processor).await.unwrap();
    for (statement, constraint) in [
        (open, "cases_open_key"),
        ("update payments.cases set status = 'closed'", "cases_closed_has_resolution"),
        ("update payments.cases set resolution = 'settled'", "cases_closed_has_resolution"),
        ("update payments.cases set status = 'closed', resolution = 'forgotten'", "cases_resolution_known"),
        ("update payments.cases set status = 'closed', resolution = 'dismissed'", "cases_decision_has_reason"),
        (
            "update payments.cases set status = 'closed', resolution = 'refunded', decided_by = 'u', decision_reason = ''",
            "cases_decision_has_reason",
        ),
        ("update payments.payments set merged_into = id", "payments_merged_into_another"),
        ("update payments.payments set status = 'reversed'", "payments_proven_has_amount"),
        ("update payments.payments set returned_amount = -1", "payments_returned_not_negative"),
    ] {
        let refused = sqlx::query(statement).execute(&processor).await.unwrap_err();
        let broken = refused.as_database_error().and_then(|error| error.constraint());
        assert_eq!(broken, Some(constraint), "{statement}: {refused}");
    }
}
