-- The shop that has Postgres only: each request is one call of one function, so one round trip and
-- one commit. An exception takes everything back.

-- Stores a hold with its key; a key that is there already fails it.
CREATE FUNCTION keep(
    p_id UUID, p_account UUID, p_event INT, p_seats INT[], p_until BIGINT, p_now BIGINT,
    p_total BIGINT, p_currency CHAR(3), p_key TEXT, p_fingerprint BIGINT
) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reservation (reservation_id, account_id, event_no, seats, total, currency,
        expires_at, created_at)
    VALUES (p_id, p_account, p_event, p_seats, p_total, p_currency, p_until, p_now);
    IF p_key IS NOT NULL THEN
        INSERT INTO idempotency (account_id, key, fingerprint, reservation_id, created_at)
        VALUES (p_account, p_key, p_fingerprint, p_id, p_now);
    END IF;
END $$;

-- Named seats: a conditional update. Fails as a whole if one is not free.
CREATE FUNCTION hold_named(
    p_id UUID, p_account UUID, p_event INT, p_seats INT[], p_until BIGINT, p_now BIGINT,
    p_currency CHAR(3), p_key TEXT, p_fingerprint BIGINT
) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE taken INT; total BIGINT;
BEGIN
    WITH changed AS (
        UPDATE seat SET reservation_id = p_id, held_until = p_until
        WHERE event_no = p_event AND seat_idx = ANY(p_seats) AND order_id IS NULL
            AND held_until < p_now
        RETURNING price
    )
    SELECT count(*), sum(price) INTO taken, total FROM changed;
    IF taken < cardinality(p_seats) THEN
        RAISE EXCEPTION 'a seat is taken' USING ERRCODE = 'lock_not_available';
    END IF;
    PERFORM keep(p_id, p_account, p_event, p_seats, p_until, p_now, total, p_currency, p_key,
        p_fingerprint);
END $$;

-- The next free seats from one on, past those that others are just taking; then from the first.
CREATE FUNCTION hold_best(
    p_id UUID, p_account UUID, p_event INT, p_from INT, p_count INT, p_until BIGINT,
    p_now BIGINT, p_currency CHAR(3), p_key TEXT, p_fingerprint BIGINT
) RETURNS INT[] LANGUAGE plpgsql AS $$
DECLARE chosen INT[]; total BIGINT;
BEGIN
    FOREACH p_from IN ARRAY ARRAY[p_from, 0] LOOP
        chosen := ARRAY(SELECT seat_idx FROM seat
            WHERE event_no = p_event AND p_from <= seat_idx AND order_id IS NULL
                AND held_until < p_now
            ORDER BY seat_idx LIMIT p_count FOR UPDATE SKIP LOCKED);
        EXIT WHEN cardinality(chosen) = p_count;
    END LOOP;
    IF cardinality(chosen) < p_count THEN
        RAISE EXCEPTION 'not enough seats' USING ERRCODE = 'lock_not_available';
    END IF;
    WITH changed AS (
        UPDATE seat SET reservation_id = p_id, held_until = p_until
        WHERE event_no = p_event AND seat_idx = ANY(chosen)
        RETURNING price
    )
    SELECT sum(price) INTO total FROM changed;
    PERFORM keep(p_id, p_account, p_event, chosen, p_until, p_now, total, p_currency, p_key,
        p_fingerprint);
    RETURN chosen;
END $$;

-- Sells a reservation's seats. `codes` are those that count: of the first confirm.
CREATE FUNCTION pay(
    p_id UUID, p_account UUID, p_method TEXT, p_token TEXT, p_provider_id TEXT, p_codes TEXT[],
    p_now BIGINT
) RETURNS TABLE (outcome TEXT, event_no INT, seats INT[], codes TEXT[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE r reservation%ROWTYPE; sold INT;
BEGIN
    SELECT * INTO r FROM reservation
    WHERE reservation_id = p_id AND account_id = p_account FOR UPDATE;
    IF NOT FOUND THEN RETURN QUERY SELECT 'unknown', 0, '{}'::INT[], '{}'::TEXT[]; RETURN; END IF;
    IF r.confirmed THEN
        RETURN QUERY SELECT 'confirmed', r.event_no, r.seats,
            ARRAY(SELECT t.code FROM ticket t WHERE t.order_id = p_id ORDER BY t.line);
        RETURN;
    END IF;
    IF r.expires_at < p_now THEN
        RETURN QUERY SELECT 'expired', 0, '{}'::INT[], '{}'::TEXT[]; RETURN;
    END IF;
    UPDATE seat SET order_id = p_id, held_until = 0
    WHERE event_no = r.event_no AND seat_idx = ANY(r.seats) AND reservation_id = p_id
        AND order_id IS NULL;
    GET DIAGNOSTICS sold = ROW_COUNT;
    ASSERT sold = cardinality(r.seats), 'a held seat is its holder''s';
    UPDATE reservation SET confirmed = true WHERE reservation_id = p_id;
    INSERT INTO orders (order_id, account_id, event_no, state, method, token, amount, currency,
        created_at)
    VALUES (p_id, p_account, r.event_no, 'paid', p_method, p_token, r.total, r.currency, p_now);
    INSERT INTO payment_attempt (order_id, attempt, provider_id, state, created_at)
    VALUES (p_id, 1, p_provider_id, 'captured', p_now);
    INSERT INTO ticket (order_id, line, event_no, seat_idx, price, code, issued_at)
    SELECT p_id, line - 1, r.event_no, place, price, code, p_now
    FROM unnest(r.seats, p_codes[1:sold]) WITH ORDINALITY AS l(place, code, line)
        JOIN seat ON seat.event_no = r.event_no AND seat_idx = place;
    INSERT INTO ledger_transaction (order_id, kind, at)
    VALUES (p_id, 'sale', p_now), (p_id, 'capture', p_now);
    INSERT INTO ledger_entry (order_id, kind, account, amount, currency)
    VALUES (p_id, 'sale', 'fan_receivable', r.total, r.currency),
        (p_id, 'sale', 'promoter_payable', -r.total, r.currency),
        (p_id, 'capture', 'provider_clearing', r.total, r.currency),
        (p_id, 'capture', 'fan_receivable', -r.total, r.currency);
    RETURN QUERY SELECT 'sold', r.event_no, r.seats, p_codes[1:sold];
END $$;
