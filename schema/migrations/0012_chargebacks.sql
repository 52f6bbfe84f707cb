-- Money that buyers' banks take back: one row a dispute. The sale stays as it is, and whoever bears
-- the loss is asked for it by the ledger.
CREATE TABLE chargeback (
    provider    TEXT    NOT NULL,
    dispute_id  TEXT    NOT NULL,
    -- Of whose payment it is: that of the order, or one that was found beside it.
    payment_id  TEXT    NOT NULL,
    order_id    UUID    NOT NULL,
    -- Counted from 1 in its order: its part in the ledger.
    part        INT     NOT NULL CHECK (0 < part),
    amount      BIGINT  NOT NULL CHECK (0 <= amount),
    currency    CHAR(3) NOT NULL,
    -- Inquiry: the bank only asks; dropped: it has asked, and took nothing.
    state       TEXT    NOT NULL CHECK (state IN ('inquiry', 'dropped', 'taken', 'won', 'lost')),
    noted_at    BIGINT  NOT NULL,
    -- When the provider is asked about it again, while it is not over.
    look_at     BIGINT  NOT NULL,
    PRIMARY KEY (provider, dispute_id),
    UNIQUE (order_id, part)
);
CREATE INDEX chargeback_of_payment ON chargeback (provider, payment_id);
CREATE INDEX chargeback_open ON chargeback (provider, look_at) WHERE state IN ('inquiry', 'taken');
CREATE TRIGGER chargeback_move BEFORE UPDATE OF state ON chargeback FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
        ('inquiry', 'dropped'), ('inquiry', 'taken'), ('inquiry', 'won'), ('inquiry', 'lost'),
        ('taken', 'won'), ('taken', 'lost')))
    EXECUTE FUNCTION refuse('no such move');

-- Notes how a dispute stands, and books what that means, if it still stood as `p_before` says (NULL
-- for one that is new). Says whether it did.
CREATE FUNCTION chargeback_note(
    p_provider TEXT, p_dispute TEXT, p_payment TEXT, p_order UUID, p_amount BIGINT,
    p_currency TEXT, p_before TEXT, p_state TEXT, p_kind TEXT[], p_account TEXT[],
    p_entry_amount TEXT[], p_party TEXT[], p_now BIGINT, p_look_at BIGINT
) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
DECLARE noted chargeback; o orders;
BEGIN
    -- Whoever gives money back locks the order too.
    SELECT * INTO o FROM orders WHERE order_id = p_order FOR UPDATE;
    IF p_before IS NULL THEN
        INSERT INTO chargeback (provider, dispute_id, payment_id, order_id, part, amount, currency,
            state, noted_at, look_at)
        SELECT p_provider, p_dispute, p_payment, p_order, 1 + count(*), p_amount, p_currency,
            p_state, p_now, p_look_at
        FROM chargeback c WHERE c.order_id = p_order
        ON CONFLICT (provider, dispute_id) DO NOTHING
        RETURNING * INTO noted;
    ELSE
        UPDATE chargeback c SET state = p_state, noted_at = p_now, look_at = p_look_at
        WHERE c.provider = p_provider AND c.dispute_id = p_dispute AND c.state = p_before
        RETURNING * INTO noted;
    END IF;
    IF noted IS NULL THEN RETURN false; END IF;
    INSERT INTO ledger_transaction (order_id, kind, part, event_id, at, currency, account, amount,
        party)
    SELECT p_order, b.kind, noted.part, coalesce(o.event_id, ''), p_now, noted.currency,
        b.account::TEXT[], b.amount::BIGINT[], b.party::UUID[]
    FROM unnest(p_kind, p_account, p_entry_amount, p_party) AS b(kind, account, amount, party);
    RETURN true;
END $$;

-- Payments that no order has: found, and not spent on other places since.
CREATE VIEW payment_of_nobody AS
SELECT provider, provider_id AS payment_id FROM found_money
WHERE outcome IS DISTINCT FROM 'reseated';

-- Those of which the buyer's bank has all the money: there is nothing to give back.
CREATE VIEW found_at_bank AS
SELECT f.provider, f.provider_id AS payment_id, c.state
FROM found_money f JOIN chargeback c ON (c.provider, c.payment_id) = (f.provider, f.provider_id)
WHERE c.state IN ('taken', 'lost') AND (c.amount, c.currency) = (f.amount, f.currency)
    AND (f.outcome IS NULL OR f.outcome = 'charged_back');

-- Orders of which a bank has money: nothing else of it is paid back. A bank that only asks is told so
-- best by paying it back, and money that was found beside an order is not the order's. Open: a bank
-- has not decided yet whether it keeps the money.
CREATE VIEW disputed_order AS
SELECT t.order_id, bool_or(c.state = 'taken') AS is_open FROM payment_attempt t
JOIN chargeback c ON (c.provider, c.payment_id) = (t.provider, t.provider_id)
WHERE c.state IN ('taken', 'lost') AND NOT EXISTS (SELECT FROM payment_of_nobody n
    WHERE (n.provider, n.payment_id) = (c.provider, c.payment_id))
GROUP BY t.order_id;
