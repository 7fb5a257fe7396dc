-- The books go by the day of the money: the booking date of the bank, the day of the gateway's moment in the seller's time
-- zone, the date of a document. When a posting was written stays beside it, in recorded_at; occurred_at is the time of the
-- event, by which the books are compared with invoices and payments.

alter table ledger.transactions add column accounting_date date;
alter table ledger.entries add column accounting_date date;
-- What was posted before was counted by the day of its event, in UTC, as the daily sums say.
alter table ledger.transactions disable trigger transactions_append_only;
alter table ledger.entries disable trigger entries_append_only;
update ledger.transactions set accounting_date = (occurred_at at time zone 'UTC')::date;
update ledger.entries set accounting_date = (occurred_at at time zone 'UTC')::date;
alter table ledger.transactions enable trigger transactions_append_only;
alter table ledger.entries enable trigger entries_append_only;
alter table ledger.transactions alter column accounting_date set not null;
alter table ledger.entries alter column accounting_date set not null;
-- The release before this one still posts while this is applied, by the day of the event. This trigger, and the functions
-- that have successors here, are dropped by a migration of a later release.
create function ledger.fill_accounting_date() returns trigger language plpgsql as $$
begin
    new.accounting_date := coalesce(new.accounting_date, (new.occurred_at at time zone 'UTC')::date);
    return new;
end
$$;
create trigger transactions_fill_accounting_date before insert on ledger.transactions
    for each row execute function ledger.fill_accounting_date();
create trigger entries_fill_accounting_date before insert on ledger.entries
    for each row execute function ledger.fill_accounting_date();
drop index ledger.entries_account_idx;
create index entries_account_idx on ledger.entries (account, currency, accounting_date);
create index entries_accounting_date_idx on ledger.entries (accounting_date);
create index transactions_accounting_date_idx on ledger.transactions (accounting_date);
comment on column ledger.daily_sums.day is 'The accounting date; what is posted late is in a later rollup.';

-- What stood on the accounts, or on one of them, at the end of a day.
create function ledger.balances_on(as_of date, wanted text default null)
    returns table (account text, currency char(3), amount numeric) language sql stable as $$
    with rolled as (select coalesce(max(up_to), '-infinity') as up_to from ledger.rollups),
    parts as (
        select sums.account, sums.currency, sums.amount from ledger.daily_sums as sums
        where day <= as_of and (wanted is null or sums.account = wanted)
        union all
        select entries.account, entries.currency, entries.amount from ledger.entries, rolled
        where recorded_at >= rolled.up_to and accounting_date <= as_of and (wanted is null or entries.account = wanted)
    )
    select parts.account, parts.currency, sum(parts.amount) from parts group by parts.account, parts.currency
$$;
grant execute on function ledger.balances_on to quittance_operator;

-- A transaction is taken back on the day given or, where another takes its place, on its own: then the balance of every day
-- is what it should have been.
create function ledger.reverse(new_id uuid, reversed uuid, why text, at timestamptz, new_accounting_date date)
    returns text language plpgsql security definer set search_path = '' as $$
begin
    insert into ledger.transactions
        (id, event_id, description, occurred_at, accounting_date, invoice_id, payment_id, reverses, reason)
    select new_id, 'reversal:' || id, 'Taken back: ' || description, coalesce(at, occurred_at),
        coalesce(new_accounting_date, accounting_date), invoice_id, payment_id, id, why
    from ledger.transactions where id = reversed
    on conflict do nothing;
    if not found then
        return case when exists (select from ledger.transactions where id = reversed)
            then 'already_reversed' else 'unknown' end;
    end if;
    insert into ledger.entries (transaction_id, occurred_at, accounting_date, account, amount, currency)
    select new_id, coalesce(at, occurred_at), coalesce(new_accounting_date, accounting_date), account, -amount, currency
    from ledger.entries where transaction_id = reversed;
    return 'posted';
end
$$;
revoke execute on function ledger.reverse(uuid, uuid, text, timestamptz, date) from public;
grant execute on function ledger.reverse(uuid, uuid, text, timestamptz, date) to quittance_billing;

-- What takes its place is of the same day, unless staff know better.
create function ledger.replace(
    new_id uuid, reversed uuid, at timestamptz, new_accounting_date date,
    new_accounts text[], new_amounts numeric[], new_currencies text[]
) returns void language plpgsql security definer set search_path = '' as $$
declare
    happened_at timestamptz;
    booked_on date;
begin
    insert into ledger.transactions (id, event_id, description, occurred_at, accounting_date, invoice_id, payment_id)
    select new_id, 'replacement:' || original.id, 'Put right: ' || original.description,
        coalesce(at, original.occurred_at), coalesce(new_accounting_date, original.accounting_date),
        original.invoice_id, original.payment_id
    from ledger.transactions as original join ledger.transactions as mirror on mirror.reverses = original.id
    where original.id = reversed
    returning occurred_at, accounting_date into happened_at, booked_on;
    if not found then
        raise exception 'ledger transaction % has not been taken back', reversed
            using errcode = 'check_violation', constraint = 'transactions_replacement_of_reversed';
    end if;
    insert into ledger.accounts (code) select distinct code from unnest(new_accounts) as account (code) order by code
    on conflict do nothing;
    insert into ledger.entries (transaction_id, occurred_at, accounting_date, account, amount, currency)
    select new_id, happened_at, booked_on, entry.*
    from unnest(new_accounts, new_amounts, new_currencies) as entry (account, amount, currency);
end
$$;
revoke execute on function ledger.replace(uuid, uuid, timestamptz, date, text[], numeric[], text[]) from public;
grant execute on function ledger.replace(uuid, uuid, timestamptz, date, text[], numeric[], text[]) to quittance_billing;
