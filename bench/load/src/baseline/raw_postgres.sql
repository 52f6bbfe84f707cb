-- Orders as settlement leaves them once they are sold and captured, many in one statement. Tables,
-- indexes, references and triggers are settlement's own.
WITH o AS (
    SELECT * FROM unnest($1::UUID[], $2::UUID[], $3::BIGINT[], $4::INT[], $5::INT[])
        AS o(order_id, command_id, amount, first_seat, places)
), line AS (
    SELECT o.order_id, o.amount / o.places AS price, n - 1 AS line, o.first_seat + n - 1 AS seat
    FROM o, generate_series(1, o.places) AS n
), ordered AS (
    INSERT INTO orders (order_id, event_id, account_id, state, attempt, method, token, amount,
        currency, line_seat, line_area, line_level, line_price, payment_deadline, created_at,
        updated_at, sold_at, captured_at, todo, lease_until)
    SELECT o.order_id, $6, o.order_id, 'paid', 1, 'CREDIT_CARD', 'tok_ok', o.amount, 'EUR',
        ARRAY(SELECT generate_series(o.first_seat, o.first_seat + o.places - 1)),
        array_fill(-1, ARRAY[o.places]), array_fill(0, ARRAY[o.places]),
        array_fill(o.amount / o.places, ARRAY[o.places]), $7, $7, $7, $7, $7, false, $7
    FROM o
), attempted AS (
    INSERT INTO payment_attempt (order_id, attempt, provider, provider_id, amount, currency,
        created_at)
    SELECT order_id, 1, 'sandbox', 'pay_' || order_id, amount, 'EUR', $7 FROM o
), claimed AS (
    INSERT INTO live_seat (event_id, seat_idx, order_id, line)
    SELECT $6, seat, order_id, line FROM line
), issued AS (
    INSERT INTO ticket (order_id, line, event_id, account_id, seat_idx, price_level, price, code,
        state, issued_at)
    SELECT order_id, line, $6, order_id, seat, 0, price,
        repeat(md5(order_id::TEXT || line), 3) || lpad(line::TEXT, 15, '0'), 'valid', $7
    FROM line
), booked AS (
    INSERT INTO ledger_transaction (order_id, kind, part, event_id, at, currency, account, amount,
        party)
    SELECT order_id, kind, 0, $6, $7, 'EUR', ARRAY[debit, credit], ARRAY[amount, -amount],
        ARRAY[NULL, NULL]::UUID[]
    FROM o, (VALUES ('sale', 'fan_receivable', 'promoter_payable'),
        ('capture', 'provider_clearing', 'fan_receivable')) AS e(kind, debit, credit)
)
INSERT INTO outbox (order_id, attempt, kind, round, command_id, event_id, created_at, send_at,
    done_at, done_sequence)
SELECT order_id, 1, 'sold', 0, command_id, $6, $7, $7, $7, 1 FROM o
