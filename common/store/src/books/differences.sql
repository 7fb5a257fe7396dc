with happened as (
    select 'receivable:cli_' || replace(client_id::text, '-', '') as account, id as invoice_id, null::uuid as payment_id,
        currency::text, total as amount, issued_on as day
    -- Somewhere it is tomorrow already.
    from billing.invoices where issued_on <= ($1 at time zone 'UTC')::date + 1
    union all
    select 'receivable:cli_' || replace(client_id::text, '-', ''), id, null, currency::text, -total,
        coalesce((voided_at at time zone 'UTC')::date, issued_on)
    from billing.invoices where status = 'void' and coalesce(voided_at, issued_on::timestamp at time zone 'UTC') <= $1
    union all
    select 'receivable:cli_' || replace(client_id::text, '-', ''), invoice_id, null, notes.currency::text,
        -notes.total, notes.issued_on
    from billing.credit_notes as notes join billing.invoices on invoices.id = invoice_id
    where notes.created_at <= $1
    union all
    select 'receivable:cli_' || replace(client_id::text, '-', ''), invoice_id, payment_id, allocations.currency::text,
        -amount, (allocations.decided_at at time zone 'UTC')::date
    from payments.allocations join billing.invoices on invoices.id = invoice_id where allocations.decided_at <= $1
    union all
    select coalesce('credit:cli_' || replace(client_id::text, '-', ''), 'suspense'), null, payment_id, currency::text,
        -amount, (decided_at at time zone 'UTC')::date
    from payments.credits where decided_at <= $1
    union all
    -- What a provider took for us is what was allocated and what is surplus, together.
    select 'provider:' || provider, null, payments.id, moved.currency::text, moved.amount,
        (moved.decided_at at time zone 'UTC')::date
    from (select payment_id, currency, amount, decided_at from payments.allocations
          union all select payment_id, currency, amount, decided_at from payments.credits) as moved
        join payments.payments on payments.id = moved.payment_id
    where moved.decided_at <= $1
    union all
    -- Goodwill is what it gave back beyond what left invoices and surplus.
    select 'provider:' || provider, null, payments.id, goodwill.currency::text, -goodwill.amount,
        (goodwill.decided_at at time zone 'UTC')::date
    from payments.goodwill join payments.payments on payments.id = goodwill.payment_id where goodwill.decided_at <= $1
    union all
    select 'provider:' || provider, null, null, currency::text,
        case when kind in ('fee', 'rounding_loss') then -amount else amount end, (recorded_at at time zone 'UTC')::date
    from billing.adjustments where recorded_at <= $1
),
posted as (
    select case split_part(account, ':', 1)
               when 'clearing' then 'provider:' when 'disputes' then 'provider:' when 'refunds' then 'provider:' else ''
           end || case when split_part(account, ':', 1) in ('clearing', 'disputes', 'refunds')
               then split_part(account, ':', 2) else account end as account,
        case when account like 'receivable:%' then invoice_id end as invoice_id, payment_id, currency::text, amount,
        (entries.occurred_at at time zone 'UTC')::date as day
    from ledger.entries join ledger.transactions on transactions.id = transaction_id
    where entries.occurred_at <= $1 and split_part(account, ':', 1) not in ('revenue', 'tax', 'fees', 'rounding', 'goodwill')
        -- What was taken back, and its mirror, are as if they had never been; unless the mirror was taken back itself.
        and transactions.reverses is null and transactions.id not in (
            with recursive taken as (
                select original.id, mirror.id as latest, 1 as mirrors
                from ledger.transactions as original join ledger.transactions as mirror on mirror.reverses = original.id
                where original.reverses is null and mirror.occurred_at <= $1
                union all
                select taken.id, mirror.id, mirrors + 1
                from taken join ledger.transactions as mirror on mirror.reverses = taken.latest
                where mirror.occurred_at <= $1
            )
            select id from taken group by id having max(mirrors) % 2 = 1
        )
)
select account as "account!", invoice_id as "invoice_id?", payment_id as "payment_id?", currency as "currency!",
    sum(amount) filter (where is_expected) as expected,
    min(day) filter (where is_expected) as expected_first_on, max(day) filter (where is_expected) as expected_last_on,
    sum(amount) filter (where not is_expected) as booked,
    min(day) filter (where not is_expected) as booked_first_on, max(day) filter (where not is_expected) as booked_last_on
from (select *, true as is_expected from happened union all select *, false from posted) as told
group by account, invoice_id, payment_id, currency
having (
        coalesce(sum(amount) filter (where is_expected), 0) <> coalesce(sum(amount) filter (where not is_expected), 0)
        -- Money that came and went again may have done so in one decision, of which nothing is booked.
        or ((payment_id is null or sum(amount) filter (where is_expected) <> 0)
            and greatest(
                abs(min(day) filter (where is_expected) - min(day) filter (where not is_expected)),
                abs(max(day) filter (where is_expected) - max(day) filter (where not is_expected))
            ) > 1)
    )
    -- What was issued today may be on its way to the books; somewhere it is yesterday still.
    and not (payment_id is null and count(*) filter (where not is_expected) = 0
             and min(day) >= ($1 at time zone 'UTC')::date - 1)
order by account, invoice_id, payment_id, currency
limit $2
