//! A process that holds some of the connections.

use super::told::{Told, evenly};
use crate::cli;
use crate::measure::{get, label, resolve};
use crate::record::Latency;
use crate::wire::{Door, Socket};
use anyhow::Context as _;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How many are asked at the same time: a crowd that waits, not one that presses.
const LANES: u32 = 32;

/// Connections that are asked one after the other.
struct Lane {
    sockets: Vec<Socket>,
    question: Arc<Vec<u8>>,
    heard: Heard,
}

#[derive(Default)]
struct Heard {
    served: u64,
    errors: BTreeMap<String, u64>,
    latency: Latency,
}

/// `usher-bench hold-part`: opens connections and tells, then waits for a line on its standard
/// input, asks, and tells again; it keeps them open until its standard input ends.
pub async fn hold_part(options: &cli::HoldPart) -> anyhow::Result<()> {
    let mut door = Door::new(&options.target)?;
    door.come_from(options.sources).await?;
    let mut lanes = lanes(&door, &options.path, options.connections).await?;
    lanes = round(lanes, Duration::ZERO).await?;
    tell(&mut lanes)?;
    if !heard_a_line().await? {
        return Ok(());
    }
    for _ in 0..options.rounds {
        lanes = round(lanes, Duration::from_secs(options.seconds.into())).await?;
    }
    tell(&mut lanes)?;
    heard_a_line().await?;
    Ok(())
}

async fn lanes(door: &Door, path: &str, connections: u32) -> anyhow::Result<Vec<Lane>> {
    let target = resolve(door).await?;
    let question = Arc::new(get(door, path, ("accept", "application/json")));
    let mut numbers = 0..usize::try_from(connections).context("32 bits fit")?;
    let lane = |size: u32| {
        let size = usize::try_from(size).expect("32 bits fit");
        let sockets = numbers.by_ref().take(size).map(|number| Socket::new(door, target, number));
        let sockets = sockets.collect();
        Lane { sockets, question: Arc::clone(&question), heard: Heard::default() }
    };
    Ok(evenly(connections, LANES).into_iter().map(lane).collect())
}

/// Asks once over each connection, spread over the time.
async fn round(lanes: Vec<Lane>, time: Duration) -> anyhow::Result<Vec<Lane>> {
    let mut asking = JoinSet::new();
    for lane in lanes {
        asking.spawn(lane.ask_all(time));
    }
    let mut back = Vec::new();
    while let Some(lane) = asking.join_next().await {
        back.push(lane?);
    }
    Ok(back)
}

impl Lane {
    async fn ask_all(mut self, time: Duration) -> Self {
        let begun = Instant::now();
        let step = time / u32::try_from(self.sockets.len().max(1)).expect("a few thousand");
        let mut due = begun;
        // Those that are opened only now were not closed by anybody.
        let opens = time.is_zero();
        for socket in &mut self.sockets {
            sleep(due.saturating_duration_since(Instant::now())).await;
            due += step;
            if !opens && !socket.is_open() {
                self.heard.error("closed by the target".to_owned());
                continue;
            }
            let asked = Instant::now();
            match socket.ask(&self.question).await {
                Ok(reply) if reply.status == 200 => {
                    self.heard.served += 1;
                    self.heard.latency.add(asked.elapsed());
                }
                Ok(reply) => self.heard.error(label(reply)),
                Err(error) => self.heard.error(format!("{error:#}")),
            }
        }
        self
    }
}

impl Heard {
    fn error(&mut self, label: String) {
        *self.errors.entry(label).or_default() += 1;
    }
}

/// Prints a line of JSON about what was heard since the last one.
fn tell(lanes: &mut [Lane]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&sum(lanes))?)?;
    Ok(out.flush()?)
}

fn sum(lanes: &mut [Lane]) -> Told {
    let (mut told, mut latency) = (Told::default(), Latency::default());
    for lane in lanes {
        let heard = std::mem::take(&mut lane.heard);
        let open = lane.sockets.iter().filter(|socket| socket.is_open()).count();
        let open = u32::try_from(open).expect("a few thousand");
        latency.merge(&heard.latency);
        let (served, errors) = (heard.served, heard.errors);
        told.merge(&Told { open, served, errors, ..Told::default() });
    }
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    (told.p99_ms, told.max_ms) = (millis(latency.at(0.99)), millis(latency.max()));
    told
}

/// Waits for a line on standard input; false if it has ended.
async fn heard_a_line() -> anyhow::Result<bool> {
    let read = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    Ok(0 < read.await?.context("read standard input")?)
}

#[cfg(test)]
mod tests {
    use super::{Duration, lanes, round, sum};
    use crate::baseline::{listen, serve};
    use crate::wire::Door;
    use axum::Router;
    use tokio::task::JoinSet;

    #[tokio::test]
    async fn each_connection_is_opened_asked_in_turn_and_missed_when_it_is_closed() {
        let (listener, port) = listen(0).unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Router::new().fallback(|| async {})));
        let mut door = Door::new(&format!("http://127.0.0.1:{port}")).unwrap();
        door.come_from(3).await.unwrap();
        let opening = lanes(&door, "/", 100).await.unwrap();
        let mut open = round(opening, Duration::ZERO).await.unwrap();
        let told = sum(&mut open);
        assert!(told.is_whole(100, 1), "{told:?}");
        open = round(open, Duration::from_millis(50)).await.unwrap();
        let told = sum(&mut open);
        assert!(told.is_whole(100, 1), "{told:?}");
        // All connections end with who serves them.
        serving.shutdown().await;
        let told = sum(&mut round(open, Duration::from_millis(1)).await.unwrap());
        assert_eq!((told.open, told.served), (0, 0));
        assert_eq!(told.errors.values().sum::<u64>(), 100, "{told:?}");
    }
}
