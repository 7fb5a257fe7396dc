-- Payments that a gateway collects because a client asked us to, and questions about what gateways do not decide.

alter table payments.facts
    -- Why, in the source's own code; of a failure.
    add column reason text,
    add constraint facts_reason_bounds check (length(reason) between 1 and 200),
    drop constraint facts_kind_known,
    add constraint facts_kind_known check (kind in (
        'claim', 'initiation', 'authorisation', 'capture', 'settlement', 'failure', 'expiry', 'unknown', 'refund',
        'refund_failure', 'reversal', 'dispute', 'dispute_won', 'dispute_lost'
    ));

alter table payments.cases
    drop constraint cases_kind_known,
    add constraint cases_kind_known check (kind in ('surplus', 'contradiction', 'overdrawn', 'twins', 'undecided'));

-- Attempts to collect a payment. Payment and attempt are the idempotency key towards the gateway. What became of an
-- attempt follows from the payment's facts.
create table payments.charges (
    -- Deferred: a new payment's row is written last.
    payment_id uuid not null references payments.payments deferrable initially deferred,
    attempt smallint not null,
    -- None if there was no such invoice of the client's.
    invoice_id uuid references billing.invoices,
    amount numeric(20, 4) not null,
    currency char(3) not null,
    -- The gateway's name of a card or mandate.
    payment_method text not null,
    ordered_by text not null,
    ordered_at timestamptz not null,
    -- Why the gateway was not asked.
    refusal text,
    constraint charges_key primary key (payment_id, attempt),
    constraint charges_attempt_positive check (attempt > 0),
    constraint charges_amount_positive check (amount > 0),
    constraint charges_payment_method_bounds check (length(payment_method) between 1 and 255),
    constraint charges_ordered_for_an_invoice check (refusal is not null or invoice_id is not null)
);
create index charges_invoice_id_idx on payments.charges (invoice_id);
create trigger charges_append_only before update or delete or truncate on payments.charges
    for each statement execute function audit.refuse_change();

-- Undecided payments of gateways that can be asked: how often they were asked about, and when they are next.
create table payments.questions (
    payment_id uuid primary key references payments.payments deferrable initially deferred,
    asked smallint not null default 0,
    since timestamptz not null,
    next_at timestamptz not null,
    constraint questions_asked_not_negative check (asked >= 0)
);
create index questions_next_at_idx on payments.questions (next_at);

-- Until when each gateway was asked to tell all of its events once more.
create table payments.listings (
    provider text primary key,
    listed_until timestamptz not null
);

grant select, insert on payments.charges to quittance_processor;
grant select, insert, update (asked, since, next_at) on payments.questions to quittance_processor;
grant select (payment_id, attempt, invoice_id, amount, currency, ordered_by, ordered_at, refusal) on payments.charges
    to quittance_billing;
grant select, update (asked, next_at), delete on payments.questions to quittance_relay;
grant select, insert, update (listed_until) on payments.listings to quittance_relay;
grant select (id, transaction_id, provider, status, merged_into) on payments.payments to quittance_relay;
grant select on payments.payment_references, payments.charges to quittance_relay;
-- Whether a charge that had no answer is still wanted.
grant usage on schema billing to quittance_relay;
grant select (id, status, total, paid_amount) on billing.invoices to quittance_relay;
grant insert on payments.outbox to quittance_relay;

-- The relay asks gateways; what happened to invoices others have to tell.
create function payments.refuse_event() returns trigger language plpgsql as $$
begin
    raise exception '% may write commands to gateways only, not %', current_user, new.destination
        using errcode = 'insufficient_privilege';
end
$$;
create trigger outbox_relay_asks_only before insert on payments.outbox for each row
    when (current_user = 'quittance_relay' and new.destination <> 'gateway_commands')
    execute function payments.refuse_event();
