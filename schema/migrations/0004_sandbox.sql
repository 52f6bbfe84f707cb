-- The sandbox payment provider: an outside system as far as settlement is concerned, with its own
-- memory.
CREATE SCHEMA sandbox;

CREATE TABLE sandbox.payment (
    -- Says all that was asked for: order, attempt, amount and script. Whatever is done to an id
    -- first makes the row.
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
    -- What was asked for last.
    verb            TEXT    NOT NULL,
    settles_at      BIGINT,
    captured_at     BIGINT,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    -- How much of what was taken has gone back.
    back            BIGINT  NOT NULL DEFAULT 0 CHECK (back BETWEEN 0 AND amount),
    -- How it ends where the buyer's bank takes back what was taken. See sandbox.stands.
    charged_back    TEXT    CHECK (charged_back IN ('won', 'lost'))
) WITH (fillfactor = 50);
-- A real provider does not know that an order is charged once; the audit looks at that (ORD-2).
CREATE INDEX payment_created ON sandbox.payment (created_at);
CREATE INDEX payment_charged_back ON sandbox.payment (payment_id) WHERE charged_back IS NOT NULL;

-- How the dispute of a payment stands by now: a second after it was taken the bank has the money, and
-- a minute later it has decided. NULL for none. What it has left with us may go back after that.
CREATE FUNCTION sandbox.stands(p sandbox.payment, p_now BIGINT) RETURNS TEXT
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p.captured_at + 1000 <= p_now AND (p.state = 'captured'
            OR (p.state = 'refunded' AND p.charged_back = 'won'
                AND p.captured_at + 61000 <= p.updated_at))
        THEN CASE WHEN p.captured_at + 61000 <= p_now THEN p.charged_back
            WHEN p.charged_back IS NOT NULL THEN 'taken' END END
$$;

-- Whether the bank has the money of a payment: it cannot be given back then.
CREATE FUNCTION sandbox.is_gone(p sandbox.payment, p_now BIGINT) RETURNS BOOLEAN
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(sandbox.stands(p, p_now) IN ('taken', 'lost'), false)
$$;

-- What a verb makes of a payment; one that does not fit changes nothing.
CREATE FUNCTION sandbox.state_after(p_verb TEXT, p_state TEXT, p_outcome TEXT, p_delay BIGINT)
RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_verb = 'authorise' AND p_state = 'created'
            THEN CASE p_delay WHEN 0 THEN p_outcome ELSE 'processing' END
        WHEN p_verb = 'capture' AND p_state = 'authorised' THEN 'captured'
        WHEN p_verb = 'cancel' AND p_state IN ('created', 'authorised') THEN 'cancelled'
        WHEN p_verb = 'refund' AND p_state = 'captured' THEN 'refunded'
        ELSE p_state END
$$;

