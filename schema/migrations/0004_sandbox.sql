-- The sandbox payment provider: an outside system as far as settlement is concerned, with its own
-- memory.
CREATE SCHEMA sandbox;

CREATE TABLE sandbox.payment (
    -- Made of the idempotency key: the same key is the same payment.
    payment_id      TEXT    PRIMARY KEY,
    order_ref       TEXT    NOT NULL,
    amount          BIGINT  NOT NULL CHECK (0 <= amount),
    currency        CHAR(3) NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('created', 'processing', 'authorised',
        'declined', 'captured', 'cancelled', 'refunded')),
    -- The script that the token stands for: where authorise leads, after how long, and whether its
    -- caller hears of it or is left without an answer.
    outcome         TEXT    NOT NULL CHECK (outcome IN ('authorised', 'declined')),
    reason          TEXT,
    delay_ms        BIGINT  NOT NULL,
    silent          BOOLEAN NOT NULL,
    settles_at      BIGINT,
    captured_at     BIGINT,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL
) WITH (fillfactor = 70);
-- A real provider does not know that an order is charged once; the audit looks at that (ORD-2).
CREATE INDEX payment_of_order ON sandbox.payment (order_ref);
CREATE INDEX payment_created ON sandbox.payment (created_at, payment_id);

-- Creates payments; a repeated key gives the payment that is there.
CREATE FUNCTION sandbox.create_payments(
    p_id TEXT[], p_order TEXT[], p_amount BIGINT[], p_currency TEXT[],
    p_outcome TEXT[], p_reason TEXT[], p_delay BIGINT[], p_silent BOOLEAN[], p_now BIGINT
) RETURNS TABLE (payment_id TEXT, state TEXT, reason TEXT)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO sandbox.payment (payment_id, order_ref, amount, currency, state, outcome, reason,
        delay_ms, silent, created_at, updated_at)
    SELECT a.id, a.order_ref, a.amount, a.currency, 'created', a.outcome, a.reason, a.delay_ms,
        a.silent, p_now, p_now
    FROM unnest(p_id, p_order, p_amount, p_currency, p_outcome, p_reason, p_delay, p_silent)
        AS a(id, order_ref, amount, currency, outcome, reason, delay_ms, silent)
    ORDER BY a.id
    ON CONFLICT (payment_id) DO NOTHING;
    RETURN QUERY SELECT p.payment_id, p.state, p.reason
        FROM sandbox.payment p WHERE p.payment_id = ANY(p_id);
END $$;

-- Does one verb to each payment and returns how each is then. A verb that does not fit the
-- payment's state changes nothing. No payment occurs twice. The caller brings payments in the order
-- of their ids, so that two callers do not wait for each other.
CREATE FUNCTION sandbox.act(p_id TEXT[], p_verb TEXT[], p_now BIGINT)
RETURNS TABLE (payment_id TEXT, state TEXT, reason TEXT, silent BOOLEAN, settles_at BIGINT)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    UPDATE sandbox.payment p SET state = p.outcome, updated_at = p_now
    WHERE p.payment_id = ANY(p_id) AND p.state = 'processing' AND p.settles_at <= p_now;
    UPDATE sandbox.payment p SET updated_at = p_now,
        state = CASE a.verb
            WHEN 'authorise' THEN CASE p.delay_ms WHEN 0 THEN p.outcome ELSE 'processing' END
            WHEN 'capture' THEN 'captured'
            WHEN 'cancel' THEN 'cancelled'
            ELSE 'refunded' END,
        settles_at = CASE a.verb WHEN 'authorise' THEN p_now + p.delay_ms ELSE p.settles_at END,
        captured_at = CASE a.verb WHEN 'capture' THEN p_now ELSE p.captured_at END
    FROM unnest(p_id, p_verb) AS a(id, verb)
    WHERE p.payment_id = a.id AND (a.verb, p.state) IN (('authorise', 'created'),
        ('capture', 'authorised'), ('cancel', 'created'), ('cancel', 'authorised'),
        ('refund', 'captured'));
    RETURN QUERY SELECT p.payment_id, p.state,
        CASE WHEN p.state = 'declined' THEN p.reason END, p.silent, p.settles_at
        FROM sandbox.payment p WHERE p.payment_id = ANY(p_id);
END $$;

-- The payments behind one, in the order in which they were created. What has become known by now is
-- known to the list too.
CREATE FUNCTION sandbox.list_payments(p_after BIGINT, p_after_id TEXT, p_most BIGINT, p_now BIGINT)
RETURNS SETOF sandbox.payment LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sandbox.payment p SET state = p.outcome, updated_at = p_now
    WHERE p.state = 'processing' AND p.settles_at <= p_now;
    RETURN QUERY SELECT * FROM sandbox.payment p
        WHERE (p.created_at, p.payment_id) > (p_after, p_after_id)
        ORDER BY p.created_at, p.payment_id LIMIT p_most;
END $$;

CALL keep_plans('sandbox.create_payments');
CALL keep_plans('sandbox.act');
