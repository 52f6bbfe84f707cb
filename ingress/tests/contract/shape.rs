//! What every answer looks like, also to those who ask wrongly.

use ingress::Role;
use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn a_wrong_request_gets_the_right_problem() {
    let rig = Rig::start().await;
    let http = &rig.http;
    let problem = async |method: &str, path: &str, headers: &[(&str, &str)], body: String| {
        http.send(method, path, headers, body).await.problem()
    };
    let json = [("content-type", "application/json")];
    let login = "/api/auth/login";
    assert_eq!(problem("GET", "/api/nothing", &[], String::new()).await.0, 404);
    assert_eq!(problem("GET", "/nothing", &[], String::new()).await.1, "NOT_FOUND");
    assert_eq!(problem("DELETE", login, &[], String::new()).await.1, "METHOD_NOT_ALLOWED");
    assert_eq!(problem("PUT", "/healthz", &[], String::new()).await.1, "METHOD_NOT_ALLOWED");
    assert_eq!(problem("POST", login, &json, "{".to_owned()).await, (400, "JSON_INVALID".into()));
    assert_eq!(problem("POST", login, &json, "[1]".to_owned()).await.0, 422);
    let wrong_type = r#"{"email": 1, "password": []}"#.to_owned();
    assert_eq!(problem("POST", login, &json, wrong_type).await, (422, "REQUEST_INVALID".into()));
    assert_eq!(problem("POST", login, &[], "{}".to_owned()).await.0, 415);
    let giant = format!("{{\"email\": \"{}\"}}", "x".repeat(200_000));
    assert_eq!(problem("POST", login, &json, giant).await, (413, "BODY_TOO_LARGE".into()));
    let empty = "/api/search?q=&city=&category=&from=&to=&priceMax=&available=&sort=&page=&size=";
    assert_eq!(problem("GET", empty, &[], String::new()).await.0, 503, "no indexer");
    assert_eq!(http.get("/api/events?page=&size=", "").await.status, 200);
    assert_eq!(problem("GET", "/api/search?size=100000", &[], String::new()).await.0, 422);
    assert_eq!(problem("GET", "/api/search?priceMax=-1", &[], String::new()).await.0, 422);
    assert_eq!(problem("GET", "/api/events?page=x", &[], String::new()).await.0, 400);
    assert_eq!(problem("GET", "/api/events?size=1000", &[], String::new()).await.0, 422);
    assert_eq!(problem("GET", "/api/events/EVT404", &[], String::new()).await.1, "EVENT_UNKNOWN");
    assert_eq!(problem("GET", "/api/search?q=x", &[], String::new()).await.0, 503, "no indexer");
    let queue = problem("POST", "/api/queue/EVT001/join", &[], String::new()).await;
    assert_eq!(queue, (503, "WAITING_ROOM_UNAVAILABLE".into()), "no waiting room");
}

#[tokio::test]
async fn every_answer_is_named_and_keeps_to_itself() {
    let rig = Rig::start().await;
    let named = rig.http.send("GET", "/api/events", &[("x-request-id", "mine-1")], "").await;
    assert_eq!(named.header("x-request-id"), "mine-1");
    assert_eq!(named.header("cache-control"), "no-store");
    assert_eq!(named.header("x-content-type-options"), "nosniff");
    let wrong = rig.http.send("GET", "/nothing", &[], "").await;
    assert!(!wrong.header("x-request-id").is_empty());
    let method = rig.http.send("PATCH", "/api/events", &[], "").await;
    assert!(method.header("allow").contains("GET"), "{method:?}");
}

#[tokio::test]
async fn pages_and_descriptions_are_served() {
    let rig = Rig::start().await;
    let get = async |path: &str, accept: &str| {
        rig.http.send("GET", path, &[("accept", accept)], "").await
    };
    assert!(get("/", "text/html").await.text.contains("<!doctype html>"));
    assert!(!get("/", "*/*").await.text.contains("<!doctype html>"));
    assert_eq!(
        get("/web/style.css", "*/*").await.header("content-type"),
        "text/css; charset=utf-8"
    );
    assert_eq!(get("/web/../Cargo.toml", "*/*").await.status, 404);
    for page in ["/", "/docs"] {
        let text = get(page, "text/html").await.text;
        assert!(text.contains(r#"<link rel="icon" type="image/svg+xml" href="/web/icon.svg">"#));
    }
    assert_eq!(get("/web/icon.svg", "*/*").await.header("content-type"), "image/svg+xml");
    let document = get("/openapi.json", "*/*").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{document}");
    assert_eq!(get("/healthz", "*/*").await.status, 200);
    assert_eq!(get("/readyz", "*/*").await.status, 200);
    let keys = get("/.well-known/jwks.json", "*/*").await.json();
    let purposes = keys["keys"].as_array().unwrap().iter().map(|key| &key["purpose"]);
    assert_eq!(purposes.collect::<Vec<_>>(), ["account", "pass", "ticket"]);
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_when_to_come_back() {
    let rate = ingress::Rate { burst: 3, per_minute: 60 };
    let rig = Rig::with(|config| config.requests.address_demo = rate).await;
    let mut limited = 0;
    for _ in 0..10 {
        let answer = rig.http.get("/api/events", "").await;
        if answer.status == 429 {
            assert_eq!(answer.problem().1, "RATE_LIMITED");
            assert_eq!(answer.header("retry-after"), "1");
            limited += 1;
        }
    }
    assert!(6 <= limited, "{limited}");
    assert_eq!(rig.http.get("/healthz", "").await.status, 200, "never limited");
}

#[tokio::test]
async fn a_stranger_cannot_make_an_operator_and_unknown_fields_do_nothing() {
    let rig = Rig::start().await;
    let body = json!({
        "email": "b@usher.test", "password": "long enough", "name": "B", "roles": ["operator"],
    });
    let made = rig.http.post("/api/auth/register", "", body).await;
    assert_eq!(made.json()["roles"], json!(["fan"]));
    let operator = rig.login("operator", &[Role::Operator]).await;
    assert_eq!(rig.http.get("/api/admin/audit", &operator).await.status, 200);
}
