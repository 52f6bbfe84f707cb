//! Which plots a page has, in reading order.

use super::grid::Grid;
use super::plot::Plot;
use super::{Report, crowd_charts, machine_charts, metrics, room_charts};
use std::time::Duration;

pub struct Section {
    pub title: &'static str,
    pub plots: Vec<Plot>,
}

pub fn sections(report: &Report<'_>) -> Vec<Section> {
    let (tally, samples) = (report.tally, report.samples);
    let grid = Grid::of(lasted(report));
    let mut stages =
        vec![machine_charts::cpu(samples, grid), machine_charts::memory(samples, grid)];
    stages.push(machine_charts::open_files(samples, grid));
    stages.push(machine_charts::threads(samples, grid));
    stages.push(metrics::times(samples, grid));
    stages.push(room_charts::lag(samples, grid));
    let mut rooms = room_charts::rooms(samples, grid);
    rooms.push(crowd_charts::sums(tally, grid));
    vec![
        Section { title: "The crowd", plots: crowd_charts::crowd(tally, grid) },
        Section { title: "The room and the seats", plots: rooms },
        Section { title: "Latency", plots: crowd_charts::latency(tally, grid) },
        Section { title: "Refusals and errors", plots: crowd_charts::refusals(tally, grid) },
        Section { title: "The machine", plots: stages },
    ]
}

/// From the start to the last that was heard or seen.
pub fn lasted(report: &Report<'_>) -> Duration {
    let seen = report.samples.processes.values().filter_map(|samples| samples.last());
    let seen = seen.map(|sample| sample.at).max().unwrap_or_default();
    report.tally.lasted().max(seen)
}
