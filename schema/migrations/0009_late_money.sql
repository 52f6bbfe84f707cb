-- Money that came after its order was given up, and the places that it asks for.

-- One row for each order that such money came for: what it asks, and which rung of the ladder it
-- has come to rest on. The money itself is in found_money.
CREATE TABLE reseat (
    -- The order that was given up.
    order_id    UUID   PRIMARY KEY,
    provider    TEXT   NOT NULL,
    provider_id TEXT   NOT NULL,
    -- The hold that is to have the places, and so the order that the money buys then.
    hold_id     UUID   NOT NULL UNIQUE,
    command_id  UUID   NOT NULL UNIQUE,
    asked_at    BIGINT NOT NULL,
    -- When the owner of the places is asked next, unless it has answered.
    send_at     BIGINT NOT NULL,
    rung        TEXT   CHECK (rung IN ('same_seats', 'equal_seats', 'refund')),
    -- Of a refund: the code of why there were no places.
    reason      TEXT,
    answered_at BIGINT,
    UNIQUE (provider, provider_id),
    CHECK ((rung IS NULL) = (answered_at IS NULL)),
    CHECK ((rung = 'refund') = (reason IS NOT NULL))
);
CREATE INDEX reseat_open ON reseat (send_at) WHERE rung IS NULL;
CREATE TRIGGER reseat_rung BEFORE UPDATE ON reseat FOR EACH ROW
    WHEN (OLD.rung IS NOT NULL) EXECUTE FUNCTION refuse('it has its outcome');

-- Lets a payment ask for the places of its order, which was given up; the first of an order may. Who
-- was told that the card was refused, by the verdict on the last attempt, does not expect them.
-- Returns the rung that its claim has come to and whether the order that it has bought was given up
-- too, or no row for one that may not ask.
CREATE FUNCTION reseat_ask(
    p_provider TEXT, p_id TEXT, p_order UUID, p_amount BIGINT, p_currency TEXT, p_hold UUID,
    p_command UUID, p_now BIGINT
) RETURNS TABLE (rung TEXT, is_over BOOLEAN) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO reseat (order_id, provider, provider_id, hold_id, command_id, asked_at, send_at,
        rung, reason, answered_at)
    SELECT o.order_id, p_provider, p_id, p_hold, p_command, p_now, p_now,
        CASE WHEN w.why IS NOT NULL THEN 'refund' END, w.why,
        CASE WHEN w.why IS NOT NULL THEN p_now END
    FROM orders o CROSS JOIN LATERAL (SELECT CASE WHEN EXISTS (SELECT FROM outbox x
            WHERE x.order_id = o.order_id AND x.attempt = o.attempt AND x.kind = 'declined')
            THEN 'CARD_DECLINED'
        WHEN (o.amount, o.currency::TEXT) <> (p_amount, p_currency) THEN 'AMOUNT_DIFFERS' END
        AS why) w
    WHERE o.order_id = p_order AND o.state = 'cancelled'
    ON CONFLICT DO NOTHING;
    -- Such an order has spent nothing: its money is there again, and what becomes of it is open.
    UPDATE found_money f SET outcome = NULL, settled_at = NULL
    FROM reseat r JOIN orders n ON n.order_id = r.hold_id AND n.state = 'cancelled'
    WHERE r.provider = p_provider AND r.provider_id = p_id AND f.provider = p_provider
        AND f.provider_id = p_id AND f.outcome = 'reseated';
    RETURN QUERY SELECT r.rung, EXISTS (SELECT FROM orders n
            WHERE n.order_id = r.hold_id AND n.state = 'cancelled')
        FROM reseat r WHERE r.provider = p_provider AND r.provider_id = p_id;
END $$;

-- As order_start, for holds that late money has. Its payment becomes the new order's in the same
-- commit, and that is its outcome. Where the money does not wait any more the order is over
-- before it has begun: it may create no payment, so that its driver gives it up and its places
-- become free.
CREATE FUNCTION reseat_start(
    p_order UUID[], p_event TEXT[], p_account UUID[], p_attempt INT[], p_method TEXT[],
    p_token TEXT[], p_amount BIGINT[], p_currency TEXT[], p_seat TEXT[], p_area TEXT[],
    p_level TEXT[], p_price TEXT[], p_deadline BIGINT[], p_provider TEXT, p_provider_id TEXT[],
    p_now BIGINT, p_lease_owner UUID, p_lease_until BIGINT
) RETURNS SETOF UUID LANGUAGE plpgsql AS $$
DECLARE waiting UUID[]; fresh UUID[]; moved INT;
BEGIN
    waiting := ARRAY(SELECT r.hold_id FROM reseat r JOIN found_money f USING (provider, provider_id)
        WHERE r.hold_id = ANY(p_order) AND r.rung IS NULL AND f.outcome IS NULL
        ORDER BY r.hold_id FOR UPDATE);
    fresh := ARRAY(SELECT order_start(p_order, p_event, p_account, p_attempt, p_method, p_token,
        p_amount, p_currency, p_seat, p_area, p_level, p_price,
        ARRAY(SELECT CASE WHEN a.order_id = ANY(waiting) THEN a.deadline ELSE 0 END
            FROM unnest(p_order, p_deadline) WITH ORDINALITY AS a(order_id, deadline, place)
            ORDER BY a.place),
        p_provider, p_provider_id, p_now, p_lease_owner, p_lease_until));
    waiting := ARRAY(SELECT w FROM unnest(waiting) AS w WHERE w = ANY(fresh));
    DELETE FROM ended_payment e USING reseat r, payment_attempt t
    WHERE r.hold_id = ANY(waiting) AND t.provider = r.provider AND t.provider_id = r.provider_id
        AND e.order_id = t.order_id AND e.attempt = t.attempt;
    UPDATE payment_attempt t SET order_id = r.hold_id, attempt = 1 FROM reseat r
    WHERE r.hold_id = ANY(waiting) AND t.provider = r.provider AND t.provider_id = r.provider_id;
    GET DIAGNOSTICS moved = ROW_COUNT;
    ASSERT moved = cardinality(waiting), 'ORD-2: late money is of a payment';
    UPDATE found_money f SET outcome = 'reseated', settled_at = p_now FROM reseat r
    WHERE r.hold_id = ANY(waiting) AND f.provider = r.provider AND f.provider_id = r.provider_id;
    UPDATE reseat r SET answered_at = p_now,
        rung = CASE WHEN (o.line_seat, o.line_area) = (n.line_seat, n.line_area)
            THEN 'same_seats' ELSE 'equal_seats' END
    FROM orders o, orders n
    WHERE r.hold_id = ANY(waiting) AND o.order_id = r.order_id AND n.order_id = r.hold_id;
    UPDATE reseat r SET rung = 'refund', reason = 'MONEY_GONE', answered_at = p_now
    WHERE r.hold_id = ANY(fresh) AND r.rung IS NULL;
    RETURN QUERY SELECT unnest(fresh);
END $$;

-- What GET /api/bookings shows of late money, in the booking that was given up and in that which it
-- has bought.
CREATE VIEW late_money_view AS
SELECT r.order_id AS booking_id, r.hold_id AS bought_id, r.reason, r.asked_at, r.answered_at,
    CASE r.rung WHEN 'same_seats' THEN 'SAME_SEATS' WHEN 'equal_seats' THEN 'EQUAL_SEATS'
        ELSE CASE WHEN r.rung = 'refund' AND f.outcome IS NOT NULL THEN 'REFUNDED'
            ELSE 'PENDING' END
    END AS outcome
FROM reseat r LEFT JOIN found_money f USING (provider, provider_id);
