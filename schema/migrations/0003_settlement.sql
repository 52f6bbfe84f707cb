-- Orders, payments, tickets, the ledger and the outbox of verdicts. Times are Unix milliseconds and
-- come from the caller; amounts are minor units of the order's currency.

-- An order has the bits of its hold as its id: one order a hold, by construction.
-- A sale changes neighbours in one commit, so each row has room for its next version on its page:
-- else the next version costs an entry in every index.
CREATE TABLE orders (
    order_id         UUID       PRIMARY KEY,
    event_id         TEXT       NOT NULL,
    account_id       UUID       NOT NULL,
    state            TEXT       NOT NULL CHECK (state IN (
        'paying', 'declined', 'cancelling', 'cancelled',
        'paid', 'refunding', 'refunded', 'review_needed')),
    -- Why the last attempt was declined, or why a person has to look.
    reason           TEXT,
    -- Counted from 1; another card after a decline is another attempt.
    attempt          INT        NOT NULL CHECK (0 < attempt),
    method           TEXT       NOT NULL,
    -- What the provider charges. Of what a partner has sold (PARTNER): to whom.
    token            TEXT       NOT NULL,
    amount           BIGINT     NOT NULL CHECK (0 <= amount),
    currency         CHAR(3)    NOT NULL,
    -- One entry a place, in the order of the tickets' lines. A seat has area -1, a standing place
    -- seat -1.
    line_seat        INT[]      NOT NULL,
    line_area        INT[]      NOT NULL,
    line_level       INT[]      NOT NULL,
    line_price       BIGINT[]   NOT NULL,
    payment_deadline BIGINT     NOT NULL,
    created_at       BIGINT     NOT NULL,
    updated_at       BIGINT     NOT NULL,
    sold_at          BIGINT,
    captured_at      BIGINT,
    -- Whether a driver has something left to do, and until when one of them is at it.
    todo             BOOLEAN    NOT NULL,
    lease_owner      UUID,
    lease_until      BIGINT     NOT NULL,
    CHECK (state <> 'review_needed' OR reason IS NOT NULL),
    CHECK (0 < cardinality(line_seat)
        AND cardinality(line_seat) = cardinality(line_area)
        AND cardinality(line_seat) = cardinality(line_level)
        AND cardinality(line_seat) = cardinality(line_price))
) WITH (fillfactor = 50);
CREATE INDEX orders_of_account ON orders (account_id, created_at);
CREATE INDEX orders_todo ON orders (lease_until) WHERE todo;

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'restrict_violation';
END $$;

-- The second guard of the order machine; a test holds it against the table in settlement/core.
CREATE TRIGGER orders_move BEFORE UPDATE OF state ON orders FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
        ('paying', 'paid'), ('paying', 'declined'), ('paying', 'cancelling'),
        ('paying', 'review_needed'), ('declined', 'paying'), ('declined', 'cancelled'),
        ('cancelling', 'cancelled'), ('cancelling', 'paid'), ('cancelling', 'review_needed'),
        ('paid', 'refunding'), ('paid', 'review_needed'),
        ('refunding', 'refunded'), ('refunding', 'review_needed'),
        ('review_needed', 'paid'), ('review_needed', 'refunding'),
        ('review_needed', 'cancelled')))
    EXECUTE FUNCTION refuse('no such move');

-- A row exists from the moment that the provider's id of the payment is known. How the payment is
-- there only the provider says. No foreign key here and below: the functions make rows of orders
-- that they have locked, no order is ever deleted, and to look each up once more was a tenth of the
-- database's work under load.
CREATE TABLE payment_attempt (
    order_id    UUID   NOT NULL,
    attempt     INT    NOT NULL,
    provider    TEXT   NOT NULL,
    provider_id TEXT   NOT NULL,
    -- What it was to pay: the order may have been changed for the next attempt.
    amount      BIGINT NOT NULL,
    currency    CHAR(3) NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (order_id, attempt),
    UNIQUE (provider, provider_id)
);

-- Payments that have ended without money, until the provider has been asked about them for the last
-- time: one of them may be paid after all.
CREATE TABLE ended_payment (
    order_id UUID   NOT NULL,
    attempt  INT    NOT NULL,
    looks    INT    NOT NULL,
    look_at  BIGINT NOT NULL,
    PRIMARY KEY (order_id, attempt)
);
CREATE INDEX ended_payment_due ON ended_payment (look_at);

CREATE TABLE ticket (
    order_id    UUID   NOT NULL,
    -- Counted from 0. schema::TicketId is (order_id, line).
    line        INT    NOT NULL,
    event_id    TEXT   NOT NULL,
    -- Who holds it: the buyer, until it is transferred.
    account_id  UUID   NOT NULL,
    -- Raised by each transfer: it is a part of the code, and codes of earlier ones open nothing.
    issue       SMALLINT NOT NULL DEFAULT 0 CHECK (issue BETWEEN 0 AND 255),
    seat_idx    INT,
    area_idx    INT,
    price_level INT    NOT NULL,
    price       BIGINT NOT NULL,
    -- Signed over the key of this row, so it is as unique, and needs no index: whoever checks a
    -- code reads the key from it.
    code        TEXT   NOT NULL,
    -- Refunding: its own money is on its way back, and it opens nothing any more.
    state       TEXT   NOT NULL CHECK (state IN ('valid', 'refunding', 'void')),
    issued_at   BIGINT NOT NULL,
    voided_at   BIGINT,
    PRIMARY KEY (order_id, line),
    CHECK (num_nonnulls(seat_idx, area_idx) = 1),
    CHECK ((state = 'void') = (voided_at IS NOT NULL))
) WITH (fillfactor = 70);

