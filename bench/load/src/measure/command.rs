//! `usher-bench measure`: one measurement after the other, and the table.

use super::growth::{FIRST, Inside, memory_json};
use super::{
    Booking, Buyer, Confirming, Habits, Houses, Joining, Line, Measured, Polling, Reserving, Stock,
    Worker, heads, polls, run, told_per_second,
};
use crate::cli::{self, Deeds};
use crate::machine;
use crate::promises::{Numbered, jumped, twice};
use crate::wire::Door;
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Seats put on sale for each second of buying: more than anybody sells.
const SEATS_PER_SECOND: u32 = 80_000;

/// Accounts that the buyers share.
const ACCOUNTS: u32 = 4_096;

/// How long joining may take.
const JOIN_WAIT: Duration = Duration::from_mins(2);

/// How long is looked at what a line takes in which nobody asks.
const IDLE: Duration = Duration::from_secs(5);

/// What was measured so far.
struct Table {
    json: serde_json::Map<String, Value>,
}

pub async fn measure(options: &cli::Measure) -> anyhow::Result<()> {
    ensure!(0 < options.connections && 0 < options.seconds, "nothing to measure");
    let mut table = Table { json: serde_json::Map::new() };
    say(&heads(&format!("{} connections, {} s", options.connections, options.seconds)))?;
    if options.only.iter().any(|deed| deed.buys()) {
        buying(options, &mut table).await?;
    }
    if options.only.iter().any(|deed| !deed.buys()) {
        waiting(options, &mut table).await?;
    }
    say("closed loop: percentiles are of a crowd of this size, not of a fixed rate")?;
    let Some(path) = &options.json else { return Ok(()) };
    let whole = json!({
        "commit": machine::commit(), "machine": machine::machine(), "load": "closed loop",
        "connections": options.connections, "seconds": options.seconds, "measured": table.json,
    });
    let text = serde_json::to_string_pretty(&whole)? + "\n";
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

async fn buying(options: &cli::Measure, table: &mut Table) -> anyhow::Result<()> {
    let door = door(options)?;
    let time = Duration::from_secs(options.seconds.into());
    let wants = |deed| options.only.contains(&deed);
    let habits =
        Habits { connections: options.connections, parties: &options.parties, best: options.best };
    let houses = houses(options)?;
    let mut stock = Stock::make(&door, options.bench_door, houses, ACCOUNTS).await?;
    if wants(Deeds::Reserve) || wants(Deeds::Confirm) {
        let buyers = Buyer::all(&door, &stock, habits).await?;
        let buyers = table.run("reserve", buyers, Reserving, time).await?;
        if wants(Deeds::Confirm) {
            let buyers = buyers.into_iter().map(|Reserving(buyer)| buyer).collect();
            table.run("confirm", buyers, Confirming, time).await?;
        }
    }
    if wants(Deeds::Booking) {
        let accounts = std::mem::take(&mut stock.accounts);
        stock = Stock { accounts, ..Stock::make(&door, options.bench_door, houses, 0).await? };
        let buyers = Buyer::all(&door, &stock, habits).await?;
        table.run("booking", buyers, Booking, time).await?;
    }
    Ok(())
}

async fn waiting(options: &cli::Measure, table: &mut Table) -> anyhow::Result<()> {
    let (door, event) = (door(options)?, &options.room);
    let (polling, waiting) = (options.places, options.waiting.unwrap_or(options.places));
    let mut inside = None;
    if let Some(data) = &options.data {
        let first = Line { waiting: FIRST, polling: 1 };
        run(Joining::all(&door, event, options.connections, first).await?, JOIN_WAIT).await?;
        let mut opened = Inside::open(data).await?;
        inside = Some((opened.memory().await?, opened));
    }
    let line = Line { waiting, polling };
    let joining = if options.keys == cli::Keys::Each {
        Joining::keyed(&door, event, options.connections, line).await?
    } else {
        Joining::all(&door, event, options.connections, line).await?
    };
    let joined = table.run("join", joining, |worker| worker, JOIN_WAIT).await?;
    let numbers: Vec<u64> = joined.iter().flat_map(Joining::numbers).collect();
    table.tell("numbersTwice", json!(twice(&numbers).len()))?;
    let numbered: Vec<Numbered> =
        joined.iter().flat_map(|worker| &worker.numbered).copied().collect();
    table.tell("numbersJumped", json!(jumped(&numbered)))?;
    if let Some((before, inside)) = &mut inside {
        let after = inside.memory().await?;
        table.tell("memory", memory_json(*before, after, u64::try_from(numbers.len())?))?;
    }
    let tokens: Vec<String> = joined.into_iter().flat_map(|worker| worker.tokens).collect();
    ensure!(!tokens.is_empty(), "nobody could join");
    if options.only.contains(&Deeds::Poll) {
        let polls = polls(&door, event, &tokens);
        let opened = inside.as_mut().map(|(_, inside)| inside);
        poll(options, table, &door, &polls, opened).await?;
        if let Some((before, inside)) = &mut inside {
            let after = inside.memory().await?;
            let memory = memory_json(*before, after, u64::try_from(numbers.len())?);
            table.tell("memoryAfterPolls", memory)?;
        }
    }
    Ok(())
}

async fn poll(
    options: &cli::Measure,
    table: &mut Table,
    door: &Door,
    questions: &Arc<Vec<Vec<u8>>>,
    inside: Option<&mut Inside>,
) -> anyhow::Result<()> {
    let mut polling = Polling::all(door, questions, options.connections, 0).await?;
    let mut looked = None;
    if let Some(inside) = inside {
        let idle = inside.look().await?;
        tokio::time::sleep(IDLE).await;
        let before = inside.look().await?;
        table.tell("idle", idle.until(&before, 0))?;
        looked = Some((inside, before));
    }
    if options.as_told {
        let waiting = options.waiting.unwrap_or(options.places);
        let per_second = told_per_second(door, questions, waiting).await?;
        table.tell("toldPerSecond", json!(per_second.round()))?;
        // The last thing before they ask: what is due until then would come at once.
        Polling::set_pace(&mut polling, per_second);
    }
    let time = Duration::from_secs(options.seconds.into());
    table.run("poll", polling, |worker| worker, time).await?;
    let Some((inside, before)) = looked else { return Ok(()) };
    let after = inside.look().await?;
    let polled = table.json["poll"]["goodWithWarmUp"].as_u64().unwrap_or_default();
    table.tell("polling", before.until(&after, polled))
}

fn door(options: &cli::Measure) -> anyhow::Result<Door> {
    Ok(Door { reuse_max: options.reuse, ..Door::new(&options.target)? })
}

/// More seats than are sold in the time; or, of a certain size, as many as are asked for once.
fn houses(options: &cli::Measure) -> anyhow::Result<Houses> {
    match options.event_seats {
        None => Ok(Houses::spread(SEATS_PER_SECOND.saturating_mul(options.seconds))),
        Some(event_seats) => Houses::of_size(event_seats, options.seats),
    }
}

impl Table {
    /// Measures, shows a line, and gives the workers back.
    async fn run<T, W: Worker>(
        &mut self,
        what: &str,
        workers: Vec<T>,
        work: impl Fn(T) -> W,
        time: Duration,
    ) -> anyhow::Result<Vec<W>> {
        let workers = workers.into_iter().map(work).collect();
        let (workers, measured): (Vec<W>, Measured) = run(workers, time).await?;
        say(&measured.line(what))?;
        self.json.insert(what.to_owned(), measured.json());
        Ok(workers)
    }

    /// Shows and keeps what was counted besides.
    fn tell(&mut self, what: &str, counted: Value) -> anyhow::Result<()> {
        say(&format!("{what}: {counted}"))?;
        self.json.insert(what.to_owned(), counted);
        Ok(())
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
