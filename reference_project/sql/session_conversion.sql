SELECT
  CAST(started_at AS DATE) AS day,
  city,
  platform,
  COUNT(*) AS sessions,
  COUNT(CASE WHEN converted THEN 1 END) AS converted,
  COUNT(CASE WHEN converted THEN 1 END) / COUNT(*) AS conversion_rate
FROM sessions
GROUP BY CAST(started_at AS DATE), city, platform
