-- What clients want to be told, and addresses that must not be written to.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['quittance_notification', 'quittance_feedback'] loop
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

create table billing.notification_preferences (
    client_id uuid not null references billing.clients,
    channel text not null,
    is_enabled boolean not null,
    -- Types of the events that are told; none means all.
    notices text[] not null default '{}',
    phone_number text,
    primary key (client_id, channel),
    constraint notification_preferences_channel_known check (channel in ('email', 'sms')),
    -- E-mail goes to the client's address.
    constraint notification_preferences_number_is_for_sms check (channel = 'sms' or phone_number is null),
    constraint notification_preferences_number_is_e164 check (phone_number ~ '^\+[1-9][0-9]{6,14}$'),
    constraint notification_preferences_sms_has_number check (
        channel <> 'sms' or not is_enabled or phone_number is not null
    )
);

-- Addresses that came back for good, or whose owner complained. In small letters.
create table billing.suppressed_addresses (
    address text primary key,
    reason text not null,
    since timestamptz not null,
    constraint suppressed_addresses_reason_known check (reason in ('bounce', 'complaint')),
    constraint suppressed_addresses_lower_case check (address = lower(address))
);

grant select, insert, update on billing.notification_preferences to quittance_billing;
grant select, delete on billing.suppressed_addresses to quittance_billing;

grant usage on schema billing to quittance_notification, quittance_feedback;
grant select on billing.notification_preferences, billing.suppressed_addresses to quittance_notification;

-- Who hears of bounces and complaints notes them, with an audit record, and nothing else.
grant select, insert on billing.suppressed_addresses to quittance_feedback;
grant usage on schema audit to quittance_feedback;
grant insert on audit.records to quittance_feedback;
