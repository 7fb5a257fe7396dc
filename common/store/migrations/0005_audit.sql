-- Who changed what, why, and how it looked before and after. Written in the transaction of the change.
create table audit.records (
    id uuid primary key,
    recorded_at timestamptz not null default now(),
    actor text not null,
    action text not null,
    subject text not null,
    reason text not null,
    before jsonb,
    after jsonb,
    correlation_id text not null
);
create index records_subject_idx on audit.records (subject, recorded_at);

create trigger records_append_only before update or delete or truncate on audit.records
    for each statement execute function audit.refuse_change();

grant usage on schema audit to quittance_billing, quittance_importer, quittance_processor;
grant insert on audit.records to quittance_billing, quittance_importer, quittance_processor;
grant select on audit.records to quittance_billing;
