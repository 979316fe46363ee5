SELECT
  CAST(started_at AS DATE) AS day,
  city,
  COUNT(*) AS sessions,
  COUNT(CASE WHEN events = 1 THEN 1 END) AS bounced,
  COUNT(CASE WHEN events = 1 THEN 1 END) / COUNT(*) AS bounce_rate
FROM sessions
GROUP BY CAST(started_at AS DATE), city
