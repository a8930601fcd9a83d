-- What readers see is what was built, in the run's lookback and in every group of daily revenue.
{% set columns = published_columns() | join(', ') %}
with built as (
    select {{ columns }} from {{ ref('fct_transactions') }}
    where processing_date between {{ run_day() }} - 3 and {{ run_day() }}
        and build_id <= {{ published_build() }}
),

published as (
    select {{ columns }} from {{ source('gold', 'fct_transactions') }}
    where processing_date between {{ run_day() }} - 3 and {{ run_day() }}
),

revenue_built as (
    select * from {{ ref('fct_daily_revenue') }}
),

revenue_published as (
    select * from {{ source('gold', 'fct_daily_revenue') }}
)

select 'transaction not as built' as problem, transaction_id as what from (select * from published except select * from built) as differs
union all
select 'transaction not published', transaction_id from (select * from built except select * from published) as differs
union all
select 'revenue not as built', transaction_date || ' ' || currency from (select * from revenue_published except select * from revenue_built) as differs
union all
select 'revenue not published', transaction_date || ' ' || currency from (select * from revenue_built except select * from revenue_published) as differs
-- depends_on: {{ ref('publish_gold') }}
