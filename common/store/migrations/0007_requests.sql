-- Answers to requests that changed something, by caller and idempotency key, written in the transaction of the change.
create table billing.requests (
    caller text not null,
    key text not null,
    -- SHA-256 of what was asked for.
    digest bytea not null,
    -- Empty only while the request runs, which no other transaction sees.
    status smallint,
    answer jsonb,
    made_at timestamptz not null default now(),
    constraint requests_pkey primary key (caller, key),
    constraint requests_key_bounds check (length(key) between 1 and 255)
);
create index requests_made_at_idx on billing.requests (made_at);

grant select, insert on billing.requests to quittance_billing;
grant update (digest, status, answer, made_at) on billing.requests to quittance_billing;
grant usage on schema billing to quittance_relay;
grant select (made_at), delete on billing.requests to quittance_relay;

-- A client's payments are listed in the order of their ids.
create index payments_client_id_idx on payments.payments (client_id, id);
