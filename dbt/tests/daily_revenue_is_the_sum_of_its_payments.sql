-- Daily revenue equals what its payments sum up to, for each date that this run touched.
with dates as (
    select transaction_date from {{ ref('fct_transactions') }} where build_id = {{ build_id() }}
    union
    select previous_transaction_date from {{ ref('fct_transactions') }}
    where build_id = {{ build_id() }} and previous_transaction_date is not null
    union
    select transaction_date from {{ ref('stg_transactions') }}
),

held as (
    select transaction_date, currency, transactions, pending, succeeded, failed, refunded, gross_amount, refunded_amount, fraud_count
    from {{ ref('fct_daily_revenue') }}
    where transaction_date in (select transaction_date from dates)
),

summed as (
    select
        transaction_date,
        currency,
        count(*) as transactions,
        sum(case when status = 'PENDING' then 1 else 0 end) as pending,
        sum(case when status = 'SUCCESS' then 1 else 0 end) as succeeded,
        sum(case when status = 'FAILED' then 1 else 0 end) as failed,
        sum(case when status = 'REFUNDED' then 1 else 0 end) as refunded,
        sum(case when status = 'SUCCESS' then amount else 0.00 end) as gross_amount,
        sum(case when status = 'REFUNDED' then amount else 0.00 end) as refunded_amount,
        sum(case when is_fraud then 1 else 0 end) as fraud_count
    from {{ ref('fct_transactions') }}
    where transaction_date in (select transaction_date from dates)
    group by transaction_date, currency
)

(select 'held' as side, * from held except select 'held', * from summed)
union all
(select 'summed', * from summed except select 'summed', * from held)
