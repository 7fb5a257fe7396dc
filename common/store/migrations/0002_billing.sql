create table billing.clients (
    id uuid primary key,
    name text not null,
    email text not null,
    address text[] not null,
    tax_id text,
    created_at timestamptz not null default now(),
    constraint clients_name_bounds check (length(name) between 1 and 200),
    constraint clients_email_bounds check (length(email) between 3 and 254)
);

-- Numbers of issued invoices are gapless within a year: the counter is taken in the transaction that issues.
create table billing.invoice_counters (
    year integer primary key,
    last_number integer not null,
    constraint invoice_counters_positive check (last_number > 0)
);

create table billing.invoices (
    id uuid primary key,
    client_id uuid not null references billing.clients,
    number text,
    currency char(3) not null,
    total numeric(20, 4) not null,
    paid_amount numeric(20, 4) not null default 0,
    status text not null default 'draft',
    version bigint not null default 1,
    issued_on date,
    due_on date not null,
    created_at timestamptz not null default now(),
    constraint invoices_number_key unique (number),
    constraint invoices_status_known check (status in ('draft', 'open', 'partially_paid', 'paid', 'void')),
    constraint invoices_total_positive check (total > 0),
    -- No invoice takes more than it asks for, whatever the code above believes.
    constraint invoices_paid_within_total check (paid_amount between 0 and total),
    constraint invoices_issued_has_number check (status = 'draft' or (number is not null and issued_on is not null)),
    constraint invoices_status_follows_paid_amount check (
        case status
            when 'paid' then paid_amount = total
            when 'partially_paid' then paid_amount > 0 and paid_amount < total
            else paid_amount = 0
        end
    )
);
create index invoices_client_id_idx on billing.invoices (client_id, id);

create table billing.invoice_lines (
    invoice_id uuid not null references billing.invoices,
    position integer not null,
    description text not null,
    quantity integer not null,
    unit_amount numeric(20, 4) not null,
    primary key (invoice_id, position),
    constraint invoice_lines_quantity_positive check (quantity > 0)
);

create table billing.uploads (
    id uuid primary key,
    kind text not null,
    uploaded_by text not null,
    client_id uuid references billing.clients,
    object_key text not null,
    status text not null default 'awaiting_file',
    digest text,
    refusal text,
    created_at timestamptz not null default now(),
    finished_at timestamptz,
    constraint uploads_object_key_key unique (object_key),
    constraint uploads_kind_known check (kind in ('payment_confirmation', 'bank_statement')),
    constraint uploads_status_known check (status in ('awaiting_file', 'accepted', 'refused')),
    constraint uploads_refused_has_reason check ((status = 'refused') = (refusal is not null)),
    -- A confirmation speaks for one client; a statement speaks for the bank.
    constraint uploads_confirmation_has_client check ((kind = 'payment_confirmation') = (client_id is not null))
);

create table billing.upload_lines (
    upload_id uuid not null references billing.uploads,
    line integer not null,
    transaction_id text not null,
    amount numeric(20, 4) not null,
    currency char(3) not null,
    primary key (upload_id, line)
);

grant usage on schema billing to
    quittance_billing, quittance_validator, quittance_importer, quittance_processor;
grant select, insert, update on billing.clients, billing.invoice_counters to quittance_billing;
grant select on billing.invoices to quittance_billing;
-- What was paid, and the status that follows, start at their defaults.
grant insert (id, client_id, currency, total, due_on) on billing.invoices to quittance_billing;
grant select, insert on billing.invoice_lines, billing.uploads to quittance_billing;
-- Billing writes the document's columns and takes an invoice from draft to open or void; what was paid is the
-- processor's. Both lock the row first.
grant update (number, issued_on, status, version) on billing.invoices to quittance_billing;
grant select on billing.upload_lines to quittance_billing;
grant select on billing.invoices to quittance_validator;
grant select on billing.uploads, billing.upload_lines to quittance_importer;
grant update (status, digest, refusal, finished_at) on billing.uploads to quittance_importer;
grant insert on billing.upload_lines to quittance_importer;
grant select on billing.clients, billing.invoices to quittance_processor;
grant update (paid_amount, status, version) on billing.invoices to quittance_processor;
