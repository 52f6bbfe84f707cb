//! SIGTERM in the middle of things, and servers that cannot be kept running.

use crate::crowd::accounts;
use crate::fan::{best, fresh_key, reserve};
use crate::process::{Process, free_port, pid};
use crate::up::{Up, temporary_folder};
use crate::wait::pause;
use rustix::process::{Signal, kill_process};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How many clients ask at the same time, and how many answers they have when the signal comes.
const CLIENTS: usize = 8;
const ANSWERS_BEFORE: usize = 50;

/// How long a stop may take at most while a server stands still.
const STOP_MAX: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_under_way_at_a_sigterm_are_answered() {
    let mut up = Up::start().await;
    let client = crate::system::System::reach(&up).client;
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for fan in accounts(&client, CLIENTS, "drain").await {
        let answered = Arc::clone(&answered);
        clients.spawn(async move {
            // Until nobody is there any more.
            while let Ok(answer) = fan.send(reserve(&best("EVT003", 1), &fresh_key())).await {
                assert_ne!(answer.status, 503, "{answer:?}");
                // Relaxed: a count.
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // Relaxed: as above.
    while answered.load(Ordering::Relaxed) < ANSWERS_BEFORE {
        pause(Duration::from_millis(5)).await;
    }
    up.process().signal(Signal::TERM);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let (status, _, log) = up.process().ended().await;
    assert!(status.success(), "{status}: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_server_that_stands_still() {
    let mut up = Up::start().await;
    let postgres = up.servers()["postgres"].pid;
    kill_process(pid(postgres), Signal::STOP).unwrap();
    let begun = Instant::now();
    up.process().signal(Signal::TERM);
    let (status, _, log) = up.process().ended().await;
    let took = begun.elapsed();
    eprintln!("SIGTERM while Postgres is stopped: ended after {took:?}");
    assert!(status.success(), "{status}: {log}");
    assert!(took < STOP_MAX, "{took:?}: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stages_that_still_connect_end_when_they_are_told_to() {
    let folder = temporary_folder();
    let metrics = format!("127.0.0.1:{}", free_port());
    let variables = [
        ("USHER__NATS__URL", format!("nats://127.0.0.1:{}", free_port())),
        ("USHER__KEYS__DIR", folder.path().join("keys").display().to_string()),
        ("USHER__METRICS__LISTEN", metrics),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let log = folder.path().join("run.log");
    let mut process = Process::start(&["run", "--stages", "settlement"], &variables, &log);
    // It listens for signals as soon as it lives, and waits for NATS for half a minute.
    pause(Duration::from_secs(2)).await;
    let begun = Instant::now();
    process.signal(Signal::TERM);
    let (status, _, log) = process.ended().await;
    assert!(status.success(), "{status}: {log}");
    assert!(begun.elapsed() < STOP_MAX, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_too_often_ends_usher_which_says_which_and_why() {
    let mut up = Up::start().await;
    for _ in 0..5 {
        let old = up.servers().remove("redis").unwrap();
        kill_process(pid(old.pid), Signal::KILL).unwrap();
        up.replaced("redis", &old).await;
    }
    kill_process(pid(up.servers()["redis"].pid), Signal::KILL).unwrap();
    let (status, _, log) = up.process().ended().await;
    assert_eq!(status.code(), Some(1), "{log}");
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    let said = |line: &&str| line.contains("redis ended (signal: 9") && line.contains("redis.log");
    assert!(errors.iter().any(said), "{errors:?}");
    let last = errors.last().expect("there are some");
    assert!(last.contains("usher ends: redis ended"), "{last}");
}
