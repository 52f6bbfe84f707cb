-- Orders, payments, tickets, the ledger and the outbox of verdicts.
-- Times are Unix milliseconds and come from the caller; amounts are minor units of the order's currency.

-- An order has the bits of its hold as its id: one order a hold, by construction.
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
    token            TEXT       NOT NULL,
    amount           BIGINT     NOT NULL CHECK (0 <= amount),
    currency         CHAR(3)    NOT NULL,
    -- One entry a place, in the order of the tickets' lines. A seat has area -1, a standing place seat -1.
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
) WITH (fillfactor = 70);
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
        ('refunding', 'refunded'), ('refunding', 'review_needed')))
    EXECUTE FUNCTION refuse('no such move');

-- A row exists from the moment that the provider's id of the payment is known.
CREATE TABLE payment_attempt (
    order_id    UUID   NOT NULL REFERENCES orders,
    attempt     INT    NOT NULL,
    provider    TEXT   NOT NULL,
    provider_id TEXT   NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN (
        'created', 'authorised', 'captured', 'declined', 'cancelled', 'refunded')),
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (order_id, attempt),
    UNIQUE (provider, provider_id)
) WITH (fillfactor = 70);

CREATE TABLE ticket (
    order_id    UUID   NOT NULL REFERENCES orders,
    -- Counted from 0. schema::TicketId is (order_id, line).
    line        INT    NOT NULL,
    event_id    TEXT   NOT NULL,
    account_id  UUID   NOT NULL,
    seat_idx    INT,
    area_idx    INT,
    price_level INT    NOT NULL,
    price       BIGINT NOT NULL,
    code        TEXT   NOT NULL UNIQUE,
    state       TEXT   NOT NULL CHECK (state IN ('valid', 'void')),
    issued_at   BIGINT NOT NULL,
    voided_at   BIGINT,
    PRIMARY KEY (order_id, line),
    CHECK (num_nonnulls(seat_idx, area_idx) = 1),
    CHECK ((state = 'void') = (voided_at IS NOT NULL))
) WITH (fillfactor = 70);

-- SEAT-1: the last guard. A row exists while the seat's ticket is valid.
CREATE TABLE live_seat (
    event_id TEXT NOT NULL,
    seat_idx INT  NOT NULL,
    order_id UUID NOT NULL,
    line     INT  NOT NULL,
    PRIMARY KEY (event_id, seat_idx)
);

CREATE TABLE area_sold (
    event_id TEXT NOT NULL,
    area_idx INT  NOT NULL,
    sold     INT  NOT NULL DEFAULT 0,
    capacity INT  NOT NULL,
    PRIMARY KEY (event_id, area_idx),
    CHECK (0 <= sold AND sold <= capacity)
) WITH (fillfactor = 50);

-- Double entry. What an order has booked of each kind is booked once: the key makes a repetition fail.
CREATE TABLE ledger_transaction (
    order_id UUID    NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('sale', 'capture', 'reversal', 'payout')),
    -- Counted from 0 where a kind can come in parts.
    part     INT     NOT NULL,
    event_id TEXT    NOT NULL,
    at       BIGINT  NOT NULL,
    PRIMARY KEY (order_id, kind, part)
);
CREATE TABLE ledger_entry (
    order_id UUID    NOT NULL,
    kind     TEXT    NOT NULL,
    part     INT     NOT NULL,
    account  TEXT    NOT NULL CHECK (account IN (
        'fan_receivable', 'provider_clearing', 'promoter_payable', 'fees')),
    -- Positive is a debit, negative a credit.
    amount   BIGINT  NOT NULL,
    currency CHAR(3) NOT NULL,
    PRIMARY KEY (order_id, kind, part, account)
);

-- MON-1: entries are inserted a whole transaction at a time, so each insertion must balance by itself.
CREATE FUNCTION ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE culprit RECORD;
BEGIN
    SELECT order_id, kind, currency, sum(amount) AS off INTO culprit
    FROM fresh GROUP BY order_id, kind, part, currency HAVING sum(amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'MON-1: % of order % is off by % %',
            culprit.kind, culprit.order_id, culprit.off, culprit.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balances';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_entry_balances AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION ledger_balances();
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('the ledger is append-only');
CREATE TRIGGER ledger_transaction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON ledger_transaction FOR EACH STATEMENT EXECUTE FUNCTION refuse('the ledger is append-only');

-- Verdicts on their way to the owner of the shard. Done when the answer was read back from the journal.
CREATE TABLE outbox (
    order_id      UUID   NOT NULL,
    attempt       INT    NOT NULL,
    kind          TEXT   NOT NULL CHECK (kind IN ('declined', 'cancelled', 'sold', 'refunded')),
    -- Raised when the owner announces a payment again that it had heard the verdict on.
    round         INT    NOT NULL,
    command_id    UUID   NOT NULL UNIQUE,
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

-- What GET /api/bookings shows. `booking_id` has the bits of both BookingId and reservationId.
-- `state` is the order's own state; `status` is the word of the API.
CREATE VIEW booking_view AS
SELECT order_id AS booking_id, account_id, event_id, state,
    CASE state WHEN 'paid' THEN 'CONFIRMED' WHEN 'refunding' THEN 'CONFIRMED'
        WHEN 'refunded' THEN 'REFUNDED' WHEN 'cancelled' THEN 'CANCELLED'
        ELSE CASE WHEN sold_at IS NULL THEN 'PENDING' ELSE 'CONFIRMED' END END AS status,
    CASE WHEN state = 'declined' THEN reason END AS decline_reason,
    attempt, amount, currency, method, created_at, updated_at, sold_at
FROM orders;

-- The tickets of a booking: one row a place, none before it is paid. In order of `line` for an answer.
CREATE VIEW booking_line_view AS
SELECT order_id AS booking_id, line, seat_idx, area_idx, price_level, price, code,
    state AS ticket_state
FROM ticket;
