-- What the provider's own list shows beside our orders.

-- Payments that no order accounts for, and what became of them: one outcome each.
CREATE TABLE found_money (
    provider    TEXT    NOT NULL,
    provider_id TEXT    NOT NULL,
    -- As the provider has it; there may be no such order.
    order_id    UUID    NOT NULL,
    amount      BIGINT  NOT NULL CHECK (0 <= amount),
    currency    CHAR(3) NOT NULL,
    why         TEXT    NOT NULL CHECK (why IN ('orphan', 'late', 'duplicate')),
    -- Whether the provider had taken it.
    taken       BOOLEAN NOT NULL,
    found_at    BIGINT  NOT NULL,
    outcome     TEXT    CHECK (outcome IN ('voided', 'refunded', 'reseated')),
    settled_at  BIGINT,
    PRIMARY KEY (provider, provider_id),
    CHECK ((outcome IS NULL) = (settled_at IS NULL))
);
CREATE INDEX found_money_of_order ON found_money (order_id);
CREATE INDEX found_money_open ON found_money (found_at) WHERE outcome IS NULL;
-- What has bought places is found once more if its order was given up too.
CREATE TRIGGER found_money_outcome BEFORE UPDATE ON found_money FOR EACH ROW
    WHEN (OLD.outcome IS NOT NULL AND NOT (OLD.outcome = 'reseated' AND NEW.outcome IS NULL))
    EXECUTE FUNCTION refuse('it has its outcome');

-- What providers have said has happened, so that a repetition is known as one. Nothing that they say
-- is kept: it only makes us ask.
CREATE TABLE provider_event (
    provider TEXT   NOT NULL,
    event_id TEXT   NOT NULL,
    seen_at  BIGINT NOT NULL,
    PRIMARY KEY (provider, event_id)
);
CREATE INDEX provider_event_seen ON provider_event (seen_at);

-- How far a provider's list has been compared, and until when nobody else need look.
CREATE TABLE reconciled (
    provider   TEXT   PRIMARY KEY,
    seen_to    BIGINT NOT NULL,
    rest_until BIGINT NOT NULL
);

-- Begins a look at the list if it is time for one. Returns from where, or nothing.
CREATE FUNCTION reconcile_begin(p_provider TEXT, p_now BIGINT, p_rest_until BIGINT)
RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE seen BIGINT;
BEGIN
    INSERT INTO reconciled (provider, seen_to, rest_until) VALUES (p_provider, 0, 0)
    ON CONFLICT DO NOTHING;
    UPDATE reconciled SET rest_until = p_rest_until
    WHERE provider = p_provider AND rest_until <= p_now RETURNING seen_to INTO seen;
    RETURN seen;
END $$;

-- Notes that a payment has no place. False for one that was found without an order and that an order
-- has stored since: who found it has read the orders before.
CREATE FUNCTION found_note(
    p_provider TEXT, p_id TEXT, p_order UUID, p_amount BIGINT, p_currency TEXT, p_why TEXT,
    p_taken BOOLEAN, p_now BIGINT
) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
    PERFORM payment_claim(p_id);
    IF p_why = 'orphan' AND EXISTS (SELECT FROM payment_attempt
        WHERE provider = p_provider AND provider_id = p_id)
    THEN
        RETURN false;
    END IF;
    INSERT INTO found_money (provider, provider_id, order_id, amount, currency, why, taken,
        found_at)
    VALUES (p_provider, p_id, p_order, p_amount, p_currency, p_why, p_taken, p_now)
    ON CONFLICT (provider, provider_id) DO UPDATE SET taken = EXCLUDED.taken
    WHERE found_money.outcome IS NULL;
    RETURN true;
END $$;

-- Gives found money its outcome. What was taken is booked as taken and given back, in a part of its
-- own: the order's own money is part 0.
CREATE FUNCTION found_settle(
    p_provider TEXT, p_id TEXT, p_outcome TEXT, p_kind TEXT[], p_account TEXT[], p_amount TEXT[],
    p_party TEXT[], p_event TEXT, p_now BIGINT
) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE money RECORD; next_part INT;
BEGIN
    UPDATE found_money SET outcome = p_outcome, settled_at = p_now
    WHERE provider = p_provider AND provider_id = p_id AND outcome IS NULL
    RETURNING * INTO money;
    IF NOT FOUND THEN RETURN false; END IF;
    IF p_outcome = 'refunded' THEN
        PERFORM FROM orders WHERE order_id = money.order_id FOR UPDATE;
        next_part := (SELECT 1 + count(*) FROM found_money f WHERE f.order_id = money.order_id
            AND f.outcome = 'refunded' AND f.provider_id <> p_id);
        INSERT INTO ledger_transaction (order_id, kind, part, event_id, at, currency, account,
            amount, party)
        SELECT money.order_id, b.kind, next_part, p_event, p_now, money.currency,
            b.account::TEXT[], b.amount::BIGINT[], b.party::UUID[]
        FROM unnest(p_kind, p_account, p_amount, p_party) AS b(kind, account, amount, party);
    END IF;
    RETURN true;
END $$;
