-- One row a session; city and platform are those it begins with. Steps: visit, menu, cart, checkout, purchase.
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
  ARG_MIN(city, (ts, event_id)) AS city,
  ARG_MIN(platform, (ts, event_id)) AS platform
FROM df
GROUP BY session_key, person_id
