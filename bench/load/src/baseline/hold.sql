-- Takes the named seats if all are free, and keeps reservation and key with them; else the caller
-- rolls back.
WITH taken AS (
    UPDATE seat SET reservation_id = $1, held_until = $5
    WHERE event_no = $3 AND seat_idx = ANY($4) AND order_id IS NULL AND held_until < $6
    RETURNING price
), whole AS (
    SELECT count(*) = cardinality($4::INT[]) AS is_whole, sum(price)::BIGINT AS total FROM taken
), held AS (
    INSERT INTO reservation (reservation_id, account_id, event_no, seats, total, currency,
        expires_at, created_at)
    SELECT $1, $2, $3, $4, total, $7, $5, $6 FROM whole WHERE is_whole
), keyed AS (
    INSERT INTO idempotency (account_id, key, fingerprint, reservation_id, created_at)
    SELECT $2, $8, $9, $1, $6 FROM whole WHERE is_whole AND $8::TEXT IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING 1
)
SELECT is_whole AND ($8::TEXT IS NULL OR EXISTS (SELECT 1 FROM keyed)) FROM whole
