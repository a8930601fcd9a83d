-- What was seen, of each kind and currency.
SELECT
    in_lake, in_bronze, in_rejected, loaded, load_due, replaced, expired, same, event, gold, gold_same, built, build_due,
    lake_currency, bronze_currency, gold_currency, count(*),
    coalesce(sum(lake_amount) * 100, 0)::numeric(60, 0)::text, coalesce(sum(bronze_amount) * 100, 0)::numeric(60, 0)::text,
    coalesce(sum(gold_amount) * 100, 0)::numeric(60, 0)::text
FROM sighted
GROUP BY in_lake, in_bronze, in_rejected, loaded, load_due, replaced, expired, same, event, gold, gold_same, built, build_due,
    lake_currency, bronze_currency, gold_currency
