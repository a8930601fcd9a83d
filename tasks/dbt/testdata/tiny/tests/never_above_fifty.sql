{{ config(tags=['failing']) }}
select * from {{ ref('doubled') }} where amount > 50
