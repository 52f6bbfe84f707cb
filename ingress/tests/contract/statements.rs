//! Statements of partners and events, on a ledger that the test has written.

use ingress::Role;
use schema::{AccountId, OrderId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::rig::Rig;

const PARTNER: &str = "/api/partners/statements";
const EVENT: &str = "/api/admin/events/EVT100/statement";

/// Books a sale of 40.00 at a time, and its capture: 30.00 for the promoter, 3.00 are a fee, 7.00
/// tax. A reversal takes back what a sale books.
async fn book(rig: &Rig, order: OrderId, kind: &str, promoter: AccountId, at: i64) {
    let sign = if kind == "reversal" { -1 } else { 1 };
    let all = [
        ("fan_receivable", None, 4_000),
        ("promoter_payable", Some(Uuid::from_u128(promoter.0)), -3_000),
        ("fees", None, -300),
        ("tax_payable", None, -700),
    ];
    let entries = if kind == "capture" {
        vec![("provider_clearing", None, 4_000), ("fan_receivable", None, -4_000)]
    } else {
        all.map(|(account, party, amount)| (account, party, sign * amount)).to_vec()
    };
    let order = Uuid::from_u128(order.0);
    let query = "INSERT INTO ledger_transaction
        VALUES ($1, $2, 0, 'EVT100', $6, 'EUR', $3, $5, $4)";
    sqlx::query(query)
        .bind(order)
        .bind(kind)
        .bind(entries.iter().map(|entry| entry.0).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.1).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.2).collect::<Vec<i64>>())
        .bind(at)
        .execute(&rig.postgres)
        .await
        .unwrap();
}

async fn account(rig: &Rig, token: &str) -> AccountId {
    let id = rig.http.get("/api/auth/me", token).await.json()["accountId"].clone();
    id.as_str().unwrap().parse().unwrap()
}

fn euros(amount: i64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

fn line(kind: &str, orders: i64, amount: i64) -> Value {
    json!({"eventId": "EVT100", "kind": kind, "orders": orders, "amount": euros(amount)})
}

#[tokio::test]
async fn a_statement_has_what_was_before_what_was_booked_and_what_is_left() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    let (one, other) =
        (rig.login("one", &[Role::Partner]).await, rig.login("other", &[Role::Partner]).await);
    rig.event(&operator, "EVT100").await;
    let (promoter, stranger) = (account(&rig, &one).await, account(&rig, &other).await);
    for (seat, at) in [(0, 1_000), (1, 2_000), (2, 3_000)] {
        let order = rig.booked(promoter, seat, if seat == 1 { "refunded" } else { "paid" }).await;
        book(&rig, order, "sale", promoter, at).await;
        book(&rig, order, "capture", promoter, at).await;
        if seat == 1 {
            book(&rig, order, "reversal", promoter, at + 500).await;
        }
    }
    let foreign = rig.booked(stranger, 3, "paid").await;
    book(&rig, foreign, "sale", stranger, 2_000).await;

    let period = "?from=1970-01-01T00:00:02Z&to=1970-01-01T00:00:03Z";
    let shown = rig.http.get(&format!("{PARTNER}{period}"), &one).await.json();
    let payable = json!({"account": "promoter_payable", "opening": euros(3_000),
        "lines": [line("reversal", 1, -3_000), line("sale", 1, 3_000)],
        "closing": euros(3_000)});
    assert_eq!(shown["accounts"], json!([payable]));
    assert_eq!(shown["owed"], json!([euros(3_000)]));
    assert_eq!(shown["partnerId"], promoter.to_string());
    assert_eq!(shown["held"], json!([]));
    assert_eq!(shown["from"], "1970-01-01T00:00:02.000Z");
    let all = rig.http.get(PARTNER, &one).await.json();
    assert_eq!(all["owed"], json!([euros(6_000)]));
    assert_eq!(all["accounts"][0]["opening"], euros(0));
    assert_eq!(all["tickets"], json!([{"eventId": "EVT100", "sold": 3, "refunded": 1}]));
    let strange = rig.http.get(PARTNER, &other).await.json();
    assert_eq!(strange["owed"], json!([euros(3_000)]), "each sees its own");

    let event = rig.http.get(EVENT, &operator).await.json();
    let accounts = event["accounts"].as_array().unwrap();
    let closing = |name: &str| {
        let mut found = accounts.iter().filter(|account| account["account"] == name);
        found.next().unwrap()["closing"]["amount"].as_i64().unwrap()
    };
    assert_eq!(closing("promoter_payable"), -9_000);
    assert_eq!(closing("fees"), -900);
    assert_eq!(closing("tax_payable"), -2_100);
    assert_eq!(closing("provider_clearing"), 12_000);
    assert_eq!(closing("fan_receivable"), 0);
    assert_eq!(event["tickets"][0]["sold"], 4);
}

#[tokio::test]
async fn a_statement_is_a_table_for_who_asks_for_one() {
    let rig = Rig::start().await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    let promoter = account(&rig, &partner).await;
    let order = rig.booked(promoter, 0, "paid").await;
    book(&rig, order, "sale", promoter, 1_000).await;
    let expected = "currency,account,eventId,line,orders,amount\n\
        EUR,promoter_payable,,opening,,0\n\
        EUR,promoter_payable,EVT100,sale,1,3000\n\
        EUR,promoter_payable,,closing,,3000\n";
    let bearer = format!("Bearer {partner}");
    let accept = [("authorization", bearer.as_str()), ("accept", "text/csv")];
    for answer in [
        rig.http.get(&format!("{PARTNER}?format=csv"), &partner).await,
        rig.http.send("GET", PARTNER, &accept, "").await,
    ] {
        assert_eq!((answer.status, answer.text.as_str()), (200, expected));
        assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    }
    let chosen = rig.http.send("GET", &format!("{PARTNER}?format=json"), &accept, "").await;
    assert_eq!(chosen.json()["owed"], json!([euros(3_000)]));
}

