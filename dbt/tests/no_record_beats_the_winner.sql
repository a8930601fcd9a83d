-- Of a payment that this run touched no record in bronze comes later in the order than its row in Gold, unless it came
-- to bronze after the run had read it.
select
    record.transaction_id,
    record.status,
    record.event_time,
    record.kafka_partition,
    record.kafka_offset
from {{ ref('stg_transactions') }} as staged
inner join {{ ref('fct_transactions') }} as winner on winner.transaction_id = staged.transaction_id
inner join {{ source('bronze', 'transactions') }} as record on record.transaction_id = staged.transaction_id
inner join {{ source('metadata', 'loads') }} as load on load.id = record.load_id and load.built_by is not null
where {{ record_order('record') }} > {{ record_order('winner') }}
