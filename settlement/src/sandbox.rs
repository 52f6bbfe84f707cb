//! The sandbox provider: an outside system that takes no real money.
//!
//! Its memory is a Postgres schema of its own, which settlement otherwise never touches, so it
//! survives our crashes as a real provider would. What happens to a payment is a script that its
//! token names. A payment's id says all that it was created with, so creating it costs no call.

use crate::config::CALL_EVERY;
use crate::error::{Error, in_time};
use crate::provider::{
    CHARGED_BACK, Cursor, Dispute, Disputes, Failure, GIVE_BACK, Listed, NewPayment, Page, Payment,
    Provider, Verb,
};
use chassis::{Group, clock};
use futures_util::future::BoxFuture;
use schema::{Money, OrderId, UnixMillis};
use settlement_core::{Disputed, Seen};
use sqlx::{PgPool, Row, postgres::PgRow};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Most calls that one statement of the sandbox serves.
const CALLS_MAX: usize = 256;

/// The provider.
#[derive(Debug, Clone)]
pub struct Sandbox {
    pool: PgPool,
    acts: Group<Act, Acted, Error>,
}

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Script {
    token: &'static str,
    outcome: &'static str,
    reason: Option<&'static str>,
    delay_ms: i64,
    /// Whether the caller of authorise is left without an answer.
    silent: bool,
    /// How it ends where the buyer's bank takes the money back.
    charged_back: Option<&'static str>,
    /// Whether the buyer is charged a second time for the same order.
    twice: bool,
}

const PAID: Script = Script {
    token: "tok_ok",
    outcome: "authorised",
    reason: None,
    delay_ms: 0,
    silent: false,
    charged_back: None,
    twice: false,
};

const REFUSED: Script =
    Script { token: "tok_declined", outcome: "declined", reason: Some("card declined"), ..PAID };

/// That of all tokens without one.
const UNKNOWN: Script = Script { token: "tok", reason: Some("unknown token"), ..REFUSED };

const SCRIPTS: [Script; 9] = [
    PAID,
    REFUSED,
    Script { token: "tok_chargeback", charged_back: Some("lost"), ..PAID },
    Script { token: "tok_chargeback_won", charged_back: Some("won"), ..PAID },
    Script { token: "tok_duplicate", twice: true, ..PAID },
    Script { token: "tok_slow", delay_ms: 2_000, ..PAID },
    Script { token: "tok_unknown", delay_ms: 5_000, silent: true, ..PAID },
    Script {
        token: "tok_lost",
        reason: Some("never charged"),
        delay_ms: 5_000,
        silent: true,
        ..REFUSED
    },
    UNKNOWN,
];

/// What an id says of its payment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told<'a> {
    order: &'a str,
    total: Money,
    script: Script,
}

fn id_of(new: &NewPayment) -> String {
    let script = SCRIPTS.iter().find(|script| script.token == new.token);
    let token = script.unwrap_or(&UNKNOWN).token;
    let (amount, currency) = (new.total.amount, new.total.currency);
    format!("pay_{}/{}/{amount}{currency}/{token}", new.order, new.attempt)
}

/// Reads an id; `None` if we have made no such one.
fn read_id(id: &str) -> Option<Told<'_>> {
    let mut parts = id.strip_prefix("pay_")?.split('/');
    let (order, attempt, total, token) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (_, _) = (order.parse::<OrderId>().ok()?, attempt.parse::<u32>().ok()?);
    let (amount, currency) = total.split_at_checked(total.len().checked_sub(CURRENCY_LETTERS)?)?;
    let total = Money::new(amount.parse().ok()?, currency.parse().ok()?);
    let script = *SCRIPTS.iter().find(|script| script.token == token)?;
    Some(Told { order, total, script })
}

/// What the id of a payment ends with that nobody has asked for. Else it says what the asked one's
/// says.
const AGAIN: &str = "/again";

/// Letters of a currency's code (ISO 4217).
const CURRENCY_LETTERS: usize = 3;

/// What is done to the payment of an id.
#[derive(Debug, Clone)]
struct Act {
    id: String,
    verb: &'static str,
}

