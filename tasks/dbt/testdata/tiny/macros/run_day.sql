{# The day of the run, read when the model is executed and not when the project is parsed. #}
{% macro run_day() %}{{ return(env_var('TIDEMILL_DBT_DAY', '1970-01-01')) }}{% endmacro %}
