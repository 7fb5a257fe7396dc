-- What a ledger transaction is about, how it is taken back, and balances of any time without reading every entry.

alter table ledger.transactions
    add column invoice_id uuid,
    add column payment_id uuid,
    -- The transaction that this one takes back, and why.
    add column reverses uuid references ledger.transactions,
    add column reason text,
    add constraint transactions_reverses_key unique (reverses),
    add constraint transactions_reversal_has_reason check ((reverses is null) = (reason is null));
-- What the events say that were posted before, as far as the outbox has them.
alter table ledger.transactions disable trigger transactions_append_only;
update ledger.transactions set
    invoice_id = substr(body::jsonb #>> '{data,invoice,id}', 5)::uuid,
    payment_id = substr(body::jsonb #>> '{data,payment,id}', 5)::uuid
from payments.outbox where outbox.id::text = event_id;
alter table ledger.transactions enable trigger transactions_append_only;
create index transactions_invoice_id_idx on ledger.transactions (invoice_id);
create index transactions_payment_id_idx on ledger.transactions (payment_id);

alter table ledger.entries add column occurred_at timestamptz, add column recorded_at timestamptz;
alter table ledger.entries disable trigger entries_append_only;
update ledger.entries set occurred_at = transactions.occurred_at, recorded_at = transactions.recorded_at
from ledger.transactions where transactions.id = transaction_id;
alter table ledger.entries enable trigger entries_append_only;
alter table ledger.entries
    alter column occurred_at set not null,
    alter column recorded_at set not null,
    alter column recorded_at set default now();
drop index ledger.entries_account_idx;
create index entries_account_idx on ledger.entries (account, currency, occurred_at);
create index entries_recorded_at_idx on ledger.entries (recorded_at);
create index entries_occurred_at_idx on ledger.entries (occurred_at);

-- A transaction without entries says nothing, and one that takes another back mirrors it to the last digit.
create function ledger.require_entries() returns trigger language plpgsql as $$
begin
    if not exists (select from ledger.entries where transaction_id = new.id) then
        raise exception 'ledger transaction % has no entries', new.id
            using errcode = 'check_violation', constraint = 'transactions_have_entries';
    end if;
    if new.reverses is not null and exists (
        (select account, currency, -amount from ledger.entries where transaction_id = new.reverses
         except select account, currency, amount from ledger.entries where transaction_id = new.id)
        union all
        (select account, currency, amount from ledger.entries where transaction_id = new.id
         except select account, currency, -amount from ledger.entries where transaction_id = new.reverses)
    ) then
        raise exception 'ledger transaction % does not mirror %', new.id, new.reverses
            using errcode = 'check_violation', constraint = 'transactions_reversal_mirrors';
    end if;
    return null;
end
$$;
create constraint trigger transactions_have_entries after insert on ledger.transactions
    deferrable initially deferred for each row execute function ledger.require_entries();

-- Entries are summed by account and day from time to time: no account has a row that every posting has to wait for, and
-- nothing that was summed is ever changed. What was recorded since the last time is read from the entries themselves.
create table ledger.rollups (
    -- Entries recorded before are in the sums.
    up_to timestamptz primary key,
    -- Those recorded before this were in earlier sums.
    since timestamptz not null,
    constraint rollups_since_key unique (since),
    constraint rollups_in_order check (since < up_to)
);
create table ledger.daily_sums (
    up_to timestamptz not null references ledger.rollups,
    account text not null references ledger.accounts,
    currency char(3) not null,
    -- The day, in UTC, on which it happened; what is told late is in a later rollup.
    day date not null,
    amount numeric(30, 4) not null,
    primary key (account, currency, day, up_to)
);
create trigger rollups_append_only before update or delete or truncate on ledger.rollups
    for each statement execute function audit.refuse_change();
create trigger daily_sums_append_only before update or delete or truncate on ledger.daily_sums
    for each statement execute function audit.refuse_change();

-- A rollup leaves out what was recorded in the last minutes: a transaction that has begun and not committed must be none
-- of what it sums.
alter role quittance_ledger set transaction_timeout = '60s';

-- What stood on the accounts at a time, or on one of them.
create function ledger.balances(as_of timestamptz, wanted text default null)
    returns table (account text, currency char(3), amount numeric) language sql stable as $$
    with rolled as (select coalesce(max(up_to), '-infinity') as up_to from ledger.rollups),
    parts as (
        select sums.account, sums.currency, sums.amount from ledger.daily_sums as sums
        where day < (as_of at time zone 'UTC')::date and (wanted is null or sums.account = wanted)
        union all
        select entries.account, entries.currency, entries.amount from ledger.entries, rolled
        where recorded_at < rolled.up_to and occurred_at <= as_of
            and occurred_at >= date_trunc('day', as_of at time zone 'UTC') at time zone 'UTC'
            and (wanted is null or entries.account = wanted)
        union all
        select entries.account, entries.currency, entries.amount from ledger.entries, rolled
        where recorded_at >= rolled.up_to and occurred_at <= as_of and (wanted is null or entries.account = wanted)
    )
    select parts.account, parts.currency, sum(parts.amount) from parts group by parts.account, parts.currency
$$;

-- Staff take a transaction back by its mirror, and can write nothing else into the books.
create function ledger.reverse(new_id uuid, reversed uuid, why text, at timestamptz)
    returns text language plpgsql security definer set search_path = '' as $$
begin
    insert into ledger.transactions
        (id, event_id, description, occurred_at, invoice_id, payment_id, reverses, reason)
    select new_id, 'reversal:' || id, 'Taken back: ' || description, at, invoice_id, payment_id, id, why
    from ledger.transactions where id = reversed
    on conflict do nothing;
    if not found then
        return case when exists (select from ledger.transactions where id = reversed)
            then 'already_reversed' else 'unknown' end;
    end if;
    insert into ledger.entries (transaction_id, occurred_at, account, amount, currency)
    select new_id, at, account, -amount, currency from ledger.entries where transaction_id = reversed;
    return 'posted';
end
$$;
revoke execute on function ledger.reverse from public;
grant execute on function ledger.reverse to quittance_billing;

grant select, insert on ledger.rollups, ledger.daily_sums to quittance_ledger;
grant select on ledger.rollups, ledger.daily_sums to quittance_billing;

-- When it was decided where money goes: the time of the event that tells of it, by the clock of who decided.
alter table payments.allocations add column decided_at timestamptz not null default now();
alter table payments.credits add column decided_at timestamptz not null default now();
alter table payments.allocations disable trigger allocations_append_only;
alter table payments.credits disable trigger credits_append_only;
update payments.allocations set decided_at = created_at;
update payments.credits set decided_at = created_at;
alter table payments.allocations enable trigger allocations_append_only;
alter table payments.credits enable trigger credits_append_only;

-- The tax within an invoice's total.
alter table billing.invoices
    add column tax numeric(20, 4) not null default 0,
    add constraint invoices_tax_within_total check (tax >= 0 and tax < total);
alter table billing.invoice_lines
    add column tax_percent numeric(5, 2) not null default 0,
    add constraint invoice_lines_tax_percent_bounds check (tax_percent between 0 and 100);
grant insert (tax) on billing.invoices to quittance_billing;
