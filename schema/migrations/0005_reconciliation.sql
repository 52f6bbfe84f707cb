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
    outcome     TEXT    CHECK (outcome IN ('voided', 'refunded', 'charged_back', 'reseated')),
    settled_at  BIGINT,
    -- When the provider was last asked about it, after it was found.
    looked_at   BIGINT  NOT NULL DEFAULT 0,
    PRIMARY KEY (provider, provider_id),
    CHECK ((outcome IS NULL) = (settled_at IS NULL))
);
CREATE INDEX found_money_of_order ON found_money (order_id);
CREATE INDEX found_money_open ON found_money (provider, looked_at) WHERE outcome IS NULL;
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
    seen_to     BIGINT NOT NULL,
    -- The same of its disputes, which may be told by another key, or not at all.
    disputes_to BIGINT NOT NULL,
    rest_until  BIGINT NOT NULL,
    -- Behind which payment the look at the whole list goes on: each look takes a part of it.
    gone_on_to     BIGINT NOT NULL DEFAULT 0,
    gone_on_id     TEXT   NOT NULL DEFAULT '',
    -- When it was at its beginning, and how often the next part was asked for in vain.
    gone_on_since  BIGINT NOT NULL DEFAULT 0,
    gone_on_failed INT    NOT NULL DEFAULT 0
);

-- Begins a look at the lists if it is time for one. Returns from where, or no row.
CREATE FUNCTION reconcile_begin(p_provider TEXT, p_now BIGINT, p_rest_until BIGINT)
RETURNS TABLE (seen_to BIGINT, disputes_to BIGINT) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO reconciled (provider, seen_to, disputes_to, rest_until)
    VALUES (p_provider, 0, 0, 0) ON CONFLICT DO NOTHING;
    RETURN QUERY UPDATE reconciled r SET rest_until = p_rest_until
        WHERE r.provider = p_provider AND r.rest_until <= p_now
        RETURNING r.seen_to, r.disputes_to;
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

-- Gives found money its outcome. What was taken is booked as taken and given back, by us or by the
-- buyer's bank, in a part of its own: the order's own money is part 0.
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
    IF p_outcome IN ('refunded', 'charged_back') THEN
        PERFORM FROM orders WHERE order_id = money.order_id FOR UPDATE;
        -- There may be no such order.
        PERFORM payment_claim(money.order_id::TEXT);
        next_part := (SELECT 1 + count(*) FROM found_money f WHERE f.order_id = money.order_id
            AND f.outcome IN ('refunded', 'charged_back') AND f.provider_id <> p_id);
        INSERT INTO ledger_transaction (order_id, kind, part, event_id, at, currency, account,
            amount, party)
        SELECT money.order_id, b.kind, next_part, p_event, p_now, money.currency,
            b.account::TEXT[], b.amount::BIGINT[], b.party::UUID[]
        FROM unnest(p_kind, p_account, p_amount, p_party) AS b(kind, account, amount, party);
    END IF;
    RETURN true;
END $$;

-- What persons have decided about orders that no rule could decide about.
CREATE TABLE review_end (
    order_id UUID   NOT NULL,
    ended_at BIGINT NOT NULL,
    ending   TEXT   NOT NULL CHECK (ending IN ('keep', 'refund')),
    -- Why a person had to look, if anything said so, and what they say to it.
    reason   TEXT   NOT NULL,
    note     TEXT   NOT NULL CHECK (note <> ''),
    -- The ticket that was on its way back alone and stays valid, if one does.
    kept_line INT,
    PRIMARY KEY (order_id, ended_at)
);
CREATE TRIGGER review_end_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON review_end
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('it is only added to');

-- Withdraws the part that is on its way back, of an order that is locked: its ticket is valid again.
-- No provider has given its money back, nothing is booked, and the owner of the place has not heard
-- of it. Returns the line of the ticket.
CREATE FUNCTION part_withdraw(p_order UUID) RETURNS INT LANGUAGE plpgsql AS $$
DECLARE kept INT;
BEGIN
    DELETE FROM order_part WHERE order_id = p_order AND state = 'refunding' RETURNING line INTO kept;
    UPDATE ticket SET state = 'valid'
    WHERE order_id = p_order AND line = kept AND state = 'refunding';
    ASSERT FOUND, 'ORD-3: a part is of a ticket';
    RETURN kept;
END $$;

-- Ends the review of an order, or pays back one that is paid, if that may be; says how it went. A
-- driver that has gone on without the newest state of an order under review has given up on it after
-- two minutes.
CREATE FUNCTION review_close(p_order UUID, p_ending TEXT, p_note TEXT, p_now BIGINT)
RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
    o orders; has_part BOOLEAN; dispute RECORD; target TEXT; is_left BOOLEAN := false; kept INT;
BEGIN
    SELECT * INTO o FROM orders WHERE order_id = p_order FOR UPDATE;
    IF NOT FOUND OR NOT (o.state = 'review_needed' OR o.state = 'paid' AND p_ending = 'refund') THEN
        RETURN 'none';
    END IF;
    IF o.todo OR o.state = 'review_needed' AND p_now < o.updated_at + 120000 THEN
        RETURN 'at_work';
    END IF;
    has_part := EXISTS (SELECT FROM order_part p
        WHERE p.order_id = p_order AND p.state = 'refunding');
    SELECT * INTO dispute FROM disputed_order d WHERE d.order_id = p_order;
    IF o.sold_at IS NULL THEN
        IF p_ending = 'keep' THEN RETURN 'unsold'; END IF;
        target := 'cancelled';
    ELSIF dispute.order_id IS NOT NULL AND p_ending = 'refund' OR dispute.is_open AND has_part THEN
        RETURN 'disputed';
    ELSIF p_ending = 'keep' THEN
        target := 'paid';
        -- The bank keeps the money: nothing of it can go back any more.
        IF has_part AND NOT dispute.is_open THEN
            kept := part_withdraw(p_order);
            has_part := false;
        END IF;
        is_left := has_part OR (o.captured_at IS NULL AND o.method <> 'PARTNER');
    ELSE
        -- As of any cancellation, but that a person may void the ticket of who was given it.
        IF EXISTS (SELECT FROM spent_ticket s WHERE s.order_id = p_order AND s.is_in) THEN
            RETURN 'spent';
        END IF;
        IF has_part THEN RETURN 'part'; END IF;
        target := 'refunding';
        is_left := true;
    END IF;
    INSERT INTO review_end (order_id, ended_at, ending, reason, note, kept_line)
    VALUES (p_order, p_now, p_ending, coalesce(o.reason, ''), p_note, kept);
    UPDATE orders SET state = target, todo = is_left, lease_until = 0, updated_at = p_now,
        reason = CASE target WHEN 'cancelled' THEN reason END
    WHERE order_id = p_order;
    -- The provider is asked how the money is: a person may have moved it there.
    INSERT INTO ended_payment (order_id, attempt, looks, look_at)
    SELECT t.order_id, t.attempt, 0, p_now FROM payment_attempt t
    WHERE t.order_id = p_order AND t.attempt = o.attempt AND target <> 'refunding'
    ON CONFLICT (order_id, attempt) DO NOTHING;
    RETURN CASE WHEN kept IS NOT NULL THEN 'withdrawn' WHEN o.state = 'paid' THEN 'begun'
        ELSE 'ended' END;
END $$;
