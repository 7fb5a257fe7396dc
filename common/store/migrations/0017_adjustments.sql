-- What only finance learns of the money at a provider: fees, and differences of rounding in what is paid out.
create table billing.adjustments (
    id uuid primary key,
    kind text not null,
    provider text not null,
    currency char(3) not null,
    amount numeric(20, 4) not null,
    reference text not null,
    reason text not null,
    recorded_at timestamptz not null,
    constraint adjustments_kind_known check (kind in ('fee', 'fee_returned', 'rounding_loss', 'rounding_gain')),
    constraint adjustments_amount_positive check (amount > 0),
    -- A line of a provider's bill counts once.
    constraint adjustments_reference_key unique (provider, kind, reference)
);
create trigger adjustments_append_only before update or delete or truncate on billing.adjustments
    for each statement execute function audit.refuse_change();
grant select, insert on billing.adjustments to quittance_billing;

-- A transaction is taken back now, or where another takes its place, when it happened: then the balance of every day is what
-- it should have been.
create or replace function ledger.reverse(new_id uuid, reversed uuid, why text, at timestamptz)
    returns text language plpgsql security definer set search_path = '' as $$
begin
    insert into ledger.transactions
        (id, event_id, description, occurred_at, invoice_id, payment_id, reverses, reason)
    select new_id, 'reversal:' || id, 'Taken back: ' || description, coalesce(at, occurred_at), invoice_id, payment_id, id, why
    from ledger.transactions where id = reversed
    on conflict do nothing;
    if not found then
        return case when exists (select from ledger.transactions where id = reversed)
            then 'already_reversed' else 'unknown' end;
    end if;
    insert into ledger.entries (transaction_id, occurred_at, account, amount, currency)
    select new_id, coalesce(at, occurred_at), account, -amount, currency
    from ledger.entries where transaction_id = reversed;
    return 'posted';
end
$$;

-- What takes the place of a transaction that was taken back: staff say what should have been booked. It is about the same
-- invoice and payment, happened when that did unless staff know better, and there is one at most.
create function ledger.replace(
    new_id uuid, reversed uuid, at timestamptz, new_accounts text[], new_amounts numeric[], new_currencies text[]
) returns void language plpgsql security definer set search_path = '' as $$
declare
    happened_at timestamptz;
begin
    insert into ledger.transactions (id, event_id, description, occurred_at, invoice_id, payment_id)
    select new_id, 'replacement:' || original.id, 'Put right: ' || original.description,
        coalesce(at, original.occurred_at), original.invoice_id, original.payment_id
    from ledger.transactions as original join ledger.transactions as mirror on mirror.reverses = original.id
    where original.id = reversed
    returning occurred_at into happened_at;
    if not found then
        raise exception 'ledger transaction % has not been taken back', reversed
            using errcode = 'check_violation', constraint = 'transactions_replacement_of_reversed';
    end if;
    insert into ledger.accounts (code) select distinct code from unnest(new_accounts) as account (code) order by code
    on conflict do nothing;
    insert into ledger.entries (transaction_id, occurred_at, account, amount, currency)
    select new_id, happened_at, entry.*
    from unnest(new_accounts, new_amounts, new_currencies) as entry (account, amount, currency);
end
$$;
revoke execute on function ledger.replace from public;
grant execute on function ledger.replace to quittance_billing;
