//! How often Postgres commits for an order, and what the order takes of the cores.

use super::meter::Meter;
use super::sides::{Counted, Turned, Usher};
use super::work::Terms;
use crate::measure::run;
use crate::system::{PostgresCounters, Transactions};
use anyhow::ensure;
use serde_json::json;
use std::collections::BTreeMap;
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

/// One look at what was committed and what processes have taken of a core, and when.
struct Look {
    at: Instant,
    transactions: Transactions,
    /// Seconds since the first look, by process.
    cpu: BTreeMap<String, f64>,
}

/// A turn of payments of Usher, before and after which nothing happens until sessions of Postgres
/// have told their commits. What is done while idle, as seen before, is taken off.
pub async fn committed(usher: &mut Usher, terms: &Terms) -> anyhow::Result<Turned> {
    let mut postgres = PostgresCounters::open(&usher.data).await?;
    let payers = usher.side.payers(terms).await?;
    sleep(TOLD_AFTER).await;
    let meter = Meter::start(&usher.data);
    let idle = look(&mut postgres, &meter).await?;
    sleep(TOLD_AFTER).await;
    let before = look(&mut postgres, &meter).await?;
    let (_, measured) = run(payers, terms.turn()).await?;
    sleep(TOLD_AFTER).await;
    let after = look(&mut postgres, &meter).await?;
    let looks = [&idle, &before, &after];
    let committed = caused(looks, |look| count(look.transactions.committed));
    let wrote = caused(looks, |look| count(look.transactions.wrote));
    let orders = f64::from(u32::try_from(measured.good_all)?.max(1));
    let mut counted = vec![
        Counted {
            figure: "postgres_commits_per_order",
            unit: "commits",
            value: committed / orders,
        },
        Counted { figure: "postgres_writes_per_order", unit: "commits", value: wrote / orders },
    ];
    let mut usher_cpu = BTreeMap::new();
    for (figure, process) in CPU {
        ensure!(after.cpu.contains_key(process), "usher.json does not name {process}");
        let of = |look: &Look| look.cpu.get(process).copied().unwrap_or_default();
        let seconds = caused(looks, of);
        counted.push(Counted { figure, unit: "us", value: seconds * 1e6 / orders });
        usher_cpu.insert(process.to_owned(), seconds);
    }
    let note = json!({
        "orders": measured.good_all, "commits": committed, "commitsThatWrote": wrote,
        "commitsOfIdle": before.transactions.committed - idle.transactions.committed,
        "idleSeconds": (before.at - idle.at).as_secs_f64(),
    });
    let lasted = after.at - before.at;
    Ok(Turned { lasted, usher_cpu, counted, note, ..measured.into() })
}

async fn look(postgres: &mut PostgresCounters, meter: &Meter) -> anyhow::Result<Look> {
    let transactions = postgres.transactions().await?;
    let (_, cpu) = meter.read();
    Ok(Look { at: Instant::now(), transactions, cpu })
}

fn count(transactions: i64) -> f64 {
    f64::from(u32::try_from(transactions).unwrap_or(u32::MAX))
}

/// What came between the last two looks, less what came between the first two in as long a time.
fn caused([idle, before, after]: [&Look; 3], count: impl Fn(&Look) -> f64) -> f64 {
    let came = |from: &Look, to: &Look| (count(to) - count(from), (to.at - from.at).as_secs_f64());
    let ((of_idle, idle_s), (all, all_s)) = (came(idle, before), came(before, after));
    (all - of_idle * all_s / idle_s.max(f64::MIN_POSITIVE)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::{Look, Transactions, caused, count};
    use std::collections::BTreeMap;
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_done_while_idle_is_no_orders() {
        let begun = Instant::now();
        let look = |(seconds, committed)| Look {
            at: begun + Duration::from_secs(seconds),
            transactions: Transactions { committed, wrote: committed / 2 },
            cpu: BTreeMap::new(),
        };
        let committed = |looks: [(u64, i64); 3]| {
            let [idle, before, after] = looks.map(look);
            caused([&idle, &before, &after], |look| count(look.transactions.committed))
        };
        // Ten a second while idle, over 15 s: 150 of 1,150 are not for the orders.
        let some = committed([(0, 0), (10, 100), (25, 1_250)]);
        assert!((some - 1_000.0).abs() < 1e-6, "{some}");
        assert!(committed([(0, 0), (10, 100), (25, 200)]).abs() < 1e-6);
    }
}
