WITH located AS (
  SELECT order_id, zone_id, ROW_NUMBER() OVER (PARTITION BY order_id ORDER BY ts DESC) AS from_end
  FROM pings
  WHERE lat IS NOT NULL AND lon IS NOT NULL
),
doors AS (
  SELECT order_id, zone_id FROM located WHERE from_end = 1
)
SELECT
  o.city,
  COALESCE(z.neighbourhood, 'outside the zones') AS neighbourhood,
  HOUR(o.placed_at) AS hour,
  COUNT(*) AS orders,
  AVG(DATE_DIFF('second', o.placed_at, o.delivered_at)) / 60 AS avg_minutes
FROM orders AS o
LEFT JOIN doors AS d ON d.order_id = o.order_id
LEFT JOIN zones AS z ON z.zone_id = d.zone_id
WHERE o.delivered_at IS NOT NULL
GROUP BY o.city, COALESCE(z.neighbourhood, 'outside the zones'), HOUR(o.placed_at)
