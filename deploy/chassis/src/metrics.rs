//! Every metric of this crate, and the page that shows those of the whole process.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use schema::InvariantId;

use crate::{Cause, Error, Shutdown, tasks};

/// What the name of every metric of the system begins with.
pub const NAME_PREFIX: &str = "usher_";

/// Upper bounds of histograms called `..._seconds`.
///
/// From 100 us, below which no answer over a socket comes, to 30 s, above which nobody waits; about
/// two and a half steps a factor of ten keep a quantile within 60 % of the truth at 20 series a
/// histogram.
const SECONDS: [f64; 18] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.5, 10.0, 30.0,
];

/// Upper bounds of all other histograms: counts and bytes, by powers of four.
const COUNTS: [f64; 11] =
    [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0];

/// How often the samples of histograms are folded into their buckets when nobody scrapes.
///
/// Samples wait in memory until then: at 100,000 a second, 5 s are about 8 MB. Shorter gains
/// nothing.
const UPKEEP: Duration = Duration::from_secs(5);

/// Renders what has been recorded; clones share the recorder.
#[derive(Clone)]
pub struct Handle(PrometheusHandle);

/// Starts recording metrics for the whole process. A repeat returns the first recorder.
///
/// Must run within a runtime; the upkeep ends with `shutdown`.
pub fn install(shutdown: &Shutdown) -> Result<Handle, Error> {
    static INSTALLED: OnceLock<Handle> = OnceLock::new();
    if let Some(handle) = INSTALLED.get() {
        return Ok(handle.clone());
    }
    let rejected = |err| Error::Rejected {
        what: "start recording metrics".to_owned(),
        source: Cause::of(&err),
    };
    let recorder = PrometheusBuilder::new()
        .set_buckets(&COUNTS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(rejected)?;
    let handle = INSTALLED.get_or_init(|| Handle(recorder)).clone();
    declare();
    let (upkeep, shutdown) = (handle.clone(), shutdown.clone());
    tasks::spawn("metrics", async move {
        // Both branches are cancel-safe.
        while tokio::time::timeout(UPKEEP, shutdown.begun()).await.is_err() {
            upkeep.0.run_upkeep();
        }
    });
    Ok(handle)
}

impl Handle {
    /// Renders all metrics in Prometheus' text format, those of the process as of now.
    pub fn render(&self) -> String {
        record_process();
        self.0.render()
    }
}

/// Returns the routes that show the metrics: `/metrics`.
pub fn router(handle: Handle) -> Router {
    let show = |State(handle): State<Handle>| async move {
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()).into_response()
    };
    Router::new().route("/metrics", get(show)).with_state(handle)
}

/// Puts the counters of this crate on the page before they count, so that an alarm sees the step
/// from zero.
fn declare() {
    for name in [
        "usher_http_accept_errors_total",
        "usher_nats_connects_total",
        "usher_nats_slow_readers_total",
        "usher_redis_connects_total",
        "usher_follower_restarts_total",
        "usher_takeovers_total",
        "usher_append_repeats_total",
    ] {
        counter!(name).increment(0);
    }
    for cause in ["cap", "peer_cap"] {
        counter!("usher_http_connections_refused_total", "cause" => cause).increment(0);
    }
    for cause in ["framing", "headers", "timeout", "body", "panic", "host"] {
        counter!("usher_http_requests_refused_total", "cause" => cause).increment(0);
    }
    for promise in InvariantId::ALL {
        counter!("usher_invariant_broken_total", "id" => promise.id()).increment(0);
    }
}

/// Counts a promise of the system that was found broken. Whoever finds it says so in the log.
///
/// A panic of `schema::check!` in a task is counted by its task.
pub fn invariant_broken(promise: InvariantId) {
    counter!("usher_invariant_broken_total", "id" => promise.id()).increment(1);
}

/// The first task of a name that runs.
pub(crate) fn task_known(name: &'static str) {
    counter!("usher_task_panics_total", "task" => name).increment(0);
}

pub(crate) fn task_started(name: &'static str) {
    gauge!("usher_tasks_running", "task" => name).increment(1.0);
}

pub(crate) fn task_ended(name: &'static str) {
    gauge!("usher_tasks_running", "task" => name).decrement(1.0);
}

pub(crate) fn task_panicked(name: &'static str) {
    counter!("usher_task_panics_total", "task" => name).increment(1);
}

pub(crate) fn connection_opened() {
    gauge!("usher_http_connections").increment(1.0);
}

pub(crate) fn connection_closed() {
    gauge!("usher_http_connections").decrement(1.0);
}

