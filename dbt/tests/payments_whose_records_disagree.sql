{{ config(severity = 'warn') }}
-- Payments, of those that this run touched, whose records do not agree on initiated_at or currency. The winner's count.
select
    record.transaction_id,
    min(record.initiated_at) as earliest_initiated_at,
    max(record.initiated_at) as latest_initiated_at,
    array_agg(distinct record.currency) as currencies
from {{ source('bronze', 'transactions') }} as record
inner join {{ ref('stg_transactions') }} as staged on staged.transaction_id = record.transaction_id
group by record.transaction_id
having min(record.initiated_at) <> max(record.initiated_at) or min(record.currency) <> max(record.currency)
