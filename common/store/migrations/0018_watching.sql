-- What the relay counts each minute, for whoever watches the system: how old the outbox is, what is parked in it, and
-- claims that nothing has proven yet. It sees no money.
grant select (created_at) on payments.payments to quittance_relay;
grant select (payment_id, kind) on payments.facts to quittance_relay;
create index payments_pending_idx on payments.payments (created_at) where status = 'pending';
create index outbox_parked_idx on payments.outbox (created_at) where parked_reason is not null;

-- When what runs by schedule last came to its end.
create table billing.scheduled_runs (
    function text not null,
    ended_at timestamptz,
    constraint scheduled_runs_pkey primary key (function)
);
insert into billing.scheduled_runs (function) values ('relay'), ('notification');
grant select (function), update (ended_at) on billing.scheduled_runs to quittance_relay, quittance_notification;
