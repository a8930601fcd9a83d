-- The row of a payment that this run changed is one of its records in bronze, unchanged, unless that was dropped with its month.
select winner.transaction_id
from {{ ref('fct_transactions') }} as winner
where winner.build_id = {{ build_id() }}
    and winner.event_time >= coalesce((select dropped_before from {{ source('metadata', 'bronze_retention') }}), '-infinity')
    and not exists (
        select from {{ source('bronze', 'transactions') }} as record
        where record.transaction_id = winner.transaction_id
            and record.status = winner.status
            and record.event_time = winner.event_time
            and record.kafka_timestamp >= winner.kafka_timestamp
            and (record.amount, record.currency, record.customer_id, record.merchant_id, record.initiated_at)
            = (winner.amount, winner.currency, winner.customer_id, winner.merchant_id, winner.initiated_at)
    )
