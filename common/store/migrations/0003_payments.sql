create table payments.payments (
    id uuid primary key,
    transaction_id text not null,
    provider text not null,
    client_id uuid references billing.clients,
    invoice_id uuid references billing.invoices,
    status text not null default 'pending',
    amount numeric(20, 4),
    currency char(3),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- The authority on "one movement of money, one payment", for ever.
    constraint payments_transaction_id_key unique (transaction_id),
    constraint payments_status_known check (status in ('pending', 'confirmed', 'failed')),
    constraint payments_confirmed_has_amount check (status <> 'confirmed' or (amount is not null and currency is not null))
);
create index payments_invoice_id_idx on payments.payments (invoice_id);

create table payments.facts (
    id uuid primary key,
    payment_id uuid not null references payments.payments,
    kind text not null,
    amount numeric(20, 4) not null,
    currency char(3) not null,
    door text not null,
    event_id text not null,
    movement text not null,
    invoice_id uuid references billing.invoices,
    actor text not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    -- One message of one source becomes one fact, however often it is delivered.
    constraint facts_door_event_id_key unique (door, event_id),
    constraint facts_kind_known check (kind in ('claim', 'authorisation', 'capture', 'settlement', 'failure')),
    constraint facts_door_known check (door in ('api', 'gateway', 'confirmation', 'bank')),
    constraint facts_amount_positive check (amount > 0)
);
create index facts_payment_id_idx on payments.facts (payment_id);

create table payments.allocations (
    id uuid primary key,
    payment_id uuid not null references payments.payments,
    invoice_id uuid not null references billing.invoices,
    amount numeric(20, 4) not null,
    currency char(3) not null,
    created_at timestamptz not null default now(),
    constraint allocations_amount_not_zero check (amount <> 0)
);
create index allocations_payment_id_idx on payments.allocations (payment_id);
create index allocations_invoice_id_idx on payments.allocations (invoice_id);

-- Money of a payment that pays no invoice: a client's credit, or in suspense while client_id is null.
create table payments.credits (
    id uuid primary key,
    payment_id uuid not null references payments.payments,
    client_id uuid references billing.clients,
    amount numeric(20, 4) not null,
    currency char(3) not null,
    reason text not null,
    created_at timestamptz not null default now(),
    constraint credits_amount_not_zero check (amount <> 0)
);
create index credits_payment_id_idx on payments.credits (payment_id);

create table payments.cases (
    id uuid primary key,
    kind text not null,
    payment_id uuid not null references payments.payments,
    invoice_id uuid references billing.invoices,
    amount numeric(20, 4),
    currency char(3),
    reason text not null,
    status text not null default 'open',
    opened_at timestamptz not null default now(),
    constraint cases_kind_known check (kind in ('surplus', 'contradiction')),
    constraint cases_status_known check (status in ('open', 'closed'))
);
-- A contradiction stays one case however often its evidence comes.
create unique index cases_open_contradiction_key on payments.cases (payment_id)
    where kind = 'contradiction' and status = 'open';

-- What must be told, committed with the change that it tells of. Ids do not commit in order: readers go by
-- published_at, never by "greater than the last id seen".
create table payments.outbox (
    id uuid primary key,
    destination text not null,
    group_id text not null,
    type text not null,
    body text not null,
    created_at timestamptz not null default now(),
    published_at timestamptz,
    parked_reason text,
    constraint outbox_destination_known check (destination in ('invoice_events')),
    constraint outbox_body_bounds check (octet_length(body) <= 20480)
);
create index outbox_unpublished_idx on payments.outbox (created_at)
    where published_at is null and parked_reason is null;

create trigger facts_append_only before update or delete or truncate on payments.facts
    for each statement execute function audit.refuse_change();
create trigger allocations_append_only before update or delete or truncate on payments.allocations
    for each statement execute function audit.refuse_change();
create trigger credits_append_only before update or delete or truncate on payments.credits
    for each statement execute function audit.refuse_change();

grant usage on schema payments to quittance_billing, quittance_processor, quittance_relay;
grant select, insert on payments.payments, payments.facts, payments.allocations, payments.credits, payments.cases
    to quittance_processor;
grant update (status, amount, currency, client_id, invoice_id, updated_at) on payments.payments to quittance_processor;
grant insert on payments.outbox to quittance_billing, quittance_processor;
grant select (id, published_at), update (published_at) on payments.outbox to quittance_billing, quittance_processor;
grant select, delete, update (published_at, parked_reason) on payments.outbox to quittance_relay;
grant select on payments.payments, payments.facts, payments.allocations, payments.credits, payments.cases
    to quittance_billing;
