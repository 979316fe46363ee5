-- df: silver.orders with the keys of its dimensions, whose columns needn't be here again.
SELECT
  order_id, date_sk, restaurant_sk, customer_sk, placed_at, status,
  items_cents, delivery_fee_cents, total_cents,
  DATE_DIFF('second', placed_at, delivered_at) / 60 AS minutes_to_door
FROM df
