-- Tickets that are paid back alone, while the rest of their order stays paid.

-- One row a ticket: a part of the order's money. One after the other, so that how much of a payment
-- has gone back says which parts have.
CREATE TABLE order_part (
    order_id      UUID   NOT NULL,
    -- Counted from 1, in the order in which they began.
    part          INT    NOT NULL CHECK (0 < part),
    line          INT    NOT NULL,
    -- What its ticket has cost.
    amount        BIGINT NOT NULL CHECK (0 <= amount),
    state         TEXT   NOT NULL CHECK (state IN ('refunding', 'refunded')),
    begun_at      BIGINT NOT NULL,
    refunded_at   BIGINT,
    -- What the owner of the place is asked for, and when next, unless it has answered.
    command_id    UUID   NOT NULL UNIQUE,
    send_at       BIGINT,
    done_at       BIGINT,
    -- As in outbox.
    done_sequence BIGINT,
    answer        TEXT,
    PRIMARY KEY (order_id, part),
    UNIQUE (order_id, line),
    CHECK ((state = 'refunded') = (refunded_at IS NOT NULL)),
    CHECK ((state = 'refunded') = (send_at IS NOT NULL)),
    CHECK (done_at IS NULL OR state = 'refunded')
);
CREATE UNIQUE INDEX order_part_open ON order_part (order_id) WHERE done_at IS NULL;
CREATE INDEX order_part_untold ON order_part (send_at) WHERE done_at IS NULL;
CREATE TRIGGER order_part_over BEFORE UPDATE ON order_part FOR EACH ROW
    WHEN (OLD.done_at IS NOT NULL OR (OLD.state = 'refunded' AND NEW.state <> 'refunded'))
    EXECUTE FUNCTION refuse('what went back stays so');
-- One that is on its way may be withdrawn: see review_close.
CREATE TRIGGER order_part_stays BEFORE DELETE ON order_part FOR EACH ROW
    WHEN (OLD.state <> 'refunding') EXECUTE FUNCTION refuse('what went back stays so');

-- Begins part `p_part` of an order: a ticket that its buyer still has and that was not used. The
-- last one goes with its order. Its money was taken, for until then the order has its driver for
-- that, unless a partner owes it; the owner knows that its place is sold, and has answered about the parts before. Says
-- whether it began.
CREATE FUNCTION part_begin(
    p_order UUID, p_part INT, p_line INT, p_command UUID, p_now BIGINT
) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE price BIGINT;
BEGIN
    PERFORM FROM orders o WHERE o.order_id = p_order AND o.state = 'paid'
        AND (o.captured_at IS NOT NULL OR o.method = 'PARTNER') FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    -- Statements of their own, so that they see what was done while this one waited. Whoever checks
    -- a ticket in or transfers it locks its order too.
    IF p_part <> 1 + (SELECT count(*) FROM order_part p WHERE p.order_id = p_order)
        OR EXISTS (SELECT FROM order_part p WHERE p.order_id = p_order AND p.done_at IS NULL)
        OR NOT EXISTS (SELECT FROM outbox x WHERE x.order_id = p_order AND x.kind = 'sold'
            AND x.done_at IS NOT NULL AND x.answer IS NULL)
        OR EXISTS (SELECT FROM spent_ticket s WHERE s.order_id = p_order AND s.line = p_line)
        OR EXISTS (SELECT FROM disputed_order d WHERE d.order_id = p_order)
        OR (SELECT count(*) FROM ticket t WHERE t.order_id = p_order AND t.state = 'valid') < 2
    THEN
        RETURN false;
    END IF;
    UPDATE ticket t SET state = 'refunding'
    WHERE t.order_id = p_order AND t.line = p_line AND t.state = 'valid'
    RETURNING t.price INTO price;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO order_part (order_id, part, line, amount, state, begun_at, command_id)
    VALUES (p_order, p_part, p_line, price, 'refunding', p_now, p_command);
    UPDATE orders o SET todo = true, updated_at = p_now WHERE o.order_id = p_order;
    RETURN true;
END $$;

