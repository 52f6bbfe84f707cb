//! What Usher and its servers take of the machine.

use super::grid::{Grid, Values};
use super::plot::{Look, Plot, Series};
use super::text::Unit;
use crate::sample::{Process, Samples};
use std::time::Duration;

/// The bench's own process.
const CROWD: &str = "bench";

pub fn cpu(samples: &Samples, grid: Grid) -> Plot {
    let mut series = of_each(samples, Look::Area, |samples| grid.mean(cores(samples)));
    let busy = grid.mean(samples.busy.iter().copied());
    series.push(Series::new("whole machine", 7, Look::Dashed, busy));
    let says = "Cores in use, upon each other; bench is the crowd itself.";
    plot("CPU", says, Unit::Amount("cores"), grid, series)
}

pub fn memory(samples: &Samples, grid: Grid) -> Plot {
    let mib =
        |samples: &[Process]| grid.mean(samples.iter().map(|one| (one.at, one.resident_mib())));
    let says = "Resident, children included; memory that they share counts once.";
    plot("Memory", says, Unit::Mib, grid, of_each(samples, Look::Line, mib))
}

pub fn open_files(samples: &Samples, grid: Grid) -> Plot {
    let files = |samples: &[Process]| {
        grid.mean(samples.iter().filter_map(|one| Some((one.at, one.open_files?.into()))))
    };
    let says = "File handles, connections among them.";
    plot("Open files", says, Unit::Count("handles"), grid, of_each(samples, Look::Line, files))
}

pub fn threads(samples: &Samples, grid: Grid) -> Plot {
    let threads =
        |samples: &[Process]| grid.mean(samples.iter().map(|one| (one.at, one.threads.into())));
    let says = "Of each process with its children.";
    plot("Threads", says, Unit::Count("threads"), grid, of_each(samples, Look::Line, threads))
}

fn plot(title: &str, says: &str, unit: Unit, grid: Grid, series: Vec<Series>) -> Plot {
    let (title, says) = (title.to_owned(), says.to_owned());
    Plot { title, says, unit, logarithmic: false, grid, series }
}

/// Usher first, then its servers, then others, and the crowd last.
fn of_each(samples: &Samples, look: Look, values: impl Fn(&[Process]) -> Values) -> Vec<Series> {
    let known = [("usher", 0), ("nats", 1), ("postgres", 2), ("redis", 4)];
    let others = samples.processes.keys().map(String::as_str);
    let others = others.filter(|name| *name != CROWD && known.iter().all(|(one, _)| one != name));
    let others = others.zip([3, 5, 7].into_iter().cycle());
    let names = known.into_iter().chain(others).chain([(CROWD, 6)]);
    let series = names.filter_map(|(name, colour)| {
        Some(Series::new(name, colour, look, values(samples.processes.get(name)?)))
    });
    series.collect()
}

/// Cores in use between each two samples. A fall is a process that began anew, or a child whose
/// time its parent has not counted yet: no work.
fn cores(samples: &[Process]) -> impl Iterator<Item = (Duration, f64)> {
    samples.windows(2).filter_map(|pair| {
        let [before, after] = pair else { return None };
        let time = after.at.checked_sub(before.at).filter(|time| !time.is_zero())?;
        Some((after.at, after.cpu.saturating_sub(before.cpu).div_duration_f64(time)))
    })
}
