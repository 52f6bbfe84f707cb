//! A room's line goes on when the process that leads it stands still, or dies.

use crate::client::{Call, Client};
use crate::fan::Fan;
use crate::room::Place;
use crate::split::Split;
use crate::system::System;
use crate::wait::until;
use futures_util::future::join_all;
use hyper::Method;
use rustix::process::Signal;
use serde_json::json;
use std::time::Instant;

const ROOM: &str = "EVT001";

/// More than are called while the test runs.
const FANS: usize = 800;

/// How far the line has come, as this process says it.
async fn cursor(queue: &Client) -> Option<u64> {
    let status = queue.send(Call::get(&format!("/api/queue/{ROOM}/status"))).await.ok()?;
    (status.status == 200).then(|| status.json()["cursor"].as_u64().expect("a number"))
}

async fn leads(pages: &Client) -> bool {
    let line = format!("_room_leads{{event=\"{ROOM}\"}} 1");
    let page = pages.send(Call::get("/metrics")).await.expect("it lives");
    String::from_utf8_lossy(&page.body).lines().any(|said| said.ends_with(&line))
}

/// Waits until this process says that more were called than before something has happened.
async fn goes_on(queue: &Client, what: &str, happen: impl FnOnce()) {
    let before = until("the line as it stands", async || cursor(queue).await).await;
    let begun = Instant::now();
    happen();
    let is_further = async || cursor(queue).await.filter(|&now| before < now);
    until(&format!("the line, {what}"), is_further).await;
    eprintln!("{what}: somebody was called again after {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_goes_on_when_its_leader_stands_still_and_when_the_next_is_killed() {
    let mut split = Split::start().await;
    let client = split.reach().client;
    let operator = Fan::demo(&client, "operator").await;
    let change = json!({"admissionRatePerMinute": 600});
    let path = format!("/api/admin/events/{ROOM}/admission");
    let change = Call::new(Method::PATCH, &path).json(&change).header("if-match", "*");
    operator.ask(change).await.expect(200);
    join_all((0..FANS).map(|_| Place::join(&client, ROOM))).await;

    let (second, third) = (split.open_room("second").await, split.open_room("third").await);
    goes_on(&third.0, "with all there", || ()).await;
    assert!(!leads(&second.1).await && !leads(&third.1).await, "the first one leads");
    let stop = || split.stage("waiting-room").signal(Signal::STOP);
    goes_on(&third.0, "its leader stands still", stop).await;
    let leader = until("the next leader", async || {
        let found = [("second", &second.1), ("third", &third.1)];
        for (name, pages) in found {
            if leads(pages).await {
                return Some(name);
            }
        }
        None
    })
    .await;
    let left = if leader == "second" { &third.0 } else { &second.0 };
    goes_on(left, "the next leader was killed", || split.stage(leader).kill()).await;
    let wake = || split.stage("waiting-room").signal(Signal::CONT);
    goes_on(left, "the first one is awake again", wake).await;
}
