{{ config(tags=['broken']) }}
select id / {{ env_var('TINY_DIVISOR', '0') }} as id from {{ ref('base') }}
