-- Each event with the person behind its session.
SELECT i.person_id, e.event_id, e.ts, e.event_type, e.city, e.platform, e.device_id
FROM events AS e
JOIN identities AS i ON i.node = e.session_id
