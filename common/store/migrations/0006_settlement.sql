-- Payments that fail, expire, go back, are disputed or turn out to be one; refunds; cases that staff decide.

alter table payments.payments
    -- What went back by refunds, reversals and lost disputes.
    add column returned_amount numeric(20, 4) not null default 0,
    -- Invoices that the same money pays after invoice_id, in this order.
    add column further_invoice_ids uuid[] not null default '{}',
    -- Staff found that this is the same money as another payment, which has its evidence now.
    add column merged_into uuid references payments.payments,
    drop constraint payments_status_known,
    add constraint payments_status_known check (status in (
        'pending', 'unknown', 'failed', 'expired', 'confirmed', 'partially_refunded', 'refunded', 'disputed', 'reversed'
    )),
    drop constraint payments_confirmed_has_amount,
    add constraint payments_proven_has_amount check (
        status in ('pending', 'unknown', 'failed', 'expired') or (amount is not null and currency is not null)
    ),
    add constraint payments_returned_not_negative check (returned_amount >= 0),
    add constraint payments_merged_into_another check (merged_into <> id);
create index payments_further_invoice_ids_idx on payments.payments using gin (further_invoice_ids)
    where further_invoice_ids <> '{}';
create index payments_merged_into_idx on payments.payments (merged_into) where merged_into is not null;

-- Every name of a payment, each in its provider's namespace. The authority on "one name, one payment", for ever.
create table payments.payment_references (
    reference text primary key,
    -- Deferred: a new payment's name is taken first, and its row is written last, in the state that it is in by then.
    payment_id uuid not null references payments.payments deferrable initially deferred,
    created_at timestamptz not null default now()
);
create index payment_references_payment_id_idx on payments.payment_references (payment_id);
insert into payments.payment_references (reference, payment_id) select transaction_id, id from payments.payments;

alter table payments.facts
    alter constraint facts_payment_id_fkey deferrable initially deferred,
    add column further_invoice_ids uuid[] not null default '{}',
    -- The name under which the source told of the payment; facts recorded before have none.
    add column reference text,
    drop constraint facts_kind_known,
    add constraint facts_kind_known check (kind in (
        'claim', 'authorisation', 'capture', 'settlement', 'failure', 'expiry', 'unknown', 'refund', 'refund_failure',
        'reversal', 'dispute', 'dispute_won', 'dispute_lost'
    ));

-- Money that staff moved stays where it is when evidence comes.
alter table payments.allocations add column by_staff boolean not null default false;

alter table payments.cases
    add column resolution text,
    add column decided_by text,
    add column decision_reason text,
    add column closed_at timestamptz,
    -- Why the last decision could not be carried out.
    add column refusal text,
    -- The other of two payments that may be one.
    add column other_payment_id uuid references payments.payments,
    -- What is left of the surplus that staff dismissed; less than the amount when some of it went back since.
    add column kept_amount numeric(20, 4),
    drop constraint cases_kind_known,
    add constraint cases_kind_known check (kind in ('surplus', 'contradiction', 'overdrawn', 'twins')),
    add constraint cases_resolution_known check (
        resolution in ('applied', 'refunded', 'dismissed', 'settled', 'merged')
    ),
    add constraint cases_closed_has_resolution check ((status = 'closed') = (resolution is not null)),
    add constraint cases_decision_has_reason check (
        resolution not in ('applied', 'refunded', 'dismissed') or (decided_by is not null and length(decision_reason) > 0)
    ),
    add constraint cases_twins_name_another check ((kind = 'twins') = (other_payment_id is not null)),
    add constraint cases_kept_within_amount check (kept_amount between 0 and amount);
drop index payments.cases_open_contradiction_key;
-- A payment has one open case of a kind, and one for each twin; its amount follows the evidence.
create unique index cases_open_key on payments.cases (payment_id, kind, other_payment_id) nulls not distinct
    where status = 'open';
create index cases_payment_id_idx on payments.cases (payment_id);
create index cases_status_idx on payments.cases (status, id);

