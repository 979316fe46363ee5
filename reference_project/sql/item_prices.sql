-- df: every price there ever was, beside the day that is asked for.
SELECT
  past.item_id,
  past.item_name,
  past.restaurant_id,
  r.name AS restaurant,
  r.city,
  past.price_day,
  past.price AS price_then,
  present.price AS price_today,
  present.price - past.price AS change
FROM df AS past
LEFT JOIN menu_history AS present ON present.item_id = past.item_id AND present.is_current
JOIN restaurants AS r ON r.restaurant_id = past.restaurant_id
WHERE CAST(past.valid_from AS DATE) <= past.price_day
  AND (past.valid_to IS NULL OR CAST(past.valid_to AS DATE) > past.price_day)
