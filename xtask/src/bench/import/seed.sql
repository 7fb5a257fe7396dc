-- Open invoices, and a past: lines of an earlier file that paid something from each client's account, so that the planner
-- chooses as it does in a system that has been used. Clients are there already.
set session_replication_role = replica;

create function pg_temp.id(prefix text, number bigint) returns uuid language sql immutable
    return (prefix || '-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid;
create function pg_temp.client(number bigint) returns uuid language sql immutable
    return pg_temp.id('019a3f5e', number % current_setting('bench.clients')::bigint);

insert into billing.invoices (id, client_id, number, currency, total, paid_amount, status, version, issued_on, due_on)
select pg_temp.id('019a3f5f', n), pg_temp.client(n), 'INV-2026-' || lpad(n::text, 9, '0'), 'EUR', 100.19 + n, 0, 'open', 2,
    '2026-11-01', '2026-12-01'
from generate_series(0, current_setting('bench.invoices')::bigint - 1) as n;

create temporary table past as select n from generate_series(1, current_setting('bench.past')::bigint) as n;

insert into billing.uploads (id, kind, uploaded_by, object_key, status, finished_at)
values (pg_temp.id('019a3f66', 0), 'bank_statement', 'user:bench', 'uploads/past', 'accepted', now());
insert into billing.invoices (id, client_id, number, currency, total, paid_amount, status, version, issued_on, due_on)
select pg_temp.id('019a3f67', n), pg_temp.client(n), 'INV-2025-' || lpad(n::text, 9, '0'), 'EUR', 100, 100, 'paid', 3,
    '2025-11-01', '2025-12-01'
from past;
insert into payments.payments (id, transaction_id, provider, client_id, invoice_id, status, amount, currency)
select pg_temp.id('019a3f61', n), 'manual:bank-past-' || n, 'manual', pg_temp.client(n), pg_temp.id('019a3f67', n),
    'confirmed', 100, 'EUR'
from past;
insert into payments.payment_references (reference, payment_id)
select 'manual:bank-past-' || n, pg_temp.id('019a3f61', n) from past;
insert into billing.bank_movements (identity, upload_id, line) select 'past-' || n, pg_temp.id('019a3f66', 0), n from past;
insert into billing.upload_lines
    (upload_id, line, transaction_id, amount, currency, outcome, identity, invoices, score, payer_account, account, booked_on)
select pg_temp.id('019a3f66', 0), n, 'manual:bank-past-' || n, 100, 'EUR', 'matched', 'past-' || n,
    array[pg_temp.id('019a3f67', n)], 90,
    'DE' || lpad((51210800000000 + n % current_setting('bench.clients')::bigint)::text, 20, '0'), 'DE75512108001245126199',
    '2025-11-03'
from past;

drop table past;
reset session_replication_role;