-- Requests of staff that have been carried out or refused: each once, however often its message comes.
create table payments.decisions (
    request text primary key,
    subject text not null,
    -- SHA-256 of what was asked for: the same request with other content is another one under a used name.
    digest bytea not null,
    decided_at timestamptz not null default now()
);

create table payments.refunds (
    id uuid primary key,
    payment_id uuid not null references payments.payments,
    amount numeric(20, 4) not null,
    currency char(3) not null,
    reason text not null,
    requested_by text not null,
    status text not null,
    refusal text,
    requested_at timestamptz not null default now(),
    constraint refunds_amount_positive check (amount > 0),
    constraint refunds_reason_bounds check (length(reason) between 1 and 500),
    constraint refunds_status_known check (status in ('waiting', 'requested', 'succeeded', 'failed', 'refused')),
    constraint refunds_refused_has_refusal check ((status = 'refused') = (refusal is not null))
);
create index refunds_payment_id_idx on payments.refunds (payment_id);

-- What is asked of a provider never exceeds what was captured and has not gone back or been asked for, whatever the
-- code above believes. What a provider says has happened is recorded in any case.
create function payments.refuse_excess_refund() returns trigger language plpgsql as $$
declare
    available numeric;
begin
    if new.status <> 'requested' then
        return new;
    end if;
    -- Two requests meet at this lock; the statement after it sees what the other committed.
    perform from payments.payments where id = new.payment_id for update;
    select amount - returned_amount - (
            select coalesce(sum(amount), 0) from payments.refunds
            where payment_id = new.payment_id and status = 'requested' and id <> new.id
        )
        into available
        from payments.payments
        where id = new.payment_id and currency = new.currency
            and status not in ('pending', 'unknown', 'failed', 'expired');
    if available is null or new.amount > available then
        raise exception 'refund % of % is more than what is left of payment %', new.id, new.amount, new.payment_id
            using errcode = 'check_violation', constraint = 'refunds_within_captured';
    end if;
    return new;
end
$$;
create trigger refunds_within_captured before insert or update on payments.refunds
    for each row execute function payments.refuse_excess_refund();

-- An invoice goes only where its states lead, and every change has a version of its own.
create function billing.refuse_invoice_change() returns trigger language plpgsql as $$
begin
    if new.version <= old.version then
        raise exception 'invoice % keeps version % through a change', new.id, old.version
            using errcode = 'check_violation', constraint = 'invoices_version_grows';
    end if;
    if new.status <> old.status and not (case old.status
        when 'draft' then new.status = 'open'
        when 'open' then new.status in ('void', 'partially_paid', 'paid')
        when 'partially_paid' then new.status in ('open', 'paid')
        when 'paid' then new.status in ('open', 'partially_paid')
        else false
    end) then
        raise exception 'invoice % cannot go from % to %', new.id, old.status, new.status
            using errcode = 'check_violation', constraint = 'invoices_status_follows';
    end if;
    return new;
end
$$;
create trigger invoices_status_follows before update on billing.invoices
    for each row when (old.* is distinct from new.*) execute function billing.refuse_invoice_change();

alter table payments.outbox
    drop constraint outbox_destination_known,
    add constraint outbox_destination_known check (destination in ('invoice_events', 'gateway_commands'));

create trigger decisions_append_only before update or delete or truncate on payments.decisions
    for each statement execute function audit.refuse_change();

grant select, insert on payments.payment_references, payments.decisions, payments.refunds to quittance_processor;
grant update (payment_id) on payments.payment_references to quittance_processor;
grant update (status, refusal) on payments.refunds to quittance_processor;
grant update (provider, returned_amount, further_invoice_ids, merged_into) on payments.payments to quittance_processor;
grant update (
    amount, currency, reason, status, resolution, decided_by, decision_reason, closed_at, refusal, kept_amount
) on payments.cases to quittance_processor;
grant select on payments.payment_references, payments.refunds to quittance_billing;
grant usage on schema payments to quittance_validator;
grant select (id, payment_id, kind, status) on payments.cases to quittance_validator;
grant select (id, transaction_id) on payments.payments to quittance_validator;
grant select on payments.payment_references to quittance_validator;
