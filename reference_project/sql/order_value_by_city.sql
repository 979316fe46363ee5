WITH paid AS (
  SELECT
    order_id,
    SUM(CASE WHEN status = 'captured' THEN amount_cents ELSE 0 END) AS captured,
    SUM(CASE WHEN status = 'refunded' THEN amount_cents ELSE 0 END) AS refunded
  FROM payments
  GROUP BY order_id
)
SELECT
  o.city,
  COUNT(*) AS orders,
  COUNT(CASE WHEN o.status = 'delivered' THEN 1 END) AS delivered,
  CAST(SUM(o.total_cents) AS BIGINT) AS ordered_cents,
  CAST(COALESCE(SUM(p.captured), 0) AS BIGINT) AS captured_cents,
  CAST(COALESCE(SUM(p.refunded), 0) AS BIGINT) AS refunded_cents,
  AVG(o.total_cents) AS avg_order_cents
FROM orders AS o
LEFT JOIN paid AS p ON p.order_id = o.order_id
GROUP BY o.city
