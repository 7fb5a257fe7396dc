select 'outbox.unpublished' as "what!", count(*) as "count!", min(created_at) as oldest
from payments.outbox where published_at is null and parked_reason is null
union all
select 'outbox.parked', count(*), min(created_at) from payments.outbox where parked_reason is not null and published_at is null
union all
select 'payments.claimed', count(*), min(created_at) from payments.payments where status = 'pending' and merged_into is null
union all
select 'payments.unknown', count(*), min(created_at) from payments.payments where status = 'unknown' and merged_into is null
union all
select 'questions.due', count(*), min(next_at) from payments.questions where next_at <= now()
union all
select 'uploads.importing', count(*), min(created_at) from billing.uploads where status = 'importing'
union all
select 'cases.open', count(*), min(opened_at) from payments.cases where status = 'open'
union all
select 'webhook_endpoints.disabled', count(*), null from billing.webhook_endpoints where status = 'disabled'
