select id, amount from {{ ref('numbers') }}
