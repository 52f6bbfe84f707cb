//! `usher-bench flat`: does a seat cost more in a larger house, and a poll in a longer line?
//!
//! Cost is time on a core: of a machine that is shared with the load, a rate says less.

use super::costs::{Costs, Step, Turn};
use super::fault::fault;
use super::meter::Meter;
use super::outcome::{Outcome, Seen, folder, say, watched, write};
use crate::cli::{self, FlatDeeds};
use crate::measure::{
    Buyer, Habits, Houses, Joining, Line, Polling, Reserving, Stock, Worker, closed_room, heads,
    polls, run,
};
use crate::record::Tally;
use crate::results::Figure;
use crate::system::System;
use anyhow::{Context as _, ensure};
use schema::Shards;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// What is asked: in each round each size has a turn.
struct Size {
    rounds: u32,
    /// Seats of an event.
    houses: &'static [u32],
    /// People in a line.
    lines: &'static [u32],
}

const WHOLE: Size =
    Size { rounds: 3, houses: &[300, 2_400, 20_700, 80_000], lines: &[10_000, 100_000, 1_000_000] };

/// Less than two minutes.
const QUICK: Size = Size { rounds: 2, houses: &[300, 2_400, 20_700], lines: &[10_000, 100_000] };

/// Enough to keep both cores busy.
const CONNECTIONS: u32 = 64;

/// All parties are of ten neighbours: the most that one may ask for, so that what a request costs
/// by itself hides least of what a seat does, and houses are full soonest. In rows of twenty none
/// is left over.
const PARTY: u32 = 10;
const PARTIES: [f64; 10] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];

/// Places of each line that are polled, ten times each in a turn.
const POLLING: u32 = 10_000;

/// Accounts that buyers share.
const ACCOUNTS: u32 = 64;

/// A turn is over when everything was asked for; it may take this long.
const TURN_MAX: Duration = Duration::from_mins(2);
const JOIN_MAX: Duration = Duration::from_mins(5);

/// After a turn, for what it left behind: that counts too.
const REST: Duration = Duration::from_secs(1);

/// What came of all turns.
#[derive(Default)]
struct Sums {
    costs: Vec<Costs>,
    /// What Usher takes with a line in which nobody asks.
    idle: BTreeMap<String, Figure>,
    faults: Vec<String>,
}

/// Where turns are taken.
struct Place<'a> {
    system: &'a System,
    out: &'a Path,
    faults: Vec<String>,
}

/// `usher-bench flat`. Fails if a promise was broken, or if a turn does not count.
pub async fn flat(options: &cli::Flat) -> anyhow::Result<ExitCode> {
    let size = if options.quick { QUICK } else { WHOLE };
    let out = folder(options.out.as_deref(), "flat")?;
    let says = format!(
        "{} rounds over {CONNECTIONS} connections, closed loop. Reserve: parties of {PARTY} ask \
         for every seat of as many events as have {} seats together; microseconds are those of a \
         seat. Poll: {POLLING} places of each line, spread over it.",
        size.rounds,
        on_sale(&size)
    );
    say(&says)?;
    let turns = async |system: &System, _: &_| turns(options, &size, system, &out).await;
    let Seen { made: sums, samples, checks } = watched(&out, turns).await?;
    let table: Vec<String> = sums.costs.iter().flat_map(Costs::table).collect();
    let table = table.join("\n");
    say(&format!("\n{table}"))?;
    let mut figures = sums.idle;
    figures.extend(sums.costs.iter().flat_map(Costs::figures));
    let outcome = Outcome {
        name: "flat".to_owned(),
        text: format!("{says}\n\n{table}"),
        figures,
        ratios: sums.costs.iter().flat_map(Costs::ratios).collect(),
        tally: Tally::default(),
        samples,
        checks,
        wishes: sums.costs.iter().map(Costs::target).collect(),
        faults: sums.faults,
    };
    outcome.finish(&out)
}

async fn turns(
    options: &cli::Flat,
    size: &Size,
    system: &System,
    out: &Path,
) -> anyhow::Result<Sums> {
    let mut place = Place { system, out, faults: Vec::new() };
    let mut sums = Sums::default();
    say(&heads("turn"))?;
    if options.only.contains(&FlatDeeds::Reserve) {
        sums.costs.push(place.reserve(size).await.context("houses")?);
    }
    if options.only.contains(&FlatDeeds::Poll) {
        let (poll, idle) = place.poll(size).await.context("lines")?;
        sums.costs.push(poll);
        sums.idle = idle;
    }
    sums.faults = place.faults;
    Ok(sums)
}

