//! The audit of money and tickets: every difference between what should agree, as a line of text.

use crate::config::{AUDIT_WAIT, DIFFERENCES_MAX};
use crate::error::{Error, in_time, within};
use crate::store::millis;
use chassis::clock;
use schema::InvariantId;
use sqlx::{PgConnection, PgPool, Postgres, Row, Transaction};
use std::time::Duration;

/// How long after its deadline an order may be unfinished: the provider may take its time to
/// cancel.
const OVERDUE_MS: i64 = 60_000;

/// One question whose every row is a difference.
struct Question {
    promise: InvariantId,
    /// Selects `what`; `$1` is the most rows, `$2` the time before which an order had to be
    /// finished.
    query: &'static str,
}

const QUESTIONS: &[Question] = &[
    Question {
        promise: InvariantId::Mon1,
        query: "SELECT 'the ledger is off by ' || sum(amount) || ' ' || currency AS what
            FROM ledger_entry WHERE $2 IS NOT NULL
            GROUP BY currency HAVING sum(amount) <> 0 LIMIT $1",
    },
    Question {
        promise: InvariantId::Mon1,
        query: "SELECT 'order ' || order_id || ': ' || kind || ' is off by ' || sum(amount) AS what
            FROM ledger_entry WHERE $2 IS NOT NULL
            GROUP BY order_id, kind, part, currency HAVING sum(amount) <> 0 LIMIT $1",
    },
    Question {
        promise: InvariantId::Mon1,
        query: "SELECT 'order ' || o.order_id || ' is at rest and ' || sum(e.amount)
                || ' is owed' AS what
            FROM orders o JOIN ledger_entry e USING (order_id)
            WHERE e.account = 'fan_receivable' AND NOT o.todo AND o.state <> 'review_needed'
                AND $2 IS NOT NULL
            GROUP BY o.order_id HAVING sum(e.amount) <> 0 LIMIT $1",
    },
    Question {
        promise: InvariantId::Mon1,
        query: "SELECT 'order ' || o.order_id || ': taken less given back is '
                || coalesce(money.amount, 0) || ', its live tickets cost '
                || coalesce(live.price, 0) AS what
            FROM orders o
            LEFT JOIN (SELECT order_id, sum(amount) AS amount FROM ledger_entry
                WHERE account IN ('provider_clearing', 'chargeback', 'partner_receivable')
                GROUP BY order_id) money USING (order_id)
            LEFT JOIN (SELECT order_id, sum(price) AS price FROM ticket
                WHERE state <> 'void' GROUP BY order_id) live USING (order_id)
            WHERE coalesce(money.amount, 0) <> coalesce(live.price, 0) AND NOT o.todo
                AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Mon1,
        query:
            "SELECT 'order ' || order_id || ' has booked ' || kind || ' ' || coalesce(b.times, 0)
                || ' times beside its own, ' || coalesce(b.amount, 0)
                || ' in all, found money asks for ' || coalesce(f.times, 0) || ', '
                || coalesce(f.amount, 0) AS what
            FROM (SELECT order_id, kind, count(*) AS times, sum(abs(amount)) AS amount
                FROM ledger_entry WHERE account = 'fan_receivable' AND 0 < part
                    AND kind NOT IN ('part_reversal', 'part_payout') GROUP BY order_id, kind) b
            FULL JOIN (SELECT order_id, k.kind, count(*) AS times, sum(amount) AS amount
                FROM found_money, unnest(ARRAY['capture', 'payout']) AS k(kind)
                WHERE outcome IN ('refunded', 'charged_back') GROUP BY order_id, k.kind) f
                USING (order_id, kind)
            WHERE (b.times, b.amount) IS DISTINCT FROM (f.times, f.amount)
                AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Mon1,
        query: "SELECT 'order ' || order_id || ' is ' || coalesce(o.state, 'missing')
                || ' and has booked ' || coalesce(string_agg(t.kind, ', '), 'nothing') AS what
            FROM orders o FULL JOIN (SELECT order_id, kind FROM ledger_transaction
                WHERE part = 0) t USING (order_id)
            WHERE $2 IS NOT NULL
            GROUP BY order_id, o.state, o.sold_at, o.captured_at
            HAVING o.state IS NULL
                OR (o.sold_at IS NOT NULL) <> (0 < count(*) FILTER (WHERE t.kind = 'sale'))
                OR (o.captured_at IS NOT NULL) <> (0 < count(*) FILTER (WHERE t.kind = 'capture'))
                OR (o.state = 'refunded') <> (0 < count(*) FILTER (WHERE t.kind = 'reversal'))
            LIMIT $1",
    },
    Question {
        promise: InvariantId::Mon1,
        query: "SELECT 'order ' || order_id || ' has booked ' || kind || ' ' || part || ' of '
                || coalesce(b.amount::TEXT, 'nothing') || ' and given back '
                || coalesce(p.amount::TEXT, 'nothing') AS what
            FROM (SELECT order_id, kind, part, abs(amount) AS amount FROM ledger_entry
                WHERE kind IN ('part_reversal', 'part_payout')
                    AND account IN ('fan_receivable', 'partner_receivable')) b
            FULL JOIN (SELECT order_id, k.kind, part, p.amount
                FROM order_part p JOIN orders o USING (order_id),
                    unnest(ARRAY['part_reversal', 'part_payout']) AS k(kind)
                -- No provider has what a partner has sold.
                WHERE p.state = 'refunded' AND (o.method <> 'PARTNER' OR k.kind = 'part_reversal')
                ) p USING (order_id, kind, part)
            WHERE b.amount IS DISTINCT FROM p.amount AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Mon1,
        query: "SELECT 'order ' || order_id || ' has booked ' || kind || ' ' || part || ' of '
                || coalesce(b.amount::TEXT, 'nothing') || ', its bank has taken '
                || coalesce(c.amount::TEXT, 'nothing') AS what
            FROM (SELECT order_id, kind, part, sum(greatest(amount, 0)) AS amount FROM ledger_entry
                WHERE kind IN ('chargeback', 'chargeback_won') GROUP BY order_id, kind, part) b
            FULL JOIN (SELECT order_id, k.kind, part, amount FROM chargeback,
                unnest(ARRAY['chargeback', 'chargeback_won']) AS k(kind)
                WHERE state = 'won' OR (k.kind = 'chargeback' AND state IN ('taken', 'lost'))) c
                USING (order_id, kind, part)
            WHERE b.amount IS DISTINCT FROM c.amount AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Mon1,
        query: "SELECT 'payment ' || p.payment_id || ' was taken back by its bank, and nobody has '
                || 'noted it' AS what
            FROM sandbox.payment p
            WHERE sandbox.stands(p, $2) IS NOT NULL
                AND NOT EXISTS (SELECT FROM chargeback c WHERE c.provider = 'sandbox'
                    AND c.dispute_id = 'dp_' || p.payment_id) LIMIT $1",
    },
    Question {
        promise: InvariantId::Mon1,
        query: "SELECT 'order ' || order_id || ': its reversal leaves ' || sum(amount) || ' in '
                || account AS what
            FROM ledger_entry e
            WHERE kind IN ('sale', 'part_reversal', 'reversal') AND $2 IS NOT NULL
                AND EXISTS (SELECT FROM ledger_transaction t
                    WHERE t.order_id = e.order_id AND t.kind = 'reversal')
            GROUP BY order_id, account, party, currency HAVING sum(amount) <> 0 LIMIT $1",
    },
    Question {
        promise: InvariantId::Mon1,
        query: "SELECT 'order ' || o.order_id || ' costs ' || o.amount || ' ' || o.currency
                || ', and ' || e.amount || ' ' || e.currency || ' is booked as ' || e.kind AS what
            FROM orders o JOIN ledger_entry e ON e.order_id = o.order_id
            LEFT JOIN (SELECT order_id, sum(amount) AS amount FROM order_part
                WHERE state = 'refunded' GROUP BY order_id) p ON p.order_id = o.order_id
                    AND e.kind IN ('reversal', 'payout') AND e.part = 0
            WHERE $2 IS NOT NULL AND e.account = CASE o.method
                    WHEN 'PARTNER' THEN 'partner_receivable' ELSE 'fan_receivable' END
                AND e.kind NOT IN ('part_reversal', 'part_payout') AND e.part = 0
                AND (abs(e.amount) + coalesce(p.amount, 0), e.currency) <> (o.amount, o.currency)
            LIMIT $1",
    },
    Question {
        promise: InvariantId::Mon1,
        query: "SELECT 'order ' || o.order_id || ' was sold by '
                || CASE o.method WHEN 'PARTNER' THEN 'partner ' || o.account_id ELSE 'the house' END
                || ', and its ' || e.kind || ' books ' || e.account
                || coalesce(' of ' || e.party, '') AS what
            FROM orders o JOIN ledger_entry e USING (order_id)
            WHERE e.kind IN ('sale', 'capture', 'reversal', 'payout', 'part_reversal',
                    'part_payout')
                AND (e.part = 0 OR e.kind IN ('part_reversal', 'part_payout'))
                AND CASE e.account
                    WHEN 'partner_receivable' THEN o.method <> 'PARTNER'
                        OR e.party IS DISTINCT FROM o.account_id
                    WHEN 'fan_receivable' THEN o.method = 'PARTNER'
                    WHEN 'provider_clearing' THEN o.method = 'PARTNER'
                    ELSE false END
                AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord2,
        query: "SELECT 'order ' || o.order_id || CASE o.method
                WHEN 'PARTNER' THEN ' was sold by a partner, and has payment ' || t.provider_id
                ELSE ' is sold, and has no payment' END AS what
            FROM orders o LEFT JOIN payment_attempt t USING (order_id, attempt)
            WHERE o.sold_at IS NOT NULL AND (o.method = 'PARTNER') = (t.order_id IS NOT NULL)
                AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord3,
        query: "SELECT 'order ' || o.order_id || ' is ' || o.state || ' with '
                || count(t.line) || ' valid tickets of ' || cardinality(o.line_seat) AS what
            FROM orders o LEFT JOIN ticket t ON t.order_id = o.order_id AND t.state <> 'void'
            WHERE $2 IS NOT NULL AND o.state <> 'review_needed' GROUP BY o.order_id
            HAVING count(t.line) <> CASE WHEN o.state IN ('paid', 'refunding')
                THEN cardinality(o.line_seat) - (SELECT count(*) FROM order_part p
                    WHERE p.order_id = o.order_id AND p.state = 'refunded') ELSE 0 END LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord3,
        query: "SELECT 'ticket ' || p.order_id || '/' || p.line || ' is ' || p.state
                || ' alone, and is ' || coalesce(t.state, 'missing') AS what
            FROM order_part p LEFT JOIN ticket t USING (order_id, line)
            WHERE t.state IS DISTINCT FROM replace(p.state, 'refunded', 'void')
                AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord3,
        query: "SELECT 'ticket ' || t.order_id || '/' || t.line || ' is valid, but seat '
                || t.seat_idx || ' of ' || t.event_id || ' is not its own' AS what
            FROM ticket t LEFT JOIN live_seat s ON s.event_id = t.event_id
                AND s.seat_idx = t.seat_idx AND s.order_id = t.order_id
            WHERE t.state <> 'void' AND t.seat_idx IS NOT NULL AND s.order_id IS NULL
                AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Seat1,
        query: "SELECT 'seat ' || s.seat_idx || ' of ' || s.event_id || ' is live for order '
                || s.order_id || ', which has no valid ticket for it' AS what
            FROM live_seat s LEFT JOIN ticket t ON t.order_id = s.order_id
                AND t.event_id = s.event_id AND t.seat_idx = s.seat_idx AND t.state <> 'void'
            WHERE t.order_id IS NULL AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord3,
        query: "SELECT 'area ' || a.area_idx || ' of ' || a.event_id || ' counts ' || a.sold
                || ' sold, valid tickets are ' || count(t.line) AS what
            FROM area_sold a LEFT JOIN ticket t ON t.event_id = a.event_id
                AND t.area_idx = a.area_idx AND t.state <> 'void'
            WHERE $2 IS NOT NULL GROUP BY a.event_id, a.area_idx
            HAVING count(t.line) <> a.sold LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord3,
        query: "SELECT 'pool ' || p.pool_idx || ' of ' || p.event_id || ' counts ' || p.sold
                || ' sold, its areas have sold ' || coalesce(sum(a.sold), 0) AS what
            FROM pool_sold p LEFT JOIN area_sold a ON a.event_id = p.event_id
                AND a.pool_idx = p.pool_idx
            WHERE $2 IS NOT NULL GROUP BY p.event_id, p.pool_idx
            HAVING coalesce(sum(a.sold), 0) <> p.sold LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord3,
        query: "SELECT 'ticket ' || c.order_id || '/' || c.line || ' was used and is '
                || coalesce(t.state, 'missing') AS what
            FROM checkin c LEFT JOIN ticket t USING (order_id, line)
            WHERE t.state IS DISTINCT FROM 'valid' AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord3,
        query: "SELECT 'ticket ' || t.order_id || '/' || t.line || ' of issue ' || t.issue
                || ' is not with whom it was sold or given to last' AS what
            FROM ticket t JOIN orders o USING (order_id)
            LEFT JOIN ticket_transfer r USING (order_id, line, issue)
            WHERE t.account_id IS DISTINCT FROM
                CASE t.issue WHEN 0 THEN o.account_id ELSE r.to_account END
                AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord2,
        query: "SELECT 'payment ' || provider_id || ' was found without a place and is still there'
                AS what
            FROM found_money f WHERE outcome IS NULL AND found_at < $2
                -- Its bank has it, and has not decided yet.
                AND NOT EXISTS (SELECT FROM found_at_bank b WHERE b.provider = f.provider
                    AND b.payment_id = f.provider_id AND b.state = 'taken') LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord2,
        query: "SELECT 'order ' || o.order_id || ': its late money has bought order ' || r.hold_id
                || ', which is ' || coalesce(n.state || ' and not its like', 'missing') AS what
            FROM reseat r JOIN orders o USING (order_id)
            LEFT JOIN orders n ON n.order_id = r.hold_id
            WHERE r.rung IN ('same_seats', 'equal_seats') AND $2 IS NOT NULL
                AND (n.event_id, n.account_id, n.amount, n.currency, cardinality(n.line_seat))
                    IS DISTINCT FROM
                    (o.event_id, o.account_id, o.amount, o.currency, cardinality(o.line_seat))
            LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord2,
        query: "SELECT p.order_ref || ' was charged ' || count(*) || ' times' AS what
            FROM sandbox.payment p WHERE p.state = 'captured' AND $2 IS NOT NULL
                AND NOT EXISTS (SELECT FROM found_at_bank b
                    WHERE b.provider = 'sandbox' AND b.payment_id = p.payment_id)
            GROUP BY p.order_ref HAVING 1 < count(*) LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord2,
        query: "SELECT 'payment ' || p.payment_id || ' is ' || p.state || ', its order is '
                || coalesce(o.state, 'missing') AS what
            FROM sandbox.payment p
            LEFT JOIN payment_attempt t ON t.provider = 'sandbox' AND t.provider_id = p.payment_id
            LEFT JOIN orders o USING (order_id)
            WHERE (p.state = 'captured' OR p.state = 'authorised') AND $2 IS NOT NULL
                AND NOT coalesce(o.todo OR (o.state = 'paid' AND p.state = 'captured'), false)
                AND NOT EXISTS (SELECT FROM found_at_bank b
                    WHERE b.provider = 'sandbox' AND b.payment_id = p.payment_id) LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord2,
        query: "SELECT 'payment ' || p.payment_id || ' has given back ' || p.back
                || ', tickets of its order ' || coalesce(g.amount, 0) AS what
            FROM sandbox.payment p
            JOIN payment_attempt t ON t.provider = 'sandbox' AND t.provider_id = p.payment_id
            JOIN orders o ON o.order_id = t.order_id AND o.attempt = t.attempt
            LEFT JOIN (SELECT order_id, sum(amount) AS amount FROM order_part
                WHERE state = 'refunded' GROUP BY order_id) g ON g.order_id = o.order_id
            WHERE o.state = 'paid' AND NOT o.todo AND p.back <> coalesce(g.amount, 0)
                AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord2,
        query: "SELECT 'order ' || o.order_id || ' is paid, its payment is '
                || coalesce(p.state, 'missing') AS what
            FROM orders o JOIN payment_attempt t USING (order_id, attempt)
            LEFT JOIN sandbox.payment p ON p.payment_id = t.provider_id
            WHERE t.provider = 'sandbox' AND o.state = 'paid' AND o.captured_at IS NOT NULL
                AND p.state IS DISTINCT FROM 'captured' AND $2 IS NOT NULL
                -- All that its tickets have cost went back with some of them.
                AND NOT (p.state = 'refunded' AND o.amount = (SELECT coalesce(sum(q.amount), -1)
                    FROM order_part q WHERE q.order_id = o.order_id AND q.state = 'refunded'))
            LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord3,
        query: "SELECT 'order ' || order_id || ': the owner of its seats refused \"' || kind
                || '\" with ' || answer AS what
            FROM outbox WHERE answer IS NOT NULL AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord3,
        query:
            "SELECT 'order ' || order_id || ': the owner of its seats has not answered \"' || kind
                || '\"' AS what
            -- One that is told anew keeps the time of its first round.
            FROM outbox WHERE done_at IS NULL AND round = 0 AND created_at < $2 LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord3,
        query: "SELECT 'order ' || order_id || ': the owner of its seats refused part ' || part
                || ' with ' || answer AS what
            FROM order_part WHERE answer IS NOT NULL AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord3,
        query: "SELECT 'order ' || order_id || ': the owner of its seats has not heard of part '
                || part AS what
            FROM order_part WHERE done_at IS NULL AND refunded_at < $2 LIMIT $1",
    },
    Question {
        promise: InvariantId::Ord2,
        query: "SELECT 'order ' || order_id || ': nobody is at part ' || p.part AS what
            FROM order_part p JOIN orders o USING (order_id)
            WHERE p.state = 'refunding' AND o.state = 'paid' AND NOT o.todo
                AND $2 IS NOT NULL LIMIT $1",
    },
    Question {
        promise: InvariantId::Seat3,
        query: "SELECT 'order ' || order_id || ' is ' || state || ' beyond its deadline' AS what
            FROM orders WHERE todo AND greatest(payment_deadline, updated_at) < $2 LIMIT $1",
    },
    Question {
        promise: InvariantId::Seat1,
        query: "SELECT 'order ' || order_id || ' needs a review: ' || reason AS what
            FROM orders WHERE state = 'review_needed' AND $2 IS NOT NULL LIMIT $1",
    },
];

