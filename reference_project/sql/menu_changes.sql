-- An item that is in one snapshot of its restaurant and not in the next was removed on the day of the next.
-- A day for which the restaurant's menu has yet to come says nothing.
WITH days AS (
  SELECT restaurant_id, day, LEAD(day) OVER (PARTITION BY restaurant_id ORDER BY day) AS next_day
  FROM (SELECT DISTINCT restaurant_id, snapshot_date AS day FROM menu_snapshots)
),
listed AS (
  SELECT m.*, d.next_day, LEAD(m.snapshot_date) OVER (PARTITION BY m.item_id ORDER BY m.snapshot_date) AS seen_next
  FROM menu_snapshots AS m
  JOIN days AS d ON d.restaurant_id = m.restaurant_id AND d.day = m.snapshot_date
)
SELECT snapshot_date, restaurant_id, item_id, item_name, price, FALSE AS removed FROM listed
UNION ALL
SELECT next_day, restaurant_id, item_id, item_name, price, TRUE
FROM listed
WHERE next_day IS NOT NULL AND (seen_next IS NULL OR seen_next > next_day)
