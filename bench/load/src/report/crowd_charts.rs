//! What the crowd asked and was told.

use super::grid::{Grid, Values};
use super::plot::{COLOURS, Look, Plot, Series};
use super::tables::deed_name;
use super::text::Unit;
use crate::record::{Deed, Latency, Second, Tally, Verdict};
use std::collections::BTreeMap;

pub fn crowd(tally: &Tally, grid: Grid) -> Vec<Plot> {
    vec![arrivals(tally, grid), answers(tally, grid)]
}

/// p50 and p99 over time, a plot for each deed.
pub fn latency(tally: &Tally, grid: Grid) -> Vec<Plot> {
    let plot = |deed: &Deed| {
        let spans = by_span(tally, *deed, grid);
        let at = |share: f64| {
            let at = |span: &Latency| span.at(share).as_secs_f64() * 1_000.0;
            spans.iter().map(|span| span.as_ref().map(at)).collect::<Values>()
        };
        Plot {
            title: deed_name(*deed),
            says: "From the intended start of a question to the end of its answer, where people \
                   got what they asked for or were told why not."
                .to_owned(),
            unit: Unit::Millis,
            logarithmic: true,
            grid,
            series: vec![
                Series::new("p99", 1, Look::Line, at(0.99)),
                Series::new("p50", 0, Look::Line, at(0.5)),
            ],
        }
    };
    tally.latency.keys().map(plot).collect()
}

/// Refusals by code, then errors by code.
pub fn refusals(tally: &Tally, grid: Grid) -> Vec<Plot> {
    let refusals = Plot {
        title: "Refusals by code".to_owned(),
        says: "The system said no and why, or when to come back: the contract foresees it."
            .to_owned(),
        unit: Unit::Amount("answers per second"),
        logarithmic: false,
        grid,
        series: codes(tally, grid, |verdict| verdict != Verdict::Error),
    };
    let errors = Plot {
        title: "Errors by code".to_owned(),
        says: "Neither a success nor a told refusal; questions without an answer are 0.".to_owned(),
        series: codes(tally, grid, |verdict| verdict == Verdict::Error),
        ..refusals.clone()
    };
    vec![refusals, errors]
}

fn arrivals(tally: &Tally, grid: Grid) -> Plot {
    let counts = tally.arrivals.iter().map(|(second, count)| (*second, *count));
    let came = if tally.arrivals.is_empty() { Values::new() } else { grid.per_second(counts) };
    Plot {
        title: "Arrivals".to_owned(),
        says: "People by when they were meant to come, answered or not.".to_owned(),
        unit: Unit::Amount("people per second"),
        logarithmic: false,
        grid,
        series: vec![Series::new("came", 0, Look::Column, came)],
    }
}

/// All answers, by deed; the rarest are one.
fn answers(tally: &Tally, grid: Grid) -> Plot {
    let mut deeds: Vec<(Deed, u64)> = tally.answers().into_iter().collect();
    deeds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rate = |wanted: &dyn Fn(Deed) -> bool| {
        let count = |second: &Second| {
            let heard = second.answers.iter().filter(|(deed, _)| wanted(**deed));
            heard.map(|(_, count)| count).sum()
        };
        grid.per_second(tally.seconds.iter().map(|(second, heard)| (*second, count(heard))))
    };
    let named = deeds.len().min(COLOURS - 1);
    let mut series: Vec<Series> = Vec::new();
    for (colour, (deed, _)) in deeds[..named].iter().enumerate() {
        let values = rate(&|other| other == *deed);
        series.push(Series::new(&deed_name(*deed), colour, Look::Area, values));
    }
    if named < deeds.len() {
        let rest = |deed| deeds[named..].iter().any(|(other, _)| *other == deed);
        series.push(Series::new("others", named, Look::Area, rate(&rest)));
    }
    Plot {
        title: "Answers".to_owned(),
        says: "Everything that was answered, by what was asked.".to_owned(),
        unit: Unit::Amount("answers per second"),
        logarithmic: false,
        grid,
        series,
    }
}

/// What the crowd was promised so far.
pub fn sums(tally: &Tally, grid: Grid) -> Plot {
    let sum = |deed: Deed| {
        let counts = tally.seconds.iter();
        let counts = counts.map(|(second, heard)| (*second, heard.good.get(&deed).copied()));
        let rates = grid.per_second(counts.map(|(second, count)| (second, count.unwrap_or(0))));
        // Precise: a step is some seconds.
        #[expect(clippy::cast_precision_loss, reason = "a step is far below 2^53 seconds")]
        let step = grid.step as f64;
        let mut sum = 0.0;
        let mut add = |rate: Option<f64>| {
            sum += rate.unwrap_or_default() * step;
            Some(sum)
        };
        let sums: Values = rates.into_iter().map(&mut add).collect();
        if sums.last().copied().flatten() == Some(0.0) { Values::new() } else { sums }
    };
    Plot {
        title: "Reservations and bookings so far".to_owned(),
        says: "Those that the crowd was told of.".to_owned(),
        unit: Unit::Count("answers"),
        logarithmic: false,
        grid,
        series: vec![
            Series::new("reserved", 0, Look::Line, sum(Deed::Reserve)),
            Series::new("confirmed", 2, Look::Line, sum(Deed::Confirm)),
            Series::new("cancelled", 1, Look::Line, sum(Deed::Cancel)),
        ],
    }
}

fn by_span(tally: &Tally, deed: Deed, grid: Grid) -> Vec<Option<Latency>> {
    let mut spans: Vec<Option<Latency>> = vec![None; grid.count];
    for (second, heard) in &tally.seconds {
        let Some(latency) = heard.latency.get(&deed) else { continue };
        match &mut spans[grid.span(*second)] {
            Some(span) => span.merge(latency),
            span => *span = Some(latency.clone()),
        }
    }
    spans
}

/// The commonest codes by name, and the rest together.
fn codes(tally: &Tally, grid: Grid, wants: fn(Verdict) -> bool) -> Vec<Series> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for ((_, verdict, code), count) in &tally.other {
        if wants(*verdict) {
            *counts.entry(code).or_default() += count;
        }
    }
    let mut codes: Vec<(&str, u64)> = counts.into_iter().collect();
    codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let named = codes.len().min(COLOURS - 1);
    let rate = |wanted: &[(&str, u64)]| {
        let count = |second: &Second| {
            let heard = second.other.iter().filter(|((verdict, code), _)| {
                wants(*verdict) && wanted.iter().any(|(one, _)| **one == **code)
            });
            heard.map(|(_, count)| count).sum()
        };
        grid.per_second(tally.seconds.iter().map(|(second, heard)| (*second, count(heard))))
    };
    // Errors begin with another colour, so that nobody takes them for refusals.
    let first = usize::from(wants(Verdict::Error));
    let mut series: Vec<Series> = Vec::new();
    for (idx, one) in codes[..named].iter().enumerate() {
        let values = rate(std::slice::from_ref(one));
        series.push(Series::new(one.0, first + idx, Look::Column, values));
    }
    if named < codes.len() {
        let values = rate(&codes[named..]);
        series.push(Series::new("others", first + named, Look::Column, values));
    }
    series
}