-- SEAT-1: the last guard. A row exists while the seat's ticket is not void.
CREATE TABLE live_seat (
    event_id TEXT NOT NULL,
    seat_idx INT  NOT NULL,
    order_id UUID NOT NULL,
    line     INT  NOT NULL,
    PRIMARY KEY (event_id, seat_idx)
);

-- What the areas that share a capacity have sold together.
CREATE TABLE pool_sold (
    event_id TEXT NOT NULL,
    pool_idx INT  NOT NULL,
    sold     INT  NOT NULL DEFAULT 0,
    capacity INT  NOT NULL,
    PRIMARY KEY (event_id, pool_idx),
    CHECK (0 <= sold AND sold <= capacity)
) WITH (fillfactor = 50);

CREATE TABLE area_sold (
    event_id TEXT NOT NULL,
    area_idx INT  NOT NULL,
    sold     INT  NOT NULL DEFAULT 0,
    capacity INT  NOT NULL,
    -- The pool that it is in, if any.
    pool_idx INT,
    PRIMARY KEY (event_id, area_idx),
    FOREIGN KEY (event_id, pool_idx) REFERENCES pool_sold,
    CHECK (0 <= sold AND sold <= capacity)
) WITH (fillfactor = 50);

-- Whether entries sum to zero. A loop is cheaper than a query.
CREATE FUNCTION ledger_balances(p_amount BIGINT[]) RETURNS BOOLEAN
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE one BIGINT; total NUMERIC := 0;
BEGIN
    FOREACH one IN ARRAY p_amount LOOP total := total + one; END LOOP;
    RETURN coalesce(total = 0, false);
END $$;

-- Double entry, a row a transaction, so that it is booked whole or not at all. What an order has
-- booked of each kind is booked once: the key makes a repetition fail.
CREATE TABLE ledger_transaction (
    order_id UUID     NOT NULL,
    kind     TEXT     NOT NULL CHECK (kind IN (
        'sale', 'capture', 'reversal', 'payout', 'part_reversal', 'part_payout', 'chargeback',
        'chargeback_won')),
    -- Counted from 0 where a kind can come in parts.
    part     INT      NOT NULL,
    event_id TEXT     NOT NULL,
    at       BIGINT   NOT NULL,
    currency CHAR(3)  NOT NULL,
    -- Its entries. Positive is a debit, negative a credit.
    account  TEXT[]   NOT NULL CHECK (account <@ ARRAY[
        'fan_receivable', 'provider_clearing', 'promoter_payable', 'partner_receivable', 'fees',
        'tax_payable', 'chargeback']),
    amount   BIGINT[] NOT NULL,
    -- Whose account each is, where each has one; NULL there is the house's own events.
    party    UUID[]   NOT NULL,
    PRIMARY KEY (order_id, kind, part),
    -- MON-1; of two entries, which most transactions have, without a call.
    CONSTRAINT ledger_balances CHECK (CASE cardinality(amount)
        WHEN 2 THEN coalesce(amount[1] + amount[2] = 0, false) ELSE ledger_balances(amount) END),
    CHECK (0 < cardinality(amount) AND cardinality(amount) = cardinality(account)
        AND cardinality(amount) = cardinality(party))
);
CREATE INDEX ledger_transaction_of_event ON ledger_transaction (event_id, at);
CREATE INDEX ledger_transaction_of_party ON ledger_transaction USING gin (party)
    WHERE array_remove(party, NULL) <> '{}';
CREATE TRIGGER ledger_transaction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON ledger_transaction FOR EACH STATEMENT EXECUTE FUNCTION refuse('the ledger is append-only');

-- The same entry by entry.
CREATE VIEW ledger_entry AS
SELECT t.order_id, t.kind, t.part, t.event_id, t.at, e.account, e.amount, t.currency, e.party
FROM ledger_transaction t, unnest(t.account, t.amount, t.party) AS e(account, amount, party);

-- What GET /api/partners/statements and /api/admin/events/{id}/statement show, of one event or one
-- party, or of both: sums of what was booked in `[p_from, p_to)`. Rows without a kind and event are
-- the balances at `p_from`: one sum an account, whose orders nobody has to count.
CREATE FUNCTION ledger_statement(p_event TEXT, p_party UUID, p_from BIGINT, p_to BIGINT)
RETURNS TABLE (
    currency TEXT, account TEXT, event_id TEXT, kind TEXT, transactions BIGINT, amount BIGINT
) LANGUAGE sql STABLE AS $$
    SELECT t.currency::TEXT, e.account, '', NULL, 0, sum(e.amount)::BIGINT
    FROM ledger_transaction t, unnest(t.account, t.amount, t.party) AS e(account, amount, party)
    WHERE t.at < p_from AND (p_event IS NULL OR t.event_id = p_event)
        AND (p_party IS NULL OR (e.party = p_party AND array_remove(t.party, NULL) <> '{}'
            AND t.party @> ARRAY[p_party]))
    GROUP BY 1, 2
    UNION ALL
    SELECT t.currency::TEXT, e.account, t.event_id, t.kind, count(DISTINCT t.order_id),
        sum(e.amount)::BIGINT
    FROM ledger_transaction t, unnest(t.account, t.amount, t.party) AS e(account, amount, party)
    WHERE p_from <= t.at AND t.at < p_to AND (p_event IS NULL OR t.event_id = p_event)
        AND (p_party IS NULL OR (e.party = p_party AND array_remove(t.party, NULL) <> '{}'
            AND t.party @> ARRAY[p_party]))
    GROUP BY 1, 2, 3, 4
    ORDER BY 1, 2, 3, 4 NULLS FIRST
$$;

