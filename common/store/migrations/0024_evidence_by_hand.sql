-- Evidence that staff enter by hand, and what needs a second person.

alter table payments.cases
    drop constraint cases_kind_known,
    add constraint cases_kind_known check (
        kind in (
            'surplus', 'contradiction', 'overdrawn', 'twins', 'undecided', 'claimed', 'unexplained_refund',
            'entered_by_hand'
        )
    );

-- What one of staff entered and a second has to approve: it counts for nothing until the case is approved.
create table payments.entries_by_hand (
    case_id uuid primary key references payments.cases deferrable initially deferred,
    -- The evidence as it was entered, and the invoices that it named.
    evidence jsonb not null,
    invoice_ids uuid[] not null,
    -- What of the payment's money had gone back by then: if that has changed, the entry may be the same money.
    returned_amount numeric(20, 4),
    currency char(3),
    entered_by text not null,
    entered_at timestamptz not null default now()
);
create trigger entries_by_hand_append_only before update or delete or truncate on payments.entries_by_hand
    for each statement execute function audit.refuse_change();

-- What one of staff alone vouched for: of one payer on one day, the limit counts the sum. No payer is one payer, too.
create table payments.vouched_alone (
    event_id text not null,
    payer uuid references billing.clients,
    day date not null,
    amount numeric(20, 4) not null,
    currency char(3) not null,
    vouched_by text not null,
    recorded_at timestamptz not null default now(),
    constraint vouched_alone_event_id_payer_key unique nulls not distinct (event_id, payer),
    constraint vouched_alone_amount_positive check (amount > 0)
);
create index vouched_alone_day_idx on payments.vouched_alone (day, payer, currency);
create trigger vouched_alone_append_only before update or delete or truncate on payments.vouched_alone
    for each statement execute function audit.refuse_change();

grant select, insert on payments.entries_by_hand, payments.vouched_alone to quittance_processor;
grant select on payments.entries_by_hand, payments.vouched_alone to quittance_billing, quittance_operator;
do $$
declare
    written text;
begin
    foreach written in array array['payments.entries_by_hand', 'payments.vouched_alone'] loop
        execute format(
            'create constraint trigger rehearsals_are_rolled_back after insert on %s
             deferrable initially deferred for each row when (session_user = ''quittance_operator'')
             execute function audit.refuse_rehearsal()', written
        );
    end loop;
end
$$;

-- The validator refuses at once what is known to be impossible: decisions about closed cases, refunds of more than is left.
grant select (resolution) on payments.cases to quittance_validator;
grant select (request) on payments.decisions to quittance_validator;
-- What can be refunded at most of the payment of that name; nothing while nothing is proven. The validator reads no amounts
-- but by this.
create function payments.refundable(name text)
    returns table (amount numeric, currency char(3)) language sql stable security definer set search_path = '' as $$
    select payments.amount - payments.returned_amount - (
            select coalesce(sum(refunds.amount), 0) from payments.refunds
            where refunds.payment_id = payments.id and refunds.status = 'requested'
                and refunds.currency = payments.currency
        ), payments.currency
    from payments.payment_references join payments.payments on payments.id = payment_id
    where reference = name and payments.status not in ('pending', 'unknown', 'failed', 'expired')
$$;
revoke execute on function payments.refundable from public;
grant execute on function payments.refundable to quittance_validator;

-- Corrections of the books that a second person has to approve.
create table billing.proposed_corrections (
    id uuid primary key,
    -- The transaction to be taken back.
    transaction_id uuid not null,
    reason text not null,
    -- What takes its place, as it was asked for.
    replacement jsonb,
    proposed_by text not null,
    proposed_at timestamptz not null default now(),
    status text not null default 'open',
    decided_by text,
    decided_at timestamptz,
    constraint proposed_corrections_status_known check (status in ('open', 'approved', 'dismissed')),
    constraint proposed_corrections_decided check ((status = 'open') = (decided_by is null and decided_at is null)),
    constraint proposed_corrections_second_person check (status <> 'approved' or decided_by <> proposed_by)
);
create unique index proposed_corrections_open_key on billing.proposed_corrections (transaction_id) where status = 'open';
grant select, insert on billing.proposed_corrections to quittance_billing;
grant update (status, decided_by, decided_at) on billing.proposed_corrections to quittance_billing;
grant select on billing.proposed_corrections to quittance_operator;