/// What only makes the payment, if it is not there.
const CREATE: &str = "create";

/// How a payment is after a verb.
#[derive(Debug, Clone)]
struct Acted {
    seen: Seen,
    silent: bool,
    settles_at: i64,
}

impl Sandbox {
    /// Its name in the configuration.
    pub const NAME: &str = "sandbox";

    /// Opens the sandbox in the database of `pool`.
    pub fn start(pool: &PgPool) -> Self {
        let acting = pool.clone();
        let act = move |acts: Vec<Act>| {
            let pool = acting.clone();
            async move { act(&pool, acts).await }
        };
        Self { pool: pool.clone(), acts: Group::start("sandbox-act", CALLS_MAX, CALL_EVERY, act) }
    }

    async fn call(&self, id: &str, verb: &'static str) -> Result<Acted, Failure> {
        if read_id(id).is_none() {
            return Err(Failure::Rejected { what: verb, why: "no such payment".to_owned() });
        }
        let acted = self.acts.submit(Act { id: id.to_owned(), verb }).await;
        acted.map_err(|error| unknown(verb, &error))
    }

    async fn authorise(&self, id: &str) -> Result<Seen, Failure> {
        let what = Verb::Authorise.as_str();
        let mut acted = self.call(id, what).await?;
        while acted.seen == Seen::Processing {
            if acted.silent {
                return Err(Failure::Unknown { what, why: "no answer".to_owned() });
            }
            let left = acted.settles_at.saturating_sub(now_ms());
            tokio::time::sleep(Duration::from_millis(left.unsigned_abs().max(1))).await;
            acted = self.call(id, Verb::Fetch.as_str()).await?;
        }
        Ok(acted.seen)
    }

    /// Takes the money, once more than asked for if that is the script.
    async fn capture(&self, id: &str) -> Result<Seen, Failure> {
        let what = Verb::Capture.as_str();
        let seen = self.call(id, what).await?.seen;
        let is_doubled = read_id(id).is_some_and(|told| told.script.twice);
        if is_doubled && seen == Seen::Captured && !id.ends_with(AGAIN) {
            let again = format!("{id}{AGAIN}");
            self.call(&again, Verb::Authorise.as_str()).await?;
            self.call(&again, what).await?;
        }
        Ok(seen)
    }
}

/// Most payments in one part of the list.
const PAGE_PAYMENTS: i64 = 500;

impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn id_ahead(&self, new: &NewPayment) -> Option<String> {
        Some(id_of(new))
    }

    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        Box::pin(async move {
            let id = id_of(new);
            let acted = self.call(&id, CREATE).await?;
            Ok(Payment { id, seen: acted.seen })
        })
    }

    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        Box::pin(async move {
            match verb {
                Verb::Authorise => self.authorise(id).await,
                Verb::Refund => match self.call(id, verb.as_str()).await?.seen {
                    Seen::Captured => {
                        let why = CHARGED_BACK.to_owned();
                        Err(Failure::Rejected { what: verb.as_str(), why })
                    }
                    seen => Ok(seen),
                },
                Verb::Capture => self.capture(id).await,
                Verb::Fetch | Verb::Cancel => Ok(self.call(id, verb.as_str()).await?.seen),
            }
        })
    }

    fn give_back<'a>(&'a self, id: &'a str, back: i64) -> BoxFuture<'a, Result<i64, Failure>> {
        Box::pin(async move {
            let query = sqlx::query("SELECT back, is_gone FROM sandbox.give_back($1, $2, $3)");
            let query = query.bind(id).bind(back).bind(now_ms());
            let given = in_time("give sandbox money back", query.fetch_optional(&self.pool)).await;
            match given.map_err(|error| unknown(GIVE_BACK, &error))? {
                Some(row) if row.get("is_gone") => {
                    Err(Failure::Rejected { what: GIVE_BACK, why: CHARGED_BACK.to_owned() })
                }
                Some(row) => Ok(row.get("back")),
                // Nothing goes back where nothing was taken.
                None => Ok(0),
            }
        })
    }

    fn disputes<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Disputes, Failure>> {
        Box::pin(async move {
            let listed = disputes(&self.pool, after.created_at).await;
            Ok((listed.map_err(|error| unknown("list disputes", &error))?, None))
        })
    }

    fn dispute<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Dispute>, Failure>> {
        Box::pin(async move {
            let listed = disputes(&self.pool, UnixMillis(0)).await;
            let listed = listed.map_err(|error| unknown("fetch a dispute", &error))?;
            Ok(listed.into_iter().find(|dispute| dispute.id == id))
        })
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        Box::pin(async move {
            let listed = list(&self.pool, after).await;
            listed.map_err(|error| unknown("list", &error))
        })
    }
}

