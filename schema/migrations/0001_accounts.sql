-- Accounts, sessions, API keys of partners, and the audit log. Times are Unix milliseconds.

CREATE TABLE account (
    account_id    UUID     PRIMARY KEY,
    -- Trimmed and in lower case: one mailbox, one account.
    email         TEXT     NOT NULL UNIQUE,
    name          TEXT     NOT NULL,
    -- A PHC string of Argon2id.
    password_hash TEXT     NOT NULL,
    -- Sum of 1 fan, 2 partner, 4 operator.
    roles         SMALLINT NOT NULL,
    created_at    BIGINT   NOT NULL
);

-- One login: a family of refresh tokens of which only the newest is good. An older one that comes back was
-- copied, so it ends the family.
CREATE TABLE refresh_family (
    family_id   UUID     PRIMARY KEY,
    account_id  UUID     NOT NULL REFERENCES account,
    -- SHA-256 of the newest token's secret.
    secret_hash BYTEA    NOT NULL,
    rotations   INT      NOT NULL DEFAULT 0,
    created_at  BIGINT   NOT NULL,
    expires_at  BIGINT   NOT NULL,
    ended_at    BIGINT
);
CREATE INDEX refresh_family_of_account ON refresh_family (account_id);

CREATE TABLE api_key (
    -- SHA-256 of the key: 256 random bits need no slow hash.
    key_hash   BYTEA    PRIMARY KEY,
    account_id UUID     NOT NULL REFERENCES account,
    name       TEXT     NOT NULL,
    created_at BIGINT   NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX api_key_of_account ON api_key (account_id);

-- What operators did. Written before the deed, so that a deed without its line cannot be.
CREATE TABLE audit_entry (
    entry      BIGINT   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         BIGINT   NOT NULL,
    account_id UUID     NOT NULL,
    action     TEXT     NOT NULL,
    object     TEXT     NOT NULL,
    request_id TEXT     NOT NULL,
    detail     JSONB    NOT NULL
);
CREATE INDEX audit_entry_by_time ON audit_entry (at);

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