-- Verdicts on their way to the owner of the shard. Done when the answer was read back from the
-- journal.
CREATE TABLE outbox (
    order_id      UUID   NOT NULL,
    attempt       INT    NOT NULL,
    kind          TEXT   NOT NULL CHECK (kind IN ('declined', 'cancelled', 'sold', 'refunded')),
    -- Raised when the owner announces a payment again that it had heard the verdict on.
    round         INT    NOT NULL,
    command_id    UUID   NOT NULL,
    event_id      TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    send_at       BIGINT NOT NULL,
    done_at       BIGINT,
    -- Where in the shard's journal the answer stands, and what it was if not the expected one.
    done_sequence BIGINT,
    answer        TEXT,
    PRIMARY KEY (order_id, attempt, kind)
) WITH (fillfactor = 70);
CREATE INDEX outbox_undone ON outbox (send_at) WHERE done_at IS NULL;
-- Answers come by it: no two that are undone have the same command. It says "not done" in other
-- words, so that who looks for commands is never led through the index above, which would be read
-- from end to end.
CREATE UNIQUE INDEX outbox_command ON outbox (command_id) WHERE coalesce(done_at, -1) = -1;

-- What GET /api/bookings shows. `booking_id` has the bits of both BookingId and reservationId.
-- `state` is the order's own state; `status` is the word of the API.
CREATE VIEW booking_view AS
SELECT order_id AS booking_id, account_id, event_id, state,
    CASE state WHEN 'paid' THEN 'CONFIRMED' WHEN 'refunding' THEN 'CONFIRMED'
        WHEN 'refunded' THEN 'REFUNDED' WHEN 'cancelled' THEN 'CANCELLED'
        ELSE CASE WHEN sold_at IS NULL THEN 'PENDING' ELSE 'CONFIRMED' END END AS status,
    CASE WHEN state = 'declined' THEN reason END AS decline_reason,
    attempt, amount, currency, method, created_at, updated_at, sold_at,
    -- Whom a partner has sold it to.
    CASE method WHEN 'PARTNER' THEN token END AS buyer
FROM orders;

-- The tickets of a booking: one row a place, none before it is paid. In order of `line` for an
-- answer.
CREATE VIEW booking_line_view AS
SELECT order_id AS booking_id, line, account_id AS holder_id, seat_idx, area_idx, price_level,
    price, code, state AS ticket_state
FROM ticket;

