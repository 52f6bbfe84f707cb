//! Nothing is said about events before they are known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chassis::{Health, Problem};

use crate::catalog::CATALOGUE;
use crate::rooms::ROOM_SETTINGS;

/// Whether this process has read what it must know of every event.
#[derive(Debug)]
pub struct Start {
    health: Health,
    over: AtomicBool,
}

impl Start {
    pub fn new(health: &Health) -> Self {
        Self { health: health.clone(), over: AtomicBool::new(false) }
    }

    /// Once over it stays so: a reader that fails later still knows what it has read.
    fn is_over(&self) -> bool {
        // Relaxed, here and below: the lists have locks of their own; nothing is ordered by this.
        if self.over.load(Ordering::Relaxed) {
            return true;
        }
        let missing = self.health.missing();
        let over = [CATALOGUE, ROOM_SETTINGS].iter().all(|name| !missing.contains_key(*name));
        if over {
            self.over.store(true, Ordering::Relaxed);
        }
        over
    }
}

/// Answers 503 until the catalogue and the rooms' settings are read.
///
/// Before, an event in the middle of its sale would be called unknown, and a room that an operator
/// has switched on would let everybody in.
pub async fn started(State(start): State<Arc<Start>>, request: Request, next: Next) -> Response {
    if start.is_over() {
        return next.run(request).await;
    }
    let detail = "the events are not read yet; try again";
    Problem::retryable(503, "STARTING", "The service starts", detail, 1).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;
    use axum::{Router, middleware};
    use tower::ServiceExt;

    #[tokio::test]
    async fn nothing_is_said_of_events_until_catalogue_and_rooms_are_read() {
        let health = Health::new();
        let (catalogue, rooms) = (health.register(CATALOGUE), health.register(ROOM_SETTINGS));
        let start = Arc::new(Start::new(&health));
        let router = Router::new().route("/", get(|| async { "here" }));
        let router = router.layer(middleware::from_fn_with_state(start, started));
        let status = async || {
            let request = Request::new(Body::empty());
            router.clone().oneshot(request).await.unwrap().status().as_u16()
        };
        assert_eq!(status().await, 503);
        catalogue.set_ready();
        assert_eq!(status().await, 503);
        rooms.set_ready();
        assert_eq!(status().await, 200);
        catalogue.set_failing("NATS is gone");
        assert_eq!(status().await, 200, "what was read is still known");
    }
}
