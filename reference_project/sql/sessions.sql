-- One row a session; city and platform are those it begins with. Steps: visit, menu, cart, checkout, purchase.
WITH numbered AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY session_key ORDER BY ts, event_id) AS nth FROM df
)
SELECT
  session_key,
  person_id,
  MIN(ts) AS started_at,
  MAX(ts) AS ended_at,
  COUNT(*) AS events,
  COUNT(DISTINCT device_id) AS devices,
  BOOL_OR(event_type = 'purchase') AS converted,
  CAST(MAX(CASE event_type
    WHEN 'purchase' THEN 5
    WHEN 'begin_checkout' THEN 4
    WHEN 'add_to_cart' THEN 3
    WHEN 'view_item' THEN 2
    WHEN 'view_menu' THEN 2
    ELSE 1 END) AS BIGINT) AS furthest_step,
  MAX(CASE WHEN nth = 1 THEN city END) AS city,
  MAX(CASE WHEN nth = 1 THEN platform END) AS platform
FROM numbered
GROUP BY session_key, person_id
