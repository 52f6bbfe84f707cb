-- The tables of all shops. Numbers instead of names, no index on what changes (so that updates
-- stay on their page), room on the pages for it. Times are Unix milliseconds.
CREATE TABLE seat (
    event_no       INT    NOT NULL,
    seat_idx       INT    NOT NULL,
    price          BIGINT NOT NULL,
    -- Who holds it, and until when; an expired hold is taken over in place.
    reservation_id UUID,
    held_until     BIGINT NOT NULL DEFAULT 0,
    -- Who bought it.
    order_id       UUID,
    PRIMARY KEY (event_no, seat_idx)
) WITH (fillfactor = 50);

CREATE TABLE reservation (
    reservation_id UUID    PRIMARY KEY,
    account_id     UUID    NOT NULL,
    event_no       INT     NOT NULL,
    seats          INT[]   NOT NULL,
    total          BIGINT  NOT NULL,
    currency       CHAR(3) NOT NULL,
    confirmed      BOOLEAN NOT NULL DEFAULT false,
    expires_at     BIGINT  NOT NULL,
    created_at     BIGINT  NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE idempotency (
    account_id     UUID   NOT NULL,
    key            TEXT   NOT NULL,
    fingerprint    BIGINT NOT NULL,
    reservation_id UUID   NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (account_id, key)
);

CREATE TABLE orders (
    order_id   UUID    PRIMARY KEY,
    account_id UUID    NOT NULL,
    event_no   INT     NOT NULL,
    state      TEXT    NOT NULL,
    method     TEXT    NOT NULL,
    token      TEXT    NOT NULL,
    amount     BIGINT  NOT NULL CHECK (0 <= amount),
    currency   CHAR(3) NOT NULL,
    created_at BIGINT  NOT NULL
);
CREATE INDEX orders_of_account ON orders (account_id, created_at);

CREATE TABLE payment_attempt (
    order_id    UUID   NOT NULL REFERENCES orders,
    attempt     INT    NOT NULL,
    provider_id TEXT   NOT NULL UNIQUE,
    state       TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (order_id, attempt)
);

CREATE TABLE ticket (
    order_id    UUID   NOT NULL REFERENCES orders,
    line        INT    NOT NULL,
    event_no    INT    NOT NULL,
    seat_idx    INT    NOT NULL,
    price       BIGINT NOT NULL,
    code        TEXT   NOT NULL UNIQUE,
    issued_at   BIGINT NOT NULL,
    PRIMARY KEY (order_id, line)
);

CREATE TABLE ledger_transaction (
    order_id UUID   NOT NULL,
    kind     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (order_id, kind)
);
CREATE TABLE ledger_entry (
    order_id UUID    NOT NULL,
    kind     TEXT    NOT NULL,
    account  TEXT    NOT NULL,
    amount   BIGINT  NOT NULL,
    currency CHAR(3) NOT NULL,
    PRIMARY KEY (order_id, kind, account)
);
