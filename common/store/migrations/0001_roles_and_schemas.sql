-- One login role per function and one schema per owner. A role has no password until the migrator sets one from
-- Secrets Manager. Roles belong to the whole cluster, so creating them must stand repetition in other databases.
do $$
declare
    role_name text;
begin
    foreach role_name in array array[
        'quittance_billing', 'quittance_validator', 'quittance_importer', 'quittance_processor', 'quittance_relay',
        'quittance_ledger'
    ] loop
        begin
            execute format('create role %I login', role_name);
        exception when duplicate_object or unique_violation then
            null;
        end;
        -- RDS Proxy refuses start-up options and pins a session on SET, so limits stand with the role.
        execute format('alter role %I set statement_timeout = %L', role_name, '10s');
        execute format('alter role %I set lock_timeout = %L', role_name, '3s');
        execute format('alter role %I set idle_in_transaction_session_timeout = %L', role_name, '15s');
    end loop;
end
$$;

create schema billing;
create schema payments;
create schema ledger;
create schema audit;

revoke all on schema public from public;

create function audit.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '%.% is append-only: correct a record by adding another', tg_table_schema, tg_table_name
        using errcode = 'restrict_violation';
end
$$;
