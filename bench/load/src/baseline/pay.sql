-- Sells the seats of a reservation that the caller has locked: order, payment, tickets, ledger.
-- Says how many seats were sold; the caller rolls back if it is not all of them.
WITH sold AS (
    UPDATE seat SET order_id = $1, held_until = 0
    WHERE event_no = $3 AND seat_idx = ANY($4) AND reservation_id = $1 AND order_id IS NULL
    RETURNING seat_idx, price
), done AS (
    UPDATE reservation SET confirmed = true WHERE reservation_id = $1
), ordered AS (
    INSERT INTO orders (order_id, account_id, event_no, state, method, token, amount, currency,
        created_at)
    VALUES ($1, $2, $3, 'paid', $5, $6, $7, $8, $9)
), paid AS (
    INSERT INTO payment_attempt (order_id, attempt, provider_id, state, created_at)
    VALUES ($1, 1, $10, 'captured', $9)
), issued AS (
    INSERT INTO ticket (order_id, line, event_no, seat_idx, price, code, issued_at)
    SELECT $1, line - 1, $3, seat, price, code, $9
    FROM unnest($4, $11::TEXT[]) WITH ORDINALITY AS l(seat, code, line)
        JOIN sold ON seat_idx = seat
), booked AS (
    INSERT INTO ledger_transaction (order_id, kind, at)
    VALUES ($1, 'sale', $9), ($1, 'capture', $9)
), entered AS (
    INSERT INTO ledger_entry (order_id, kind, account, amount, currency)
    VALUES ($1, 'sale', 'fan_receivable', $7, $8), ($1, 'sale', 'promoter_payable', -$7, $8),
        ($1, 'capture', 'provider_clearing', $7, $8), ($1, 'capture', 'fan_receivable', -$7, $8)
)
SELECT count(*) FROM sold
