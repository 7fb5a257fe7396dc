//! The invariants that hold after every test that moves money, whatever was sent and in whatever order.

use quittance_domain::event::InvoiceEvent;
use quittance_lambda::envelope::CloudEvent;
use quittance_ledger::post::post;

use super::TestDatabase;

/// Each query returns the rows that violate its rule.
const BROKEN: [(&str, &str); 11] = [
    (
        "an invoice's paid amount is the sum of its allocations",
        "select id, paid_amount from billing.invoices where paid_amount
             <> (select coalesce(sum(amount), 0) from payments.allocations where invoice_id = invoices.id)",
    ),
    (
        "what is left of a proven payment is allocated or surplus, and of any other nothing is",
        "select transaction_id, amount, returned_amount from payments.payments where
             case when merged_into is not null or status in ('pending', 'unknown', 'failed', 'expired') then 0
                  else amount - returned_amount
                      + (select coalesce(sum(amount), 0) from payments.goodwill where payment_id = payments.id) end
             <> (select coalesce(sum(amount), 0) from payments.allocations where payment_id = payments.id)
              + (select coalesce(sum(amount), 0) from payments.credits where payment_id = payments.id)",
    ),
    (
        "no payment takes more from an invoice than it gave, and none that was merged has money anywhere",
        "select payment_id, allocations.invoice_id, sum(allocations.amount) from payments.allocations
             join payments.payments on payments.id = payment_id group by payment_id, allocations.invoice_id
             having sum(allocations.amount) < 0 or (sum(allocations.amount) > 0 and bool_or(merged_into is not null))",
    ),
    (
        "surplus is below zero only where more went back than came, or a refund took credit that was not there",
        "select payment_id, credits.client_id, sum(credits.amount) from payments.credits
             join payments.payments on payments.id = payment_id group by payment_id, credits.client_id
             having sum(credits.amount) < 0 and bool_and(returned_amount <= payments.amount) is not false
                 and not exists (select from payments.facts where facts.payment_id = credits.payment_id and kind = 'refund')",
    ),
    (
        "each movement of money has its one event, with its amount, its invoice and its client",
        "with moved as (
             select case when amount > 0 then 'allocated' else 'released' end as what, payment_id, invoice_id as place,
                 abs(amount) as amount, currency from payments.allocations
             union all select case when amount > 0 then 'recorded' else 'reduced' end, payment_id, client_id,
                 abs(amount), currency from payments.credits
         ), told as (
             select case type when 'invoice.reopened' then 'released' when 'payment.unapplied' then 'released' when 'payment.surplus_recorded' then 'recorded'
                     when 'payment.surplus_reduced' then 'reduced' else 'allocated' end as what,
                 substr(data #>> '{payment,id}', 5)::uuid as payment_id,
                 substr(data #>> case when type like 'invoice.%' or type = 'payment.unapplied' then '{invoice,id}'::text[] else '{client,id}' end, 5)::uuid,
                 (money ->> 'value')::numeric, money ->> 'currency'
             from (select type, body::jsonb -> 'data' as data from payments.outbox where type in ('invoice.paid',
                 'invoice.partially_paid', 'invoice.reopened', 'payment.unapplied', 'payment.surplus_recorded', 'payment.surplus_reduced'))
                 as event, coalesce(data -> 'allocated', data -> 'released', data -> 'amount') as money
         )
         (select 'not told', * from (select * from moved except all select * from told) as silent)
         union all (select 'not moved', * from (select * from told except all select * from moved) as made_up)",
    ),
    (
        "there is an open case of surplus, of its amount, where surplus waits for a decision, and nowhere else",
        "with standing as (
             select transaction_id, merged_into, payments.id, greatest(0,
                 (select coalesce(sum(amount), 0) from payments.credits where payment_id = payments.id)
                 - (select coalesce(sum(refunds.amount), 0) from payments.refunds
                    where payment_id = payments.id and status = 'requested')
                 - (select coalesce(sum(cases.amount), 0) from payments.cases
                    where payment_id = payments.id and kind = 'surplus' and resolution = 'dismissed')) as loose,
                 (select sum(amount) from payments.cases
                  where payment_id = payments.id and kind = 'surplus' and status = 'open') as open
             from payments.payments
         )
         select * from standing where loose <> coalesce(open, 0)",
    ),
    (
        "a payment of which more went back than came has an open case of that amount, unless staff closed it",
        "with standing as (
             select payment_id, least(sum(amount) + coalesce((
                     select sum(amount) from payments.cases where cases.payment_id = credits.payment_id
                     and kind = 'unexplained_refund' and (status = 'open' or resolution = 'dismissed')), 0), 0) as missing,
                 coalesce((select sum(amount) from payments.cases where cases.payment_id = credits.payment_id
                     and kind = 'overdrawn' and status = 'open'), 0) as open,
                 exists (select from payments.cases where cases.payment_id = credits.payment_id
                     and kind = 'overdrawn' and resolution = 'dismissed') as is_left
             from payments.credits group by payment_id
         )
         select * from standing where missing <> open and not is_left",
    ),
    (
        "each version of an invoice has its one movement in the audit records",
        "select id, version from billing.invoices where status <> 'void'
             and (select coalesce(array_agg(step order by step), '{}')
                  from audit.records, jsonb_array_elements(after -> 'movements') as movement,
                      cast(movement #>> '{invoice,version}' as bigint) as step
                  where movement #>> '{invoice,id}' = 'inv_' || replace(invoices.id::text, '-', ''))
             <> (select coalesce(array_agg(step), '{}') from generate_series(3, version) as step)",
    ),
    (
        "what is asked of gateways is asked once for each refund that was requested of one, and not of the bank",
        "select refunds.id, provider, refunds.status from payments.refunds join payments.payments on payments.id = payment_id
             where (select count(*) from payments.outbox where type = 'InitiateRefund'
                    and body::jsonb #>> '{data,refund_id}' = 'ref_' || replace(refunds.id::text, '-', ''))
             <> case when provider <> 'manual' and refunds.status in ('requested', 'succeeded', 'failed') then 1 else 0 end",
    ),
    (
        "every ledger transaction balances",
        "select transaction_id, currency from ledger.entries group by transaction_id, currency having sum(amount) <> 0",
    ),
    (
        "the ledger's accounts say what the payments say",
        "with standing as (
             select 'clearing:' || provider as account, currency, amount - returned_amount as amount
             from payments.payments where merged_into is null and status not in ('pending', 'unknown', 'failed', 'expired')
             union all select 'receivable:cli_' || replace(client_id::text, '-', ''), currency, -paid_amount
             from billing.invoices
             union all select 'goodwill', currency, amount from payments.goodwill
             union all select coalesce('credit:cli_' || replace(client_id::text, '-', ''), 'suspense'), currency, -amount
             from payments.credits
             union all select side.account || provider, currency, side.sign * amount
             from billing.adjustments, (values ('fees:', 1), ('clearing:', -1)) as side (account, sign) where kind = 'fee'
             union all select case when account ~ '^(refunds|disputes):' then 'clearing:' || split_part(account, ':', 2)
                 else account end, currency, -amount from ledger.entries
         )
         select account, currency, sum(amount) from standing group by account, currency having sum(amount) <> 0",
    ),
];

impl TestDatabase {
    /// Posts the outbox's events to the ledger, as its function does, and then checks every rule.
    pub(crate) async fn assert_books_hold(&self) {
        let bodies: Vec<String> = sqlx::query_scalar(
            "select body from payments.outbox where destination = 'invoice_events' order by created_at",
        )
        .fetch_all(&self.admin)
        .await
        .unwrap();
        let ledger = self.as_role("quittance_ledger", 1).await;
        for body in bodies {
            post(&ledger, &CloudEvent::<InvoiceEvent>::parse(&body).unwrap()).await.unwrap();
        }
        for (rule, query) in BROKEN {
            let query = format!("select to_jsonb(broken)::text from ({query}) as broken");
            let broken: Vec<String> =
                sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_all(&self.admin).await.unwrap();
            assert_eq!(broken, Vec::<String>::new(), "{rule}");
        }
    }
}
