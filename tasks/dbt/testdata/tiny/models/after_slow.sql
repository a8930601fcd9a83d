{{ config(tags=['slow']) }}
select * from {{ ref('slow') }}
