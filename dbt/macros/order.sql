{# PENDING < SUCCESS = FAILED < REFUNDED: which of two records of one payment with the same event_time is the later. #}
{% macro status_rank(status) -%}
    case {{ status }} when 'PENDING' then 0 when 'REFUNDED' then 2 else 1 end
{%- endmacro %}

{# The order of a payment's records, to be compared as a row; the greatest is the winner. #}
{% macro record_order(record) -%}
    ({{ record }}.event_time, {{ status_rank(record ~ '.status') }}, {{ record }}.kafka_timestamp, {{ record }}.kafka_partition, {{ record }}.kafka_offset)
{%- endmacro %}
