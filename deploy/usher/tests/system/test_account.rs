//! Who operates a system is said on its command line.

use crate::client::Call;
use crate::fan::{Fan, PASSWORD};
use crate::process::Process;
use crate::system::System;
use crate::up::Up;
use std::process::ExitStatus;

const OPERATORS_PAGE: &str = "/api/admin/events/EVT001/admission";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_makes_operators_and_promotes_fans() {
    let up = Up::start().await;
    let client = up.reach().client;
    let (status, log) = run(&up, "boss@example.test", "operator", None).await;
    assert!(!status.success() && log.contains("USHER_PASSWORD"), "{log}");
    let (status, log) = run(&up, "boss@example.test", "operator", Some(PASSWORD)).await;
    assert!(status.success(), "{log}");
    let boss = Fan::login(&client, "boss@example.test", PASSWORD).await;
    assert_eq!(boss.ask(Call::get(OPERATORS_PAGE)).await.status, 200);

    let fan = Fan::new(&client, "riser").await;
    assert_eq!(fan.ask(Call::get(OPERATORS_PAGE)).await.status, 403);
    let (status, log) = run(&up, "Riser@example.test", "operator", None).await;
    assert!(status.success(), "{log}");
    let risen = Fan::login(&client, "riser@example.test", PASSWORD).await;
    assert_eq!(risen.account, fan.account);
    assert_eq!(risen.ask(Call::get(OPERATORS_PAGE)).await.status, 200);

    let (status, log) = run(&up, "nobody", "fan", Some(PASSWORD)).await;
    assert!(!status.success() && log.contains("not an e-mail address"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alarms_are_on_the_metrics_page_before_anything_went_wrong() {
    let up = Up::start().await;
    let pages = crate::client::Client::new(&format!("http://127.0.0.1:{}", up.metrics_port));
    let page = pages.ask(Call::get("/metrics")).await;
    assert_eq!(page.status, 200);
    let page = String::from_utf8_lossy(&page.body).into_owned();
    for alarm in [
        "usher_task_panics_total",
        "usher_allocator_deposed_total",
        "usher_allocator_checkpoint_failures_total",
        "usher_settlement_reviews_total",
        "usher_settlement_verdicts_refused_total",
        "usher_room_store_failures_total",
        "usher_search_dropped_total",
        "usher_ingress_shed_total",
        "usher_http_connections_refused_total",
        "usher_nats_slow_readers_total",
    ] {
        let mut lines = page.lines().filter(|line| line.starts_with(alarm));
        assert!(lines.any(|line| line.ends_with(" 0")), "{alarm} is not in {page}");
    }
}

async fn run(up: &Up, email: &str, role: &str, password: Option<&str>) -> (ExitStatus, String) {
    let data = up.data().display().to_string();
    let arguments = ["account", "--email", email, "--role", role, "--data", &data];
    let password = password.map(|text| ("USHER_PASSWORD".to_owned(), text.to_owned()));
    let variables: Vec<_> = password.into_iter().collect();
    let log = up.data().join("account.log");
    let (status, _, log) = Process::start(&arguments, &variables, &log).ended().await;
    (status, log)
}
