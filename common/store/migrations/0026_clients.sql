-- Clients are listed, edited and deleted. A deleted client stays readable, because its invoices, payments and postings
-- name it. Every invoice lock reads this table: rather fail than make payments wait for it.
set local lock_timeout = '3s';

alter table billing.clients
    -- Not `version`, which queries of the release before read from invoices joined with clients.
    add column revision bigint not null default 1,
    add column updated_at timestamptz not null default now(),
    add column deleted_at timestamptz,
    -- The e-mail address in small letters, unique among clients that are not deleted. Null for clients of before whose
    -- address an older one has, and for those that the release before creates while it still runs; until their address
    -- changes.
    add column email_key text,
    -- The words of name, e-mail address and tax number, for search by prefix.
    add column words tsvector generated always as (
        to_tsvector('simple', regexp_replace(name || ' ' || email || ' ' || coalesce(tax_id, ''), '[!-/:-@[-`{-~]+', ' ', 'g'))
    ) stored,
    add constraint clients_revision_positive check (revision > 0);

update billing.clients set email_key = lower(email)
where id in (select distinct on (lower(email)) id from billing.clients order by lower(email), created_at, id);

create unique index clients_email_key on billing.clients (email_key) where deleted_at is null;
create index clients_lower_email_idx on billing.clients (lower(email));
create index clients_lower_name_idx on billing.clients (lower(name), id);
create index clients_words_idx on billing.clients using gin (words);
