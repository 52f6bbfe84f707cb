//! Looks once a second, on a thread of its own: the crowd's threads have no time.

use super::live::{Bounds, Live};
use super::process::{self, Named, Processes};
use super::samples::{Inside, Samples};
use super::{proc_files, scrape};
use crate::wire::{Connection, Door, Question};
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(1);

/// How often settings are asked for: a scenario may change them under way.
const BOUNDS_EVERY: Duration = Duration::from_secs(2);

/// Every how many samples proportional memory is read.
const PROPORTIONAL_EVERY: u32 = 5;

/// Between two looks for a newer sample.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// A page and its settings are answered at once, or missed.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Series that are kept. Those of events are many; a page has some hundred besides.
const SERIES_MAX: usize = 512;

/// Events whose figures are followed, each by a stream.
const EVENTS_MAX: usize = 8;

/// What is looked at. A system elsewhere shows less of itself.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// The data folder, for `usher.json`.
    pub data: Option<PathBuf>,
    /// The address of the metrics page.
    pub metrics: Option<String>,
    pub live: Option<Live>,
    /// More processes by name, such as a baseline's. Who starts one adds it; one that has ended
    /// shows no more.
    pub processes: Arc<Mutex<BTreeMap<String, u32>>>,
}

pub struct Sampler {
    samples: Shared,
    first_event: Option<String>,
    /// The thread ends when this is dropped.
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

type Shared = Arc<Mutex<Samples>>;

fn locked(samples: &Mutex<Samples>) -> MutexGuard<'_, Samples> {
    samples.lock().expect("nobody panics with the samples in hand")
}

impl Sampler {
    /// Times of the samples count from `began`.
    pub fn start(watched: Watched, began: Instant) -> anyhow::Result<Self> {
        let samples = Shared::default();
        let (stop, stopped) = oneshot::channel();
        let first_event = watched.live.as_ref().and_then(|live| live.events.first().cloned());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("make a runtime to sample on")?;
        let looks = looks(watched, began, Arc::clone(&samples));
        let thread = std::thread::Builder::new().name("sampler".to_owned());
        let thread = thread.spawn(move || {
            runtime.block_on(async {
                // Both are cancel-safe: what is under way is one sample.
                tokio::select! {
                    () = looks => {}
                    _ = stopped => {}
                }
            });
        });
        let thread = thread.context("start a thread to sample on")?;
        Ok(Self { samples, first_event, stop, thread })
    }

    /// The newest look at the first event; zeros before there is one.
    pub fn latest(&self) -> Inside {
        let samples = locked(&self.samples);
        let looks = self.first_event.as_ref().and_then(|event| samples.inside.get(event));
        looks.and_then(|looks| looks.last().copied()).unwrap_or_default()
    }

