//! The sandbox provider: an outside system that takes no real money.
//!
//! Its memory is a Postgres schema of its own, which settlement otherwise never touches, so it
//! survives our crashes as a real provider would. What happens to a payment is a script that its
//! token names.

use crate::config::CALL_EVERY;
use crate::error::{Error, in_time};
use crate::provider::{Cursor, Failure, Listed, NewPayment, Page, Payment, Provider, Verb};
use chassis::{Group, clock};
use futures_util::future::BoxFuture;
use schema::Money;
use settlement_core::Seen;
use sqlx::{PgPool, Row, postgres::PgRow};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Most calls that one statement of the sandbox serves.
const CALLS_MAX: usize = 256;

/// The provider.
#[derive(Debug, Clone)]
pub struct Sandbox {
    pool: PgPool,
    creations: Group<NewPayment, Payment, Error>,
    acts: Group<(String, Verb), Acted, Error>,
}

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Script {
    outcome: &'static str,
    reason: Option<&'static str>,
    delay_ms: i64,
    /// Whether the caller of authorise is left without an answer.
    silent: bool,
}

fn script(token: &str) -> Script {
    let paid = Script { outcome: "authorised", reason: None, delay_ms: 0, silent: false };
    let refused = |reason| Script { outcome: "declined", reason: Some(reason), ..paid };
    match token {
        "tok_ok" => paid,
        "tok_declined" => refused("card declined"),
        "tok_slow" => Script { delay_ms: 2_000, ..paid },
        "tok_unknown" => Script { delay_ms: 5_000, silent: true, ..paid },
        "tok_lost" => Script { delay_ms: 5_000, silent: true, ..refused("never charged") },
        _ => refused("unknown token"),
    }
}

/// How a payment is after a verb.
#[derive(Debug, Clone)]
struct Acted {
    seen: Option<Seen>,
    silent: bool,
    settles_at: i64,
}

impl Sandbox {
    /// Opens the sandbox in the database of `pool`.
    pub fn start(pool: &PgPool) -> Self {
        let creating = pool.clone();
        let creations =
            Group::start("sandbox-create", CALLS_MAX, CALL_EVERY, move |new: Vec<NewPayment>| {
                let pool = creating.clone();
                async move { create(&pool, &new).await }
            });
        let acting = pool.clone();
        let acts = Group::start(
            "sandbox-act",
            CALLS_MAX,
            CALL_EVERY,
            move |calls: Vec<(String, Verb)>| {
                let pool = acting.clone();
                async move { act(&pool, calls).await }
            },
        );
        Self { pool: pool.clone(), creations, acts }
    }

    async fn call(&self, id: &str, verb: Verb) -> Result<Acted, Failure> {
        let what = verb.as_str();
        let acted = self.acts.submit((id.to_owned(), verb)).await;
        acted.map_err(|error| Failure::Unknown {
            what,
            why: chassis::telemetry::chain(&error).to_string(),
        })
    }

    async fn authorise(&self, id: &str) -> Result<Seen, Failure> {
        let what = Verb::Authorise.as_str();
        let mut acted = self.call(id, Verb::Authorise).await?;
        while acted.seen == Some(Seen::Processing) {
            if acted.silent {
                return Err(Failure::Unknown { what, why: "no answer".to_owned() });
            }
            let left = acted.settles_at.saturating_sub(now_ms());
            tokio::time::sleep(Duration::from_millis(left.unsigned_abs().max(1))).await;
            acted = self.call(id, Verb::Fetch).await?;
        }
        known(acted, what)
    }
}

/// Most payments in one part of the list.
const PAGE_PAYMENTS: i64 = 500;

impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        Box::pin(async move {
            let created = self.creations.submit(new.clone()).await;
            let unknown = |error: Error| chassis::telemetry::chain(&error).to_string();
            created.map_err(|error| Failure::Unknown { what: "create", why: unknown(error) })
        })
    }

    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        Box::pin(async move {
            match verb {
                Verb::Authorise => self.authorise(id).await,
                Verb::Fetch | Verb::Capture | Verb::Cancel | Verb::Refund => {
                    known(self.call(id, verb).await?, verb.as_str())
                }
            }
        })
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        Box::pin(async move {
            let unknown = |error: Error| chassis::telemetry::chain(&error).to_string();
            let listed = list(&self.pool, after).await;
            listed.map_err(|error| Failure::Unknown { what: "list", why: unknown(error) })
        })
    }
}

