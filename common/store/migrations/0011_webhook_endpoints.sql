-- Who is told of events, and where. The secrets that sign are in Secrets Manager; rows name them.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['quittance_webhook', 'quittance_delivery'] loop
        begin
            execute format('create role %I login', role_name);
        exception when duplicate_object or unique_violation then
            null;
        end;
        execute format('alter role %I set statement_timeout = %L', role_name, '10s');
        execute format('alter role %I set lock_timeout = %L', role_name, '3s');
        execute format('alter role %I set idle_in_transaction_session_timeout = %L', role_name, '15s');
    end loop;
end
$$;

create table billing.webhook_endpoints (
    id uuid primary key,
    url text not null,
    description text,
    -- Types of the events that are told; none means all.
    event_types text[] not null default '{}',
    status text not null default 'enabled',
    -- Why it is disabled, and since when.
    disabled_reason text,
    disabled_at timestamptz,
    -- Names of secrets. Both sign until the older one's time is over, so that a receiver can change in between.
    secret_id uuid not null,
    previous_secret_id uuid,
    previous_secret_until timestamptz,
    created_by text not null,
    created_at timestamptz not null default now(),
    constraint webhook_endpoints_status_known check (status in ('enabled', 'disabled', 'deleted')),
    constraint webhook_endpoints_disabled_has_reason check (
        (status = 'disabled') = (disabled_reason is not null) and (status = 'disabled') = (disabled_at is not null)
    ),
    constraint webhook_endpoints_previous_secret_ends check (
        (previous_secret_id is null) = (previous_secret_until is null)
    )
);

grant select on billing.webhook_endpoints to quittance_billing;
grant insert (id, url, description, event_types, secret_id, created_by) on billing.webhook_endpoints to quittance_billing;
grant update (status, disabled_reason, disabled_at, secret_id, previous_secret_id, previous_secret_until)
    on billing.webhook_endpoints to quittance_billing;

-- Who records what is to be told needs no URL and no secret's name.
grant usage on schema billing to quittance_webhook, quittance_delivery;
grant select (id, event_types, status) on billing.webhook_endpoints to quittance_webhook;
grant select (id, client_id, currency) on billing.invoices to quittance_webhook;

-- Who delivers may disable an endpoint, with an audit record, and nothing else.
grant select on billing.webhook_endpoints to quittance_delivery;
grant update (status, disabled_reason, disabled_at) on billing.webhook_endpoints to quittance_delivery;
grant usage on schema audit to quittance_delivery;
grant insert on audit.records to quittance_delivery;