-- Bookings with their tickets, the newest first: a row a ticket, or one without a line.
CREATE FUNCTION bookings(p_booking UUID[]) RETURNS TABLE (
    booking_id UUID, account_id UUID, event_id TEXT, state TEXT, status TEXT, amount BIGINT,
    currency TEXT, created_at BIGINT, line INT, holder_id UUID, seat_idx INT, area_idx INT,
    price_level INT, price BIGINT, code TEXT, ticket_state TEXT, method TEXT, buyer TEXT
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT booking_id, b.account_id, b.event_id, b.state, b.status, b.amount,
        b.currency::TEXT, b.created_at, l.line, l.holder_id, l.seat_idx, l.area_idx,
        l.price_level, l.price, l.code, l.ticket_state, b.method, b.buyer
    FROM booking_view b LEFT JOIN booking_line_view l USING (booking_id)
    WHERE booking_id = ANY(p_booking)
    ORDER BY b.created_at DESC, booking_id DESC, l.line;
END $$;

-- One row a ticket that was used, for good.
CREATE TABLE checkin (
    order_id    UUID   NOT NULL,
    line        INT    NOT NULL,
    -- Of the scan that was stored first: it hears the same when it comes again.
    scan_id     UUID   NOT NULL,
    entrance        TEXT   NOT NULL,
    account_id  UUID   NOT NULL,
    scanned_at  BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (order_id, line)
);
CREATE TRIGGER checkin_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkin
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('who is in stays in');

-- One row each time that a ticket has changed hands; `issue` is the code that it has since.
CREATE TABLE ticket_transfer (
    order_id       UUID     NOT NULL,
    line           INT      NOT NULL,
    issue          SMALLINT NOT NULL,
    from_account   UUID     NOT NULL,
    to_account     UUID     NOT NULL,
    transferred_at BIGINT   NOT NULL,
    PRIMARY KEY (order_id, line, issue)
);
CREATE TRIGGER ticket_transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ticket_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('a transfer is not taken back');
CREATE INDEX ticket_of_holder ON ticket (account_id, issued_at) WHERE 0 < issue;

-- Tickets whose price their buyer cannot have back any more.
CREATE VIEW spent_ticket AS
SELECT t.order_id, t.line, c.order_id IS NOT NULL AS is_in
FROM ticket t LEFT JOIN checkin c USING (order_id, line)
JOIN orders o USING (order_id)
WHERE c.order_id IS NOT NULL OR t.account_id <> o.account_id;

-- The functions below take parallel arrays and do the work of many orders in one statement and one
-- commit. All lock orders in the order of their ids first, then seats, then areas, then pools, so
-- that callers do not deadlock. An UPDATE FROM a sorted list locks in the list's order: it can only be a nested
-- loop over the list, or over the orders by id.

-- Lets a function keep its plans: to plan anew in each call was a quarter of the database's work
-- under load. A plan that is kept must be good for small tables and large ones, so it may only go
-- by index, and is never compiled, which would begin as soon as a plan looks dear. What the
-- function calls runs under its settings.
CREATE PROCEDURE keep_plans(p_function REGPROC) LANGUAGE plpgsql AS $$
DECLARE setting TEXT;
BEGIN
    FOREACH setting IN ARRAY ARRAY['plan_cache_mode = force_generic_plan', 'enable_seqscan = off',
        'enable_hashjoin = off', 'enable_mergejoin = off', 'jit = off']
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET %s', p_function, setting);
    END LOOP;
END $$;

-- Books transactions, whose entries come as array literals. Orders that are not among `p_order` book
-- nothing; those that are, are locked.
CREATE FUNCTION ledger_post(
    p_order UUID[], p_booked UUID[], p_kind TEXT[], p_account TEXT[], p_amount TEXT[],
    p_party TEXT[], p_now BIGINT
) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger_transaction (order_id, kind, part, event_id, at, currency, account, amount,
        party)
    SELECT b.order_id, b.kind, 0, o.event_id, p_now, o.currency, b.account::TEXT[],
        b.amount::BIGINT[], b.party::UUID[]
    FROM unnest(p_booked, p_kind, p_account, p_amount, p_party)
        AS b(order_id, kind, account, amount, party)
    JOIN orders o ON o.order_id = b.order_id
    WHERE b.order_id = ANY(p_order);
END $$;

-- Puts verdicts of `p_order` into the outbox. Their first sending is the caller's; `send_at` is the
-- second.
CREATE FUNCTION outbox_post(
    p_order UUID[], p_verdict_order UUID[], p_kind TEXT[], p_command UUID[],
    p_now BIGINT, p_send_at BIGINT
) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (order_id, attempt, kind, round, command_id, event_id, created_at, send_at)
    SELECT v.order_id, o.attempt, v.kind, 0, v.command_id, o.event_id, p_now, p_send_at
    FROM unnest(p_verdict_order, p_kind, p_command) AS v(order_id, kind, command_id)
    JOIN orders o USING (order_id)
    WHERE v.order_id = ANY(p_order)
    ON CONFLICT (order_id, attempt, kind) DO NOTHING;
END $$;

-- Takes verdicts that are due to be sent again, each for one caller: they are due once more
-- `p_again_ms` later.
CREATE FUNCTION outbox_due(p_now BIGINT, p_again_ms BIGINT, p_most BIGINT) RETURNS TABLE (
    order_id UUID, event_id TEXT, attempt INT, kind TEXT, round INT
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY UPDATE outbox x SET send_at = p_now + p_again_ms
    WHERE (x.order_id, x.attempt, x.kind) IN (
        SELECT order_id, attempt, kind FROM outbox WHERE done_at IS NULL AND send_at <= p_now
        ORDER BY send_at LIMIT p_most FOR UPDATE SKIP LOCKED)
    RETURNING x.order_id, x.event_id, x.attempt, x.kind, x.round;
END $$;

-- Open => Paying, Declined => Paying. Returns the orders that are new to us, for their driver; an
-- announcement that repeats changes nothing. Lines come as array literals. An id that the payment
-- will have at the provider is stored with its order. No order occurs twice.
CREATE FUNCTION order_start(
    p_order UUID[], p_event TEXT[], p_account UUID[], p_attempt INT[], p_method TEXT[],
    p_token TEXT[], p_amount BIGINT[], p_currency TEXT[], p_seat TEXT[], p_area TEXT[],
    p_level TEXT[], p_price TEXT[], p_deadline BIGINT[], p_provider TEXT, p_provider_id TEXT[],
    p_now BIGINT, p_lease_owner UUID, p_lease_until BIGINT
) RETURNS SETOF UUID LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY WITH started AS (
        INSERT INTO orders AS o (order_id, event_id, account_id, state, attempt, method, token,
            amount, currency, line_seat, line_area, line_level, line_price, payment_deadline,
            created_at, updated_at, todo, lease_owner, lease_until)
        SELECT a.order_id, a.event_id, a.account_id, 'paying', a.attempt, a.method, a.token,
            a.amount, a.currency, a.seat::INT[], a.area::INT[], a.level::INT[], a.price::BIGINT[],
            a.deadline, p_now, p_now, true, p_lease_owner, p_lease_until
        FROM unnest(p_order, p_event, p_account, p_attempt, p_method, p_token, p_amount,
            p_currency, p_seat, p_area, p_level, p_price, p_deadline) AS a(order_id, event_id,
            account_id, attempt, method, token, amount, currency, seat, area, level, price,
            deadline)
        ORDER BY a.order_id
        ON CONFLICT (order_id) DO UPDATE SET state = 'paying', reason = NULL,
            attempt = EXCLUDED.attempt, method = EXCLUDED.method, token = EXCLUDED.token,
            amount = EXCLUDED.amount, currency = EXCLUDED.currency,
            line_seat = EXCLUDED.line_seat, line_area = EXCLUDED.line_area,
            line_level = EXCLUDED.line_level, line_price = EXCLUDED.line_price,
            payment_deadline = EXCLUDED.payment_deadline, updated_at = p_now, todo = true,
            lease_owner = p_lease_owner, lease_until = p_lease_until
        WHERE o.state = 'declined' AND o.attempt < EXCLUDED.attempt
        RETURNING o.order_id, o.attempt, o.amount, o.currency
    ), bound AS (
        INSERT INTO payment_attempt (order_id, attempt, provider, provider_id, amount, currency,
            created_at)
        SELECT s.order_id, s.attempt, p_provider, s.provider_id, s.amount, s.currency, p_now
        FROM (SELECT *, p_provider_id[array_position(p_order, order_id)] AS provider_id
            FROM started) s
        WHERE s.provider_id IS NOT NULL
    )
    SELECT s.order_id FROM started s;
END $$;

-- Leases up to `p_most` orders that have something left to do and nobody at work.
CREATE FUNCTION order_claim(
    p_owner UUID, p_until BIGINT, p_now BIGINT, p_most BIGINT
) RETURNS SETOF UUID LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY UPDATE orders SET lease_owner = p_owner, lease_until = p_until
    WHERE order_id IN (
        SELECT o.order_id FROM orders o WHERE o.todo AND o.lease_until <= p_now
        ORDER BY o.lease_until LIMIT p_most FOR UPDATE SKIP LOCKED)
    RETURNING order_id;
END $$;

-- Until the commit nobody else says whose payment of a provider this is: who stores it for an order
-- and who finds it without one exclude each other.
CREATE FUNCTION payment_claim(p_id TEXT) RETURNS VOID LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(p_id, 0))
$$;

-- Stores the provider's ids of payments. Returns for each order the id that counts, or NULL if the
-- order is not Paying that attempt any more: such a payment must not be authorised.
CREATE FUNCTION order_bind(
    p_order UUID[], p_attempt INT[], p_provider TEXT, p_provider_id TEXT[], p_now BIGINT
) RETURNS TABLE (order_id UUID, provider_id TEXT) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE bound INT;
BEGIN
    PERFORM payment_claim(s.id)
    FROM (SELECT unnest(p_provider_id) AS id ORDER BY 1) s;
    INSERT INTO payment_attempt (order_id, attempt, provider, provider_id, amount, currency,
        created_at)
    SELECT o.order_id, o.attempt, p_provider, a.provider_id, o.amount, o.currency, p_now
    FROM orders o JOIN unnest(p_order, p_attempt, p_provider_id)
            AS a(order_id, attempt, provider_id)
        ON o.order_id = a.order_id AND o.attempt = a.attempt
    WHERE o.state = 'paying' AND NOT EXISTS (SELECT FROM found_money f
        WHERE f.provider = p_provider AND f.provider_id = a.provider_id)
    ORDER BY o.order_id FOR UPDATE OF o
    ON CONFLICT (order_id, attempt) DO NOTHING;
    GET DIAGNOSTICS bound = ROW_COUNT;
    IF bound = cardinality(p_order) THEN
        RETURN QUERY SELECT * FROM unnest(p_order, p_provider_id);
        RETURN;
    END IF;
    -- A statement of its own, so that it sees rows that another caller made while this one waited.
    RETURN QUERY SELECT a.order_id, t.provider_id
        FROM unnest(p_order, p_attempt) AS a(order_id, attempt)
        LEFT JOIN (orders o JOIN payment_attempt t USING (order_id, attempt))
            ON o.order_id = a.order_id AND o.attempt = a.attempt AND o.state = 'paying';
END $$;

-- Adds standing places to what is sold, or takes them off: one update an area, and one a pool of
-- theirs. There is an entry a place.
CREATE FUNCTION areas_change(p_event TEXT[], p_area INT[], p_sign INT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE wanted INT; found_count INT; pool_event TEXT[]; pool_number INT[]; pool_places INT[];
BEGIN
    wanted := (SELECT count(DISTINCT (l.event_id, l.area))
        FROM unnest(p_event, p_area) AS l(event_id, area));
    IF wanted = 0 THEN RETURN; END IF;
    WITH change AS (
        SELECT l.event_id, l.area AS area_idx, count(*)::INT * p_sign AS places
        FROM unnest(p_event, p_area) AS l(event_id, area) GROUP BY 1, 2
    ), locked AS (
        SELECT s.event_id, s.area_idx, c.places FROM area_sold s JOIN change c
            ON s.event_id = c.event_id AND s.area_idx = c.area_idx
        ORDER BY s.event_id, s.area_idx FOR UPDATE OF s
    ), changed AS (
        UPDATE area_sold s SET sold = s.sold + l.places
        FROM locked l WHERE s.event_id = l.event_id AND s.area_idx = l.area_idx
        RETURNING s.event_id, s.pool_idx, l.places
    )
    SELECT count(*), array_agg(c.event_id) FILTER (WHERE c.pool_idx IS NOT NULL),
        array_agg(c.pool_idx) FILTER (WHERE c.pool_idx IS NOT NULL),
        array_agg(c.places) FILTER (WHERE c.pool_idx IS NOT NULL)
    INTO found_count, pool_event, pool_number, pool_places FROM changed c;
    IF found_count <> wanted THEN
        RAISE EXCEPTION 'the capacity of an area is not known' USING ERRCODE = 'no_data_found';
    END IF;
    IF pool_number IS NULL THEN RETURN; END IF;
    WITH change AS (
        SELECT a.event_id, a.pool_idx, sum(a.places)::INT AS places
        FROM unnest(pool_event, pool_number, pool_places) AS a(event_id, pool_idx, places)
        GROUP BY 1, 2
    ), locked AS (
        SELECT s.event_id, s.pool_idx, c.places FROM pool_sold s JOIN change c
            ON s.event_id = c.event_id AND s.pool_idx = c.pool_idx
        ORDER BY s.event_id, s.pool_idx FOR UPDATE OF s
    )
    UPDATE pool_sold s SET sold = s.sold + l.places
    FROM locked l WHERE s.event_id = l.event_id AND s.pool_idx = l.pool_idx;
END $$;

-- Sells those of `p_order` that may be sold: makes their places live, with all that belongs to it.
-- Returns how many they are. Fails as a whole if a place is somebody's already. Each order is
-- looked up once, and the rest is made of what that returns. Seats are sorted, so none is claimed
-- before all orders are locked.
CREATE FUNCTION orders_sell(
    p_order UUID[], p_attempt INT[], p_charged BOOLEAN[], p_codes TEXT[], p_command UUID[],
    p_entry_kind TEXT[], p_entry_account TEXT[], p_entry_amount TEXT[], p_entry_party TEXT[],
    p_now BIGINT, p_send_at BIGINT
) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    sold BIGINT; lines BIGINT; issued BIGINT; area_events TEXT[]; areas INT[];
BEGIN
    WITH sold AS (
        -- The money of what a partner has sold is not taken.
        UPDATE orders o SET state = 'paid', sold_at = p_now, updated_at = p_now, reason = NULL,
            todo = o.method <> 'PARTNER'
        FROM (SELECT * FROM unnest(p_order, p_attempt, p_charged, p_codes, p_command, p_entry_kind,
                p_entry_account, p_entry_amount, p_entry_party)
            AS a(order_id, attempt, charged, codes, command_id, kind, account, amount, party)
            ORDER BY order_id) a
        WHERE o.order_id = a.order_id AND o.attempt = a.attempt
            AND (o.state = 'paying' OR (o.state = 'cancelling' AND a.charged))
        RETURNING o.order_id, o.event_id, o.account_id, o.attempt, o.currency, o.line_seat,
            o.line_area, o.line_level, o.line_price, a.codes, a.command_id, a.kind, a.account,
            a.amount, a.party
    ), place AS MATERIALIZED (
        SELECT s.order_id, s.event_id, s.account_id, l.line - 1 AS line, l.seat, l.area, l.level,
            l.price, l.code
        FROM sold s, unnest(s.line_seat, s.line_area, s.line_level, s.line_price, s.codes::TEXT[])
            WITH ORDINALITY AS l(seat, area, level, price, code, line)
    ), claim AS (
        INSERT INTO live_seat (event_id, seat_idx, order_id, line)
        SELECT event_id, seat, order_id, line FROM place WHERE 0 <= seat ORDER BY event_id, seat
    ), issue AS (
        INSERT INTO ticket (order_id, line, event_id, account_id, seat_idx, area_idx, price_level,
            price, code, state, issued_at)
        SELECT order_id, line, event_id, account_id, nullif(seat, -1), nullif(area, -1), level,
            price, code, 'valid', p_now
        FROM place
        RETURNING 1
    ), verdict AS (
        INSERT INTO outbox (order_id, attempt, kind, round, command_id, event_id, created_at,
            send_at)
        SELECT order_id, attempt, 'sold', 0, command_id, event_id, p_now, p_send_at FROM sold
        ON CONFLICT (order_id, attempt, kind) DO NOTHING
    ), booked AS (
        INSERT INTO ledger_transaction (order_id, kind, part, event_id, at, currency, account,
            amount, party)
        SELECT order_id, kind, 0, event_id, p_now, currency, account::TEXT[], amount::BIGINT[],
            party::UUID[]
        FROM sold
    )
    SELECT count(*), coalesce(sum(cardinality(s.line_seat)), 0), (SELECT count(*) FROM issue),
        (SELECT array_agg(p.event_id) FROM place p WHERE 0 <= p.area),
        (SELECT array_agg(p.area) FROM place p WHERE 0 <= p.area)
    INTO sold, lines, issued, area_events, areas FROM sold s;
    ASSERT issued = lines, 'ORD-3: one ticket a place';
    IF area_events IS NOT NULL THEN
        PERFORM areas_change(area_events, areas, 1);
    END IF;
    RETURN sold;
END $$;

-- Paying => Paid, Cancelling => Paid (the money was found taken), Paying => ReviewNeeded.
-- For each order: ticket codes as an array literal, the command of the verdict, what it books with
-- its entries as array literals.
-- Returns the state of every order of `p_order` after it, and why a person has to look, if one has
-- to; one that is Paid already stays as it is.
CREATE FUNCTION sell(
    p_order UUID[], p_attempt INT[], p_charged BOOLEAN[], p_codes TEXT[], p_command UUID[],
    p_entry_kind TEXT[], p_entry_account TEXT[], p_entry_amount TEXT[], p_entry_party TEXT[],
    p_now BIGINT, p_send_at BIGINT
) RETURNS TABLE (order_id UUID, state TEXT, review TEXT) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE one RECORD; culprit TEXT; sold BIGINT := 0;
BEGIN
    BEGIN
        sold := orders_sell(p_order, p_attempt, p_charged, p_codes, p_command, p_entry_kind,
            p_entry_account, p_entry_amount, p_entry_party, p_now, p_send_at);
    EXCEPTION WHEN unique_violation OR check_violation THEN
        -- SEAT-1 or a capacity is about to break: the orders go one by one, so that only the
        -- culprit fails. They are locked all at once first, because the failure has let go of them.
        PERFORM FROM orders o WHERE o.order_id = ANY(p_order) ORDER BY o.order_id FOR UPDATE;
        FOR one IN
            SELECT * FROM unnest(p_order, p_attempt, p_charged, p_codes, p_command, p_entry_kind,
                    p_entry_account, p_entry_amount, p_entry_party)
                AS a(order_id, attempt, charged, codes, command_id, kind, account, amount, party)
            ORDER BY a.order_id
        LOOP
            BEGIN
                PERFORM orders_sell(ARRAY[one.order_id], ARRAY[one.attempt], ARRAY[one.charged],
                    ARRAY[one.codes], ARRAY[one.command_id], ARRAY[one.kind], ARRAY[one.account],
                    ARRAY[one.amount], ARRAY[one.party], p_now, p_send_at);
            EXCEPTION WHEN unique_violation OR check_violation THEN
                GET STACKED DIAGNOSTICS culprit = CONSTRAINT_NAME;
                IF culprit NOT IN ('live_seat_pkey', 'area_sold_check', 'pool_sold_check') THEN
                    RAISE;
                END IF;
                UPDATE orders o SET state = 'review_needed', todo = true, updated_at = p_now,
                    reason = CASE culprit
                        WHEN 'live_seat_pkey' THEN 'a seat belongs to another order'
                        WHEN 'pool_sold_check' THEN 'a pool of areas is full'
                        ELSE 'an area is full' END
                WHERE o.order_id = one.order_id;
            END;
        END LOOP;
    END;
    -- As nearly always: nobody has to look how they are.
    IF sold = cardinality(p_order) THEN
        RETURN QUERY SELECT o, 'paid', NULL::TEXT FROM unnest(p_order) o;
        RETURN;
    END IF;
    RETURN QUERY SELECT o.order_id, o.state, CASE WHEN o.state = 'review_needed' THEN o.reason END
        FROM orders o WHERE o.order_id = ANY(p_order);
END $$;

-- The provider has taken the money. Returns the state of every order after it.
CREATE FUNCTION order_capture(
    p_order UUID[], p_booked UUID[], p_entry_kind TEXT[], p_entry_account TEXT[],
    p_entry_amount TEXT[], p_entry_party TEXT[], p_now BIGINT
) RETURNS TABLE (order_id UUID, state TEXT) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE fresh UUID[]; states TEXT[];
BEGIN
    WITH fresh AS (
        UPDATE orders o SET captured_at = p_now, updated_at = p_now,
            todo = (o.state = 'refunding' OR o.sold_at IS NULL)
        FROM (SELECT unnest(p_order) AS order_id ORDER BY 1) a
        WHERE o.order_id = a.order_id AND o.captured_at IS NULL
            AND o.state IN ('paid', 'refunding', 'review_needed')
        RETURNING o.order_id, o.state
    )
    SELECT array_agg(f.order_id), array_agg(f.state) INTO fresh, states FROM fresh f;
    PERFORM ledger_post(fresh, p_booked, p_entry_kind, p_entry_account, p_entry_amount,
        p_entry_party, p_now);
    -- As nearly always: nobody has to look how they are.
    IF cardinality(fresh) = cardinality(p_order) THEN
        RETURN QUERY SELECT * FROM unnest(fresh, states);
        RETURN;
    END IF;
    RETURN QUERY SELECT o.order_id, o.state FROM orders o WHERE o.order_id = ANY(p_order);
END $$;

-- A move without seats and money, for each order whose state and attempt are still those named. By it
-- no order is refunded of which a ticket was used or is somebody else's: whoever checks a ticket in or
-- transfers it locks its order too. Nor is one while a ticket of its own is on the way back, or while
-- the buyer's bank has its money.
-- A payment that has ended is asked about again later. `p_kind` and `p_command` are NULL where
-- nothing is to be told.
-- Returns the state of every order after it.
CREATE FUNCTION order_move(
    p_order UUID[], p_attempt INT[], p_from TEXT[], p_to TEXT[], p_reason TEXT[], p_todo BOOLEAN[],
    p_ended BOOLEAN[], p_kind TEXT[], p_command UUID[], p_now BIGINT, p_send_at BIGINT
) RETURNS TABLE (order_id UUID, state TEXT) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE moving UUID[];
BEGIN
    moving := ARRAY(SELECT o.order_id
        FROM orders o JOIN unnest(p_order, p_attempt, p_from) AS a(order_id, attempt, source)
            ON o.order_id = a.order_id AND o.attempt = a.attempt AND o.state = a.source
        ORDER BY o.order_id FOR UPDATE OF o);
    -- A statement of its own, so that it sees what was done to tickets while this one waited.
    moving := ARRAY(SELECT a.order_id FROM unnest(p_order, p_to) AS a(order_id, target)
        WHERE a.order_id = ANY(moving) AND (a.target <> 'refunding'
            OR NOT EXISTS (SELECT FROM spent_ticket s WHERE s.order_id = a.order_id)
                AND NOT EXISTS (SELECT FROM disputed_order d WHERE d.order_id = a.order_id)
                AND NOT EXISTS (SELECT FROM order_part p
                    WHERE p.order_id = a.order_id AND p.state = 'refunding')));
    UPDATE orders o SET state = a.target, reason = coalesce(a.reason, o.reason), todo = a.todo,
        updated_at = p_now
    FROM unnest(p_order, p_to, p_reason, p_todo) AS a(order_id, target, reason, todo)
    WHERE o.order_id = a.order_id AND o.order_id = ANY(moving);
    INSERT INTO ended_payment (order_id, attempt, looks, look_at)
    SELECT a.order_id, a.attempt, 0, p_now
    FROM unnest(p_order, p_attempt, p_ended) AS a(order_id, attempt, ended)
    -- Nobody can be asked about what the provider never had.
    WHERE a.ended AND a.order_id = ANY(moving) AND EXISTS (SELECT FROM payment_attempt t
        WHERE t.order_id = a.order_id AND t.attempt = a.attempt)
    ON CONFLICT (order_id, attempt) DO NOTHING;
    PERFORM outbox_post(moving,
        ARRAY(SELECT v.order_id FROM unnest(p_order, p_kind) AS v(order_id, kind)
            WHERE v.kind IS NOT NULL),
        array_remove(p_kind, NULL), array_remove(p_command, NULL), p_now, p_send_at);
    RETURN QUERY SELECT o.order_id, o.state FROM orders o WHERE o.order_id = ANY(p_order);
END $$;

-- Refunding => Refunded: the tickets that are left void, seats and places free, ledger, verdict.
-- Returns the state of every order after it; one that is Refunded already stays as it is.
CREATE FUNCTION refund(
    p_order UUID[], p_command UUID[], p_booked UUID[], p_entry_kind TEXT[],
    p_entry_account TEXT[], p_entry_amount TEXT[], p_entry_party TEXT[], p_now BIGINT,
    p_send_at BIGINT
) RETURNS TABLE (order_id UUID, state TEXT) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    refunding UUID[]; seats BIGINT; freed BIGINT; area_events TEXT[]; areas INT[];
BEGIN
    refunding := ARRAY(SELECT order_id FROM orders
        WHERE order_id = ANY(p_order) AND state = 'refunding' ORDER BY order_id FOR UPDATE);
    DELETE FROM live_seat s USING ticket t
    WHERE t.order_id = ANY(refunding) AND t.state = 'valid' AND s.event_id = t.event_id
        AND s.seat_idx = t.seat_idx AND s.order_id = t.order_id;
    GET DIAGNOSTICS freed = ROW_COUNT;
    seats := (SELECT count(t.seat_idx) FROM ticket t
        WHERE t.order_id = ANY(refunding) AND t.state = 'valid');
    ASSERT freed = seats, 'ORD-3: a valid ticket has a live seat';
    SELECT array_agg(t.event_id), array_agg(t.area_idx) INTO area_events, areas FROM ticket t
    WHERE t.order_id = ANY(refunding) AND t.state = 'valid' AND t.area_idx IS NOT NULL;
    PERFORM areas_change(area_events, areas, -1);
    UPDATE ticket t SET state = 'void', voided_at = p_now
    WHERE t.order_id = ANY(refunding) AND t.state = 'valid';
    UPDATE orders o SET state = 'refunded', todo = false, updated_at = p_now
    WHERE o.order_id = ANY(refunding);
    PERFORM ledger_post(refunding, p_booked, p_entry_kind, p_entry_account, p_entry_amount,
        p_entry_party, p_now);
    PERFORM outbox_post(refunding, p_order,
        array_fill('refunded'::TEXT, ARRAY[cardinality(p_order)]), p_command, p_now, p_send_at);
    RETURN QUERY SELECT o.order_id, o.state FROM orders o WHERE o.order_id = ANY(p_order);
END $$;

-- Lets in whom a scan of a valid ticket's last code finds first. Of each scan, by its position from
-- 1: what it has found, and the scan that has let the holder in.
CREATE FUNCTION check_in(
    p_order UUID[], p_line INT[], p_issue INT[], p_scan UUID[], p_at BIGINT[],
    p_event TEXT, p_entrance TEXT, p_account UUID, p_now BIGINT
) RETURNS TABLE (place BIGINT, found TEXT, scanned_at BIGINT, entrance TEXT) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM orders o WHERE o.order_id = ANY(p_order) ORDER BY o.order_id FOR SHARE;
    INSERT INTO checkin (order_id, line, scan_id, entrance, account_id, scanned_at, recorded_at)
    SELECT DISTINCT ON (t.order_id, t.line) t.order_id, t.line, s.scan, p_entrance, p_account, s.at,
        p_now
    FROM unnest(p_order, p_line, p_issue, p_scan, p_at)
        WITH ORDINALITY AS s(order_id, line, issue, scan, at, place)
    JOIN ticket t ON t.order_id = s.order_id AND t.line = s.line AND t.issue = s.issue
    JOIN orders o ON o.order_id = s.order_id
    WHERE t.event_id = p_event AND t.state = 'valid' AND o.state <> 'refunding'
    ORDER BY t.order_id, t.line, s.at, s.place
    ON CONFLICT (order_id, line) DO NOTHING;
    RETURN QUERY SELECT s.place,
        CASE WHEN t.order_id IS NULL THEN 'forged' WHEN t.event_id <> p_event THEN 'other_event'
            WHEN c.scan_id = s.scan THEN 'admitted'
            WHEN t.state <> 'valid' OR o.state = 'refunding' OR t.issue <> s.issue THEN 'void'
            ELSE 'duplicate' END,
        c.scanned_at, c.entrance
    FROM unnest(p_order, p_line, p_issue, p_scan)
        WITH ORDINALITY AS s(order_id, line, issue, scan, place)
    LEFT JOIN ticket t ON t.order_id = s.order_id AND t.line = s.line
    LEFT JOIN orders o ON o.order_id = s.order_id
    LEFT JOIN checkin c ON c.order_id = s.order_id AND c.line = s.line
    ORDER BY s.place;
END $$;

-- Gives a ticket to another account, by a code of its own, if it is still as it was read and has
-- opened no entrance. Says whether it did.
CREATE FUNCTION ticket_transfer(
    p_order UUID, p_line INT, p_issue INT, p_from UUID, p_to UUID, p_code TEXT, p_now BIGINT
) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
    -- Whoever checks tickets in shares this lock, so the statements behind it see what they did.
    PERFORM FROM orders WHERE order_id = p_order AND state <> 'refunding' FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE ticket t SET account_id = p_to, issue = p_issue + 1, code = p_code
    WHERE t.order_id = p_order AND t.line = p_line AND t.issue = p_issue
        AND t.account_id = p_from AND t.state = 'valid'
        AND NOT EXISTS (SELECT FROM checkin c WHERE c.order_id = p_order AND c.line = p_line);
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO ticket_transfer (order_id, line, issue, from_account, to_account, transferred_at)
    VALUES (p_order, p_line, p_issue + 1, p_from, p_to, p_now);
    RETURN true;
END $$;

CALL keep_plans('bookings');
CALL keep_plans('outbox_due');
CALL keep_plans('order_claim');
-- The indexes of what is undone have what is done too until it is vacuumed. A scan of the index
-- itself marks that as gone where it meets it; one by a bitmap would meet it each time.
ALTER FUNCTION outbox_due SET enable_bitmapscan = off;
ALTER FUNCTION order_claim SET enable_bitmapscan = off;
CALL keep_plans('order_start');
CALL keep_plans('order_bind');
CALL keep_plans('sell');
CALL keep_plans('order_capture');
CALL keep_plans('order_move');
CALL keep_plans('refund');
CALL keep_plans('check_in');
CALL keep_plans('ticket_transfer');
