{{ config(
    materialized = 'incremental',
    incremental_strategy = 'merge',
    unique_key = 'transaction_id',
    on_schema_change = 'fail',
    indexes = [
        {'columns': ['transaction_id'], 'unique': true},
        {'columns': ['transaction_date', 'currency']},
        {'columns': ['build_id']},
    ],
    pre_hook = [
        "{{ lock_gold() }}",
        "{{ look_up_by_index() if is_incremental() }}",
        "{{ mark_built() }}",
        "{{ remove_payments() if is_incremental() }}",
    ],
    post_hook = "{{ note_revenue_changes() }}",
) }}

select
    candidate.transaction_id,
    candidate.status,
    candidate.amount,
    candidate.currency,
    candidate.customer_id,
    candidate.merchant_id,
    candidate.merchant_category,
    candidate.payment_method,
    candidate.country,
    candidate.is_fraud,
    candidate.fraud_score,
    candidate.initiated_at,
    candidate.event_time,
    candidate.transaction_date,
    candidate.processing_date,
    candidate.kafka_timestamp,
    candidate.kafka_partition,
    candidate.kafka_offset,
    {{ build_id() }} as build_id,
    {% if is_incremental() %}
    held.transaction_date as previous_transaction_date,
    held.currency as previous_currency
from {{ ref('stg_transactions') }} as candidate
left join lateral (
    select * from {{ this }} as row_held
    where row_held.transaction_id = candidate.transaction_id
    limit 1 -- one look-up by index for each candidate
) as held on true
-- The guard, which the generated MERGE has not: what comes earlier in the order than the row held never replaces it, unless the
-- payment lost a record: then the candidate is the last of all that it has now. The very record of the row held may read otherwise
-- since its day was replayed.
where held.transaction_id is null
    or {{ record_order('candidate') }} > {{ record_order('held') }}
    or (
        (
            {{ record_order('candidate') }} = {{ record_order('held') }}
            or exists (select from {{ changed_payments() }} as changed where changed.transaction_id = candidate.transaction_id)
        )
        and ({{ facts('candidate') }}) is distinct from ({{ facts('held') }})
    )
    {% else %}
    null::date as previous_transaction_date,
    null::text as previous_currency
from {{ ref('stg_transactions') }} as candidate
    {% endif %}
