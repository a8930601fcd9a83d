{{ config(
    materialized = 'table',
    pre_hook = ["{{ lock_gold() }}", "{{ mark_staged() }}"],
) }}

{% set columns %}
    transaction_id, status, amount, currency, customer_id, merchant_id, merchant_category, payment_method, country,
    is_fraud, fraud_score, initiated_at, event_time, processing_date, payload_hash,
    kafka_timestamp, kafka_partition, kafka_offset, load_id
{% endset %}

with candidates as (
    -- What may be new to Gold: the lookback of three days, every load that is not built yet, however old its rows, and every
    -- payment that lost a record.
    {% if stages_everything() %}
    select {{ columns }} from {{ source('bronze', 'transactions') }}
    union all
    -- Payments whose last record was dropped from bronze with its month: Gold is where they are.
    select
        transaction_id, status, amount, currency, customer_id, merchant_id, merchant_category, payment_method, country,
        is_fraud, fraud_score, initiated_at, event_time, processing_date, null::bytea as payload_hash,
        kafka_timestamp, kafka_partition, kafka_offset, null::bigint as load_id
    from {{ source('gold', 'fct_transactions') }}
    where event_time < (select dropped_before from {{ source('metadata', 'bronze_retention') }})
    {% else %}
    select {{ columns }} from {{ source('bronze', 'transactions') }}
    where processing_date between {{ run_day() }} - 3 and {{ run_day() }}
    union all
    select {{ columns }} from {{ source('bronze', 'transactions') }}
    where load_id = any (array(select id from {{ source('metadata', 'loads') }} where built_by is null))
        and processing_date not between {{ run_day() }} - 3 and {{ run_day() }}
    union all
    -- Of a payment that lost a record, all that it has.
    select {{ columns }} from (
        select distinct transaction_id as changed_id from {{ source('metadata', 'payment_changes') }} where built_by is null
    ) as changed
    cross join lateral (
        select * from {{ source('bronze', 'transactions') }} as record
        where record.transaction_id = changed.changed_id
        offset 0 -- one look-up by index for each payment
    ) as of_changed
    where processing_date not between {{ run_day() }} - 3 and {{ run_day() }}
    {% endif %}
),

copies as (
    select *, row_number() over (
        partition by transaction_id, status, event_time, payload_hash
        order by kafka_timestamp desc, kafka_partition desc, kafka_offset desc
    ) as copy
    from candidates
),

-- One of each record that was sent again byte for byte. The key of bronze sees to that as well; either alone would do.
distinct_records as (
    select * from copies where copy = 1
),

places as (
    select *, row_number() over (
        partition by transaction_id
        order by event_time desc, {{ status_rank('status') }} desc, kafka_timestamp desc, kafka_partition desc, kafka_offset desc,
            load_id is null -- what bronze has of a record comes before what Gold has of it
    ) as place
    from distinct_records
)

-- The winner: of each payment's candidates the record that comes last.
select
    transaction_id,
    status,
    amount,
    currency,
    customer_id,
    merchant_id,
    merchant_category,
    payment_method,
    country,
    is_fraud,
    fraud_score,
    initiated_at,
    event_time,
    (initiated_at at time zone 'UTC')::date as transaction_date,
    processing_date,
    kafka_timestamp,
    kafka_partition,
    kafka_offset,
    load_id
from places
where place = 1
