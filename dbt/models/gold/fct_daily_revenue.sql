{{ config(
    materialized = 'incremental',
    incremental_strategy = 'append',
    on_schema_change = 'fail',
    indexes = [{'columns': ['transaction_date', 'currency'], 'unique': true}],
    pre_hook = ["{{ lock_gold() }}", "{{ look_up_by_index() if is_incremental() }}", "{{ take_revenue_changes() }}"],
) }}

-- The hook has emptied the groups that a changed payment is or was in; here they are summed anew, from all of their payments.
select
    payment.transaction_date,
    payment.currency,
    count(*) as transactions,
    count(*) filter (where payment.status = 'PENDING') as pending,
    count(*) filter (where payment.status = 'SUCCESS') as succeeded,
    count(*) filter (where payment.status = 'FAILED') as failed,
    count(*) filter (where payment.status = 'REFUNDED') as refunded,
    coalesce(sum(payment.amount) filter (where payment.status = 'SUCCESS'), 0)::numeric(38, 2) as gross_amount,
    coalesce(sum(payment.amount) filter (where payment.status = 'REFUNDED'), 0)::numeric(38, 2) as refunded_amount,
    count(*) filter (where payment.is_fraud) as fraud_count
{% if is_incremental() %}
from (select distinct transaction_date, currency from {{ source('metadata', 'revenue_changes') }}) as changed
inner join lateral (
    select * from {{ ref('fct_transactions') }} as of_group
    where of_group.transaction_date = changed.transaction_date and of_group.currency = changed.currency
    offset 0 -- one look-up by index for each group
) as payment on true
{% else %}
from {{ ref('fct_transactions') }} as payment
{% endif %}
group by payment.transaction_date, payment.currency
