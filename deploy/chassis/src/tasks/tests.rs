//! Tasks are named, counted, waited for, and their panics are seen.

use std::time::Duration;

use super::{all, current, drain, on_panic, spawn, spawn_front, spawn_thread};
use crate::{Error, Shutdown};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn drain_waits_for_tasks_and_threads_and_names_the_stragglers() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let forever = spawn("forever", std::future::pending::<()>());
    let again = spawn("forever", std::future::pending::<()>());
    let thread = spawn_thread("waits", move || wait.recv().is_ok()).expect("thread");
    let quick = spawn("quick", async { current() });
    assert_eq!(quick.await.expect("no panic"), "quick");
    assert_eq!(drain(SHORT).await, ["forever x 2", "waits"]);

    forever.abort();
    again.abort();
    release.send(()).expect("the thread waits");
    assert_eq!(drain(LONG).await, [""; 0]);
    assert!(thread.join().expect("no panic"));
}

#[tokio::test]
async fn a_panic_in_a_task_begins_the_shutdown_and_reaches_the_join_handle() {
    let shutdown = Shutdown::new();
    on_panic(&shutdown);
    let task = spawn("careless", async { panic!("boom {}", 1) });
    assert!(task.await.expect_err("it panics").is_panic());
    assert_eq!(shutdown.reason(), Some("task careless panicked: boom 1"));
    assert_eq!(drain(LONG).await, [""; 0]);
    assert_eq!(current(), "");
}

#[tokio::test]
async fn of_many_tasks_the_last_ones_failure_ends_those_before_it() {
    let shutdown = Shutdown::new();
    let until_told = |shutdown: Shutdown| async move {
        shutdown.begun().await;
        Ok(())
    };
    let first = spawn("first", until_told(shutdown.clone()));
    let last = spawn("last", async { Err(Error::ShuttingDown) });
    let ended = tokio::time::timeout(LONG, all(vec![first, last], "the stage", &shutdown)).await;
    assert!(matches!(ended, Ok(Err(Error::ShuttingDown))), "{ended:?}");
    assert!(shutdown.reason().unwrap_or_default().starts_with("the stage failed: "));
}

#[tokio::test]
async fn a_panic_in_a_thread_begins_the_shutdown() {
    let shutdown = Shutdown::new();
    on_panic(&shutdown);
    let thread = spawn_thread("decider", || panic!("bad state")).expect("thread");
    shutdown.begun().await;
    assert_eq!(shutdown.reason(), Some("task decider panicked: bad state"));
    thread.join().expect_err("it panics");
}

#[tokio::test]
async fn connections_and_what_they_spawn_have_threads_of_their_own() {
    let thread = || std::thread::current().name().map(str::to_owned);
    let here = spawn("stage", async move { thread() }).await.expect("no panic");
    let connection = spawn_front("connection", async move {
        let spawned = spawn("of the connection", async move { thread() });
        (thread(), spawned.await.expect("no panic"))
    });
    let front = Some("http-worker".to_owned());
    assert_eq!(connection.await.expect("no panic"), (front.clone(), front.clone()));
    assert_ne!(here, front);
}
