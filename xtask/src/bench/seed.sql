-- The state that every run begins with: clients, open invoices, and a past that makes the planner choose as it does in
-- a system that has been used. `bench.supply` invoices can be paid in full; invoice number 0 takes any number of parts.
create schema bench;
grant usage on schema bench to quittance_processor;

-- Rows are known by number, so that the load, these rows and the checks name the same ones without asking.
create function bench.id(prefix text, number bigint) returns uuid language sql immutable parallel safe
    return (prefix || '-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid;
create function bench.client(number bigint) returns uuid language sql immutable parallel safe
    return bench.id('019a3f5e', number % 1000);
create function bench.invoice(number bigint) returns uuid language sql immutable parallel safe
    return bench.id('019a3f5f', number);
create function bench.payment(number bigint) returns uuid language sql immutable parallel safe
    return bench.id('019a3f61', number);
create function bench.event(number bigint) returns uuid language sql immutable parallel safe
    return bench.id('019a3f62', number);
create function bench.transaction_id(number bigint) returns text language sql immutable parallel safe
    return 'stripe:pi_' || reverse(lpad(number::text, 12, '0')) || 'KlZz9Yy8X0aB';
create function bench.event_id(number bigint) returns text language sql immutable parallel safe
    return 'stripe:evt_' || reverse(lpad(number::text, 12, '0')) || 'Kl1a2B3c4D5e';

-- An audit record and an event of the size that the processor writes.
create function bench.audit_before(number bigint) returns jsonb language sql immutable parallel safe
    return '{"status": "pending", "holdings": {"allocated": [], "surplus": []}, "invoices": []}'::jsonb;
create function bench.audit_after(number bigint) returns jsonb language sql immutable parallel safe
    return ('{"outcome": "settled", "status": "confirmed", "captured": {"value": "1190.00", "currency": "EUR"}, '
        || '"returned": {"value": "0.00", "currency": "EUR"}, "named": ["inv_019a3f5f000070008000'
        || lpad(to_hex(number), 12, '0') || '"], "holdings": {"allocated": [{"invoice_id": "inv_019a3f5f000070008000'
        || lpad(to_hex(number), 12, '0') || '", "amount": {"value": "1190.00", "currency": "EUR"}, "by_staff": false}], '
        || '"surplus": []}, "movements": [{"kind": "allocated", "amount": {"value": "1190.00", "currency": "EUR"}, '
        || '"invoice": {"id": "inv_019a3f5f000070008000' || lpad(to_hex(number), 12, '0')
        || '", "paid": {"value": "1190.00", "currency": "EUR"}, "status": "paid", "version": 3}}]}')::jsonb;
create function bench.body() returns text language sql immutable parallel safe
    return '{"specversion":"1.0","id":"01a1feab-8eaf-7211-8584-1ab5af08d189","source":"/quittance/processor",
"subject":"inv_019a3f5f00007000800000000000243f","time":"2026-11-02T12:00:01.472649146Z",
"datacontenttype":"application/json","dataschema":"urn:quittance:invoice.paid:1","invoiceversion":3,
"correlationid":"019a3f60-0000-7000-8000-00000000243e","type":"invoice.paid","data":{"invoice":{
"id":"inv_019a3f5f00007000800000000000243f","number":"INV-2026-000009279","total":{"value":"1190.00","currency":"EUR"},
"paid":{"value":"1190.00","currency":"EUR"},"status":"paid","version":3,"issued_on":"2026-11-01","due_on":"2026-12-01"},
"client":{"id":"cli_019a3f5e000070008000000000000117","name":"Nordlicht Maschinenbau GmbH 279",
"email":"buchhaltung@client-279.example","address":["Hafenstraße 12","20457 Hamburg","Deutschland"],
"tax_id":"DE000000279"},"payment":{"id":"pay_01a1feab8ea9720b8b0a782a78b055c3",
"transaction_id":"stripe:pi_872900000000KlZz9Yy8X0aB","provider":"stripe","amount":{"value":"1190.00","currency":"EUR"},
"paid_at":"2026-11-02T11:59:50Z"},"allocated":{"value":"1190.00","currency":"EUR"},
"audit_id":"aud_01a1feab8eaf721185841ab34c3e9e74"}}';

set session_replication_role = replica;

insert into billing.clients (id, name, email, address, tax_id)
select bench.client(n), 'Nordlicht Maschinenbau GmbH ' || n, 'buchhaltung@client-' || n || '.example',
    array['Hafenstraße 12', '20457 Hamburg', 'Deutschland'], 'DE' || lpad(n::text, 9, '0')
from generate_series(0, 999) as n;

insert into billing.invoices
    (id, client_id, number, currency, total, paid_amount, status, version, issued_on, due_on)
select bench.invoice(n), bench.client(n), 'INV-2026-' || lpad(n::text, 9, '0'), 'EUR',
    case n when 0 then 50000000000.00 else 1190.00 end, 0, 'open', 2, '2026-11-01', '2026-12-01'
from generate_series(0, current_setting('bench.supply')::bigint) as n;

-- The past, under numbers that no run reaches.
create temporary table past as
select n from generate_series(900000000001, 900000000000 + current_setting('bench.past')::bigint) as n;

insert into billing.invoices
    (id, client_id, number, currency, total, paid_amount, status, version, issued_on, due_on)
select bench.invoice(n), bench.client(n), 'INV-2025-' || n, 'EUR', 1190.00, 1190.00, 'paid', 3, '2025-11-01', '2025-12-01'
from past;
insert into payments.payments (id, transaction_id, provider, client_id, invoice_id, status, amount, currency)
select bench.payment(n), bench.transaction_id(n), 'stripe', bench.client(n), bench.invoice(n), 'confirmed', 1190.00, 'EUR'
from past;
insert into payments.payment_references (reference, payment_id) select bench.transaction_id(n), bench.payment(n) from past;
insert into payments.facts
    (id, payment_id, kind, amount, currency, door, event_id, movement, invoice_id, actor, occurred_at)
select bench.id('019a3f63', n), bench.payment(n), 'capture', 1190.00, 'EUR', 'gateway', bench.event_id(n),
    bench.transaction_id(n), bench.invoice(n), 'gateway:stripe', now()
from past;
insert into payments.allocations (id, payment_id, invoice_id, amount, currency)
select bench.id('019a3f64', n), bench.payment(n), bench.invoice(n), 1190.00, 'EUR' from past;
insert into audit.records (id, actor, action, subject, reason, before, after, correlation_id)
select bench.id('019a3f65', n), 'gateway:stripe', 'payment.evidence_recorded', 'pay_' || replace(bench.payment(n)::text, '-', ''),
    'capture of 1190.00 EUR through gateway: settled', bench.audit_before(n), bench.audit_after(n), bench.id('019a3f60', n)::text
from past;
insert into payments.outbox (id, destination, group_id, type, body, published_at)
select bench.event(n), 'invoice_events', 'inv_' || replace(bench.invoice(n)::text, '-', ''), 'invoice.paid', bench.body(), now()
from past;

drop table past;
reset session_replication_role;
