SELECT id, shop, owner, amount, round(amount * 1.18, 2) AS taxed FROM df
