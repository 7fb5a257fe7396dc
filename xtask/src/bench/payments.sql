-- What the processor says to PostgreSQL for one batch of payments that nothing spoils, statement by statement in
-- the same order, for pgbench. Mirrors common/store/src: invoices, references, payments, facts, allocations, audit, outbox, as
-- functions/processor/src/settle.rs and changes.rs call them; change both together.
--
-- The processor sends arrays; here each array is made of the payments' numbers, so that no round trip is added. Text is
-- of the same size, and rows are known by number (see seed.sql). The variable spread is 1 when each payment has an
-- invoice of its own and 0 when all pay invoice number 0. To pgbench a colon before a letter or digit begins a variable,
-- even within quotes.
\set batch :batch + 1
\set first (:batch * :clients + :client_id) * :size
\set last :first + :size - 1
begin;

-- invoices::named
select id, number, client_id from billing.invoices
where id = any(array(
    select bench.invoice(:spread::bigint * (n + 1)) from generate_series(:first::bigint, :last::bigint) as n
)) or number = any(array[]::text[]);

-- references::find
select reference, payment_id from payments.payment_references where reference = any(array(
    select bench.transaction_id(n) from generate_series(:first::bigint, :last::bigint) as n
));

-- references::take
insert into payments.payment_references (reference, payment_id)
select bench.transaction_id(n), bench.payment(n)
from unnest(array(select generate_series(:first::bigint, :last::bigint))) as n
on conflict (reference) do nothing returning reference;

-- facts::insert
insert into payments.facts
    (id, payment_id, kind, amount, currency, door, event_id, movement, invoice_id, further_invoice_ids, actor,
     occurred_at, reference)
select uuidv7(), bench.payment(n), 'capture', 1190.00, 'EUR', 'gateway', bench.event_id(n),
    substr(bench.transaction_id(n), 8), bench.invoice(:spread::bigint * (n + 1)), '{}'::text::uuid[],
    'gateway' || ':' || 'stripe', to_timestamp(1793620790), bench.transaction_id(n)
from unnest(array(select generate_series(:first::bigint, :last::bigint))) as n
on conflict on constraint facts_door_event_id_key do nothing
returning id;

-- invoices::lock
select invoices.id, client_id, number, currency, total, tax, credited_amount, paid_amount, status, version, issued_on,
    due_on, name, email, address, tax_id, language
from billing.invoices join billing.clients on clients.id = client_id
where invoices.id = any(array(
    select distinct bench.invoice(:spread::bigint * (n + 1)) from generate_series(:first::bigint, :last::bigint) as n
)) order by invoices.id for no key update of invoices;

-- payments::insert
insert into payments.payments (id, transaction_id, provider, status, amount, currency, returned_amount,
    client_id, invoice_id, further_invoice_ids)
select bench.payment(n), bench.transaction_id(n), 'stripe', 'confirmed', 1190.00, 'EUR', 0,
    bench.client(:spread::bigint * (n + 1)), bench.invoice(:spread::bigint * (n + 1)), '{}'::text::uuid[]
from unnest(array(select generate_series(:first::bigint, :last::bigint))) as n;

-- invoices::update_paid
update billing.invoices
set paid_amount = invoices.paid_amount + new.allocated,
    status = case when invoices.paid_amount + new.allocated = total then 'paid' else 'partially_paid' end,
    version = version + new.payments
from (
    select bench.invoice(:spread::bigint * (n + 1)) as id, sum(1190.00) as allocated, count(*) as payments
    from unnest(array(select generate_series(:first::bigint, :last::bigint))) as n
    group by 1
) as new
where invoices.id = new.id;

-- allocations::insert
insert into payments.allocations (id, payment_id, invoice_id, amount, currency, by_staff, invoice_version, decided_at)
select uuidv7(), bench.payment(n), bench.invoice(:spread::bigint * (n + 1)), 1190.00, 'EUR', false, 3, now()
from unnest(array(select generate_series(:first::bigint, :last::bigint))) as n;

-- audit::append
insert into audit.records (id, actor, action, subject, reason, before, after, correlation_id)
select uuidv7(), 'gateway' || ':' || 'stripe', 'payment.evidence_recorded', 'pay_' || replace(bench.payment(n)::text, '-', ''),
    'capture of 1190.00 EUR through gateway: settled', bench.audit_before(n), bench.audit_after(n),
    bench.id('019a3f60', n)::text
from unnest(array(select generate_series(:first::bigint, :last::bigint))) as n;

-- outbox::insert
insert into payments.outbox (id, destination, group_id, type, body)
select bench.event(n), 'invoice_events', 'inv_' || replace(bench.invoice(:spread::bigint * (n + 1))::text, '-', ''),
    'invoice.paid', bench.body()
from unnest(array(select generate_series(:first::bigint, :last::bigint))) as n;

commit;

-- outbox::mark_published
update payments.outbox set published_at = now()
where id = any(array(
    select bench.event(n) from generate_series(:first::bigint, :last::bigint) as n
)) and published_at is null;
