{#
  Whether all of bronze is to be staged: for a full refresh, and when there is no fct_transactions to add to.
#}
{% macro stages_everything() -%}
    {%- set fct = adapter.get_relation(database=target.database, schema='gold_build', identifier='fct_transactions') if execute -%}
    {{ return(should_full_refresh() or fct is none) }}
{%- endmacro %}

{# Before stg_transactions, in its transaction: mark the loads that it takes. #}
{% macro mark_staged() -%}
    with staging as (
        insert into {{ source('metadata', 'stagings') }} (run_id, day, everything)
        values ({{ run_id() }}, {{ run_day() }}, {{ stages_everything() }})
        returning id
    )
    update {{ source('metadata', 'loads') }} set staged_by = staging.id from staging where built_by is null
{%- endmacro %}
