//! A Postgres that stands still: connected, and silent.

use ingress::Role;
use serde_json::json;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::rig::Rig;

/// Below the 15 s in which an answer must begin, and after which the listener would cut it.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The processes of the server that serve connections. Each connection has one of its own, and
/// stopping their parent would stop none of them.
pub async fn connections(rig: &Rig) -> Vec<i32> {
    let select = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'";
    sqlx::query_scalar(select).fetch_all(&rig.postgres).await.unwrap()
}

pub fn signal(name: &str, processes: &[i32]) {
    let processes = processes.iter().map(ToString::to_string);
    let status = Command::new("kill").arg(format!("-{name}")).args(processes).status().unwrap();
    assert!(status.success(), "{name}: {status}");
}

#[tokio::test]
async fn a_store_that_stands_still_is_a_503_that_says_so() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    let me = rig.http.get("/api/auth/me", &operator).await.json();
    let serving = connections(&rig).await;
    signal("STOP", &serving);
    let begun = Instant::now();
    let booking = me["accountId"].as_str().unwrap().replacen("a-", "b-", 1);
    let booking = format!("/api/bookings/{booking}");
    let login = json!({"email": "operator@usher.test", "password": "usher-demo"});
    let (list, one, audit, login) = tokio::join!(
        rig.http.get("/api/bookings", &operator),
        rig.http.get(&booking, &operator),
        rig.http.get("/api/admin/audit", &operator),
        rig.http.post("/api/auth/login", "", login),
    );
    signal("CONT", &serving);
    for answer in [list, one, audit, login] {
        assert_eq!(answer.problem(), (503, "STORE_UNAVAILABLE".to_owned()), "{answer:?}");
        assert!(!answer.header("retry-after").is_empty(), "{answer:?}");
    }
    assert!(begun.elapsed() < ANSWER_MAX, "{:?}", begun.elapsed());
}
