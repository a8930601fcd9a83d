{# The day that the run is for, a date literal. It comes from the run and never from the clock. #}
{% macro run_day() -%}
    {%- set day = env_var('TIDEMILL_DBT_DAY', '') -%}
    {%- if execute and not modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}', day) -%}
        {%- if flags.WHICH in ('run', 'build') -%}
            {{ exceptions.raise_compiler_error("TIDEMILL_DBT_DAY is '" ~ day ~ "': set it to the day that the run is for, as YYYY-MM-DD") }}
        {%- endif -%}
        {%- set day = '1970-01-01' -%}
    {%- endif -%}
    date '{{ day or '1970-01-01' }}'
{%- endmacro %}

{# The id of the run that dbt is called for, a text literal. #}
{% macro run_id() -%}
    '{{ env_var('TIDEMILL_DBT_RUN_ID', 'by hand') | replace("'", "''") }}'
{%- endmacro %}
