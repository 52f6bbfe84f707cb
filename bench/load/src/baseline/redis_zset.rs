//! A waiting room in one sorted set: ZADD to join, ZRANK to poll, ZPOPMIN to call.
//!
//! A token is 128 random bits and a member of the set, so that nothing has to be signed or checked.
//! All questions share pipelined connections.

use super::tokens::random_text;
use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Script};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often the next are called, and how many: 600 a minute, as the demo's room.
const TICK: Duration = Duration::from_millis(200);
const CALLED_A_TICK: usize = 2;
const CALLED_A_SECOND: u64 = 10;

/// How long a called place may be claimed.
const CALLED_SECONDS: u64 = 120;

/// Takes the next number and joins with it.
const JOIN: &str = "local number = redis.call('INCR', KEYS[1]) \
                    redis.call('ZADD', KEYS[2], number, ARGV[1]) return number";

struct Line {
    redis: Vec<MultiplexedConnection>,
    next: AtomicUsize,
    join: Script,
    /// Answers are at least as long as those of the room beside it.
    body_bytes: usize,
}

/// The room's routes, and what calls its people.
pub async fn start(
    redis: &str,
    connections: usize,
    body_bytes: usize,
) -> anyhow::Result<(Router, impl Future<Output = ()> + use<>)> {
    let client = redis::Client::open(redis).context("read the address of Redis")?;
    let mut open = Vec::new();
    for _ in 0..connections {
        let connection = client.get_multiplexed_async_connection().await;
        open.push(connection.context("connect to Redis")?);
    }
    let caller = open[0].clone();
    let (next, join) = (AtomicUsize::new(0), Script::new(JOIN));
    let line = Arc::new(Line { redis: open, next, join, body_bytes });
    let router = Router::new()
        .route("/api/queue/{event}/join", post(joined))
        .route("/api/queue/{event}/me", get(me))
        .with_state(line);
    Ok((router, call(caller)))
}

/// Calls the people of the demo's room, until it is dropped.
async fn call(mut redis: MultiplexedConnection) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let popped = redis::cmd("ZPOPMIN").arg(line_key("EVT001")).arg(CALLED_A_TICK).to_owned();
        let called: RedisResult<Vec<(String, f64)>> = popped.query_async(&mut redis).await;
        let mut pipe = redis::pipe();
        for (token, number) in called.unwrap_or_default() {
            pipe.cmd("SET").arg(called_key(&token)).arg(number).arg("EX").arg(CALLED_SECONDS);
        }
        // Who is lost here would have to join again; nobody depends on it in a measurement.
        drop(pipe.query_async::<()>(&mut redis).await);
    }
}

async fn joined(State(line): State<Arc<Line>>, Path(event): Path<String>) -> Response {
    let token = random_text();
    let mut join = line.join.key(format!("number:{event}"));
    join.key(line_key(&event)).arg(&token);
    let number: RedisResult<u64> = join.invoke_async(&mut line.connection()).await;
    match number {
        Ok(number) => json(
            StatusCode::CREATED,
            format!(
                "{{\"token\":\"{token}\",\"state\":\"queued\",\"number\":{number},\
                 \"pollAfterMs\":2000}}"
            ),
        ),
        Err(_) => json(StatusCode::SERVICE_UNAVAILABLE, "{\"code\":\"BUSY\"}".to_owned()),
    }
}

async fn me(
    State(line): State<Arc<Line>>,
    Path(event): Path<String>,
    headers: HeaderMap,
) -> Response {
    let token = headers.get("waiting-room-token").and_then(|token| token.to_str().ok());
    let token = token.unwrap_or_default();
    match line.place(&event, token).await {
        Ok(Some(body)) => json(StatusCode::OK, body),
        Ok(None) => json(StatusCode::NOT_FOUND, "{\"code\":\"PLACE_UNKNOWN\"}".to_owned()),
        Err(_) => json(StatusCode::SERVICE_UNAVAILABLE, "{\"code\":\"BUSY\"}".to_owned()),
    }
}

impl Line {
    /// The connections take turns.
    fn connection(&self) -> MultiplexedConnection {
        // Relaxed: only a turn; nothing is ordered by it.
        self.redis[self.next.fetch_add(1, Ordering::Relaxed) % self.redis.len()].clone()
    }

    async fn place(&self, event: &str, token: &str) -> RedisResult<Option<String>> {
        let mut redis = self.connection();
        let rank = redis::cmd("ZRANK").arg(line_key(event)).arg(token).to_owned();
        let rank: Option<u64> = rank.query_async(&mut redis).await?;
        if let Some(rank) = rank {
            let wait = rank / CALLED_A_SECOND;
            let body = format!(
                "{{\"state\":\"queued\",\"position\":{rank},\"estimatedWaitSeconds\":\
                 {{\"p50\":{wait},\"p90\":{}}},\"sellOutLikelihood\":0.0,\"pollAfterMs\":5000",
                wait * 12 / 10
            );
            return Ok(Some(self.filled(body)));
        }
        let called = redis::cmd("GET").arg(called_key(token)).to_owned();
        let called: Option<f64> = called.query_async(&mut redis).await?;
        let body = |number| format!("{{\"state\":\"ready\",\"number\":{number}");
        Ok(called.map(|number| self.filled(body(number))))
    }

    /// Closes a body, long enough.
    fn filled(&self, mut body: String) -> String {
        const FRAME: &str = ",\"message\":\"\"}";
        let missing = self.body_bytes.saturating_sub(body.len() + FRAME.len());
        body.push_str(",\"message\":\"");
        body.extend(std::iter::repeat_n('.', missing));
        body.push_str("\"}");
        body
    }
}

fn line_key(event: &str) -> String {
    format!("line:{event}")
}

fn called_key(token: &str) -> String {
    format!("called:{token}")
}

fn json(status: StatusCode, body: String) -> Response {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(Body::from(body)).expect("the header is well-formed")
}
