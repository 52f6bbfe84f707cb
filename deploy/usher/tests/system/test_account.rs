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

async fn run(up: &Up, email: &str, role: &str, password: Option<&str>) -> (ExitStatus, String) {
    let data = up.data().display().to_string();
    let arguments = ["account", "--email", email, "--role", role, "--data", &data];
    let password = password.map(|text| ("USHER_PASSWORD".to_owned(), text.to_owned()));
    let variables: Vec<_> = password.into_iter().collect();
    let log = up.data().join("account.log");
    let (status, _, log) = Process::start(&arguments, &variables, &log).ended().await;
    (status, log)
}