-- The money of a part is back: its ticket is void, its place free, the ledger has it, and the owner
-- of the place will hear. Says whether it was this call that did it.
CREATE FUNCTION part_finish(
    p_order UUID, p_part INT, p_kind TEXT[], p_account TEXT[], p_amount TEXT[], p_party TEXT[],
    p_now BIGINT, p_send_at BIGINT
) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE o orders; gone ticket; p_line INT; freed INT;
BEGIN
    SELECT * INTO o FROM orders WHERE order_id = p_order AND state = 'paid' FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE order_part SET state = 'refunded', refunded_at = p_now, send_at = p_send_at
    WHERE order_id = p_order AND part = p_part AND state = 'refunding'
    RETURNING line INTO p_line;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE ticket SET state = 'void', voided_at = p_now
    WHERE order_id = p_order AND line = p_line AND state = 'refunding' RETURNING * INTO gone;
    ASSERT FOUND, 'ORD-3: a part is of a ticket';
    DELETE FROM live_seat WHERE event_id = gone.event_id AND seat_idx = gone.seat_idx
        AND order_id = p_order AND line = p_line;
    GET DIAGNOSTICS freed = ROW_COUNT;
    ASSERT freed = num_nonnulls(gone.seat_idx), 'ORD-3: a valid ticket has a live seat';
    IF gone.area_idx IS NOT NULL THEN
        PERFORM areas_change(ARRAY[gone.event_id], ARRAY[gone.area_idx], -1);
    END IF;
    UPDATE orders SET todo = false, updated_at = p_now WHERE order_id = p_order;
    INSERT INTO ledger_transaction (order_id, kind, part, event_id, at, currency, account, amount,
        party)
    SELECT p_order, b.kind, p_part, o.event_id, p_now, o.currency, b.account::TEXT[],
        b.amount::BIGINT[], b.party::UUID[]
    FROM unnest(p_kind, p_account, p_amount, p_party) AS b(kind, account, amount, party);
    RETURN true;
END $$;

-- Verdicts and parts that may become messages: no earlier verdict or part of their order is still on
-- its way to the journal, so that the messages of a booking are made in its order. Whatever clocks
-- say, parts come before the end of their order.
CREATE VIEW webhook_ready AS
SELECT d.order_id, d.attempt, d.kind, d.part, p.line, o.event_id,
    coalesce(x.done_sequence, p.done_sequence) AS done_sequence,
    coalesce(x.done_at, p.done_at) AS done_at
FROM webhook_due d JOIN orders o USING (order_id)
LEFT JOIN outbox x
    ON x.order_id = d.order_id AND x.attempt = d.attempt AND x.kind = d.kind
LEFT JOIN order_part p ON p.order_id = d.order_id AND p.part = d.part
WHERE coalesce(x.done_at, p.done_at) IS NOT NULL AND NOT EXISTS (SELECT FROM outbox y
    WHERE y.order_id = d.order_id AND y.done_at IS NULL
        AND y.created_at <= coalesce(x.created_at, p.begun_at))
    AND NOT EXISTS (SELECT FROM order_part q WHERE q.order_id = d.order_id AND q.done_at IS NULL
        AND (d.kind = 'refunded' OR q.part < d.part));

CALL keep_plans('part_begin');
CALL keep_plans('part_finish');

-- How our orders know payments: of each, in the order given, NULLs when nobody does. Money that has
-- bought places is its order's from then on, so it has no outcome here. Orders whose tickets that
-- cost something were paid back one by one have no money there, as those that were paid back whole.
-- `is_uneven` says whether something else went back than those tickets, or than all of it. It is
-- NULL where that cannot be said: nothing was told of what went back (`p_back`), the order has not
-- been at rest since `p_since`, is neither paid nor refunded, or was paid by another attempt.
CREATE FUNCTION payment_standing(
    p_provider TEXT, p_id TEXT[], p_back BIGINT[], p_since BIGINT
) RETURNS TABLE (
    place BIGINT, state TEXT, is_current BOOLEAN, has_work BOOLEAN, is_sold BOOLEAN, outcome TEXT,
    is_uneven BOOLEAN
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT a.place,
        CASE WHEN o.state = 'paid' AND 0 < o.amount AND o.amount = g.gone THEN 'refunded'
            ELSE o.state END,
        o.attempt = t.attempt, o.todo, o.sold_at IS NOT NULL, nullif(f.outcome, 'reseated'),
        CASE WHEN o.attempt = t.attempt AND NOT o.todo AND o.updated_at < p_since THEN CASE o.state
            WHEN 'paid' THEN a.back <> coalesce(g.gone, 0)
            WHEN 'refunded' THEN a.back <> t.amount END END
    FROM unnest(p_id, p_back) WITH ORDINALITY AS a(id, back, place)
    -- Each by itself: a plan that was made while there was little would read all there is for all
    -- of them.
    LEFT JOIN LATERAL (SELECT order_id, attempt, amount FROM payment_attempt
        WHERE provider = p_provider AND provider_id = a.id OFFSET 0) t ON true
    LEFT JOIN LATERAL (SELECT * FROM orders WHERE order_id = t.order_id OFFSET 0) o ON true
    LEFT JOIN LATERAL (SELECT outcome FROM found_money
        WHERE provider = p_provider AND provider_id = a.id OFFSET 0) f ON true
    LEFT JOIN LATERAL (SELECT sum(p.amount) AS gone FROM order_part p
        WHERE p.order_id = o.order_id AND p.state = 'refunded') g ON o.state = 'paid'
    ORDER BY a.place;
END $$;
CALL keep_plans('payment_standing');
