-- Outgoing webhooks: where promoters want to hear of their events' bookings, and what they are
-- told. Times are Unix milliseconds and come from the caller.

CREATE TABLE webhook_endpoint (
    endpoint_id   UUID     PRIMARY KEY,
    -- The partner whose events it hears of.
    account_id    UUID     NOT NULL,
    url           TEXT     NOT NULL,
    kinds         TEXT[]   NOT NULL,
    -- Off: it hears of nothing new, and what waits for it waits on.
    is_active     BOOLEAN  NOT NULL,
    -- Why we have turned it off, if its owner has not.
    off_reason    TEXT,
    -- Its secret is derived from this: none is stored. The one before is good for a while.
    secret_number INT      NOT NULL CHECK (0 < secret_number),
    rotated_at    BIGINT   NOT NULL,
    created_at    BIGINT   NOT NULL
);
CREATE INDEX webhook_endpoint_of_account ON webhook_endpoint (account_id);

-- Verdicts and parts that the journal has, on their way to become messages. Written in the commit
-- that closes them, and only while some endpoint listens.
CREATE TABLE webhook_due (
    order_id UUID NOT NULL,
    attempt  INT  NOT NULL,
    -- A verdict's, or ticket_refunded.
    kind     TEXT NOT NULL,
    -- Which one of its order; 0 for what is about all of it.
    part     INT  NOT NULL DEFAULT 0,
    PRIMARY KEY (order_id, attempt, kind, part),
    CHECK ((kind = 'ticket_refunded') = (0 < part))
);

-- Closes verdicts whose answers have been read back, and makes due what somebody listens for: what
-- is told to nobody costs no row. Answers come in any order, and perhaps to two at once, so the
-- rows are locked in the order of their keys.
CREATE FUNCTION outbox_close(
    p_command UUID[], p_sequence BIGINT[], p_refusal TEXT[], p_now BIGINT
) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    WITH closed AS (
        UPDATE outbox x SET done_at = p_now, done_sequence = l.sequence, answer = l.refusal
        FROM (
            SELECT y.order_id, y.attempt, y.kind, a.command_id, a.sequence, a.refusal
            FROM unnest(p_command, p_sequence, p_refusal) AS a(command_id, sequence, refusal)
            -- By itself for each answer, in the words of the index of commands: else all that is
            -- undone may be read for all answers.
            CROSS JOIN LATERAL (SELECT order_id, attempt, kind FROM outbox
                WHERE command_id = a.command_id AND coalesce(done_at, -1) = -1 OFFSET 0) y
            ORDER BY 1, 2, 3
        ) l
        -- It is still what was answered, should somebody else have had it: closed by another, it may
        -- be open again by another command. In the words of no index: the row is known by its key.
        WHERE x.order_id = l.order_id AND x.attempt = l.attempt AND x.kind = l.kind
            AND x.command_id = l.command_id AND coalesce(x.done_at, 0) = 0
        RETURNING x.order_id, x.attempt, x.kind, x.answer
    )
    INSERT INTO webhook_due (order_id, attempt, kind)
    SELECT order_id, attempt, kind FROM closed
    WHERE answer IS NULL AND EXISTS (SELECT FROM webhook_endpoint WHERE is_active)
    ON CONFLICT DO NOTHING;
END $$;
CALL keep_plans('outbox_close');

CREATE TABLE webhook_message (
    -- Made of endpoint and verdict or part: what is expanded twice is one message.
    message_id  UUID     PRIMARY KEY,
    endpoint_id UUID     NOT NULL REFERENCES webhook_endpoint ON DELETE CASCADE,
    -- The booking; its messages go out one after the other, as it happened.
    object      TEXT     NOT NULL,
    sequence    BIGINT   NOT NULL,
    -- What happened first, in whatever order the journal has heard of it.
    rank        BIGINT   NOT NULL,
    kind        TEXT     NOT NULL,
    body        TEXT     NOT NULL,
    created_at  BIGINT   NOT NULL,
    -- Parked: nobody took it for three days.
    state       TEXT     NOT NULL CHECK (state IN ('waiting', 'delivered', 'parked')),
    tries       INT      NOT NULL DEFAULT 0,
    next_at     BIGINT   NOT NULL,
    done_at     BIGINT,
    -- Of the last answer, if there was one, or why there was none.
    last_status SMALLINT,
    last_error  TEXT,
    CHECK ((state = 'waiting') = (done_at IS NULL))
);
CREATE INDEX webhook_message_waiting ON webhook_message (endpoint_id, object, rank)
    WHERE state = 'waiting';
CREATE INDEX webhook_message_due ON webhook_message (endpoint_id, next_at)
    WHERE state = 'waiting';
CREATE INDEX webhook_message_of_endpoint ON webhook_message (endpoint_id, created_at);
CREATE INDEX webhook_message_done ON webhook_message (done_at) WHERE state <> 'waiting';

-- What of it may become messages says the view webhook_ready, behind the tables of parts.

