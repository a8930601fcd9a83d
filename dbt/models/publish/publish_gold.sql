{{ config(
    materialized = 'incremental',
    alias = 'gold_publications',
    incremental_strategy = 'merge',
    unique_key = 'build_id',
    merge_update_columns = ['published_at'],
    on_schema_change = 'fail',
    full_refresh = false,
    pre_hook = ["{{ lock_gold() }}", "{{ look_up_by_index() }}", "{{ publish() }}"],
) }}

-- depends_on: {{ ref('fct_transactions') }}
-- depends_on: {{ ref('fct_daily_revenue') }}

-- The hook carries both tables over; the row says whose Gold it is. All of it is one transaction.
select
    build.id as build_id,
    build.run_id,
    build.day,
    (
        select count(*) from {{ ref('fct_transactions') }}
        where build_id > {{ published_build() }}
    ) as transactions,
    now() as published_at
from {{ source('metadata', 'builds') }} as build
where build.id = {{ build_id() }}
