//! Whether the process lives and whether it can serve.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::Problem;

/// The components that must be ready before the process is; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Why each component cannot serve; `None` if it can.
    missing: Arc<Mutex<BTreeMap<String, Option<String>>>>,
}

/// One component's own line. Dropping it changes nothing: a component that is gone is as ready as
/// it last said.
#[derive(Debug, Clone)]
pub struct HealthHandle {
    health: Health,
    name: String,
}

impl Health {
    pub fn new() -> Health {
        Health::default()
    }

    /// Adds a component, which is missing until it says that it is ready.
    pub fn register(&self, name: impl Into<String>) -> HealthHandle {
        let name = name.into();
        let before = self.lock().insert(name.clone(), Some("starting".to_owned()));
        assert!(before.is_none(), "two components called {name}");
        HealthHandle { health: self.clone(), name }
    }

    /// Returns every component that cannot serve with the reason; empty when the process is ready.
    pub fn missing(&self) -> BTreeMap<String, String> {
        let missing = self.lock();
        missing.iter().filter_map(|(name, why)| Some((name.clone(), why.clone()?))).collect()
    }

    /// Whether a component whose name begins with `prefix` has been added.
    pub fn knows(&self, prefix: &str) -> bool {
        self.lock().keys().any(|name| name.starts_with(prefix))
    }

    /// Returns the routes `/healthz` (200 while the process lives) and `/readyz` (503 names what is
    /// missing).
    pub fn router(&self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readiness))
            .with_state(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HealthHandle {
    pub fn set_ready(&self) {
        self.set(None);
    }

    pub fn set_failing(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    fn set(&self, why: Option<String>) {
        let before = self.health.lock().insert(self.name.clone(), why.clone());
        let before = before.expect("registered, and nothing is ever removed");
        if before == why {
            return;
        }
        match why {
            None => tracing::info!(component = self.name, "ready"),
            Some(reason) => tracing::warn!(component = self.name, reason, "not ready"),
        }
    }
}

async fn readiness(State(health): State<Health>) -> Response {
    let missing = health.missing();
    if missing.is_empty() {
        return (StatusCode::OK, "ready\n").into_response();
    }
    let reasons: Vec<_> = missing.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    let detail = reasons.join("; ");
    let mut problem = Problem::retryable(503, "NOT_READY", "The service is not ready", detail, 1);
    problem.members.insert("missing".to_owned(), json!(missing));
    problem.into_response()
}

#[cfg(test)]
mod tests {
    use super::Health;
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    async fn get(health: &Health, path: &str) -> (u16, Vec<u8>) {
        let request = Request::get(path).body(Body::empty()).expect("valid");
        let response = health.router().oneshot(request).await.expect("infallible");
        let status = response.status().as_u16();
        (status, response.into_body().collect().await.expect("in memory").to_bytes().to_vec())
    }

    #[tokio::test]
    async fn the_process_is_ready_when_every_component_is() {
        let health = Health::new();
        assert_eq!(get(&health, "/readyz").await.0, 200);
        let (nats, redis) = (health.register("nats"), health.register("redis"));
        nats.set_ready();
        let (status, body) = get(&health, "/readyz").await;
        assert_eq!(status, 503);
        let document: Value = serde_json::from_slice(&body).expect("json");
        assert_eq!(document["missing"], json!({ "redis": "starting" }));
        redis.set_ready();
        assert_eq!(get(&health, "/readyz").await.0, 200);
        nats.set_failing("no answer for 3 s");
        assert_eq!(get(&health, "/readyz").await.0, 503);
        assert_eq!(health.missing()["nats"], "no answer for 3 s");
        assert_eq!(get(&health, "/healthz").await.0, 200);
    }

    #[test]
    #[should_panic(expected = "two components called nats")]
    fn a_name_is_given_once() {
        let health = Health::new();
        health.register("nats");
        health.register("nats");
    }
}
