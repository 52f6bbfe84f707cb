//! Register, log in, refresh, and who may do what.

use ingress::Role;
use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn an_account_is_made_once_and_a_refresh_token_works_once() {
    let rig = Rig::start().await;
    let http = &rig.http;
    let registration = json!({"email": "A@usher.test", "password": "long enough", "name": "Ann"});
    let made = http.post("/api/auth/register", "", registration.clone()).await;
    assert_eq!((made.status, &made.json()["email"]), (201, &json!("a@usher.test")), "{made:?}");
    let again = http.post("/api/auth/register", "", registration).await;
    assert_eq!(again.problem(), (409, "EMAIL_TAKEN".to_owned()));

    let login = |password: &str| json!({"email": "a@USHER.test ", "password": password});
    let wrong = http.post("/api/auth/login", "", login("wrong enough")).await;
    assert_eq!(wrong.problem(), (401, "BAD_CREDENTIALS".to_owned()));
    let right = http.post("/api/auth/login", "", login("long enough")).await.json();
    let me = http.get("/api/auth/me", right["token"].as_str().unwrap()).await;
    assert_eq!(me.json()["accountId"], made.json()["accountId"]);

    let refresh = async |token: &serde_json::Value| {
        http.post("/api/auth/refresh", "", json!({"refreshToken": token})).await
    };
    let second = refresh(&right["refreshToken"]).await.json();
    assert_eq!(second["tokenType"], "Bearer");
    let reused = refresh(&right["refreshToken"]).await;
    assert_eq!(reused.problem(), (401, "REFRESH_INVALID".to_owned()));
    let ended = refresh(&second["refreshToken"]).await;
    assert_eq!(ended.problem().0, 401, "reuse of an old token ends the family");
}

#[tokio::test]
async fn every_route_asks_for_the_role_it_needs() {
    let rig = Rig::start().await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    for path in ["/api/auth/me", "/api/bookings", "/api/admin/audit", "/api/partners/allotments"] {
        let answer = rig.http.get(path, "").await;
        assert_eq!(answer.problem(), (401, "LOGIN_REQUIRED".to_owned()), "{path}");
        assert_eq!(rig.http.get(path, "forged").await.problem().0, 401, "{path}");
    }
    for path in ["/api/admin/audit", "/api/admin/services", "/api/partners/allotments"] {
        let answer = rig.http.get(path, &fan).await;
        assert_eq!(answer.problem(), (403, "ROLE_REQUIRED".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_name_with_a_control_character_is_refused_and_no_fault_of_the_store() {
    let rig = Rig::start().await;
    let name = "a\u{0}b";
    let body = json!({"email": "c@usher.test", "password": "long enough", "name": name});
    let made = rig.http.post("/api/auth/register", "", body).await;
    assert_eq!(made.problem(), (422, "REQUEST_INVALID".to_owned()));
    let partner = rig.login("partner", &[Role::Partner]).await;
    let made = rig.http.post("/api/partners/keys", &partner, json!({"name": name})).await;
    assert_eq!(made.problem(), (422, "REQUEST_INVALID".to_owned()));
}

#[tokio::test]
async fn an_api_key_stands_for_its_partner() {
    let rig = Rig::start().await;
    let partner = rig.login("partner", &[Role::Partner]).await;
    let made = rig.http.post("/api/partners/keys", &partner, json!({"name": "box office"})).await;
    let key = format!("ApiKey {}", made.json()["apiKey"].as_str().unwrap());
    let list = async |key: &str| {
        rig.http.send("GET", "/api/partners/allotments", &[("authorization", key)], "").await
    };
    assert_eq!(list(&key).await.json(), json!({"allotments": []}));
    assert_eq!(list(&format!("{key}x")).await.problem().0, 401);
}

#[tokio::test]
async fn no_operators_route_is_open_to_anybody_else() {
    let rig = Rig::start().await;
    let fan = rig.login("fan", &[Role::Fan]).await;
    let partner = rig.login("partner", &[Role::Partner, Role::Fan]).await;
    let document = rig.http.get("/openapi.json", "").await.json();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if !path.starts_with("/api/admin/") {
            continue;
        }
        for method in ["get", "put", "post", "delete", "patch"] {
            if item.get(method).is_none() {
                continue;
            }
            let path = path.replace(['{', '}'], "");
            let ask = async |token: &str| {
                let more = [("if-match", "*")];
                rig.http.json(&method.to_uppercase(), &path, token, &more, json!({})).await
            };
            assert_eq!(ask("").await.problem(), (401, "LOGIN_REQUIRED".to_owned()), "{path}");
            for token in [&fan, &partner] {
                let refused = ask(token).await.problem();
                assert_eq!(refused, (403, "ROLE_REQUIRED".to_owned()), "{method} {path}");
            }
            asked += 1;
        }
    }
    assert!(14 <= asked, "{asked} routes of operators");
}

#[tokio::test]
async fn an_address_that_somebody_only_claims_gives_no_further_requests() {
    let address = ingress::Rate { burst: 20, per_minute: 1 };
    let limits = ingress::RequestLimits { address, ..Default::default() };
    let rig = Rig::with(|config| (config.demo, config.requests) = (false, limits)).await;
    let mut refused = 0;
    for number in 0..40 {
        let claimed = format!("192.0.2.{number}");
        let headers = [
            ("x-forwarded-for", claimed.as_str()),
            ("forwarded", "for=192.0.2.7"),
            ("x-real-ip", claimed.as_str()),
            ("cf-connecting-ip", claimed.as_str()),
        ];
        let answer = rig.http.send("GET", "/api/events", &headers, "").await;
        refused += u32::from(answer.status == 429);
    }
    assert_eq!(refused, 20, "all are one address");
}