async fn disputes(pool: &PgPool, since: UnixMillis) -> Result<Vec<Dispute>, Error> {
    let query = sqlx::query(
        "SELECT payment_id, amount, currency, stands FROM sandbox.list_disputes($1, $2)",
    );
    let query = query.bind(crate::store::millis(since)).bind(now_ms());
    let rows = in_time("list sandbox disputes", query.fetch_all(pool)).await?;
    Ok(rows.iter().map(dispute_of).collect())
}

fn dispute_of(row: &PgRow) -> Dispute {
    let (payment, currency): (&str, &str) = (row.get("payment_id"), row.get("currency"));
    let stands = Disputed::from_text(row.get("stands"));
    Dispute {
        id: format!("dp_{payment}"),
        payment: payment.to_owned(),
        amount: Money::new(row.get("amount"), currency.parse().expect("stored from a Currency")),
        stands: stands.expect("sandbox.stands knows no other"),
    }
}

fn unknown(what: &'static str, error: &Error) -> Failure {
    Failure::Unknown { what, why: chassis::telemetry::chain(error).to_string() }
}

async fn list(pool: &PgPool, after: &Cursor) -> Result<Page, Error> {
    let query = sqlx::query(
        "SELECT payment_id, order_ref, amount, currency, state, reason, back, created_at
         FROM sandbox.list_payments($1, $2, $3, $4)",
    );
    let query = query
        .bind(crate::store::millis(after.created_at))
        .bind(&after.id)
        .bind(PAGE_PAYMENTS)
        .bind(now_ms());
    let rows = in_time("list sandbox payments", query.fetch_all(pool)).await?;
    let payments: Vec<Listed> = rows.iter().map(listed_of).collect();
    let is_whole = i64::try_from(rows.len()).is_ok_and(|count| count < PAGE_PAYMENTS);
    let cursor = |last: &Listed| Cursor { created_at: last.created_at, id: last.id.clone() };
    let next = payments.last().filter(|_| !is_whole).map(cursor);
    Ok(Page { payments, next })
}

fn listed_of(row: &PgRow) -> Listed {
    let (order, currency): (&str, &str) = (row.get("order_ref"), row.get("currency"));
    let currency = currency.parse().expect("stored from a Currency");
    Listed {
        id: row.get("payment_id"),
        order: order.parse().expect("stored from an OrderId"),
        amount: Money::new(row.get("amount"), currency),
        seen: seen_of(row),
        back: Some(row.get("back")),
        created_at: crate::store::time_of(row.get("created_at")),
    }
}

/// Carries out calls in their order; those on one payment in separate statements.
async fn act(pool: &PgPool, acts: Vec<Act>) -> Result<Vec<Acted>, Error> {
    let mut answers = vec![None; acts.len()];
    while let Some(first) = answers.iter().position(Option::is_none) {
        let mut turn: BTreeMap<&str, usize> = BTreeMap::new();
        for at in first..acts.len() {
            if answers[at].is_none() {
                turn.entry(acts[at].id.as_str()).or_insert(at);
            }
        }
        let places: Vec<usize> = turn.values().copied().collect();
        let rows = act_once(pool, places.iter().map(|&at| &acts[at]).collect()).await?;
        let found: HashMap<&str, Acted> =
            rows.iter().map(|row| (row.get("payment_id"), acted_of(row))).collect();
        for at in places {
            answers[at] = Some(found[acts[at].id.as_str()].clone());
        }
    }
    Ok(answers.into_iter().map(|answer| answer.expect("the loop leaves none out")).collect())
}

