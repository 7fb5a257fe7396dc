-- What is taken off invoices after they were issued. Numbers are gapless within a year.
create table billing.credit_note_counters (
    year integer primary key,
    last_number integer not null,
    constraint credit_note_counters_positive check (last_number > 0)
);

create table billing.credit_notes (
    id uuid primary key,
    invoice_id uuid not null references billing.invoices,
    number text not null,
    currency char(3) not null,
    total numeric(20, 4) not null,
    tax numeric(20, 4) not null,
    reason text not null,
    issued_on date not null,
    created_at timestamptz not null default now(),
    constraint credit_notes_number_key unique (number),
    constraint credit_notes_total_positive check (total > 0),
    constraint credit_notes_tax_within_total check (tax between 0 and total)
);
create index credit_notes_invoice_id_idx on billing.credit_notes (invoice_id, id);

create table billing.credit_note_lines (
    credit_note_id uuid not null references billing.credit_notes,
    position integer not null,
    description text not null,
    quantity integer not null,
    unit_amount numeric(20, 4) not null,
    tax_percent numeric(5, 2) not null,
    primary key (credit_note_id, position),
    constraint credit_note_lines_quantity_positive check (quantity > 0),
    constraint credit_note_lines_tax_percent_bounds check (tax_percent between 0 and 100)
);

-- What is owed is the total less what credit notes took off it.
alter table billing.invoices add column credited_amount numeric(20, 4) not null default 0;
alter table billing.invoices drop constraint invoices_paid_within_total,
    drop constraint invoices_status_follows_paid_amount;
alter table billing.invoices
    add constraint invoices_credited_within_total check (credited_amount between 0 and total),
    add constraint invoices_paid_within_total check (paid_amount between 0 and total - credited_amount),
    add constraint invoices_status_follows_paid_amount check (
        case status
            when 'paid' then paid_amount = total - credited_amount
            when 'partially_paid' then paid_amount > 0 and paid_amount < total - credited_amount
            when 'open' then paid_amount = 0 and credited_amount < total
            else paid_amount = 0 and credited_amount = 0
        end
    );

grant select, insert, update on billing.credit_note_counters to quittance_billing;
grant select, insert on billing.credit_notes, billing.credit_note_lines to quittance_billing;
grant update (credited_amount) on billing.invoices to quittance_billing;
grant select (credited_amount) on billing.invoices to quittance_importer, quittance_relay;
