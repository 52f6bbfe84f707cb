-- Who works with the tables. Stages take the role usher_app where their login may: it can do all that
-- they do, and neither change what is only ever added to, nor switch off the triggers that say so.

-- Gives the role its rights, in this database; harmless to repeat.
CREATE PROCEDURE grant_to_app() LANGUAGE plpgsql AS $$
DECLARE only_added_to REGCLASS;
BEGIN
    GRANT USAGE ON SCHEMA public, sandbox TO usher_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, sandbox TO usher_app;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public, sandbox TO usher_app;
    -- For what later migrations make.
    ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO usher_app;
    ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO usher_app;
    FOREACH only_added_to IN ARRAY ARRAY['ledger_transaction', 'ledger_entry', 'audit_entry',
        'checkin', 'ticket_transfer', 'review_end']
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM usher_app', only_added_to);
    END LOOP;
    -- Stages look whether the schema is as they need it.
    REVOKE INSERT, UPDATE, DELETE ON _sqlx_migrations FROM usher_app;
END $$;

-- A role is of the whole server, so another database may be making it at the same moment. A login
-- that may make none goes on without: whoever makes it later calls grant_to_app().
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'usher_app') THEN
        CREATE ROLE usher_app NOLOGIN;
        IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
            EXECUTE format('GRANT usher_app TO %I', current_user);
        END IF;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
    NULL;
END $$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'usher_app') THEN
        CALL grant_to_app();
    END IF;
END $$;
