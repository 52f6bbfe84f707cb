//! The way through a waiting room.

use crate::client::{Call, Client};
use crate::fan::{Fan, text};
use crate::wait::{PATIENCE, pause};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A place in an event's line.
#[derive(Debug, Clone)]
pub struct Place {
    pub event: String,
    pub token: String,
    client: Client,
}

impl Place {
    pub async fn join(client: &Client, event: &str) -> Self {
        Self::ask(client, event, |call| call).await
    }

    /// Joins, or finds the place that the same key was given before.
    pub async fn join_under(client: &Client, event: &str, key: &str) -> Self {
        Self::ask(client, event, |call| call.header("idempotency-key", key)).await
    }

    async fn ask(client: &Client, event: &str, add: impl FnOnce(Call) -> Call) -> Self {
        let call = add(Call::post(&format!("/api/queue/{event}/join"), &json!({})));
        let joined = client.ask_stubbornly(call).await.expect(201);
        let _: u64 = joined["pollAfterMs"].as_u64().expect("a number");
        Self { event: event.to_owned(), token: text(&joined["token"]), client: client.clone() }
    }

    fn call(&self, call: Call) -> Call {
        call.header("waiting-room-token", &self.token)
    }

    pub async fn me(&self) -> Value {
        let path = format!("/api/queue/{}/me", self.event);
        self.client.ask_stubbornly(self.call(Call::get(&path))).await.expect(200)
    }

    /// Polls when told to, until called. Returns what `me` said then.
    pub async fn wait_until_called(&self) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let me = self.me().await;
            match me["state"].as_str().expect("a state") {
                "ready" => return me,
                "queued" | "prequeued" => {}
                other => panic!("{other} while waiting: {me}"),
            }
            assert!(Instant::now() < deadline, "not called: {me}");
            pause(Duration::from_millis(me["pollAfterMs"].as_u64().expect("a number"))).await;
        }
    }

    /// The call that turns a called place into a pass.
    pub fn claim(&self) -> Call {
        self.call(Call::post(&format!("/api/queue/{}/claim", self.event), &json!({})))
    }

    /// Joins, waits and claims.
    pub async fn pass(client: &Client, event: &str) -> (Self, String) {
        let place = Self::join(client, event).await;
        place.wait_until_called().await;
        let claimed = client.ask_stubbornly(place.claim()).await.expect(200);
        let pass = text(&claimed["pass"]);
        (place, pass)
    }
}

/// What operators see of a room, looked at until it is as wanted.
pub async fn shown_to_operators(
    operator: &Fan,
    event: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let call = operator.signed(Call::get(&format!("/api/admin/events/{event}/live")));
    let mut stream = operator.client.events(call).await;
    let mut last = Value::Null;
    for _ in 0..60 {
        let live: Value = serde_json::from_str(&stream.next().await.data).unwrap();
        if wanted(&live["room"]) {
            return live["room"].clone();
        }
        last = live;
    }
    panic!("not seen within a minute: {last}");
}
