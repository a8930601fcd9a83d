{#
  Before fct_transactions, in its transaction: open a build, and mark the loads and the changed payments that stg_transactions
  holds as built. They happen together or not at all.
#}
{% macro mark_built() -%}
    {%- if not is_incremental() -%}
        {%- set latest -%}
            select everything from {{ source('metadata', 'stagings') }} order by id desc limit 1
        {%- endset -%}
        {%- set rows = run_query(latest).rows if execute else [] -%}
        {%- if execute and not (rows and rows[0][0]) -%}
            {{ exceptions.raise_compiler_error("fct_transactions is to be built from scratch, and stg_transactions holds only what was new: run both, with --full-refresh --select +fct_transactions+") }}
        {%- endif -%}
    {%- endif -%}
    with build as (
        insert into {{ source('metadata', 'builds') }} (staging_id, run_id, day, from_scratch)
        select id, {{ run_id() }}, {{ run_day() }}, {{ not is_incremental() }}
        from {{ source('metadata', 'stagings') }} order by id desc limit 1
        returning id, staging_id
    ),
    changes as (
        update {{ source('metadata', 'payment_changes') }} set built_by = build.id
        from build where staged_by = build.staging_id and built_by is null
    )
    update {{ source('metadata', 'loads') }} set built_by = build.id
    from build where staged_by = build.staging_id and built_by is null
{%- endmacro %}

{# The build that is open, or the last one. #}
{% macro build_id() -%}
    (select max(id) from {{ source('metadata', 'builds') }})
{%- endmacro %}

{#
  Before fct_transactions, in its transaction: a payment that has no record any more has no row; note the group that it was in.
#}
{% macro remove_payments() -%}
    with gone as (
        delete from {{ this }} as held
        using (
            select transaction_id from {{ changed_payments() }} as changes
            except
            select transaction_id from {{ ref('stg_transactions') }}
        ) as without_record
        where held.transaction_id = without_record.transaction_id
        returning held.transaction_date, held.currency
    )
    insert into {{ source('metadata', 'revenue_changes') }} (transaction_date, currency)
    select distinct transaction_date, currency from gone
{%- endmacro %}

{# After fct_transactions, in its transaction: note the groups that a changed payment is or was in. #}
{% macro note_revenue_changes() -%}
    insert into {{ source('metadata', 'revenue_changes') }} (transaction_date, currency)
    select transaction_date, currency from {{ this }} where build_id = {{ build_id() }}
    union
    select previous_transaction_date, previous_currency from {{ this }}
    where build_id = {{ build_id() }} and previous_currency is not null
    {%- if not is_incremental() %}
    union
    select transaction_date, currency from {{ source('gold', 'fct_daily_revenue') }}
    {%- endif %}
{%- endmacro %}

{# Before fct_daily_revenue, in its transaction: take the groups that changed, and empty them. #}
{% macro take_revenue_changes() -%}
    {%- if is_incremental() %}
    delete from {{ this }} as old
    using (select distinct transaction_date, currency from {{ source('metadata', 'revenue_changes') }}) as changed
    where old.transaction_date = changed.transaction_date and old.currency = changed.currency;
    {%- else %}
    insert into {{ source('metadata', 'revenue_changes') }} (transaction_date, currency)
    select transaction_date, currency from {{ source('gold', 'fct_daily_revenue') }}
    union
    select transaction_date, currency from {{ ref('fct_transactions') }};
    {%- endif %}
    update {{ source('metadata', 'revenue_changes') }} set summed = true where not summed
{%- endmacro %}