/// `cause` is one of `cap`, `peer_cap`.
pub(crate) fn connection_refused(cause: &'static str) {
    counter!("usher_http_connections_refused_total", "cause" => cause).increment(1);
}

pub(crate) fn accept_failed() {
    counter!("usher_http_accept_errors_total").increment(1);
}

/// `cause` is one of `framing`, `headers`, `timeout`, `body`, `panic`, `host`.
pub(crate) fn request_refused(cause: &'static str) {
    counter!("usher_http_requests_refused_total", "cause" => cause).increment(1);
}

pub(crate) fn nats_connected() {
    counter!("usher_nats_connects_total").increment(1);
}

pub(crate) fn nats_slow_reader() {
    counter!("usher_nats_slow_readers_total").increment(1);
}

pub(crate) fn redis_connected() {
    counter!("usher_redis_connects_total").increment(1);
}

pub(crate) fn group_called(what: &'static str, items: usize, took: Duration, good: bool) {
    let items = u32::try_from(items).unwrap_or(u32::MAX);
    histogram!("usher_group_items", "what" => what).record(items);
    histogram!("usher_group_seconds", "what" => what).record(took);
    if !good {
        counter!("usher_group_failures_total", "what" => what).increment(1);
    }
}

pub(crate) fn follower_restarted() {
    counter!("usher_follower_restarts_total").increment(1);
}

pub(crate) fn stream_taken_over() {
    counter!("usher_takeovers_total").increment(1);
}

/// `elapsed` is from the first try to the acknowledgement.
pub(crate) fn append_acknowledged(elapsed: Duration) {
    histogram!("usher_append_seconds").record(elapsed);
}

pub(crate) fn append_repeated() {
    counter!("usher_append_repeats_total").increment(1);
}

/// Reads the process' own numbers. What the system does not tell stays as it was.
fn record_process() {
    if let Some(bytes) = resident_bytes() {
        gauge!("usher_process_resident_bytes").set(bytes);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        // One handle is the listing's own.
        let open = u32::try_from(files.count().saturating_sub(1)).unwrap_or(u32::MAX);
        gauge!("usher_process_open_files").set(f64::from(open));
    }
}

fn resident_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::install;
    use crate::{Shutdown, tasks};
    use metrics::histogram;
    use schema::InvariantId;

    #[tokio::test]
    async fn the_page_shows_tasks_histograms_and_the_process() {
        let shutdown = Shutdown::new();
        let handle = install(&shutdown).expect("first");
        let running = tasks::spawn("visible", std::future::pending::<()>());
        histogram!("usher_test_seconds").record(0.0004);
        histogram!("usher_test_batch_bytes").record(50.0);
        let page = install(&shutdown).expect("the first again").render();
        for line in [
            "usher_tasks_running{task=\"visible\"} 1",
            "usher_task_panics_total{task=\"visible\"} 0",
            "usher_follower_restarts_total 0",
            "usher_test_seconds_bucket{le=\"0.00025\"} 0",
            "usher_test_seconds_bucket{le=\"0.0005\"} 1",
            "usher_test_batch_bytes_bucket{le=\"64\"} 1",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
        let value = |name: &str| -> f64 {
            let line = page.lines().find_map(|line| line.strip_prefix(name)).expect("present");
            line.trim().parse().expect("a number")
        };
        assert!(1_000_000.0 < value("usher_process_resident_bytes "));
        assert!(2.0 < value("usher_process_open_files "));
        running.abort();
        running.await.expect_err("aborted");
        assert!(handle.render().contains("usher_tasks_running{task=\"visible\"} 0"));
    }

    #[tokio::test]
    async fn a_broken_promise_is_counted_by_its_id_and_every_other_stands_at_zero() {
        let page = || install(&Shutdown::new()).expect("a recorder").render();
        let counted = |promise: &InvariantId, count: u32| {
            let line = format!("usher_invariant_broken_total{{id=\"{promise}\"}} {count}");
            assert!(page().contains(&line), "{line} is not in\n{}", page());
        };
        for promise in InvariantId::ALL {
            counted(promise, 0);
        }
        let breaks = async { schema::check!(InvariantId::Line2, 1 == 2, "two at once") };
        tasks::spawn("breaks", breaks).await.expect_err("it panics");
        tasks::spawn("careless", async { panic!("no promise") }).await.expect_err("it panics");
        super::invariant_broken(InvariantId::Mon1);
        for promise in InvariantId::ALL {
            let is_broken = [InvariantId::Line2, InvariantId::Mon1].contains(promise);
            counted(promise, u32::from(is_broken));
        }
    }
}
