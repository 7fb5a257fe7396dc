-- Bank statements are read in chunks, each line is matched with what it pays, and its outcome kept.

-- What a name is looked up by: quittance_domain::matching::name_key.
alter table billing.clients add column name_key text not null default '';
create index clients_name_key_idx on billing.clients (name_key);

-- What a number is looked up by, whole and without the letters in front: quittance_domain::creditor_reference::number_keys.
create index invoices_number_key_idx on billing.invoices (upper(regexp_replace(number, '[^A-Za-z0-9]', '', 'g')));
create index invoices_number_bare_key_idx
    on billing.invoices (upper(regexp_replace(number, '^[^0-9]+|[^A-Za-z0-9]', '', 'g')));

alter table billing.uploads
    add column content_type text not null default 'text/csv',
    -- How to read a CSV file where it can be read in two ways.
    add column options jsonb not null default '{}',
    -- What a client typed in beside a picture.
    add column typed jsonb,
    -- What the file turned out to be.
    add column format text,
    -- The bytes that were checked; what is read later is the same or is refused.
    add column etag text,
    add column lines_total bigint,
    add column lines_done bigint not null default 0,
    -- Where to go on, once a chunk's lines are handed on.
    add column checkpoint jsonb,
    -- Nobody else reads the file until then.
    add column leased_until timestamptz,
    drop constraint uploads_status_known,
    add constraint uploads_status_known check (status in ('awaiting_file', 'importing', 'accepted', 'refused')),
    add constraint uploads_lines_done_within_total check (lines_done between 0 and coalesce(lines_total, 0)),
    add constraint uploads_only_confirmations_are_typed check (typed is null or kind = 'payment_confirmation');

alter table billing.upload_lines
    alter column transaction_id drop not null,
    alter column line type bigint,
    -- Where it stands, for people: "line 7", "line 90, statement 1, entry 3".
    add column place text not null default '',
    -- What tells a bank line apart from others; equal lines of one file are counted.
    add column identity text,
    add column outcome text not null default 'claimed',
    -- Why, in words.
    add column reason text,
    -- How sure the match is, of 100.
    add column score smallint,
    -- The invoices that it was handed on with, in their order.
    add column invoices uuid[] not null default '{}',
    -- The claim that it was handed on as proof of.
    add column payment_id uuid,
    -- What staff may choose from: [{invoice_id, number, score, reason}].
    add column candidates jsonb,
    add column booked_on date,
    add column account text,
    add column payer text,
    add column payer_account text,
    add column end_to_end_id text,
    add column remittance text,
    add constraint upload_lines_outcome_known check (
        outcome in ('claimed', 'matched', 'unmatched', 'returned', 'duplicate', 'ignored', 'rejected')
    ),
    add constraint upload_lines_score_bounds check (score between 0 and 100),
    -- What is handed on is known by a name; what is not, says why.
    add constraint upload_lines_handed_on_has_name check (
        (outcome in ('claimed', 'matched', 'unmatched', 'returned')) = (transaction_id is not null)
    ),
    add constraint upload_lines_left_out_has_reason check (transaction_id is not null or reason is not null);
-- What came from an account before, and what a return takes back.
create index upload_lines_payer_account_idx on billing.upload_lines (payer_account) where outcome = 'matched';
create index upload_lines_end_to_end_id_idx on billing.upload_lines (end_to_end_id)
    where outcome in ('matched', 'unmatched');
create index upload_lines_transaction_id_idx on billing.upload_lines (transaction_id);

-- Each movement of money on an account once, however many files tell of it.
create table billing.bank_movements (
    -- The line's identity and which of equal lines it is; or an entry of several lines.
    identity text primary key,
    -- Of an entry: whether a line told it as a whole; else lines told its details.
    is_whole boolean not null default true,
    upload_id uuid not null references billing.uploads,
    line bigint not null,
    first_seen_at timestamptz not null default now()
);

grant select, insert on billing.bank_movements to quittance_importer;
grant select on billing.bank_movements to quittance_billing;
grant update (format, etag, lines_total, lines_done, checkpoint, leased_until) on billing.uploads to quittance_importer;
grant select (id, name, name_key) on billing.clients to quittance_importer;
grant select (id, client_id, number, currency, total, paid_amount, status, issued_on) on billing.invoices
    to quittance_importer;
grant usage on schema payments to quittance_importer;
grant select (id, transaction_id, provider, status, amount, currency, invoice_id, client_id, merged_into)
    on payments.payments to quittance_importer;
grant select on payments.payment_references to quittance_importer;

-- A payment does not pay these invoices, whatever its evidence says: staff decided so.
create table payments.exclusions (
    payment_id uuid not null references payments.payments,
    invoice_id uuid not null references billing.invoices,
    decided_by text not null,
    reason text not null,
    decided_at timestamptz not null default now(),
    primary key (payment_id, invoice_id)
);

-- Who approved what a client says; above an amount it takes two.
create table payments.approvals (
    case_id uuid not null references payments.cases,
    -- In the case's currency: who approved another amount has not approved this one.
    amount numeric(20, 4) not null,
    approved_by text not null,
    approved_at timestamptz not null default now(),
    primary key (case_id, amount, approved_by)
);

alter table payments.facts
    drop constraint facts_door_known,
    add constraint facts_door_known check (door in ('api', 'gateway', 'confirmation', 'bank', 'staff'));

alter table payments.cases
    drop constraint cases_kind_known,
    add constraint cases_kind_known check (
        kind in ('surplus', 'contradiction', 'overdrawn', 'twins', 'undecided', 'claimed')
    ),
    drop constraint cases_resolution_known,
    add constraint cases_resolution_known check (
        resolution in ('applied', 'refunded', 'dismissed', 'settled', 'merged', 'approved')
    );

grant select, insert on payments.exclusions, payments.approvals to quittance_processor;
grant select on payments.exclusions, payments.approvals to quittance_billing;
grant select (payment_id, kind, door) on payments.facts to quittance_importer;
-- Who brought a picture does not approve it.
grant select (id, kind, uploaded_by) on billing.uploads to quittance_processor;
grant select (upload_id, transaction_id) on billing.upload_lines to quittance_processor;