    /// Waits until the first event was looked at after `at`, but no longer than `longest`; not at
    /// all if it never was looked at.
    pub async fn look_after(&self, at: Duration, longest: Duration) {
        let asked = Instant::now();
        let last = || self.latest().at;
        while Duration::ZERO < last() && last() <= at && asked.elapsed() < longest {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    pub async fn stop(self) -> anyhow::Result<Samples> {
        drop(self.stop);
        let ended = tokio::task::spawn_blocking(move || self.thread.join());
        let ended = ended.await.context("wait for the sampler")?;
        anyhow::ensure!(ended.is_ok(), "the sampler has panicked");
        Ok(std::mem::take(&mut *locked(&self.samples)))
    }
}

async fn looks(watched: Watched, began: Instant, samples: Shared) {
    let mut looks = JoinSet::new();
    let processes = processes(watched.data, watched.processes, began, Arc::clone(&samples));
    looks.spawn(processes);
    if let Some(door) = watched.metrics.as_deref().and_then(|url| Door::new(url).ok()) {
        looks.spawn(metrics(door, began, Arc::clone(&samples)));
    }
    if let Some(live) = watched.live {
        for event in live.events.iter().take(EVENTS_MAX) {
            looks.spawn(inside(live.clone(), event.clone(), began, Arc::clone(&samples)));
        }
    }
    while looks.join_next().await.is_some() {}
}

async fn processes(
    data: Option<PathBuf>,
    more: Arc<Mutex<Named>>,
    began: Instant,
    samples: Shared,
) {
    let mut processes = Processes::default();
    let mut busy_before = None;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for count in 0_u32.. {
        ticks.tick().await;
        // Servers that died have new ids.
        let mut named = data.as_deref().map(process::named).unwrap_or_default();
        named.extend(more.lock().expect("nobody panics with the names in hand").clone());
        named.insert("bench".to_owned(), std::process::id());
        let at = began.elapsed();
        let found = processes.look(&named, at, count % PROPORTIONAL_EVERY == 0);
        let busy = proc_files::busy(&fs::read_to_string("/proc/stat").unwrap_or_default());
        let busy = busy.map(|busy| (at, busy));
        let mut samples = locked(&samples);
        for (name, process) in found {
            samples.processes.entry(name).or_default().push(process);
        }
        if let (Some((before, busy_before)), Some((at, busy))) = (busy_before, busy)
            && let Some(time) = at.checked_sub(before).filter(|time| !time.is_zero())
        {
            samples.busy.push((at, busy.saturating_sub(busy_before).div_duration_f64(time)));
        }
        busy_before = busy;
    }
}

async fn metrics(door: Door, began: Instant, samples: Shared) {
    let mut connection = Connection::new(&door, 0);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let at = began.elapsed();
        let asked = connection.ask(Question::get("/metrics"));
        let asked = tokio::time::timeout(ANSWER_WAIT, asked).await;
        // A page that is not answered leaves a gap in its series, which the plot shows.
        let Ok(Ok(page)) = asked else { continue };
        let (page, mut samples) = (page.text(), locked(&samples));
        for sample in scrape::samples(&page) {
            if let Some(series) = samples.metrics.get_mut(sample.series) {
                series.push((at, sample.value));
            } else if samples.metrics.len() < SERIES_MAX {
                samples.metrics.insert(sample.series.to_owned(), vec![(at, sample.value)]);
            }
        }
    }
}

async fn inside(live: Live, event: String, began: Instant, samples: Shared) {
    let bounds = Mutex::new(Bounds::default());
    let settings = async {
        let mut connection = Connection::new(&live.door, 0);
        let mut ticks = interval(BOUNDS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            let asked = live.bounds(&mut connection, &event);
            // The last ones stand while the system does not say.
            if let Ok(Ok(found)) = tokio::time::timeout(ANSWER_WAIT, asked).await {
                *bounds.lock().expect("nobody panics with the bounds in hand") = found;
            }
        }
    };
    let figures = async {
        loop {
            let seen = |mut look: Inside| {
                let bounds = *bounds.lock().expect("nobody panics with the bounds in hand");
                look.at = began.elapsed();
                look.active_max = bounds.active_max;
                look.admission_per_minute = bounds.admission_rate_per_minute;
                locked(&samples).inside.entry(event.clone()).or_default().push(look);
            };
            // A stream that ends or breaks leaves a gap, which the plot shows.
            drop(live.follow(&event, seen).await);
            tokio::time::sleep(EVERY).await;
        }
    };
    // Neither ends.
    tokio::join!(settings, figures);
}

#[cfg(test)]
mod tests {
    use super::{Sampler, Watched};
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn a_system_that_shows_nothing_is_still_sampled_with_the_bench_and_what_it_starts() {
        let watched = Watched {
            metrics: Some("http://127.0.0.1:1/metrics".to_owned()),
            ..Watched::default()
        };
        let others = std::sync::Arc::clone(&watched.processes);
        let sampler = Sampler::start(watched, Instant::now()).unwrap();
        others.lock().unwrap().insert("baseline".to_owned(), std::process::id());
        let asked = Instant::now();
        while !super::locked(&sampler.samples).processes.contains_key("baseline") {
            assert!(asked.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(sampler.latest().at, Duration::ZERO);
        let seen = sampler.stop().await.unwrap();
        assert!(!seen.processes["bench"].is_empty() && seen.metrics.is_empty());
    }
}
