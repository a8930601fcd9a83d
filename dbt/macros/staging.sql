{#
  Whether all of bronze is to be staged: for a full refresh, and when there is no fct_transactions to add to.
#}
{% macro stages_everything() -%}
    {%- set fct = adapter.get_relation(database=target.database, schema='gold_build', identifier='fct_transactions') if execute -%}
    {{ return(should_full_refresh() or fct is none) }}
{%- endmacro %}

{# Before stg_transactions, in its transaction: mark the loads, and the changed payments, that it takes. #}
{% macro mark_staged() -%}
    with staging as (
        insert into {{ source('metadata', 'stagings') }} (run_id, day, everything)
        values ({{ run_id() }}, {{ run_day() }}, {{ stages_everything() }})
        returning id
    ),
    changes as (
        update {{ source('metadata', 'payment_changes') }} set staged_by = staging.id from staging where built_by is null
    )
    update {{ source('metadata', 'loads') }} set staged_by = staging.id from staging where built_by is null
{%- endmacro %}

{#
  The payments that a load has taken records of out of bronze since they were built, as a replay of a day does, and that the
  latest run of stg_transactions took, with all of the records that they have now.
#}
{% macro changed_payments() -%}
    (
        select transaction_id from {{ source('metadata', 'payment_changes') }}
        where staged_by = (select max(id) from {{ source('metadata', 'stagings') }})
    )
{%- endmacro %}
