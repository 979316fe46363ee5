SELECT
    CAST(o.ordered_at AS DATE) AS ordered_on,
    c.city,
    count(*) AS orders,
    sum(o.amount) AS revenue
FROM orders AS o
JOIN customers AS c USING (customer_id)
WHERE o.status = 'delivered'
GROUP BY ordered_on, c.city
ORDER BY ordered_on, c.city
