-- Notes a payment of a reservation that can be paid; a repetition notes nothing.
INSERT INTO payment_attempt (order_id, attempt, provider_id, state, created_at)
SELECT $1, 1, $4, 'created', $3 FROM reservation
WHERE reservation_id = $1 AND account_id = $2 AND NOT confirmed AND $3 <= expires_at
ON CONFLICT (order_id, attempt) DO NOTHING
