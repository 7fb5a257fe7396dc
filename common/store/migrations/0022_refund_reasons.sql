-- Why money is given back, and credit notes on what is paid.

-- A refund says why. Refunds from before keep their effect: they made the invoice owed again.
alter table payments.refunds
    add column reason_kind text not null default 'unspecified',
    add column reopens boolean not null default true;
alter table payments.refunds
    alter column reopens set default false,
    add constraint refunds_reason_kind_known check (
        reason_kind in ('credited', 'goodwill', 'duplicate', 'chargeback', 'returned_by_bank', 'unspecified')
    );

-- What staff said of refunds afterwards: of those first seen at the gateway, and of requests that did not say why.
create table payments.refund_terms (
    payment_id uuid not null references payments.payments,
    movement text not null,
    reason_kind text not null,
    reopens boolean not null,
    decided_by text not null,
    reason text not null,
    decided_at timestamptz not null default now(),
    primary key (payment_id, movement),
    constraint refund_terms_reason_kind_known check (
        reason_kind in ('credited', 'goodwill', 'duplicate', 'chargeback', 'returned_by_bank', 'unspecified')
    )
);
insert into payments.refund_terms (payment_id, movement, reason_kind, reopens, decided_by, reason)
select distinct payment_id, movement, 'unspecified', true, 'migration', 'recorded before refunds had reasons'
from payments.facts
where kind = 'refund' and not exists (
    select from payments.refunds where 'ref_' || replace(refunds.id::text, '-', '') = movement
);
create trigger refund_terms_append_only before update or delete or truncate on payments.refund_terms
    for each statement execute function audit.refuse_change();
grant select, insert on payments.refund_terms to quittance_processor;
grant select on payments.refund_terms to quittance_billing, quittance_operator;

-- What of the refunds was goodwill, so that allocations and surplus are more than what is left of the payment.
create table payments.goodwill (
    id uuid primary key,
    -- Deferred: a new payment's row is written last.
    payment_id uuid not null references payments.payments deferrable initially deferred,
    amount numeric(20, 4) not null,
    currency char(3) not null,
    decided_at timestamptz not null,
    constraint goodwill_amount_not_zero check (amount <> 0)
);
create index goodwill_payment_id_idx on payments.goodwill (payment_id);
create trigger goodwill_append_only before update or delete or truncate on payments.goodwill
    for each statement execute function audit.refuse_change();
grant select, insert on payments.goodwill to quittance_processor;
grant select on payments.goodwill to quittance_billing, quittance_operator;

create constraint trigger rehearsals_are_rolled_back after insert on payments.refund_terms
    deferrable initially deferred for each row when (session_user = 'quittance_operator')
    execute function audit.refuse_rehearsal();
create constraint trigger rehearsals_are_rolled_back after insert on payments.goodwill
    deferrable initially deferred for each row when (session_user = 'quittance_operator')
    execute function audit.refuse_rehearsal();

alter table payments.cases
    drop constraint cases_kind_known,
    add constraint cases_kind_known check (
        kind in ('surplus', 'contradiction', 'overdrawn', 'twins', 'undecided', 'claimed', 'unexplained_refund')
    ),
    drop constraint cases_resolution_known,
    add constraint cases_resolution_known check (
        resolution in ('applied', 'refunded', 'dismissed', 'settled', 'merged', 'approved', 'classified')
    );

-- An invoice that credit notes take off in full is credited, not paid. What is paid of it leaves when its payments are
-- settled next, so that for a moment more may be paid than is owed.
alter table billing.invoices
    drop constraint invoices_status_known,
    add constraint invoices_status_known
        check (status in ('draft', 'open', 'partially_paid', 'paid', 'credited', 'void')),
    drop constraint invoices_paid_within_total,
    drop constraint invoices_status_follows_paid_amount;
alter table billing.invoices disable trigger invoices_status_follows;
update billing.invoices set status = 'credited'
where status = 'paid' and paid_amount = 0 and credited_amount = total;
alter table billing.invoices enable trigger invoices_status_follows;
alter table billing.invoices
    add constraint invoices_paid_within_total check (paid_amount between 0 and total),
    add constraint invoices_status_follows_paid_amount check (
        case status
            when 'paid' then paid_amount > 0 and paid_amount >= total - credited_amount
            when 'credited' then paid_amount = 0 and credited_amount = total
            when 'partially_paid' then paid_amount > 0 and paid_amount < total - credited_amount
            when 'open' then paid_amount = 0 and credited_amount < total
            else paid_amount = 0 and credited_amount = 0
        end
    );
create or replace function billing.refuse_invoice_change() returns trigger language plpgsql as $$
begin
    if new.version <= old.version then
        raise exception 'invoice % keeps version % through a change', new.id, old.version
            using errcode = 'check_violation', constraint = 'invoices_version_grows';
    end if;
    if new.status <> old.status and not (case old.status
        when 'draft' then new.status = 'open'
        when 'open' then new.status in ('void', 'partially_paid', 'paid', 'credited')
        when 'partially_paid' then new.status in ('open', 'paid', 'credited')
        when 'paid' then new.status in ('open', 'partially_paid', 'credited')
        else false
    end) then
        raise exception 'invoice % cannot go from % to %', new.id, old.status, new.status
            using errcode = 'check_violation', constraint = 'invoices_status_follows';
    end if;
    -- What is paid beyond what is owed may only shrink.
    if new.paid_amount > old.paid_amount and new.paid_amount > new.total - new.credited_amount then
        raise exception 'invoice % would be paid % of %', new.id, new.paid_amount, new.total - new.credited_amount
            using errcode = 'check_violation', constraint = 'invoices_paid_within_owed';
    end if;
    return new;
end
$$;

-- Billing has the processor move what a credit note took off a paid invoice.
alter table payments.outbox
    drop constraint outbox_destination_known,
    add constraint outbox_destination_known
        check (destination in ('invoice_events', 'gateway_commands', 'payment_commands'));
