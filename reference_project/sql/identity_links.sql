-- Edges of the identity graph. A device with more than eight cookies is public (a kiosk, a hotel) and links nobody.
WITH seen AS (
  SELECT DISTINCT session_id, cookie_id, device_id, user_id FROM events
),
private_devices AS (
  SELECT device_id FROM seen GROUP BY device_id HAVING COUNT(DISTINCT cookie_id) <= 8
)
SELECT DISTINCT session_id AS a, cookie_id AS b FROM seen
UNION ALL
SELECT DISTINCT s.cookie_id, s.device_id FROM seen AS s JOIN private_devices AS p ON p.device_id = s.device_id
UNION ALL
SELECT DISTINCT session_id, user_id FROM seen WHERE user_id IS NOT NULL
