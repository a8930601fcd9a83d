-- $1, $2, $3 keys of events: the places, from 0, of those that are in the table. OFFSET 0 has each looked up by index.
SELECT k.n - 1
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS k (transaction_id, status, event_time, n)
CROSS JOIN LATERAL (
    SELECT FROM %s AS t WHERE (t.transaction_id, t.status, t.event_time) = (k.transaction_id, k.status, k.event_time) OFFSET 0
) AS there
ORDER BY k.n