/// Acts of different payments, in the order of their ids.
async fn act_once(pool: &PgPool, acts: Vec<&Act>) -> Result<Vec<PgRow>, Error> {
    let told: Vec<(Told<'_>, &Act)> = acts
        .into_iter()
        .map(|act| (read_id(&act.id).expect("no other id is handed in"), act))
        .collect();
    let scripts = || told.iter().map(|(told, _)| told.script);
    let query = sqlx::query(
        "SELECT payment_id, state, reason, silent, settles_at
         FROM sandbox.act($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    );
    let query = query
        .bind(told.iter().map(|(_, act)| act.id.as_str()).collect::<Vec<_>>())
        .bind(told.iter().map(|(told, _)| told.order).collect::<Vec<_>>())
        .bind(told.iter().map(|(told, _)| told.total.amount).collect::<Vec<_>>())
        .bind(told.iter().map(|(told, _)| told.total.currency.to_string()).collect::<Vec<_>>())
        .bind(scripts().map(|script| script.outcome).collect::<Vec<_>>())
        .bind(scripts().map(|script| script.reason).collect::<Vec<_>>())
        .bind(scripts().map(|script| script.delay_ms).collect::<Vec<_>>())
        .bind(scripts().map(|script| script.silent).collect::<Vec<_>>())
        .bind(scripts().map(|script| script.charged_back).collect::<Vec<_>>())
        .bind(told.iter().map(|(_, act)| act.verb).collect::<Vec<_>>())
        .bind(now_ms());
    in_time("act on sandbox payments", query.fetch_all(pool)).await
}

fn acted_of(row: &PgRow) -> Acted {
    let settles_at: Option<i64> = row.get("settles_at");
    Acted { seen: seen_of(row), silent: row.get("silent"), settles_at: settles_at.unwrap_or(0) }
}

fn seen_of(row: &PgRow) -> Seen {
    let reason: Option<String> = row.get("reason");
    match row.get("state") {
        "created" => Seen::Created,
        "processing" => Seen::Processing,
        "authorised" => Seen::Authorised,
        "declined" => Seen::Declined { reason: reason.unwrap_or_default() },
        "captured" => Seen::Captured,
        "cancelled" => Seen::Cancelled,
        "refunded" => Seen::Refunded,
        other => unreachable!("the table has no state {other}"),
    }
}

fn now_ms() -> i64 {
    crate::store::millis(clock::now())
}

#[cfg(test)]
mod tests {
    use super::{id_of, read_id};
    use crate::provider::NewPayment;
    use schema::{Currency, Money, OrderId};

    #[test]
    fn an_id_says_what_its_payment_was_created_with() {
        for (token, known) in [("tok_ok", "tok_ok"), ("tok_slow", "tok_slow"), ("4111/1111", "tok")]
        {
            let total = Money::new(12_345, Currency::EUR);
            let new = NewPayment { order: OrderId(77), attempt: 3, total, token: token.to_owned() };
            let id = id_of(&new);
            let told = read_id(&id).unwrap();
            assert_eq!((told.order, told.total), (&*OrderId(77).to_string(), total));
            assert_eq!(told.script.token, known);
        }
    }

    #[test]
    fn an_id_of_somebody_else_is_none() {
        let id = format!("pay_{}/1/5EUR/tok_ok", OrderId(1));
        assert!(read_id(&id).is_some());
        let order = OrderId(1).to_string();
        for changed in [
            id.replace("pay_", "pi_"),
            id.replace("/1/", "/"),
            id.replace("/1/", "/one/"),
            id.replace("5EUR", "EUR"),
            id.replace("5EUR", "5\u{20ac}"),
            id.replace("5EUR", "U"),
            id.replace("tok_ok", "tok_gold"),
            id.replace(&order, "order"),
            String::new(),
        ] {
            assert_eq!(read_id(&changed), None, "{changed}");
        }
    }
}
