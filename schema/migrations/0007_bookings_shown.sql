-- What GET /api/bookings shows of an order that sold nothing and is over: whether money was taken
-- for it, and is back. `state` is the order's own state; `status` is the word of the API.

CREATE OR REPLACE VIEW booking_view AS
SELECT order_id AS booking_id, account_id, event_id, state,
    CASE
        WHEN state IN ('paid', 'refunding') THEN 'CONFIRMED'
        WHEN state = 'refunded' THEN 'REFUNDED'
        -- A review that sold nothing ends once the money needs nothing more.
        WHEN state = 'cancelled' OR (state = 'review_needed' AND sold_at IS NULL AND NOT todo) THEN
            CASE
                WHEN captured_at IS NOT NULL THEN 'REFUNDED'
                -- Money that came late buys places in another booking or goes back, and until then
                -- the outcome is open.
                ELSE coalesce((SELECT CASE WHEN NOT bool_and(outcome IS NOT NULL) THEN 'PENDING'
                        WHEN bool_or(outcome IN ('refunded', 'charged_back')) THEN 'REFUNDED'
                        ELSE 'CANCELLED' END
                    FROM found_money f WHERE f.order_id = orders.order_id AND f.taken
                    HAVING 0 < count(*)), 'CANCELLED')
            END
        WHEN sold_at IS NULL THEN 'PENDING'
        ELSE 'CONFIRMED'
    END AS status,
    CASE WHEN state = 'declined' THEN reason END AS decline_reason,
    attempt, amount, currency, method, created_at, updated_at, sold_at,
    CASE method WHEN 'PARTNER' THEN token END AS buyer
FROM orders;
