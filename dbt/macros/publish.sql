{# The columns that readers of gold.fct_transactions see, in order. #}
{% macro published_columns() -%}
    {{ return([
        'transaction_id', 'status', 'amount', 'currency', 'customer_id', 'merchant_id', 'merchant_category',
        'payment_method', 'country', 'is_fraud', 'fraud_score', 'initiated_at', 'event_time', 'transaction_date',
        'processing_date', 'kafka_timestamp', 'kafka_partition', 'kafka_offset',
    ]) }}
{%- endmacro %}

{# What a record says of its payment, to be compared as a row. #}
{% macro facts(record) -%}
    {%- for column in published_columns() -%}{{ record }}.{{ column }}{{ ', ' if not loop.last }}{%- endfor -%}
{%- endmacro %}

{# The last build that readers see; 0 when there is none. #}
{% macro published_build() -%}
    (select coalesce(max(build_id), 0) from {{ source('metadata', 'gold_publications') }})
{%- endmacro %}

{#
  Carry what changed since the last publication from gold_build to gold. It runs in the transaction of publish_gold:
  a reader sees the Gold of one run, and what depends on the tables of gold stays.
#}
{% macro publish() -%}
    {%- set state -%}
        select
            (select count(*) from {{ source('metadata', 'revenue_changes') }} where not summed),
            (select count(*) from {{ source('metadata', 'builds') }} where from_scratch and id > {{ published_build() }})
    {%- endset -%}
    {%- set row = run_query(state).rows[0] if execute else [0, 0] -%}
    {%- if row[0] > 0 -%}
        {{ exceptions.raise_compiler_error("fct_transactions has changed " ~ row[0] ~ " groups that fct_daily_revenue has not summed: run --select fct_daily_revenue+") }}
    {%- endif -%}
    {%- set columns = published_columns() -%}
    insert into {{ source('gold', 'fct_transactions') }} as published ({{ columns | join(', ') }})
    select {{ columns | join(', ') }} from {{ ref('fct_transactions') }} where build_id > {{ published_build() }}
    on conflict (transaction_id) do update set
    {%- for column in columns[1:] %}
        {{ column }} = excluded.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %};
    delete from {{ source('gold', 'fct_transactions') }} as published
    using (
        select distinct transaction_id from {{ source('metadata', 'payment_changes') }} where built_by > {{ published_build() }}
    ) as changed
    where published.transaction_id = changed.transaction_id
        and not exists (select from {{ ref('fct_transactions') }} as built where built.transaction_id = changed.transaction_id);
    {%- if row[1] > 0 %}
    delete from {{ source('gold', 'fct_transactions') }} as published
    where not exists (select from {{ ref('fct_transactions') }} as built where built.transaction_id = published.transaction_id);
    {%- endif %}
    delete from {{ source('gold', 'fct_daily_revenue') }} as published
    using (select distinct transaction_date, currency from {{ source('metadata', 'revenue_changes') }}) as changed
    where published.transaction_date = changed.transaction_date and published.currency = changed.currency;
    insert into {{ source('gold', 'fct_daily_revenue') }}
        (transaction_date, currency, transactions, pending, succeeded, failed, refunded, gross_amount, refunded_amount, fraud_count)
    select transaction_date, currency, transactions, pending, succeeded, failed, refunded, gross_amount, refunded_amount, fraud_count
    from {{ ref('fct_daily_revenue') }}
    inner join (select distinct transaction_date, currency from {{ source('metadata', 'revenue_changes') }}) as changed
        using (transaction_date, currency);
    delete from {{ source('metadata', 'payment_changes') }} where built_by is not null;
    delete from {{ source('metadata', 'revenue_changes') }}
{%- endmacro %}
