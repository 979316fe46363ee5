-- An item that is in one snapshot and not in the next was removed on the day of the next.
WITH days AS (
  SELECT day, LEAD(day) OVER (ORDER BY day) AS next_day
  FROM (SELECT DISTINCT snapshot_date AS day FROM menu_snapshots)
),
listed AS (
  SELECT m.*, d.next_day, LEAD(m.snapshot_date) OVER (PARTITION BY m.item_id ORDER BY m.snapshot_date) AS seen_next
  FROM menu_snapshots AS m
  JOIN days AS d ON d.day = m.snapshot_date
)
SELECT snapshot_date, restaurant_id, item_id, item_name, price, FALSE AS removed FROM listed
UNION ALL
SELECT next_day, restaurant_id, item_id, item_name, price, TRUE
FROM listed
WHERE next_day IS NOT NULL AND (seen_next IS NULL OR seen_next > next_day)