-- Does one verb to each payment, which is created if it is new, and returns how each is then. No
-- payment occurs twice. The caller brings payments in the order of their ids, so that two callers
-- do not wait for each other.
CREATE FUNCTION sandbox.act(
    p_id TEXT[], p_order TEXT[], p_amount BIGINT[], p_currency TEXT[], p_outcome TEXT[],
    p_reason TEXT[], p_delay BIGINT[], p_silent BOOLEAN[], p_charged_back TEXT[], p_verb TEXT[],
    p_now BIGINT
) RETURNS TABLE (payment_id TEXT, state TEXT, reason TEXT, silent BOOLEAN, settles_at BIGINT)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY INSERT INTO sandbox.payment AS p (payment_id, order_ref, amount, currency, state,
        outcome, reason, delay_ms, silent, charged_back, verb, settles_at, captured_at, created_at,
        updated_at)
    SELECT a.id, a.order_ref, a.amount, a.currency,
        sandbox.state_after(a.verb, 'created', a.outcome, a.delay_ms), a.outcome, a.reason,
        a.delay_ms, a.silent, a.charged_back, a.verb,
        CASE a.verb WHEN 'authorise' THEN p_now + a.delay_ms END, NULL, p_now, p_now
    FROM unnest(p_id, p_order, p_amount, p_currency, p_outcome, p_reason, p_delay, p_silent,
        p_charged_back, p_verb)
        AS a(id, order_ref, amount, currency, outcome, reason, delay_ms, silent, charged_back, verb)
    ON CONFLICT (payment_id) DO UPDATE SET verb = EXCLUDED.verb, updated_at = p_now,
        state = CASE WHEN EXCLUDED.verb = 'refund' AND sandbox.is_gone(p, p_now) THEN p.state
            ELSE sandbox.state_after(EXCLUDED.verb,
                CASE WHEN p.state = 'processing' AND p.settles_at <= p_now
                    THEN p.outcome ELSE p.state END,
                p.outcome, p.delay_ms) END,
        settles_at = CASE WHEN EXCLUDED.verb = 'authorise' AND p.state = 'created'
            THEN EXCLUDED.settles_at ELSE p.settles_at END,
        captured_at = CASE WHEN EXCLUDED.verb = 'capture' AND p.state = 'authorised'
            THEN p_now ELSE p.captured_at END,
        back = CASE WHEN EXCLUDED.verb = 'refund' AND p.state = 'captured'
                AND NOT sandbox.is_gone(p, p_now)
            THEN p.amount ELSE p.back END
    RETURNING p.payment_id, p.state, CASE WHEN p.state = 'declined' THEN p.reason END, p.silent,
        p.settles_at;
END $$;

-- Gives back so much of a payment that `p_back` of it has gone back. Returns how much has, unless the
-- bank has it; no row if nothing was taken.
CREATE FUNCTION sandbox.give_back(p_id TEXT, p_back BIGINT, p_now BIGINT)
RETURNS TABLE (back BIGINT, is_gone BOOLEAN) LANGUAGE sql AS $$
    UPDATE sandbox.payment p SET updated_at = p_now,
        back = CASE WHEN sandbox.is_gone(p, p_now) THEN p.back
            ELSE greatest(p.back, least(p_back, p.amount)) END,
        state = CASE WHEN NOT sandbox.is_gone(p, p_now) AND 0 < p.amount AND p.amount <= p_back
            THEN 'refunded' ELSE p.state END
    WHERE p.payment_id = p_id AND p.state IN ('captured', 'refunded')
    RETURNING p.back, sandbox.is_gone(p, p_now)
$$;

-- The payments behind one, in the order in which they were created. What has become known by now is
-- known to the list too.
CREATE FUNCTION sandbox.list_payments(p_after BIGINT, p_after_id TEXT, p_most BIGINT, p_now BIGINT)
RETURNS TABLE (
    payment_id TEXT, order_ref TEXT, amount BIGINT, currency TEXT, state TEXT, reason TEXT,
    back BIGINT, created_at BIGINT
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT p.payment_id, p.order_ref, p.amount, p.currency::TEXT,
            CASE WHEN p.state = 'processing' AND p.settles_at <= p_now
                THEN p.outcome ELSE p.state END,
            p.reason, p.back, p.created_at
        FROM sandbox.payment p
        WHERE (p.created_at, p.payment_id) > (p_after, p_after_id)
        ORDER BY p.created_at, p.payment_id LIMIT p_most;
END $$;

-- The disputes that have begun since `p_since`.
CREATE FUNCTION sandbox.list_disputes(p_since BIGINT, p_now BIGINT)
RETURNS TABLE (payment_id TEXT, amount BIGINT, currency TEXT, stands TEXT)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT p.payment_id, p.amount, p.currency::TEXT, d.stands
        FROM sandbox.payment p,
            sandbox.stands(p, p_now) AS d(stands)
        WHERE p.charged_back IS NOT NULL AND d.stands IS NOT NULL
            AND p_since <= p.captured_at + 1000
        ORDER BY p.payment_id;
END $$;

CALL keep_plans('sandbox.act');
CALL keep_plans('sandbox.list_payments');
CALL keep_plans('sandbox.list_disputes');
