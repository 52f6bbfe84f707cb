//! Each stage as a process of its own: nothing passes between stages in memory.

use crate::client::Call;
use crate::fan::{Fan, best};
use crate::split::{STAGES, Split};
use crate::system::System;
use crate::test_audit::{audits_during_a_sale_find_nothing, planted_differences_are_found};
use crate::test_buyers::the_theatre_sells_out_and_everything_agrees;
use crate::test_kill_server::each_killed_server_loses_nothing;
use crate::test_kill_usher::{each_kill_loses_nothing, the_kill_of_everything_loses_nothing};
use crate::test_owners::an_overtaken_allocator_is_succeeded;
use crate::test_readiness::lacks;
use crate::test_refusals::every_wrong_request_is_refused;
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
async fn with_a_process_for_each_stage_2000_buyers_get_each_seat_once() {
    let split = Split::start().await;
    the_theatre_sells_out_and_everything_agrees(&split.reach(), 2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_process_for_each_stage_what_must_be_refused_is_refused() {
    let split = Split::start().await;
    Box::pin(every_wrong_request_is_refused(&split.reach())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_process_for_each_stage_the_audit_finds_what_was_planted() {
    let split = Split::start().await;
    Box::pin(planted_differences_are_found(&split.reach())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_process_for_each_stage_an_audit_while_a_crowd_buys_finds_nothing() {
    let split = Split::start().await;
    audits_during_a_sale_find_nothing(&split.reach()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_process_for_each_stage_an_overtaken_allocator_stops_and_its_successor_serves() {
    let split = Split::start().await;
    an_overtaken_allocator_is_succeeded(&split.reach()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_killed_stage_and_all_at_once_lose_no_booking_and_repeat_their_answers() {
    let mut split = Split::start().await;
    let alone = STAGES.each_ref().map(std::slice::from_ref);
    let groups = [&alone[..], &[&STAGES[..]]].concat();
    Box::pin(each_kill_loses_nothing(&mut split, &groups)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kill_of_every_stage_and_server_at_once_loses_no_booking() {
    let mut split = Split::start().await;
    Box::pin(the_kill_of_everything_loses_nothing(&mut split)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_process_for_each_stage_each_killed_server_loses_nothing() {
    let split = Split::start().await;
    Box::pin(each_killed_server_loses_nothing(&split)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn search_answers_while_postgres_is_stopped_even_by_an_indexer_that_starts_then() {
    let mut split = Split::start().await;
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
    lacks(&reach.client, &["postgres"]).await;
    split.restart_alone("indexer").await;
    let again = reach.client.ask_stubbornly(search).await;
    assert_eq!(again.expect(200)["hits"], found["hits"]);
    lacks(&reach.client, &["postgres"]).await;
    split.servers.restart(Which::Postgres).await;
    let restarted = Instant::now();
    let call = fan.signed(crate::fan::reserve(&best("EVT002", 1), &crate::fan::fresh_key()));
    let held = fan.client.ask_stubbornly(call).await.expect(201);
    let reservation = crate::fan::text(&held["reservationId"]);
    fan.confirm(&reservation, "tok_ok").await.expect(200);
    lacks(&reach.client, &[]).await;
    eprintln!("Postgres back: a seat was paid after {:?}", restarted.elapsed());
}
