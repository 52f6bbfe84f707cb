//! Endpoints of partners: made, changed, listed, and what was told to them.

use ingress::Role;
use serde_json::{Value, json};

use crate::rig::Rig;

const PATH: &str = "/api/partners/webhooks";

/// A message of the endpoint, as settlement leaves it.
async fn told(rig: &Rig, webhook: &str, message: u128, created_at: i64, state: &str) {
    let insert =
        "INSERT INTO webhook_message (message_id, endpoint_id, object, sequence, rank, kind, body,
            created_at, state, tries, next_at, done_at)
        VALUES ($1, $2, 'b-1', 1, 1, 'booking.confirmed', '{}', $3, $4, 10, 99,
            CASE $4 WHEN 'waiting' THEN NULL ELSE 1 END)";
    let endpoint: uuid::Uuid = webhook.strip_prefix("w-").unwrap().parse().unwrap();
    let insert = sqlx::query(insert).bind(uuid::Uuid::from_u128(message)).bind(endpoint);
    insert.bind(created_at).bind(state).execute(&rig.postgres).await.unwrap();
}

#[tokio::test]
async fn an_endpoint_belongs_to_its_partner_and_shows_its_secret_where_that_is_made() {
    let rig = Rig::start().await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    let other = rig.login("other", &[Role::Partner]).await;
    let ask = async |body: Value| rig.http.post(PATH, &partner, body).await;
    let made = ask(json!({"url": "https://example.org/hooks"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let id = made["webhookId"].as_str().unwrap();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    assert_eq!(made["kinds"].as_array().unwrap().len(), 5);
    let listed = rig.http.get(PATH, &partner).await.json();
    assert_eq!(listed["webhooks"][0]["webhookId"], id);
    assert_eq!(listed["webhooks"][0]["secret"], Value::Null);
    assert_eq!(rig.http.get(PATH, &other).await.json(), json!({"webhooks": []}));

    let one = format!("{PATH}/{id}");
    let rotate = format!("{one}/rotate");
    let rotated = rig.http.json("POST", &rotate, &partner, &[], json!(null)).await.json();
    assert_eq!(rotated["secretNumber"], 2);
    assert_ne!(rotated["secret"], made["secret"]);
    let change =
        async |token: &str, body: Value| rig.http.json("PATCH", &one, token, &[], body).await;
    let changed = change(&partner, json!({"active": false, "kinds": ["booking.refunded"]})).await;
    let changed = changed.json();
    assert_eq!((&changed["active"], &changed["url"]), (&json!(false), &made["url"]));
    assert_eq!(changed["kinds"], json!(["booking.refunded"]));
    let unknown = (404, "WEBHOOK_UNKNOWN".to_owned());
    assert_eq!(change(&other, json!({"active": true})).await.problem(), unknown);
    assert_eq!(rig.http.json("POST", &rotate, &other, &[], json!(null)).await.problem(), unknown);
    let messages = format!("{one}/messages");
    assert_eq!(rig.http.get(&messages, &other).await.problem(), unknown);
    let delete = async |token: &str| rig.http.json("DELETE", &one, token, &[], json!(null)).await;
    assert_eq!(delete(&other).await.problem(), unknown);
    assert_eq!(delete(&partner).await.status, 204);
    assert_eq!(delete(&partner).await.problem(), unknown);
    assert_eq!(rig.http.get(&format!("{PATH}/w-1/messages"), &partner).await.problem(), unknown);

    for body in [json!({"url": "example"}), json!({"url": "https://a.example", "kinds": ["x"]})] {
        assert_eq!(ask(body).await.problem(), (422, "REQUEST_INVALID".to_owned()));
    }
    for _ in 0..10 {
        assert_eq!(ask(json!({"url": "http://127.0.0.1:1/"})).await.status, 201, "on demo data");
    }
    let many = ask(json!({"url": "https://example.org/hooks"})).await;
    assert_eq!(many.problem(), (409, "WEBHOOKS_TOO_MANY".to_owned()));
}

#[tokio::test]
async fn no_endpoint_is_a_private_address_where_strangers_come() {
    let rig = Rig::with(|config| config.demo = false).await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    for url in ["http://example.org/", "https://127.0.0.1/", "https://localhost/"] {
        let made = rig.http.post(PATH, &partner, json!({"url": url})).await;
        assert_eq!(made.problem(), (422, "WEBHOOK_TARGET_REFUSED".to_owned()), "{url}");
    }
    let made = rig.http.post(PATH, &partner, json!({"url": "https://example.org/"})).await.json();
    let one = format!("{PATH}/{}", made["webhookId"].as_str().unwrap());
    let body = json!({"url": "https://10.0.0.1/"});
    let changed = rig.http.json("PATCH", &one, &partner, &[], body).await;
    assert_eq!(changed.problem(), (422, "WEBHOOK_TARGET_REFUSED".to_owned()));
}

#[tokio::test]
async fn an_operator_sends_messages_once_more_and_the_log_says_so() {
    let rig = Rig::start().await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    let operator = rig.login("operator", &[Role::Operator]).await;
    let made = rig.http.post(PATH, &partner, json!({"url": "https://example.org/"})).await.json();
    let id = made["webhookId"].as_str().unwrap();
    for (message, at, state) in
        [(1, 1_000, "parked"), (2, 2_000, "delivered"), (3, 3_000, "parked")]
    {
        told(&rig, id, message, at, state).await;
    }
    let replay = format!("/api/admin/webhooks/{id}/replay");
    let ask = async |body: Value| rig.http.post(&replay, &operator, body).await;
    let waiting = async || {
        let path = format!("{PATH}/{id}/messages?state=waiting");
        let shown = rig.http.get(&path, &partner).await.json();
        let all = shown["messages"].as_array().unwrap().clone();
        assert!(all.iter().all(|one| one["tries"] == 0), "{all:?}");
        all.len()
    };
    assert_eq!(waiting().await, 0);
    let one = format!("m-{}", uuid::Uuid::from_u128(1).simple());
    assert_eq!(ask(json!({"messageId": one})).await.json(), json!({"replayed": 1}));
    assert_eq!(waiting().await, 1);
    let from = json!({"from": "1970-01-01T00:00:02Z", "to": "1970-01-01T00:00:03Z"});
    assert_eq!(ask(from).await.json(), json!({"replayed": 1}), "without its end");
    assert_eq!(waiting().await, 2);
    for nonsense in [
        json!({}),
        json!({"messageId": "m-1"}),
        json!({"from": "1970-01-01T00:00:02Z"}),
        json!({"from": "1970-01-01T00:00:02Z", "to": "1970-01-01T00:00:02Z"}),
    ] {
        assert_eq!(ask(nonsense).await.problem(), (422, "REQUEST_INVALID".to_owned()));
    }
    let nobody = format!("/api/admin/webhooks/w-{}/replay", uuid::Uuid::from_u128(9).simple());
    let unknown = rig.http.post(&nobody, &operator, json!({"messageId": one})).await;
    assert_eq!(unknown.problem(), (404, "WEBHOOK_UNKNOWN".to_owned()));
    let log = rig.http.get("/api/admin/audit", &operator).await.json();
    let actions = log["entries"].as_array().unwrap().iter().map(|entry| &entry["action"]);
    assert_eq!(actions.filter(|action| **action == "webhook.replay").count(), 2);
    let all = rig.http.get(&format!("{PATH}/{id}/messages"), &partner).await.json();
    assert_eq!(all["messages"].as_array().unwrap().len(), 3);
    assert_eq!(all["messages"][0]["state"], "parked", "the newest first");
    let wrong = rig.http.get(&format!("{PATH}/{id}/messages?state=lost"), &partner).await;
    assert_eq!(wrong.problem().0, 400);
}
