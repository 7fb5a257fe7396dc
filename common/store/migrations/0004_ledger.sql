create table ledger.accounts (
    code text primary key,
    created_at timestamptz not null default now()
);

create table ledger.transactions (
    id uuid primary key,
    event_id text not null,
    description text not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    -- One event, one transaction, however often it is delivered.
    constraint transactions_event_id_key unique (event_id)
);

-- Signed amounts: a debit is positive, a credit negative.
create table ledger.entries (
    transaction_id uuid not null references ledger.transactions,
    account text not null references ledger.accounts,
    amount numeric(20, 4) not null,
    currency char(3) not null,
    primary key (transaction_id, account, currency),
    constraint entries_amount_not_zero check (amount <> 0)
);
create index entries_account_idx on ledger.entries (account, currency);

create function ledger.require_balance() returns trigger language plpgsql as $$
begin
    if exists (
        select from ledger.entries
        where transaction_id = new.transaction_id
        group by currency
        having sum(amount) <> 0
    ) then
        raise exception 'ledger transaction % does not balance', new.transaction_id
            using errcode = 'check_violation', constraint = 'entries_balance';
    end if;
    return null;
end
$$;

create constraint trigger entries_balance after insert on ledger.entries
    deferrable initially deferred for each row execute function ledger.require_balance();
create trigger transactions_append_only before update or delete or truncate on ledger.transactions
    for each statement execute function audit.refuse_change();
create trigger entries_append_only before update or delete or truncate on ledger.entries
    for each statement execute function audit.refuse_change();

grant usage on schema ledger to quittance_ledger, quittance_billing;
grant select, insert on ledger.accounts, ledger.transactions, ledger.entries to quittance_ledger;
grant select on ledger.accounts, ledger.transactions, ledger.entries to quittance_billing;
