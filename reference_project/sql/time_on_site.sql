WITH lengths AS (
  SELECT *, DATE_DIFF('millisecond', started_at, ended_at) AS milliseconds FROM sessions
)
SELECT
  CAST(started_at AS DATE) AS day,
  city,
  COUNT(*) AS sessions,
  AVG(milliseconds) / 60000 AS avg_minutes,
  MAX(milliseconds) / 60000 AS longest_minutes,
  AVG(events) AS avg_events
FROM lengths
GROUP BY CAST(started_at AS DATE), city
