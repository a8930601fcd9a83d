select '{{ run_day() }}'::date as day
