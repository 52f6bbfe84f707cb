//! Every task and thread of the process: named, counted, waited for at the end.
//!
//! This is the one place that starts tasks. A task that panics is a bug in a process whose other
//! parts go on as if nothing had happened, so the panic begins the shutdown of the process.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use schema::InvariantId;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::telemetry::chain;
use crate::{Error, Shutdown, metrics};

static RUNNING: Mutex<BTreeMap<&'static str, u32>> = Mutex::new(BTreeMap::new());
static ENDED: Notify = Notify::const_new();
static ON_PANIC: OnceLock<Shutdown> = OnceLock::new();

thread_local! {
    static CURRENT: Cell<&'static str> = const { Cell::new("") };
}

/// Runs `future` as a task called `name`, which appears in the metrics, in panics and in [`drain`].
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let running = Running::enter(name);
    spawn_untracked(
        name,
        future.map(move |result| {
            drop(running);
            result
        }),
    )
}

/// [`spawn`] on the runtime of connections, which has threads of its own.
///
/// What a crowd asks then waits for other requests only: on one runtime the owner of a shard would
/// wait its turn behind ten thousand connections at each step of each answer, and answer nobody.
/// What such a task spawns runs there too.
pub(crate) fn spawn_front<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let _entered = front().enter();
    spawn(name, future)
}

/// The runtime of connections, for as long as the process lives.
fn front() -> &'static Runtime {
    static FRONT: OnceLock<Runtime> = OnceLock::new();
    FRONT.get_or_init(|| {
        let runtime = Builder::new_multi_thread().thread_name("http-worker").enable_all().build();
        runtime.expect("the system gives the process its threads")
    })
}

/// Runs `work` on a thread of its own called `name`, under the rules of [`spawn`].
pub fn spawn_thread<F, T>(name: &'static str, work: F) -> Result<std::thread::JoinHandle<T>, Error>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let running = Running::enter(name);
    let body = move || {
        let _running = running;
        CURRENT.set(name);
        named(name, work)
    };
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    thread.map_err(|source| Error::io(format!("start thread {name}"), source))
}

/// Makes a panic in any task begin `shutdown`. Only the first call counts.
pub fn on_panic(shutdown: &Shutdown) {
    // A second caller in one process (tests) shares the first one's switch on purpose.
    ON_PANIC.get_or_init(|| shutdown.clone());
}

/// Waits until no task runs, `timeout` at most, and returns those that still do as `name` or `name
/// x count`.
///
/// A task that waits here would wait for itself: call it from `main`.
pub async fn drain(timeout: Duration) -> Vec<String> {
    let all_ended = async {
        loop {
            // Registered before the look, so that an end between the look and the wait is not
            // missed.
            let mut ended = pin!(ENDED.notified());
            ended.as_mut().enable();
            if running().is_empty() {
                return;
            }
            ended.await;
        }
    };
    if tokio::time::timeout(timeout, all_ended).await.is_ok() {
        return Vec::new();
    }
    let stragglers = running();
    stragglers
        .iter()
        .map(|(name, count)| match count {
            1 => (*name).to_owned(),
            _ => format!("{name} x {count}"),
        })
        .collect()
}

/// Waits for all `tasks`, and begins `shutdown` as soon as one has failed, whichever it is: the
/// others may go on until then. Returns the first failure; a panic goes on to the caller.
pub async fn all<E: std::error::Error + 'static>(
    tasks: Vec<JoinHandle<Result<(), E>>>,
    what: &str,
    shutdown: &Shutdown,
) -> Result<(), E> {
    let mut running: FuturesUnordered<_> = tasks.into_iter().collect();
    let mut result = Ok(());
    while let Some(ended) = running.next().await {
        let ended = ended.unwrap_or_else(|panic| resume_unwind(panic.into_panic()));
        if let Err(error) = ended {
            shutdown.begin(format!("{what} failed: {}", chain(&error)));
            result = result.and(Err(error));
        }
    }
    result
}

/// Returns the name of the task that this thread runs now; empty outside of tasks.
pub fn current() -> &'static str {
    CURRENT.get()
}

/// [`spawn`] without [`drain`] waiting for it: for what listens until the process is gone.
#[expect(clippy::disallowed_methods, reason = "this is the wrapper that the lint points to")]
pub(crate) fn spawn_untracked<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // Boxed, a future of some kilobytes is copied once: each of what stands around it would copy it
    // again, and twice where it is awaited.
    let mut future = Box::pin(future);
    tokio::spawn(poll_fn(move |cx| {
        let outer = CURRENT.replace(name);
        let polled = named(name, || future.as_mut().poll(cx));
        CURRENT.set(outer);
        polled
    }))
}

/// Runs `work`; its panic is logged with `name`, begins the shutdown, and goes on to the caller.
fn named<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    // Unwind safety: nothing is looked at again after a panic, it goes on to the runtime.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic_text(&*panic);
        tracing::error!(task = name, panic = text, "task panicked");
        metrics::task_panicked(name);
        if let Some(promise) = InvariantId::of_panic(text) {
            metrics::invariant_broken(promise);
        }
        if let Some(shutdown) = ON_PANIC.get() {
            shutdown.begin(format!("task {name} panicked: {text}"));
        }
        CURRENT.set("");
        resume_unwind(panic)
    })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

fn running() -> MutexGuard<'static, BTreeMap<&'static str, u32>> {
    // Nothing panics while the map is locked; if it did, the counts would still be whole.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts one task from its start to its end, however it ends.
struct Running(&'static str);

impl Running {
    fn enter(name: &'static str) -> Running {
        assert!(!name.is_empty(), "a task has a name");
        let is_first = {
            let mut running = running();
            let count = running.entry(name).or_insert(0);
            *count += 1;
            *count == 1
        };
        if is_first {
            metrics::task_known(name);
        }
        metrics::task_started(name);
        Running(name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        metrics::task_ended(self.0);
        let mut running = running();
        let count = running.get_mut(self.0).expect("it was counted when it started");
        *count -= 1;
        if *count == 0 {
            running.remove(self.0);
        }
        if running.is_empty() {
            ENDED.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests;