/// Compares orders, tickets, seats, ledger and the sandbox's payments, and lists every difference.
///
/// Orders within their own deadlines are no difference. Each question sees one moment, not all of
/// them the same: while orders are moving, ask again before believing a difference.
///
/// A question may take a minute, for it may go through every ticket that was ever sold.
///
/// # Errors
/// [`Error::Postgres`] and [`Error::Slow`].
pub async fn audit(pool: &PgPool) -> Result<Vec<String>, Error> {
    differences(&mut *patient(pool).await?, AUDIT_WAIT, |_| true).await
}

/// A session that reads, whose questions may take [`AUDIT_WAIT`], as may what is done between two.
/// They take one core: payments need the others, and on two cores they are no faster by both.
pub(crate) async fn patient(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Error> {
    let what = "begin an audit";
    let mut session = in_time(what, pool.begin_with("BEGIN READ ONLY")).await?;
    let patient = sqlx::query(
        "SELECT set_config('statement_timeout', $1, true),
             set_config('idle_in_transaction_session_timeout', $1, true),
             set_config('max_parallel_workers_per_gather', '0', true)",
    );
    let patient = patient.bind(AUDIT_WAIT.as_millis().to_string());
    in_time(what, patient.execute(&mut *session)).await?;
    Ok(session)
}

/// Asks about some promises; an answer may take `wait`.
pub(crate) async fn differences(
    connection: &mut PgConnection,
    wait: Duration,
    is_asked: fn(InvariantId) -> bool,
) -> Result<Vec<String>, Error> {
    let overdue = millis(clock::now()) - OVERDUE_MS;
    let mut differences = Vec::new();
    for question in QUESTIONS.iter().filter(|question| is_asked(question.promise)) {
        let query = sqlx::query(question.query).bind(DIFFERENCES_MAX).bind(overdue);
        let rows = within(wait, "audit", query.fetch_all(&mut *connection)).await?;
        let line = |what: String| format!("{}: {what}", question.promise);
        differences.extend(rows.iter().map(|row| line(row.get("what"))));
    }
    Ok(differences)
}
