//! Real servers, instances of the stage, and fans.

use axum::body::Body;
use chassis::http::{Head, Routes, Whole};
use chassis::keys::KeyFolder;
use chassis::{Health, Nats, Redis, Shutdown, TestServers, Which};
use futures_util::StreamExt;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use schema::admission::AdmissionRecord;
use schema::{
    DurationMs, EventId, EventListing, EventStatus, RoomSettings, Shards, UnixMillis, codec,
    subject,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower::ServiceExt;
use waiting_room::{Config, Deps, Stage};

pub struct World {
    pub servers: TestServers,
    pub nats: Nats,
    keys: tempfile::TempDir,
}

/// The words of a room's leader: time as a test counts it.
pub struct Ticks(async_nats::Subscriber);

impl Ticks {
    /// Waits for so many more.
    pub async fn pass(&mut self, count: usize) {
        for _ in 0..count {
            self.0.next().await.unwrap();
        }
    }
}

/// One instance of the stage; it stops when dropped.
pub struct Instance {
    pub routes: Routes,
    pub shutdown: Shutdown,
    pub stage: Stage,
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.shutdown.begin("the test drops it");
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: Value,
}

pub fn event(id: &str) -> EventId {
    id.parse().unwrap()
}

fn listing(id: &str, places_total: u32) -> EventListing {
    EventListing {
        event: event(id),
        plan: "p-test".parse().unwrap(),
        name: "A night".into(),
        venue: "Hall".into(),
        city: "Town".into(),
        category: "music".into(),
        starts_at: UnixMillis(2_000_000_000_000),
        sale_starts_at: UnixMillis(0),
        status: EventStatus::OnSale,
        price_levels: Vec::new(),
        places_total,
        hold_ttl_ms: DurationMs(600_000),
        hold_life_max_ms: DurationMs(1_800_000),
        account_places_max: 6,
        waiting_room: true,
        channels: Vec::new(),
        request_places_max: 10,
        terms: schema::Terms::default(),
    }
}

impl World {
    pub async fn new() -> Self {
        let servers = TestServers::with(&[Which::Nats, Which::Redis]).await;
        let nats = servers.nats().await;
        Self { servers, nats, keys: tempfile::tempdir().unwrap() }
    }

    pub async fn instance(&self, name: &str) -> Instance {
        self.instance_with(name, Config::default()).await
    }

    pub async fn instance_with(&self, name: &str, config: Config) -> Instance {
        self.instance_of(name, config, self.servers.redis().await).await
    }

    /// An instance with a connection to Redis of its own.
    pub async fn instance_of(&self, name: &str, config: Config, redis: Redis) -> Instance {
        let shutdown = Shutdown::new();
        let deps = Deps {
            nats: self.servers.nats().await,
            redis,
            keys: KeyFolder::open(self.keys.path()).unwrap(),
            health: Health::new(),
            shutdown: shutdown.clone(),
            instance: name.to_owned(),
            shards: Shards::default(),
        };
        let stage = waiting_room::start(config, deps).await.unwrap();
        Instance { routes: stage.routes.clone(), shutdown, stage }
    }

    pub async fn list(&self, id: &str, places_total: u32) {
        self.list_with(id, places_total, |_| {}).await;
    }

    pub async fn list_with(
        &self,
        id: &str,
        places_total: u32,
        change: impl FnOnce(&mut EventListing),
    ) {
        let mut listing = listing(id, places_total);
        change(&mut listing);
        let payload = codec::encode(&listing).into();
        let subject = subject::catalog_event(&event(id));
        self.nats.jetstream.publish(subject, payload).await.unwrap().await.unwrap();
    }

    pub async fn set(&self, id: &str, change: impl FnOnce(&mut RoomSettings)) {
        let mut settings = RoomSettings::default();
        change(&mut settings);
        let bucket = self.nats.jetstream.get_key_value(subject::SETTINGS).await.unwrap();
        let payload = codec::encode(&settings);
        bucket.put(subject::room_settings(&event(id)), payload.into()).await.unwrap();
    }

    pub fn key_folder(&self) -> KeyFolder {
        KeyFolder::open(self.keys.path()).unwrap()
    }

    /// Waits until the room has closed the giving of numbers, after a quiet time.
    pub async fn giving_is_closed(&self, id: &str) {
        let stream = subject::admission_stream(&event(id));
        let stream = self.nats.jetstream.get_stream(stream).await.unwrap();
        let subject = subject::admission(&event(id));
        soon(async || {
            let last = stream.get_last_raw_message_by_subject(&subject);
            let record = codec::decode::<AdmissionRecord>(&last.await.ok()?.payload).unwrap();
            matches!(record, AdmissionRecord::GivingClosed { .. }).then_some(())
        })
        .await;
    }

    /// The next words of a room's leader, from here on.
    pub async fn ticks(&self, id: &str) -> Ticks {
        Ticks(self.nats.client.subscribe(subject::room_status(&event(id))).await.unwrap())
    }

    /// How many commands Redis has executed.
    pub async fn redis_calls(&self) -> u64 {
        self.redis_calls_of("").await
    }

    /// How many whose names begin like that.
    pub async fn redis_calls_of(&self, command: &str) -> u64 {
        let redis = self.servers.redis().await;
        let stats: String = redis.query(redis::cmd("INFO").arg("commandstats")).await.unwrap();
        let wanted = format!("cmdstat_{command}");
        let lines = stats.lines().filter(|line| line.starts_with(&wanted));
        let calls = lines.filter_map(|line| line.split_once("calls=")?.1.split_once(','));
        calls.map(|(calls, _)| calls.parse::<u64>().unwrap()).sum()
    }
}

impl Instance {
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/queue/{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.ask(request.body(body).unwrap()).await
    }

    /// As a listener answers: the shortcut first.
    async fn ask(&self, request: Request<Body>) -> Answer {
        if let Some(response) = self.short(&request) {
            return read(response).await;
        }
        match self.taken(request).await {
            Ok(response) => read(response).await,
            Err(request) => self.ask_router(request).await,
        }
    }

    pub async fn ask_router(&self, request: Request<Body>) -> Answer {
        read(self.routes.router.clone().oneshot(request).await.unwrap()).await
    }

    /// What the shortcut answers, if anything.
    pub fn short(&self, request: &Request<Body>) -> Option<Response<Body>> {
        let (method, path, headers) = (request.method(), request.uri().path(), request.headers());
        let headers = headers.into();
        let head = Head { method, path, headers, peer: ([127, 0, 0, 1], 1).into() };
        let shortcut = self.routes.shortcut.as_ref().unwrap();
        shortcut.answer(&head).map(|direct| direct.response.map(Body::from))
    }

    /// What the shortcut answers once the body is there, or the request back.
    pub async fn taken(&self, request: Request<Body>) -> Result<Response<Body>, Request<Body>> {
        fn head(parts: &http::request::Parts) -> Head<'_> {
            let (method, path, headers) = (&parts.method, parts.uri.path(), &parts.headers);
            Head { method, path, headers: headers.into(), peer: ([127, 0, 0, 1], 1).into() }
        }
        let shortcut = self.routes.shortcut.as_ref().unwrap();
        let (parts, body) = request.into_parts();
        let Some(route) = shortcut.takes(&head(&parts)) else {
            return Err(Request::from_parts(parts, body));
        };
        let body = body.collect().await.unwrap().to_bytes();
        let begun = chassis::clock::Monotonic::now();
        let whole = Whole { route, head: head(&parts), body: Some(&*body), begun };
        Ok(Arc::clone(shortcut).take(&whole).await.map(Body::from))
    }

    pub async fn join(&self, id: &str) -> Answer {
        self.call(Method::POST, &format!("{id}/join"), &[], Value::Null).await
    }

    /// Joins until a place is given; returns the token.
    pub async fn place(&self, id: &str) -> String {
        soon(async || {
            let joined = self.join(id).await;
            (joined.status == 201).then(|| joined.body["token"].as_str().unwrap().to_owned())
        })
        .await
    }

    pub async fn me(&self, id: &str, token: &str) -> Answer {
        let headers = [("waiting-room-token", token)];
        self.call(Method::GET, &format!("{id}/me"), &headers, Value::Null).await
    }

    pub async fn claim(&self, id: &str, token: &str) -> Answer {
        let headers = [("waiting-room-token", token)];
        self.call(Method::POST, &format!("{id}/claim"), &headers, json!({})).await
    }

    /// Claims until the place is called, not more often than a place may; returns the answer.
    pub async fn claimed(&self, id: &str, token: &str) -> Answer {
        soon(async || {
            let claimed = self.claim(id, token).await;
            if claimed.status == 429 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            (![409, 429].contains(&claimed.status)).then_some(claimed)
        })
        .await
    }

    pub async fn room_status(&self, id: &str) -> Answer {
        self.call(Method::GET, &format!("{id}/status"), &[], Value::Null).await
    }
}

pub async fn read(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// Asks again and again until there is an answer, for 20 s.
pub async fn soon<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "not soon enough");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
