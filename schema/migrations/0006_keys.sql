-- Answers by `Idempotency-Key`: of requests whose effect is no command of a journal.

CREATE TABLE keyed_answer (
    -- SHA-256 of route, caller and key.
    key_hash    BYTEA    PRIMARY KEY,
    -- A MAC of the request: bodies hold passwords.
    fingerprint BYTEA    NOT NULL,
    -- Who is at it: only that attempt may keep an answer.
    attempt     BYTEA    NOT NULL,
    -- By this server's clock, which all askers share.
    began_at    BIGINT   NOT NULL,
    -- When the last attempt began; 0 once it has let go.
    taken_at    BIGINT   NOT NULL,
    -- NULL until the answer is there.
    status      SMALLINT CHECK (200 <= status AND status < 500),
    body        TEXT,
    CHECK ((status IS NULL) = (body IS NULL))
);
CREATE INDEX keyed_answer_by_age ON keyed_answer (began_at);
CREATE TRIGGER keyed_answer_is_kept BEFORE UPDATE ON keyed_answer FOR EACH ROW
    WHEN (OLD.status IS NOT NULL) EXECUTE FUNCTION refuse('an answer is never replaced');

-- Takes a key for an attempt, or says what is known of it: 'first', 'repeat' (an attempt was there
-- before and has ended without an answer), 'in_flight', 'mismatch' or 'answered'.
CREATE FUNCTION key_begin(p_key BYTEA, p_fingerprint BYTEA, p_attempt BYTEA, p_stale_ms BIGINT)
RETURNS TABLE (found TEXT, began_at BIGINT, status SMALLINT, body TEXT) LANGUAGE plpgsql AS $$
DECLARE
    known keyed_answer%ROWTYPE;
    time_ms BIGINT := extract(epoch FROM clock_timestamp()) * 1000;
BEGIN
    LOOP
        INSERT INTO keyed_answer AS k (key_hash, fingerprint, attempt, began_at, taken_at)
        VALUES (p_key, p_fingerprint, p_attempt, time_ms, time_ms) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            RETURN QUERY SELECT 'first', time_ms, NULL::SMALLINT, NULL::TEXT;
            RETURN;
        END IF;
        SELECT * INTO known FROM keyed_answer k WHERE k.key_hash = p_key FOR UPDATE;
        -- Forgotten in between: it is free again.
        EXIT WHEN FOUND;
    END LOOP;
    IF known.fingerprint <> p_fingerprint THEN
        RETURN QUERY SELECT 'mismatch', known.began_at, NULL::SMALLINT, NULL::TEXT;
    ELSIF known.status IS NOT NULL THEN
        RETURN QUERY SELECT 'answered', known.began_at, known.status, known.body;
    ELSIF time_ms < known.taken_at + p_stale_ms THEN
        RETURN QUERY SELECT 'in_flight', known.began_at, NULL::SMALLINT, NULL::TEXT;
    ELSE
        UPDATE keyed_answer k SET attempt = p_attempt, taken_at = time_ms WHERE k.key_hash = p_key;
        RETURN QUERY SELECT 'repeat', known.began_at, NULL::SMALLINT, NULL::TEXT;
    END IF;
END $$;

-- Forgets keys that began more than `p_age_ms` ago, `p_most` of them at most. Returns how many.
CREATE FUNCTION keys_sweep(p_age_ms BIGINT, p_most BIGINT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE swept BIGINT;
BEGIN
    DELETE FROM keyed_answer WHERE key_hash IN (SELECT key_hash FROM keyed_answer
        WHERE began_at < extract(epoch FROM clock_timestamp()) * 1000 - p_age_ms
        ORDER BY began_at LIMIT p_most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS swept = ROW_COUNT;
    RETURN swept;
END $$;
