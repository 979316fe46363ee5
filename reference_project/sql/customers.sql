-- What hashing left of names is of no use here.
SELECT user_id, city, CAST(created_at AS TIMESTAMP) AS customer_since FROM customers
