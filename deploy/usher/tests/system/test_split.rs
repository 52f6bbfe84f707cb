//! Each stage as a process of its own: nothing passes between stages in memory.

use crate::client::Call;
use crate::fan::{Fan, best};
use crate::split::Split;
use crate::test_buyers::the_theatre_sells_out_and_everything_agrees;
use crate::test_whole_way::a_fan_goes_the_whole_way;
use crate::wait::until;
use chassis::Which;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_process_for_each_stage_a_fan_goes_the_whole_way() {
    let split = Split::start().await;
    Box::pin(a_fan_goes_the_whole_way(&split.reach())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_process_for_each_stage_600_buyers_get_each_seat_once() {
    let split = Split::start().await;
    the_theatre_sells_out_and_everything_agrees(&split.reach(), 600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn search_answers_while_postgres_is_stopped() {
    let split = Split::start().await;
    let reach = split.reach();
    let fan = Fan::new(&reach.client, "search").await;
    let search = Call::get("/api/search?q=glass%20lighthouse");
    let found = until("the event to be found", async || {
        let answer = reach.client.ask(search.clone()).await;
        (answer.status == 200 && answer.json()["total"] == 1).then(|| answer.json())
    })
    .await;
    split.servers.kill(Which::Postgres).await;
    for _ in 0..20 {
        let answer = reach.client.ask(search.clone()).await;
        assert_eq!(answer.expect(200)["hits"], found["hits"]);
    }
    let seats = reach.client.ask(Call::get("/api/events/EVT002/seats")).await;
    assert_eq!(seats.status, 200);
    split.servers.restart(Which::Postgres).await;
    let restarted = Instant::now();
    let call = fan.signed(crate::fan::reserve(&best("EVT002", 1), &crate::fan::fresh_key()));
    let held = fan.client.ask_stubbornly(call).await.expect(201);
    let reservation = crate::fan::text(&held["reservationId"]);
    let paid = fan.signed(crate::fan::confirm(&reservation, "tok_ok"));
    fan.client.ask_stubbornly(paid).await.expect(200);
    eprintln!("Postgres back: a seat was paid after {:?}", restarted.elapsed());
}
