select 'I2' as "rule!", 'inv_' || replace(invoices.id::text, '-', '') as "subject!",
    format('paid %s, allocated %s', trim_scale(paid_amount), trim_scale(coalesce(allocated, 0))) as "detail!"
from billing.invoices
    left join (select invoice_id, sum(amount) as allocated from payments.allocations group by invoice_id) as allocation
        on invoice_id = invoices.id
where paid_amount <> coalesce(allocated, 0)
union all
-- What a credit note took off a paid invoice leaves it within moments, unless its command is stuck.
select 'I2', 'inv_' || replace(invoices.id::text, '-', ''),
    format('paid %s, owed %s', trim_scale(paid_amount), trim_scale(total - credited_amount))
from billing.invoices
where paid_amount > total - credited_amount and not exists (
    select from billing.credit_notes where invoice_id = invoices.id and created_at > now() - interval '10 minutes'
)
union all
select 'I2', 'pay_' || replace(payments.id::text, '-', ''),
    format('came in %s, went back %s, given away %s', trim_scale(amount), trim_scale(returned_amount), trim_scale(given))
from payments.payments
    join (
        select payment_id, sum(amount) as given
        from (select payment_id, amount from payments.allocations union all select payment_id, amount from payments.credits) as part
        group by payment_id
    ) as part on payment_id = payments.id
    left join (select payment_id, sum(amount) as goodwill from payments.goodwill group by payment_id) as goodwill
        on goodwill.payment_id = payments.id
where status <> 'pending' and given > greatest(coalesce(amount, 0) - returned_amount + coalesce(goodwill, 0), 0)
union all
-- The same money under two payments: all sums agree, and yet it counts twice.
select 'I2', movement, format('counts for %s payments', count(distinct coalesce(merged_into, payments.id)))
from payments.facts join payments.payments on payments.id = payment_id
where payments.proves_money(kind)
group by movement having count(distinct coalesce(merged_into, payments.id)) > 1
union all
select 'I3', 'ltx_' || replace(transaction_id::text, '-', ''), format('%s %s left over', trim_scale(sum(amount)), currency)
from ledger.entries group by transaction_id, currency having sum(amount) <> 0
union all
select 'I3', currency, format('the ledger has %s left over', trim_scale(sum(amount)))
from ledger.entries group by currency having sum(amount) <> 0
limit $1