-- Makes the messages of verdicts and parts, for whoever listens. `p_party` is the event's promoter,
-- `p_object` the booking and `p_ticket` a part's ticket, as the API names them. Returns how many
-- there are.
CREATE FUNCTION webhooks_expand(
    p_order UUID[], p_attempt INT[], p_kind TEXT[], p_part INT[], p_party UUID[], p_object TEXT[],
    p_ticket TEXT[], p_now BIGINT
) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE made BIGINT;
BEGIN
    WITH told AS (
        SELECT a.*, o.event_id, o.amount, o.currency, p.amount AS back,
            coalesce(x.done_sequence, p.done_sequence) AS done_sequence,
            coalesce(x.done_at, p.done_at) AS done_at,
            -- Parts come one after the other, so those before it are all that went back before.
            o.amount - (SELECT sum(q.amount) FROM order_part q
                WHERE q.order_id = p.order_id AND q.part <= p.part) AS stays,
            cardinality(o.line_seat) AS places,
            CASE a.kind WHEN 'sold' THEN 'booking.confirmed' ELSE 'booking.' || a.kind END AS type,
            CASE a.kind WHEN 'sold' THEN 'CONFIRMED' WHEN 'ticket_refunded' THEN 'CONFIRMED'
                WHEN 'refunded' THEN 'REFUNDED' WHEN 'cancelled' THEN 'CANCELLED'
                ELSE 'PENDING' END AS status,
            -- An order has some 4,000 parts at most, between its sale and its end.
            8192 * a.attempt::BIGINT + CASE a.kind WHEN 'declined' THEN 0 WHEN 'sold' THEN 1
                WHEN 'ticket_refunded' THEN 1 + a.part WHEN 'cancelled' THEN 8190
                ELSE 8191 END AS rank
        FROM unnest(p_order, p_attempt, p_kind, p_part, p_party, p_object, p_ticket)
            AS a(order_id, attempt, kind, part, party, object, ticket)
        JOIN webhook_due d ON d.order_id = a.order_id AND d.attempt = a.attempt
            AND d.kind = a.kind AND d.part = a.part
        JOIN orders o ON o.order_id = a.order_id
        LEFT JOIN outbox x
            ON x.order_id = a.order_id AND x.attempt = a.attempt AND x.kind = a.kind
        LEFT JOIN order_part p ON p.order_id = a.order_id AND p.part = a.part
    )
    INSERT INTO webhook_message (message_id, endpoint_id, object, sequence, rank, kind, body,
        created_at, state, next_at)
    SELECT md5(concat_ws(' ', 'usher message 1', e.endpoint_id, t.order_id, t.attempt, t.kind,
            nullif(t.part, 0)))::UUID, e.endpoint_id, t.object, t.done_sequence, t.rank, t.type,
        json_build_object('type', t.type,
            'timestamp', to_char(to_timestamp(t.done_at / 1000.0) AT TIME ZONE 'UTC',
                'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'data', json_build_object('bookingId', t.object, 'eventId', t.event_id,
                'status', t.status, 'declined', t.kind = 'declined', 'attempt', t.attempt,
                'places', t.places, 'sequence', t.done_sequence,
                'total', json_build_object('amount', t.amount, 'currency', t.currency),
                'ticket', CASE WHEN 0 < t.part THEN json_build_object('ticketId', t.ticket,
                    'refunded', json_build_object('amount', t.back, 'currency', t.currency),
                    'left', json_build_object('amount', t.stays, 'currency', t.currency))
                    END))::TEXT,
        p_now, 'waiting', p_now
    FROM told t JOIN webhook_endpoint e ON e.account_id = t.party
    WHERE e.is_active AND t.type = ANY(e.kinds)
    ON CONFLICT (message_id) DO NOTHING;
    GET DIAGNOSTICS made = ROW_COUNT;
    DELETE FROM webhook_due d
    USING unnest(p_order, p_attempt, p_kind, p_part) AS a(order_id, attempt, kind, part)
    WHERE d.order_id = a.order_id AND d.attempt = a.attempt AND d.kind = a.kind
        AND d.part = a.part;
    RETURN made;
END $$;

-- Takes messages that are due: of each booking the oldest that waits, of each endpoint `p_each` at
-- most, none of those that are `p_busy`. They are due again at `p_again`, should nobody say how it
-- went.
CREATE FUNCTION webhooks_take(
    p_busy UUID[], p_each BIGINT, p_most BIGINT, p_now BIGINT, p_again BIGINT
) RETURNS SETOF webhook_message LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY UPDATE webhook_message m SET next_at = p_again, tries = m.tries + 1
    FROM (
        SELECT due.message_id FROM webhook_endpoint e CROSS JOIN LATERAL (
            SELECT w.message_id, w.next_at FROM webhook_message w
            WHERE w.endpoint_id = e.endpoint_id AND w.state = 'waiting' AND w.next_at <= p_now
                AND NOT EXISTS (SELECT FROM webhook_message v
                    WHERE v.endpoint_id = w.endpoint_id AND v.object = w.object
                        AND v.rank < w.rank AND v.state = 'waiting')
            ORDER BY w.next_at LIMIT p_each) due
        WHERE e.is_active AND e.endpoint_id <> ALL(p_busy)
        ORDER BY due.next_at LIMIT p_most
    ) taken
    -- Whoever took it a moment ago has moved `next_at`: seen once the row is locked.
    WHERE m.message_id = taken.message_id AND m.state = 'waiting' AND m.next_at <= p_now
    RETURNING m.*;
END $$;

-- Forgets messages that ended before `p_before`, `p_most` at most. Returns how many.
CREATE FUNCTION webhooks_sweep(p_before BIGINT, p_most BIGINT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE swept BIGINT;
BEGIN
    DELETE FROM webhook_message WHERE message_id IN (SELECT message_id FROM webhook_message
        WHERE state <> 'waiting' AND done_at < p_before ORDER BY done_at LIMIT p_most
        FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS swept = ROW_COUNT;
    RETURN swept;
END $$;
