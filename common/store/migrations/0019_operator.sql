-- Whoever is on call reads everything, notes what they do, and rehearses what the processor would do with a message: with
-- the processor's rights, in transactions that are rolled back. The database itself refuses to commit them.
do $$
begin
    create role quittance_operator login;
exception when duplicate_object or unique_violation then
    null;
end;
$$;
-- Reports take long; what is rehearsed sets a limit of its own.
alter role quittance_operator set statement_timeout = '300s';
alter role quittance_operator set lock_timeout = '3s';
alter role quittance_operator set idle_in_transaction_session_timeout = '15s';

grant quittance_processor to quittance_operator with inherit true, set false;
grant usage on schema billing, payments, ledger, audit to quittance_operator;
grant select on all tables in schema billing, payments, ledger, audit to quittance_operator;
grant update (parked_reason) on payments.outbox to quittance_operator;
grant execute on function ledger.balances to quittance_operator;

create function audit.refuse_rehearsal() returns trigger language plpgsql as $$
begin
    raise exception '%.%: what is rehearsed is not committed', tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;
do $$
declare
    written text;
begin
    foreach written in array array[
        'payments.payments', 'payments.payment_references', 'payments.facts', 'payments.allocations', 'payments.credits',
        'payments.cases', 'payments.refunds', 'payments.charges', 'payments.questions', 'payments.decisions',
        'payments.exclusions', 'payments.approvals', 'billing.invoices'
    ] loop
        -- Deferred: raised by the commit alone.
        execute format(
            'create constraint trigger rehearsals_are_rolled_back after insert or update or delete on %s
             deferrable initially deferred for each row when (session_user = ''quittance_operator'')
             execute function audit.refuse_rehearsal()', written
        );
    end loop;
end
$$;
create constraint trigger rehearsals_are_rolled_back after insert or update of published_at on payments.outbox
    deferrable initially deferred for each row when (session_user = 'quittance_operator')
    execute function audit.refuse_rehearsal();

-- Records bear the name of whoever is on call, and rows of the outbox are released and never parked.
create constraint trigger records_of_rehearsals_are_rolled_back after insert on audit.records
    deferrable initially deferred for each row
    when (session_user = 'quittance_operator' and new.actor not like 'operator:%')
    execute function audit.refuse_rehearsal();
create constraint trigger rows_are_released_only after update of parked_reason on payments.outbox
    deferrable initially deferred for each row
    when (session_user = 'quittance_operator' and new.parked_reason is not null)
    execute function audit.refuse_rehearsal();

-- Records are read in the order in which they were written.
create index records_recorded_at_idx on audit.records (recorded_at, id);
