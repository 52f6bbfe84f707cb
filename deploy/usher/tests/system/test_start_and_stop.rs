//! Who may start, and what is left behind.

use crate::auditor::assert_clean;
use crate::client::Call;
use crate::fan::{Fan, best};
use crate::journal::Bus;
use crate::process::{Process, free_port, working_in};
use crate::system::System;
use crate::up::{Up, temporary_folder};
use crate::wait::until_equal;
use rustix::process::{Signal, kill_process};
use schema::subject;
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_usher_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let mut up = Up::start().await;
    let mut second = up.spawn(free_port());
    let (status, printed, log) = second.ended().await;
    assert!(!status.success());
    assert!(!printed.contains("usher is ready"), "{printed}");
    let folder = up.data().display().to_string();
    assert!(log.contains(&folder), "the folder is not named: {log}");
    assert!(log.contains(&up.process().pid.to_string()), "its owner is not named: {log}");
    assert_eq!(up.reach().client.ask(Call::get("/readyz")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_with_another_number_of_shards_is_refused_and_the_first_goes_on() {
    let up = Up::start().await;
    let reach = up.reach();
    let mut variables = reach.variables.clone();
    variables.push(("USHER__SYSTEM__SHARDS".to_owned(), "16".to_owned()));
    let log = up.data().join("other.log");
    let mut other = Process::start(&["run", "--stages", "allocator"], &variables, &log);
    let (status, printed, log) = other.ended().await;
    assert!(!status.success());
    assert!(!printed.contains("usher runs"), "{printed}");
    assert!(log.contains("this system has 4 shards, `system.shards` says 16"), "{log}");
    assert_eq!(reach.client.ask(Call::get("/readyz")).await.status, 200);
    Fan::new(&reach.client, "of-four").await.buy(&best("EVT002", 1)).await;
    assert_clean(&reach, &["--all"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_named_and_nothing_is_left_behind() {
    let folder = temporary_folder();
    let data = folder.path().join("data");
    let taken = free_port();
    let _listener = TcpListener::bind(("127.0.0.1", taken)).unwrap();
    let (taken, free) = (taken.to_string(), free_port().to_string());
    for (port, metrics) in [(&taken, &free), (&free, &taken)] {
        let data_text = data.display().to_string();
        let arguments = ["up", "--data", &data_text, "--port", port, "--metrics-port", metrics];
        let log = folder.path().join(format!("usher-{port}.log"));
        let (status, printed, log) = Process::start(&arguments, &[], &log).ended().await;
        assert!(!status.success(), "{printed}");
        let said = chassis::Error::AddressTaken {
            port: taken.parse().unwrap(),
            ip: Ipv4Addr::LOCALHOST.into(),
        };
        assert!(log.contains(&said.to_string()), "no {said}: {log}");
        assert!(log.contains(&taken), "{log}");
        assert_eq!(working_in(&data), Vec::<u32>::new(), "a server was left behind");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_usher_leaves_no_process_and_starts_again_on_its_data() {
    for (name, signal) in [("SIGTERM", Signal::TERM), ("SIGINT", Signal::INT)] {
        let mut up = Up::start().await;
        let servers = up.servers();
        assert_eq!(servers.len(), 3);
        let begun = Instant::now();
        up.process().signal(signal);
        let (status, _, log) = up.process().ended().await;
        eprintln!("{name}: ended after {:?}", begun.elapsed());
        assert!(status.success(), "{name}: {status}: {log}");
        for (server, process) in servers {
            assert!(!process.lives(), "{server} {} is left behind", process.pid);
        }
        assert!(!up.data().join("usher.json").exists());
        assert_eq!(working_in(&up.data()), Vec::<u32>::new());
        up.start_again().await;
        eprintln!("started again after {:?}", up.start_time);
        let event = up.reach().client.get("/api/events/EVT002").await;
        assert_eq!(event["seatsFree"], 300);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_usher_leaves_no_orphan() {
    let mut up = Up::start().await;
    let servers = up.servers();
    up.process().kill();
    until_equal("the servers to end with usher", Vec::<u32>::new(), async || {
        working_in(&up.data())
    })
    .await;
    for (name, server) in servers {
        assert!(!server.lives(), "{name} {} outlived usher", server.pid);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_usher_that_is_told_to_end_while_it_starts_leaves_no_process() {
    let mut up = Up::prepare();
    for step in ["initdb", "stages", "postgres"] {
        let mut process = up.spawn(up.port);
        match step {
            "stages" => up.stages_start().await,
            program => {
                let pid = up.runs(program).await;
                // So that it cannot be gone because it was quick.
                kill_process(crate::process::pid(pid), Signal::STOP).unwrap();
            }
        }
        process.signal(Signal::TERM);
        let (status, printed, log) = process.ended().await;
        assert!(status.success(), "{step}: {status}: {log}");
        assert!(!printed.contains("usher is ready"), "{step}: the signal came too late");
        // The kernel ends what was just being started, a moment after.
        until_equal(&format!("{step}: nobody left behind"), Vec::<u32>::new(), async || {
            working_in(&up.data())
        })
        .await;
    }
    up.start_again().await;
    assert_eq!(up.reach().client.get("/api/events/EVT001").await["waitingRoom"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_interrupted_load_of_the_demo_left_out_is_loaded_at_the_next_start() {
    let mut up = Up::start().await;
    let before = shown(&up).await;
    // An interrupted load lacks its last entry, and any others.
    let bus = Bus::connect(&up.reach().nats).await;
    let stream = bus.jetstream.get_stream(subject::CATALOG).await.unwrap();
    let last = stream.get_info().await.unwrap().state.last_sequence;
    for sequence in (0..=last).rev().step_by(50) {
        if 0 < sequence {
            assert!(stream.delete_message(sequence).await.unwrap());
        }
    }
    let end = subject::catalog_event(&"EVT001".parse().unwrap());
    assert!(stream.get_last_raw_message_by_subject(&end).await.is_err());
    up.process().kill();
    up.start_again().await;
    assert_eq!(shown(&up).await, before);
}

/// The numbers of events that are listed and that search finds.
async fn shown(up: &Up) -> (Value, Value) {
    let client = up.reach().client;
    let listed = client.get("/api/events?page=0&size=1").await["total"].take();
    let found = client.get("/api/search?q=").await["total"].take();
    assert!(2_000 < listed.as_u64().unwrap());
    (listed, found)
}
