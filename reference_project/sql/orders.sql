-- The database keeps times as text (UTC).
SELECT
  o.order_id, o.user_id, o.restaurant_id, r.city, r.neighbourhood AS restaurant_neighbourhood, o.status,
  CAST(o.placed_at AS TIMESTAMP) AS placed_at,
  CAST(o.accepted_at AS TIMESTAMP) AS accepted_at,
  CAST(o.picked_up_at AS TIMESTAMP) AS picked_up_at,
  CAST(o.delivered_at AS TIMESTAMP) AS delivered_at,
  CAST(o.cancelled_at AS TIMESTAMP) AS cancelled_at,
  o.items_cents, o.delivery_fee_cents, o.total_cents
FROM orders AS o
LEFT JOIN restaurants AS r ON r.restaurant_id = o.restaurant_id
