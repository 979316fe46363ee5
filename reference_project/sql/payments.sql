-- Whether the order exists decides in the validation.
SELECT
  p.payment_id, p.order_id, p.attempt, p.method, p.status, p.amount_cents,
  CAST(p.created_at AS TIMESTAMP) AS created_at,
  o.order_id IS NOT NULL AS order_known
FROM payments AS p
LEFT JOIN orders AS o ON o.order_id = p.order_id
