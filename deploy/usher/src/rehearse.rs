//! `usher rehearse`: how long a sale with given settings would take, without any server.

use crate::cli::Rehearse;
use crate::output;
use anyhow::{Context as _, bail, ensure};
use schema::{RoomMode, RoomSettings};
use serde::Deserialize;
use std::path::Path;
use std::process::ExitCode;
use waiting_room::{Course, FANS_MAX, Minute, Rehearsal, Spread};

/// Longest demand, in seconds from the first join on: that of the longest rehearsal.
const DEMAND_SECONDS_MAX: usize = 48 * 3_600;

pub fn rehearse(asked: &Rehearse) -> anyhow::Result<ExitCode> {
    let course = waiting_room::rehearse(&rehearsal(asked)?)?;
    if asked.json {
        output::line(&serde_json::to_string_pretty(&course).context("write the course")?);
    } else {
        for line in lines(asked, &course) {
            output::line(&line);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn rehearsal(asked: &Rehearse) -> anyhow::Result<Rehearsal> {
    let joins = match &asked.demand {
        Some(path) => recorded(path)?,
        None => spread(asked.fans, asked.arrive_over.0)?,
    };
    let seconds = |span: u64, name: &str| {
        ensure!(span.is_multiple_of(1_000), "{name} is in whole seconds");
        u32::try_from(span / 1_000).with_context(|| format!("{name} is too long"))
    };
    let settings = RoomSettings {
        mode: RoomMode::Open,
        admission_rate_per_minute: asked.rate,
        active_max: asked.active_max,
        claim_window_seconds: seconds(asked.claim_window.0, "--claim-window")?,
        pass_ttl_seconds: seconds(asked.pass_ttl.0, "--pass-ttl")?,
        adaptive: asked.adaptive,
        ..RoomSettings::default()
    };
    Ok(Rehearsal {
        settings,
        joins,
        opens_after: asked.opens_after,
        seats: asked.seats,
        basket_milli: asked.basket,
        checkout: asked.checkout,
        no_show_milli: asked.no_show,
        orders_per_minute: asked.orders_per_minute,
        seed: asked.seed,
    })
}

/// So many fans, as many in each second as in any other.
fn spread(fans: u64, over_ms: u64) -> anyhow::Result<Vec<u32>> {
    ensure!(fans <= FANS_MAX, "--fans is at most {FANS_MAX}");
    let seconds = over_ms.div_ceil(1_000).max(1);
    ensure!(usize::try_from(seconds)? <= DEMAND_SECONDS_MAX, "--arrive-over is too long");
    let joined_by = |second: u64| fans * second / seconds;
    let joins = (0..seconds).map(|second| joined_by(second + 1) - joined_by(second));
    joins.map(|joins| Ok(u32::try_from(joins)?)).collect()
}

/// One line of a recorded demand: how many joined in a second.
#[derive(Debug, Deserialize)]
struct Recorded {
    second: u64,
    joins: u32,
}

/// Reads a table with the columns `second` and `joins`; seconds ascend, those left out have none.
fn recorded(path: &Path) -> anyhow::Result<Vec<u32>> {
    let name = path.display();
    let mut table = csv::Reader::from_path(path).with_context(|| format!("read {name}"))?;
    let mut joins: Vec<u32> = Vec::new();
    for line in table.deserialize() {
        let line: Recorded = line.with_context(|| format!("read {name}"))?;
        let second = usize::try_from(line.second)?;
        if second < joins.len() {
            bail!("{name}: second {second} comes after a later one, or twice");
        }
        ensure!(second < DEMAND_SECONDS_MAX, "{name}: second {second} is too late");
        joins.resize(second, 0);
        joins.push(line.joins);
    }
    Ok(joins)
}

fn lines(asked: &Rehearse, course: &Course) -> Vec<String> {
    let mut lines = vec![
        " minute   joined  waiting   called     came  wait p50     p90     max   inside     sold  \
         \x20  free  allowed  limited by"
            .to_owned(),
    ];
    lines.extend(course.minutes.iter().map(line));
    let total = &course.total;
    lines.push(format!(
        "{} of {} seats sold{}; {} of {} fans called, {} of them came, {} came for nothing",
        total.sold,
        total.sold + total.unsold,
        total
            .sold_out_after_seconds
            .map_or_else(String::new, |at| format!(" within {}", clock(at))),
        total.called,
        total.fans,
        total.came,
        total.empty_handed,
    ));
    if let Some(Spread { p50, p90, max }) = total.wait_seconds {
        let (p50, p90, max) = (clock(p50), clock(p90), clock(max));
        lines.push(format!(
            "wait of those who came: half up to {p50}, nine of ten {p90}, all {max}"
        ));
    }
    lines.push(format!(
        "most called in any 60 s: {} of {}; {} numbers passed as gone; seed {}",
        total.called_in_a_minute_max, asked.rate, total.skipped, asked.seed,
    ));
    lines
}

fn line(minute: &Minute) -> String {
    let wait = |part: fn(&Spread) -> u64| {
        minute.wait_seconds.as_ref().map_or_else(|| "-".to_owned(), |spread| clock(part(spread)))
    };
    let limited_by = serde_json::to_value(minute.limited_by).expect("a word");
    format!(
        "{:7} {:8} {:8} {:8} {:8} {:>9} {:>7} {:>7} {:8} {:8} {:8} {:8}  {}",
        minute.minute,
        minute.joined,
        minute.waiting,
        minute.called,
        minute.came,
        wait(|spread| spread.p50),
        wait(|spread| spread.p90),
        wait(|spread| spread.max),
        minute.inside,
        minute.sold,
        minute.free,
        minute.allowed_per_minute,
        limited_by.as_str().expect("a word"),
    )
}

/// Minutes and seconds.
fn clock(seconds: u64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests;
