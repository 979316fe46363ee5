-- A step has been reached by every session that came as far or further.
WITH steps AS (
  SELECT 1 AS step_number, 'visit' AS step
  UNION ALL SELECT 2, 'menu'
  UNION ALL SELECT 3, 'cart'
  UNION ALL SELECT 4, 'checkout'
  UNION ALL SELECT 5, 'purchase'
),
ends AS (
  SELECT CAST(started_at AS DATE) AS day, city, furthest_step, COUNT(*) AS sessions
  FROM sessions
  GROUP BY CAST(started_at AS DATE), city, furthest_step
),
reached AS (
  SELECT
    e.day,
    e.city,
    CAST(s.step_number AS BIGINT) AS step_number,
    s.step,
    CAST(SUM(CASE WHEN e.furthest_step >= s.step_number THEN e.sessions ELSE 0 END) AS BIGINT) AS sessions
  FROM ends AS e
  CROSS JOIN steps AS s
  GROUP BY e.day, e.city, s.step_number, s.step
)
SELECT
  *,
  sessions / MAX(sessions) OVER (PARTITION BY day, city) AS of_visits,
  sessions / NULLIF(LAG(sessions) OVER (PARTITION BY day, city ORDER BY step_number), 0) AS of_previous
FROM reached
