{% if execute %}{{ log('x' * 102400, info=true) }}{% endif %}
select 1 as one
