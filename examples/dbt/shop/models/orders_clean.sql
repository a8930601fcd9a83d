select id, placed_on::date as placed_on, customer, cents / 100.0 as amount
from {{ ref('orders') }}
where cents > 0
