{{ config(
    materialized = 'incremental',
    incremental_strategy = 'append',
    on_schema_change = 'fail',
    indexes = [{'columns': ['transaction_date', 'currency'], 'unique': true}],
    pre_hook = ["{{ lock_gold() }}", "{{ look_up_by_index() }}", "{{ take_revenue_changes() }}"],
) }}

-- The hook has emptied the groups that a changed payment is or was in; here they are summed anew, from all of their payments.
select
    transaction_date,
    currency,
    count(*) as transactions,
    count(*) filter (where status = 'PENDING') as pending,
    count(*) filter (where status = 'SUCCESS') as succeeded,
    count(*) filter (where status = 'FAILED') as failed,
    count(*) filter (where status = 'REFUNDED') as refunded,
    coalesce(sum(amount) filter (where status = 'SUCCESS'), 0)::numeric(38, 2) as gross_amount,
    coalesce(sum(amount) filter (where status = 'REFUNDED'), 0)::numeric(38, 2) as refunded_amount,
    count(*) filter (where is_fraud) as fraud_count
from {{ ref('fct_transactions') }}
{% if is_incremental() %}
where (transaction_date, currency) in (
    select transaction_date, currency from {{ source('metadata', 'revenue_changes') }}
)
{% endif %}
group by transaction_date, currency
