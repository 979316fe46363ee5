-- The nested parts become columns.
SELECT
  event_id, event_type, ts, received_at, session_id, cookie_id, device_id, user_id, restaurant_id, item_id,
  platform, app_version, geo.lat AS lat, geo.lon AS lon, city, props.referrer AS referrer, props.ab AS ab,
  props.query AS search_query, props.order_id AS order_id, consent
FROM df
