{# A hook that fails where TINY_END asks for it. #}
{% macro end_of_run() %}{% if env_var('TINY_END', '') == 'fail' %}select 1/0{% endif %}{% endmacro %}
