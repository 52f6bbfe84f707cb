//! `usher-bench pretix`: the parties of Usher's measurements buy from a running pretix.
//!
//! One paid order a party, over the REST API of pretix (`POST .../orders/`), in a closed loop. That
//! is the shortest way that pretix has to sell a seat: one question, no cart, no mail, no payment
//! provider to wait for. Plain HTTP, as it is meant for a server on the same machine.

mod fan;
mod shop;
mod trace;

use crate::cli;
use crate::machine;
use crate::measure::{self, Measured};
use crate::results::{Figure, Results};
use anyhow::{Context as _, ensure};
use fan::{Fan, REFUSALS};
use shop::Shop;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub async fn pretix(options: &cli::Pretix) -> anyhow::Result<()> {
    ensure!(0 < options.connections && 0 < options.seconds, "nothing to measure");
    let shop = Arc::new(Shop::new(options)?);
    let rows = shop.rows(options.item, options.seats_max).await?;
    ensure!(
        usize::try_from(options.connections)? <= rows.len(),
        "{} connections, and only {} rows with free seats",
        options.connections,
        rows.len()
    );
    let trace = |number| trace::parties(&rows, number, options.connections);
    let fan = |number| Fan::new(Arc::clone(&shop), number, trace(number));
    let fans = (0..options.connections).map(fan).collect::<anyhow::Result<Vec<_>>>()?;
    let time = Duration::from_secs(options.seconds.into());
    let (fans, measured) = measure::run(fans, time).await?;
    ensure!(0 < measured.good_all, "pretix sold nothing: {:?}", measured.other);
    let sold_out = fans.iter().all(Fan::is_served);
    let places = fans.iter().map(|fan| fan.places).sum();

    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", measure::heads(&format!("{} connections", options.connections)))?;
    writeln!(out, "{}", measured.line("pretix, paid orders"))?;
    if sold_out {
        writeln!(out, "every seat was asked for before the time was over: see --seats-max")?;
    }
    let folder = options.out.clone().unwrap_or_else(|| PathBuf::from("bench-results/pretix"));
    write(&folder, &results(&measured, places))
}

fn results(measured: &Measured, places: u64) -> Results {
    let is_refusal = |label: &str| REFUSALS.contains(&label);
    let others = |refusals: bool| {
        let labels = measured.other.iter();
        labels.filter(|(label, _)| is_refusal(label) == refusals).map(|(_, count)| count).sum()
    };
    let figures = [
        ("booking_per_second", measured.figure(measured.per_second)),
        ("orders", count(measured.good_all)),
        ("places_sold", count(places)),
        ("refusals", count(others(true))),
        ("errors", count(others(false))),
    ];
    Results {
        scenario: "pretix".to_owned(),
        commit: machine::commit(),
        machine: machine::machine(),
        figures: figures.map(|(name, figure)| (name.to_owned(), figure)).into(),
        ..Results::default()
    }
}

fn count(value: u64) -> Figure {
    let value = u32::try_from(value).map_or(f64::from(u32::MAX), f64::from);
    Figure { value, unit: "1".to_owned(), p50: None, p99: None, p999: None }
}

fn write(folder: &Path, results: &Results) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make folder {}", folder.display()))?;
    results.write(folder)
}

#[cfg(test)]
mod tests;
