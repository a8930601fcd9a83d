{{ config(tags=['slow']) }}
select pg_sleep(60)::text as nothing
