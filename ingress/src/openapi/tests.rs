//! The document against the router that it describes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document;
use crate::router::{account_routes, routes_about_events};

fn described() -> Value {
    serde_json::to_value(document(None)).unwrap()
}

/// Method, path and description of every operation.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = ["get", "put", "post", "delete", "patch", "head", "options", "trace"];
    let all = paths.iter().flat_map(|(path, item)| {
        let own = item.as_object().unwrap().iter();
        let own = own.filter(|(method, _)| methods.contains(&method.as_str()));
        own.map(move |(method, operation)| (method.clone(), path.clone(), operation))
    });
    all.collect()
}

#[test]
fn the_document_describes_what_the_router_is_made_of_and_nothing_else() {
    let own = account_routes().into_iter().chain(routes_about_events());
    let mut routed: BTreeSet<(String, String)> = own
        .map(|route| (route.method.as_str().to_ascii_lowercase(), route.path.to_owned()))
        .collect();
    for path in ["/healthz", "/readyz"] {
        routed.insert(("get".to_owned(), path.to_owned()));
    }
    let document = described();
    let described: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(described, routed);
}

#[test]
fn every_error_is_a_problem_and_the_common_ones_are_everywhere() {
    let document = described();
    assert_eq!(document["components"]["schemas"]["Problem"]["type"], "object");
    for (method, path, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "4") {
            let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/Problem", "{method} {path} {status}");
        }
        let has = |status: &str| responses.contains_key(status);
        let is_health = matches!(path.as_str(), "/healthz" | "/readyz");
        assert_eq!(has("429"), !is_health, "{method} {path}");
        assert_eq!(has("503"), path != "/healthz", "{method} {path}");
        let starts = |starts: &[&str]| starts.iter().any(|start| path.starts_with(start));
        let needs_role = starts(&["/api/partners", "/api/admin", "/api/checkin"]);
        let of_fans = starts(&["/api/bookings", "/api/tickets"]) || path.ends_with("/me");
        let needs_login = needs_role || of_fans;
        assert_eq!(operation["security"].is_array(), needs_login, "{method} {path}");
        assert!(!needs_login || has("401"), "{method} {path}");
        assert!(!needs_role || has("403"), "{method} {path}");
        let takes_body = operation["requestBody"].is_object();
        assert!(!takes_body || has("422") && has("413") && has("415"), "{method} {path}");
        let keys = operation["security"].as_array().into_iter().flatten();
        let by_key = keys.filter(|way| way["apiKey"].is_array()).count();
        assert_eq!(by_key == 1, path.starts_with("/api/partners"), "{method} {path}");
    }
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["apiKey", "bearer"]);
}