#[tokio::test]
async fn statements_are_for_whom_they_concern_and_of_what_there_is() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    rig.event(&operator, "EVT100").await;
    let get = async |path: &str, token: &str| rig.http.get(path, token).await;
    assert_eq!(get(PARTNER, "").await.problem(), (401, "LOGIN_REQUIRED".to_owned()));
    assert_eq!(get(EVENT, &partner).await.problem(), (403, "ROLE_REQUIRED".to_owned()));
    let unknown = get("/api/admin/events/EVT999/statement", &operator).await;
    assert_eq!(unknown.problem(), (404, "EVENT_UNKNOWN".to_owned()));
    for faulty in
        ["?from=yesterday", "?format=xml", "?from=2030-01-02T00:00:00Z&to=2030-01-01T00:00:00Z"]
    {
        let answer = get(&format!("{PARTNER}{faulty}"), &partner).await;
        assert_eq!(answer.problem(), (422, "REQUEST_INVALID".to_owned()), "{faulty}");
    }
    assert_eq!(get(EVENT, &operator).await.json()["accounts"], json!([]), "nothing is booked");
}

#[tokio::test]
async fn a_statement_is_bounded_in_its_own_time_whatever_was_before() {
    let rig = Rig::start().await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    rig.event(&operator, "EVT100").await;
    let promoter = account(&rig, &partner).await;
    let many = "INSERT INTO ledger_transaction SELECT gen_random_uuid(), 'sale', 0, 'EVT100', 1,
        'EUR', ARRAY['fees', 'promoter_payable'], ARRAY[1, -1], ARRAY[NULL, $1]
        FROM generate_series(1, 500001)";
    let mut patient = rig.postgres.acquire().await.unwrap();
    sqlx::query("SET statement_timeout = 0").execute(&mut *patient).await.unwrap();
    let many = sqlx::query(many).bind(Uuid::from_u128(promoter.0));
    many.execute(&mut *patient).await.unwrap();
    let order = rig.booked(promoter, 0, "paid").await;
    book(&rig, order, "sale", promoter, 2_000).await;
    let since = "?from=1970-01-01T00:00:01Z";
    for (path, token, closing) in [(EVENT, &operator, -503_001), (PARTNER, &partner, 503_001)] {
        let sign = if closing < 0 { -1 } else { 1 };
        let get = async |query: &str| rig.http.get(&format!("{path}{query}"), token).await;
        let long = get("").await;
        assert_eq!(long.problem(), (422, "STATEMENT_TOO_LONG".to_owned()), "{path}");
        assert_eq!(get("?to=1970-01-01T00:00:00Z").await.status, 200, "{path}");
        let narrow = get(since).await;
        assert_eq!(narrow.status, 200, "{path}: {narrow:?}");
        let narrow = narrow.json();
        let accounts = narrow["accounts"].as_array().unwrap();
        let payable = accounts.iter().find(|of| of["account"] == "promoter_payable");
        let expected = json!({"account": "promoter_payable", "opening": euros(sign * 500_001),
            "lines": [line("sale", 1, sign * 3_000)], "closing": euros(closing)});
        assert_eq!(payable, Some(&expected), "{path}");
    }
    // A ledger that cannot be summed up in time says so.
    let slow = "ALTER FUNCTION ledger_statement RENAME TO summed;
        CREATE FUNCTION ledger_statement(a TEXT, b UUID, c BIGINT, d BIGINT) RETURNS TABLE (
            currency TEXT, account TEXT, event_id TEXT, kind TEXT, transactions BIGINT,
            amount BIGINT) LANGUAGE sql AS
            'SELECT s.* FROM pg_sleep(60), summed(a, b, c, d) s'";
    sqlx::raw_sql(slow).execute(&rig.postgres).await.unwrap();
    let slow = rig.http.get(&format!("{PARTNER}{since}"), &partner).await;
    assert_eq!(slow.problem(), (503, "STATEMENT_SLOW".to_owned()));
}

#[tokio::test]
async fn a_ticket_that_is_paid_back_later_than_it_was_sold_counts_where_each_was() {
    let rig = Rig::start().await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    let promoter = account(&rig, &partner).await;
    let order = rig.booked(promoter, 0, "refunded").await;
    let times = "UPDATE ticket SET issued_at = 1000, voided_at = 5000";
    sqlx::query(times).execute(&rig.postgres).await.unwrap();
    book(&rig, order, "sale", promoter, 1_000).await;
    book(&rig, order, "reversal", promoter, 5_000).await;
    for (from, to, tickets) in [
        (0, 1, json!([])),
        (1, 2, json!([{"eventId": "EVT100", "sold": 1, "refunded": 0}])),
        (2, 5, json!([])),
        (5, 6, json!([{"eventId": "EVT100", "sold": 0, "refunded": 1}])),
        (0, 9, json!([{"eventId": "EVT100", "sold": 1, "refunded": 1}])),
    ] {
        let period = format!("?from=1970-01-01T00:00:0{from}Z&to=1970-01-01T00:00:0{to}Z");
        let shown = rig.http.get(&format!("{PARTNER}{period}"), &partner).await.json();
        assert_eq!(shown["tickets"], tickets, "{period}");
    }
}
