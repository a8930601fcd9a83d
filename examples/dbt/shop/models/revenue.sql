select placed_on, '{{ env_var("SHOP_CURRENCY", "EUR") }}' as currency, count(*) as orders, sum(amount)::numeric(18, 2) as revenue
from {{ ref('orders_clean') }}
group by placed_on
