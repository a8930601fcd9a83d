{#
  Only one transaction at a time stages, builds or publishes Gold, so that the ids of stagings and builds commit in
  order. The DAG never runs two dbt at once; a person might.
#}
{% macro lock_gold() -%}
    select pg_advisory_xact_lock(hashtextextended('tidemill gold', 0))
{%- endmacro %}

{#
  Reach big tables by index, row by row, from the few rows that changed. Left to itself the planner, which knows nothing
  yet of a table made a moment ago, reads all of Gold to hash it: the cost of a run would be that of history.
#}
{% macro look_up_by_index() -%}
    set local enable_seqscan = off;
    set local enable_hashjoin = off;
    set local enable_mergejoin = off;
    set local jit = off
{%- endmacro %}
