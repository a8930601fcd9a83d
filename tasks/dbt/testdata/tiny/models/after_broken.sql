{{ config(tags=['broken']) }}
select * from {{ ref('broken') }}
