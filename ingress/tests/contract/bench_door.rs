//! Accounts in bulk, where the configuration opens the door.

use ingress::Role;
use serde_json::json;
use std::collections::BTreeSet;

use crate::owner;
use crate::rig::Rig;

const DOOR: &str = "/bench/accounts";

#[tokio::test]
async fn the_bench_door_is_not_there_unless_it_was_asked_for() {
    let rig = Rig::start().await;
    let answer = rig.http.post(DOOR, "", json!({"count": 1, "prefix": "crowd"})).await;
    assert_eq!(answer.problem().0, 404);
    let accounts = sqlx::query("SELECT 1 FROM account").fetch_all(&rig.postgres).await.unwrap();
    assert!(accounts.is_empty());
}

#[tokio::test]
async fn accounts_from_the_bench_door_buy_and_nobody_logs_in_to_them() {
    let rig = Rig::with(|config| config.bench_door = true).await;
    owner::start(rig.nats.clone());
    let operator = rig.login("operator", &[Role::Operator]).await;
    rig.event(&operator, "EVT100").await;
    // More than one statement's worth.
    let made = rig.http.post(DOOR, "", json!({"count": 10_003, "prefix": "crowd-1"})).await;
    assert_eq!(made.status, 200, "{:?}", made.problem());
    let made = made.json();
    let accounts = made["accounts"].as_array().unwrap();
    let ids: BTreeSet<&str> =
        accounts.iter().map(|account| account["accountId"].as_str().unwrap()).collect();
    assert_eq!((accounts.len(), ids.len()), (10_003, 10_003));

    let last = &accounts[10_002];
    let token = last["token"].as_str().unwrap();
    let me = rig.http.get("/api/auth/me", token).await.json();
    assert_eq!((&me["accountId"], &me["roles"]), (&last["accountId"], &json!(["fan"])));
    let want = json!({"eventId": "EVT100", "seats": [{"seatId": "A-1-1"}]});
    let reserved = rig.http.post("/api/bookings/reserve", token, want).await;
    assert_eq!(reserved.status, 201, "{reserved:?}");

    let email = me["email"].as_str().unwrap();
    assert_eq!(email, "crowd-1-10003@bench.invalid");
    for password in ["", "none", "crowd-1"] {
        let body = json!({"email": email, "password": password});
        let login = rig.http.post("/api/auth/login", "", body).await;
        assert_eq!(login.problem(), (401, "BAD_CREDENTIALS".to_owned()), "{password:?}");
    }
    let document = rig.http.get("/openapi.json", "").await;
    assert!(!document.json()["paths"].as_object().unwrap().contains_key(DOOR));
}

#[tokio::test]
async fn the_bench_door_refuses_bad_and_used_prefixes_and_too_many() {
    let rig = Rig::with(|config| config.bench_door = true).await;
    let ask = async |count: u32, prefix: &str| {
        rig.http.post(DOOR, "", json!({"count": count, "prefix": prefix})).await
    };
    for (count, prefix) in [(1, ""), (1, "a@b"), (1, "A"), (0, "crowd"), (100_001, "crowd")] {
        let answer = ask(count, prefix).await;
        assert_eq!(answer.problem(), (422, "REQUEST_INVALID".to_owned()), "{count} {prefix:?}");
    }
    assert_eq!(ask(2, "crowd").await.status, 200);
    // The first of its accounts would be new.
    let count = sqlx::query("DELETE FROM account WHERE email = 'crowd-1@bench.invalid'");
    assert_eq!(count.execute(&rig.postgres).await.unwrap().rows_affected(), 1);
    assert_eq!(ask(2, "crowd").await.problem(), (409, "PREFIX_TAKEN".to_owned()));
    let left = sqlx::query("SELECT 1 FROM account").fetch_all(&rig.postgres).await.unwrap();
    assert_eq!(left.len(), 1, "a refused call leaves nothing behind");
}
