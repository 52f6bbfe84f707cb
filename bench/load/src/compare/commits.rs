//! How often Postgres commits for an order, and what the order takes of the cores.

use super::meter::Meter;
use super::sides::{Counted, Turned, Usher};
use super::work::Terms;
use crate::measure::run;
use crate::system::{PostgresCounters, Transactions};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// An idle session of Postgres tells what it has done up to ten seconds late.
const TOLD_AFTER: Duration = Duration::from_secs(11);

/// What an order takes of a core, by process.
const CPU: [(&str, &str); 3] = [
    ("confirm_cpu_us_usher", "usher"),
    ("confirm_cpu_us_postgres", "postgres"),
    ("confirm_cpu_us_nats", "nats"),
];

/// One look at what was committed, and when.
#[derive(Clone, Copy)]
struct Look {
    at: Instant,
    transactions: Transactions,
}

/// A turn of payments of Usher, before and after which nothing happens until sessions of Postgres
/// have told their commits. What it commits while idle, as seen before, is taken off.
pub async fn committed(usher: &mut Usher, terms: &Terms) -> anyhow::Result<Turned> {
    let mut postgres = PostgresCounters::open(&usher.data).await?;
    let payers = usher.side.payers(terms).await?;
    sleep(TOLD_AFTER).await;
    let mut looks = vec![look(&mut postgres).await?];
    sleep(TOLD_AFTER).await;
    looks.push(look(&mut postgres).await?);
    let meter = Meter::start(&usher.data);
    let (_, measured) = run(payers, terms.turn()).await?;
    let (_, cpu) = meter.read();
    sleep(TOLD_AFTER).await;
    looks.push(look(&mut postgres).await?);
    let [idle, before, after] = looks[..] else { unreachable!("three looks were taken") };
    let [committed, wrote] = [
        caused(idle, before, after, |transactions| transactions.committed),
        caused(idle, before, after, |transactions| transactions.wrote),
    ];
    let orders = u32::try_from(measured.good_all)?.max(1);
    let counted =
        |figure, count: f64| Counted { figure, unit: "commits", value: count / f64::from(orders) };
    let micros = |(figure, process): (&'static str, &str)| {
        let seconds = cpu.get(process).copied().unwrap_or_default();
        Counted { figure, unit: "us", value: seconds * 1e6 / f64::from(orders) }
    };
    let mut counted = vec![
        counted("postgres_commits_per_order", committed),
        counted("postgres_writes_per_order", wrote),
    ];
    counted.extend(CPU.map(micros));
    let note = json!({
        "orders": measured.good_all, "commits": committed, "commitsThatWrote": wrote,
        "commitsOfIdle": before.transactions.committed - idle.transactions.committed,
        "idleSeconds": (before.at - idle.at).as_secs_f64(), "usherCpuSeconds": cpu,
    });
    Ok(Turned { counted, note, ..measured.into() })
}

async fn look(postgres: &mut PostgresCounters) -> anyhow::Result<Look> {
    Ok(Look { at: Instant::now(), transactions: postgres.transactions().await? })
}

/// What came between the last two looks, less what came between the first two in as long a time.
fn caused(idle: Look, before: Look, after: Look, count: impl Fn(Transactions) -> i64) -> f64 {
    let came = |from: Look, to: Look| {
        let came = count(to.transactions) - count(from.transactions);
        let came = f64::from(u32::try_from(came).unwrap_or_default());
        (came, (to.at - from.at).as_secs_f64())
    };
    let ((of_idle, idle_s), (all, all_s)) = (came(idle, before), came(before, after));
    (all - of_idle * all_s / idle_s.max(f64::MIN_POSITIVE)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::{Look, Transactions, caused};
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_committed_while_idle_is_no_orders() {
        let begun = Instant::now();
        let look = |seconds, committed| Look {
            at: begun + Duration::from_secs(seconds),
            transactions: Transactions { committed, wrote: committed / 2 },
        };
        let committed = |looks: [Look; 3]| {
            let [idle, before, after] = looks;
            caused(idle, before, after, |transactions| transactions.committed)
        };
        // Ten a second while idle, over 15 s: 150 of 1,150 are not for the orders.
        let some = committed([look(0, 0), look(10, 100), look(25, 1_250)]);
        assert!((some - 1_000.0).abs() < 1e-6, "{some}");
        assert!(committed([look(0, 0), look(10, 100), look(25, 200)]).abs() < 1e-6);
    }
}
