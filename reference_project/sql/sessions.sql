-- One row a session; city and platform are those it begins with.
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
  MAX(CASE WHEN nth = 1 THEN city END) AS city,
  MAX(CASE WHEN nth = 1 THEN platform END) AS platform
FROM numbered
GROUP BY session_key, person_id