/// Every shard has one of the largest events, and the seats of smaller ones are as many.
fn on_sale(size: &Size) -> u32 {
    u32::from(u8::from(Shards::default())) * size.houses.iter().copied().max().unwrap_or(0)
}

impl Place<'_> {
    async fn reserve(&mut self, size: &Size) -> anyhow::Result<Costs> {
        let mut steps = steps(size.houses);
        let (door, bench_door) = (&self.system.door, self.system.bench_door);
        let habits = Habits { connections: CONNECTIONS, parties: &PARTIES, best: false };
        for round in 1..=size.rounds {
            for step in &mut steps {
                let houses = Houses::of_size(step.size, on_sale(size))?;
                let stock = Stock::make(door, bench_door, houses, ACCOUNTS).await?;
                let buyers = Buyer::all(door, &stock, habits).await?;
                tokio::time::sleep(REST).await;
                let file = format!("reserve-{}-seats-{round}", step.size);
                let buyers = buyers.into_iter().map(Reserving).collect();
                let (buyers, turn) = self.turn(&file, buyers).await?;
                let all_asked = buyers.iter().all(|Reserving(buyer)| buyer.seats_left() == 0);
                ensure!(all_asked, "{file}: the time was over before every seat was asked for");
                step.turns.push(turn);
            }
        }
        Ok(Costs { deed: "reserve", noun: "seats", units_of_answer: PARTY, steps })
    }

    async fn poll(&mut self, size: &Size) -> anyhow::Result<(Costs, BTreeMap<String, Figure>)> {
        let mut steps = steps(size.lines);
        let (mut lines, mut idle) = (Vec::new(), BTreeMap::new());
        for step in &steps {
            lines.push(self.line(step.size).await?);
            // Longer lines join later, so what is more than before is this one's.
            idle.insert(format!("idle_cores_of_{}_waiting", step.size), self.idle().await?);
        }
        let door = &self.system.door;
        // The first round does not count: in it is done what reserves and joins have left behind.
        for round in 0..=size.rounds {
            for (step, line) in steps.iter_mut().zip(&lines) {
                let polling = Polling::all(door, line, CONNECTIONS, 0).await?;
                let file = format!("poll-{}-waiting-{round}", step.size);
                let (_, turn) = self.turn(&file, polling).await?;
                if round != 0 {
                    step.turns.push(turn);
                }
            }
        }
        Ok((Costs { deed: "poll", noun: "waiting", units_of_answer: 1, steps }, idle))
    }

    /// Makes a room that lets nobody in with so many in line, and returns what is polled.
    async fn line(&self, waiting: u32) -> anyhow::Result<Arc<Vec<Vec<u8>>>> {
        let door = &self.system.door;
        let event = closed_room(door).await?;
        let line = Line { waiting, polling: POLLING };
        let joining = Joining::all(door, &event, CONNECTIONS, line).await?;
        let (joined, measured) = run(joining, JOIN_MAX).await?;
        say(&measured.line(&format!("join-{waiting}-waiting")))?;
        let all = measured.good_all == u64::from(waiting);
        ensure!(all, "{} of {waiting} joined: {:?}", measured.good_all, measured.other);
        let tokens: Vec<String> = joined.into_iter().flat_map(|worker| worker.tokens).collect();
        Ok(polls(door, &event, &tokens))
    }

    /// Cores that Usher takes while nobody asks.
    async fn idle(&self) -> anyhow::Result<Figure> {
        tokio::time::sleep(REST).await;
        let meter = Meter::start(&self.system.data);
        tokio::time::sleep(REST * 2).await;
        let (lasted, cpu) = meter.read();
        let cores = cpu.get("usher").context("usher runs")? / lasted.as_secs_f64();
        let value = (cores * 1_000.0).round() / 1_000.0;
        Ok(Figure { value, unit: "cores".to_owned(), p50: None, p99: None, p999: None })
    }

    async fn turn<W: Worker>(
        &mut self,
        file: &str,
        workers: Vec<W>,
    ) -> anyhow::Result<(Vec<W>, Turn)> {
        let meter = Meter::start(&self.system.data);
        let (workers, measured) = run(workers, TURN_MAX).await?;
        tokio::time::sleep(REST).await;
        let (_, cpu) = meter.read();
        say(&measured.line(file))?;
        // Nobody polls more often than the contract allows here: a 429 is not as wished for.
        self.faults.extend(fault(&measured).map(|fault| format!("{file}: {fault}")));
        let turn = Turn { measured, cpu };
        write(&self.out.join(format!("{file}.json")), &turn.raw())?;
        Ok((workers, turn))
    }
}

fn steps(sizes: &[u32]) -> Vec<Step> {
    sizes.iter().map(|size| Step { size: *size, turns: Vec::new() }).collect()
}
