-- $1 day: what the rows of a day look like. A rate over nothing is null.
WITH rows AS MATERIALIZED (
    SELECT currency, amount, is_fraud, customer_email, merchant_category, device_type, ip_address, city, country, fraud_score
    FROM bronze.transactions WHERE processing_date = $1
)
SELECT
    count(*),
    count(*) FILTER (WHERE is_fraud),
    count(*) FILTER (WHERE is_fraud)::float8 / nullif(count(*), 0),
    count(*) FILTER (WHERE customer_email IS NULL)::float8 / nullif(count(*), 0),
    count(*) FILTER (WHERE merchant_category IS NULL)::float8 / nullif(count(*), 0),
    count(*) FILTER (WHERE device_type IS NULL)::float8 / nullif(count(*), 0),
    count(*) FILTER (WHERE ip_address IS NULL)::float8 / nullif(count(*), 0),
    count(*) FILTER (WHERE city IS NULL)::float8 / nullif(count(*), 0),
    count(*) FILTER (WHERE country IS NULL)::float8 / nullif(count(*), 0),
    count(*) FILTER (WHERE fraud_score IS NULL)::float8 / nullif(count(*), 0),
    (SELECT coalesce(jsonb_object_agg(currency, total), '{}')
        FROM (SELECT currency, sum(amount)::text AS total FROM rows GROUP BY currency) AS sums)
FROM rows
