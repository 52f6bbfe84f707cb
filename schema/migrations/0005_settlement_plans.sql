-- Settlement's functions keep their plans: planning them anew was a quarter of Postgres' work under
-- load. A plan that is kept must be good for small tables and large ones, so it may only go by
-- index. Without compilation, which would begin as soon as a plan looks dear.
DO $$
DECLARE
    entry REGPROC;
    helper REGPROC;
BEGIN
    FOREACH entry IN ARRAY ARRAY['order_bind', 'sell', 'order_capture', 'order_move', 'refund',
        'sandbox.create_payments', 'sandbox.act']::REGPROC[]
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_generic_plan', entry);
        EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', entry);
        EXECUTE format('ALTER FUNCTION %s SET enable_hashjoin = off', entry);
        EXECUTE format('ALTER FUNCTION %s SET enable_mergejoin = off', entry);
        EXECUTE format('ALTER FUNCTION %s SET jit = off', entry);
    END LOOP;
    -- These run inside of those, under their settings.
    FOREACH helper IN ARRAY ARRAY['places_claim', 'areas_change']::REGPROC[] LOOP
        EXECUTE format('ALTER FUNCTION %s RESET ALL', helper);
    END LOOP;
END $$;

-- As they were, in the language that keeps plans.
CREATE OR REPLACE FUNCTION ledger_post(
    p_order UUID[], p_entry_order UUID[], p_kind TEXT[], p_account TEXT[], p_amount BIGINT[],
    p_now BIGINT
) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger_transaction (order_id, kind, part, event_id, at)
    SELECT DISTINCT e.order_id, e.kind, 0, o.event_id, p_now
    FROM unnest(p_entry_order, p_kind) AS e(order_id, kind) JOIN orders o USING (order_id)
    WHERE e.order_id = ANY(p_order);
    INSERT INTO ledger_entry (order_id, kind, part, account, amount, currency)
    SELECT e.order_id, e.kind, 0, e.account, e.amount, o.currency
    FROM unnest(p_entry_order, p_kind, p_account, p_amount)
        AS e(order_id, kind, account, amount) JOIN orders o USING (order_id)
    WHERE e.order_id = ANY(p_order);
END $$;

CREATE OR REPLACE FUNCTION outbox_post(
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

CREATE OR REPLACE FUNCTION order_start(
    p_order UUID[], p_event TEXT[], p_account UUID[], p_attempt INT[], p_method TEXT[],
    p_token TEXT[], p_amount BIGINT[], p_currency TEXT[], p_seat TEXT[], p_area TEXT[],
    p_level TEXT[], p_price TEXT[], p_deadline BIGINT[],
    p_now BIGINT, p_lease_owner UUID, p_lease_until BIGINT
) RETURNS SETOF UUID LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off AS $$
BEGIN
    RETURN QUERY INSERT INTO orders AS o (order_id, event_id, account_id, state, attempt, method,
        token, amount, currency, line_seat, line_area, line_level, line_price, payment_deadline,
        created_at, updated_at, todo, lease_owner, lease_until)
    SELECT a.order_id, a.event_id, a.account_id, 'paying', a.attempt, a.method, a.token,
        a.amount, a.currency, a.seat::INT[], a.area::INT[], a.level::INT[], a.price::BIGINT[],
        a.deadline, p_now, p_now, true, p_lease_owner, p_lease_until
    FROM unnest(p_order, p_event, p_account, p_attempt, p_method, p_token, p_amount, p_currency,
        p_seat, p_area, p_level, p_price, p_deadline) AS a(order_id, event_id, account_id,
        attempt, method, token, amount, currency, seat, area, level, price, deadline)
    ORDER BY a.order_id
    ON CONFLICT (order_id) DO UPDATE SET state = 'paying', reason = NULL,
        attempt = EXCLUDED.attempt, method = EXCLUDED.method, token = EXCLUDED.token,
        payment_deadline = EXCLUDED.payment_deadline, updated_at = p_now, todo = true,
        lease_owner = p_lease_owner, lease_until = p_lease_until
    WHERE o.state = 'declined' AND o.attempt < EXCLUDED.attempt
    RETURNING o.order_id;
END $$;