async fn list(pool: &PgPool, after: &Cursor) -> Result<Page, Error> {
    let query = sqlx::query(
        "SELECT payment_id, order_ref, amount, currency::TEXT AS currency, state, reason, created_at
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
        created_at: crate::store::time_of(row.get("created_at")),
    }
}

fn known(acted: Acted, what: &'static str) -> Result<Seen, Failure> {
    acted.seen.ok_or(Failure::Rejected { what, why: "no such payment".to_owned() })
}

async fn create(pool: &PgPool, new: &[NewPayment]) -> Result<Vec<Payment>, Error> {
    let ids: Vec<String> =
        new.iter().map(|payment| format!("pay_{}/{}", payment.order, payment.attempt)).collect();
    let scripts: Vec<Script> = new.iter().map(|payment| script(&payment.token)).collect();
    let query = sqlx::query(
        "SELECT payment_id, state, reason
         FROM sandbox.create_payments($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    );
    let query = query
        .bind(ids.clone())
        .bind(new.iter().map(|payment| payment.order.to_string()).collect::<Vec<_>>())
        .bind(new.iter().map(|payment| payment.total.amount).collect::<Vec<_>>())
        .bind(new.iter().map(|payment| payment.total.currency.to_string()).collect::<Vec<_>>())
        .bind(scripts.iter().map(|script| script.outcome).collect::<Vec<_>>())
        .bind(scripts.iter().map(|script| script.reason).collect::<Vec<_>>())
        .bind(scripts.iter().map(|script| script.delay_ms).collect::<Vec<_>>())
        .bind(scripts.iter().map(|script| script.silent).collect::<Vec<_>>())
        .bind(now_ms());
    let what = "create sandbox payments";
    let rows = in_time(what, query.fetch_all(pool)).await?;
    let mut found = HashMap::new();
    for row in &rows {
        let payment = Payment { id: row.get("payment_id"), seen: seen_of(row) };
        found.insert(payment.id.clone(), payment);
    }
    Ok(ids.iter().map(|id| found[id].clone()).collect())
}

/// Carries out calls in their order; those on one payment in separate statements.
async fn act(pool: &PgPool, calls: Vec<(String, Verb)>) -> Result<Vec<Acted>, Error> {
    let mut answers = vec![None; calls.len()];
    while let Some(first) = answers.iter().position(Option::is_none) {
        let mut turn: BTreeMap<&str, usize> = BTreeMap::new();
        for at in first..calls.len() {
            if answers[at].is_none() {
                turn.entry(calls[at].0.as_str()).or_insert(at);
            }
        }
        let (ids, verbs): (Vec<&str>, Vec<&str>) =
            turn.iter().map(|(id, &at)| (*id, calls[at].1.as_str())).unzip();
        let query = sqlx::query(
            "SELECT payment_id, state, reason, silent, settles_at FROM sandbox.act($1, $2, $3)",
        );
        let query = query.bind(ids).bind(verbs).bind(now_ms());
        let rows = in_time("act on sandbox payments", query.fetch_all(pool)).await?;
        let mut found: HashMap<String, Acted> =
            rows.iter().map(|row| (row.get("payment_id"), acted_of(row))).collect();
        for (id, at) in turn {
            let missing = Acted { seen: None, silent: false, settles_at: 0 };
            answers[at] = Some(found.remove(id).unwrap_or(missing));
        }
    }
    Ok(answers.into_iter().map(|answer| answer.expect("the loop leaves none out")).collect())
}

fn acted_of(row: &PgRow) -> Acted {
    let settles_at: Option<i64> = row.get("settles_at");
    Acted {
        seen: Some(seen_of(row)),
        silent: row.get("silent"),
        settles_at: settles_at.unwrap_or(0),
    }
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
