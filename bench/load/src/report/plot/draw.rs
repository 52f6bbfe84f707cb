//! A plot as SVG. Colours are the page's: classes name them.

use super::axis::{Axis, time_marks};
use super::{COLOURS, Look, Plot, Series, put};
use crate::report::text::{Unit, clock, compact, escape};

/// Places are in these units; the page scales them.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 236.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 24.0;

struct Canvas<'a> {
    plot: &'a Plot,
    axis: Axis,
    svg: String,
}

pub(super) fn svg(plot: &Plot, series: &[&Series], id: &str, description: &str) -> String {
    let mut canvas = Canvas { plot, axis: axis(plot, series), svg: String::new() };
    let (title, description) = (escape(&plot.title), escape(description));
    put(
        &mut canvas.svg,
        format_args!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
         <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{description}</desc>"
        ),
    );
    canvas.frame();
    canvas.stacks(series);
    canvas.base();
    for one in series {
        match one.look {
            Look::Line => canvas.line(one, "line"),
            Look::Dashed => canvas.line(one, "dashed"),
            Look::Area | Look::Column => {}
        }
    }
    canvas.hints(series);
    canvas.svg.push_str("</svg>");
    canvas.svg
}

fn axis(plot: &Plot, series: &[&Series]) -> Axis {
    let seen = || series.iter().flat_map(|one| one.values.iter().flatten().copied());
    let single = seen().fold(0.0, f64::max);
    if plot.logarithmic {
        let least = seen().filter(|value| 0.0 < *value).fold(f64::INFINITY, f64::min);
        return Axis::logarithmic(least, single);
    }
    let stacked = |look: Look| {
        let height = |span: usize| {
            let stacked = series.iter().filter(|one| one.look == look);
            stacked.filter_map(|one| one.values.get(span).copied().flatten()).sum()
        };
        (0..plot.grid.count).map(height).fold(0.0, f64::max)
    };
    // Of whole things there are no halves.
    let step_min = if matches!(plot.unit, Unit::Count(_)) { 1.0 } else { 0.0 };
    Axis::linear(single.max(stacked(Look::Area)).max(stacked(Look::Column)), step_min)
}

impl Canvas<'_> {
    fn y(&self, value: f64) -> f64 {
        TOP + (1.0 - self.axis.at(value)) * (HEIGHT - TOP - BOTTOM)
    }

    fn x(&self, seconds: f64) -> f64 {
        // A run of a span's length at least.
        #[expect(clippy::cast_precision_loss, reason = "seconds of a run are below 2^53")]
        let all = self.plot.grid.seconds() as f64;
        LEFT + seconds / all * (WIDTH - LEFT - RIGHT)
    }

    /// The left edge of a span; of the one after the last, its right edge.
    fn edge(&self, span: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "seconds of a run are below 2^53")]
        let begin = self.plot.grid.begin(span) as f64;
        self.x(begin)
    }

    fn middle(&self, span: usize) -> f64 {
        f64::midpoint(self.edge(span), self.edge(span + 1))
    }

    fn frame(&mut self) {
        let (right, foot) = (WIDTH - RIGHT, HEIGHT - 6.0);
        let unit = escape(self.plot.unit.name());
        put(&mut self.svg, format_args!("<text class=\"unit\" x=\"0\" y=\"11\">{unit}</text>"));
        for mark in self.axis.marks.clone() {
            let (y, label) = (self.y(mark), compact(mark));
            let (at, low) = (LEFT - 6.0, y + 4.0);
            put(
                &mut self.svg,
                format_args!(
                    "<path class=\"rule\" d=\"M{LEFT} {y:.1}H{right}\"/>\
                 <text class=\"end\" x=\"{at}\" y=\"{low:.1}\">{label}</text>"
                ),
            );
        }
        let seconds = self.plot.grid.seconds();
        for mark in time_marks(seconds) {
            #[expect(clippy::cast_precision_loss, reason = "seconds of a run are below 2^53")]
            let x = self.x(mark as f64);
            // The last label would stand out of the picture.
            let class = if right - 14.0 < x { "end" } else { "mid" };
            let label = clock(mark);
            put(
                &mut self.svg,
                format_args!(
                    "<text class=\"time {class}\" x=\"{x:.1}\" y=\"{foot}\">{label}</text>"
                ),
            );
        }
    }

    /// The foot of the picture, over what stands on it.
    fn base(&mut self) {
        let (right, y) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        put(&mut self.svg, format_args!("<path class=\"base\" d=\"M{LEFT} {y}H{right}\"/>"));
    }

    /// Areas and columns, each upon those before it.
    fn stacks(&mut self, series: &[&Series]) {
        let mut areas = vec![0.0; self.plot.grid.count];
        let mut columns = areas.clone();
        for one in series {
            match one.look {
                Look::Area => self.area(one, &mut areas),
                Look::Column => self.columns(one, &mut columns),
                Look::Line | Look::Dashed => {}
            }
        }
    }

    fn area(&mut self, series: &Series, below: &mut [f64]) {
        let colour = series.colour % COLOURS;
        let above: Vec<f64> = below
            .iter()
            .zip(&series.values)
            .map(|(below, value)| below + value.unwrap_or_default())
            .collect();
        let mut path = String::new();
        // Before the first look and after the last there is nothing, not zero.
        let first = series.values.iter().position(Option::is_some).unwrap_or(0);
        let end = series.values.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let upper = above.iter().enumerate().take(end).skip(first);
        let lower = below.iter().enumerate().take(end).skip(first).rev();
        for (idx, (span, value)) in upper.chain(lower).enumerate() {
            let (step, x, y) =
                (if idx == 0 { 'M' } else { 'L' }, self.middle(span), self.y(*value));
            put(&mut path, format_args!("{step}{x:.1} {y:.1}"));
        }
        put(&mut self.svg, format_args!("<path class=\"area c{colour}\" d=\"{path}Z\"/>"));
        below.copy_from_slice(&above);
    }

    fn columns(&mut self, series: &Series, below: &mut [f64]) {
        let colour = series.colour % COLOURS;
        let mut path = String::new();
        for (span, value) in series.values.iter().enumerate() {
            let Some(value) = value.filter(|value| 0.0 < *value) else { continue };
            let (low, high) = (self.y(below[span]), self.y(below[span] + value));
            below[span] += value;
            let (left, right) = (self.edge(span), self.edge(span + 1));
            // A gap between columns where there is room for one.
            let gap = if 6.0 < right - left { 1.0 } else { 0.0 };
            put(
                &mut path,
                format_args!("M{:.1} {low:.1}V{high:.1}H{:.1}V{low:.1}Z", left + gap, right - gap),
            );
        }
        put(&mut self.svg, format_args!("<path class=\"column c{colour}\" d=\"{path}\"/>"));
    }

    /// A line with gaps where nothing was seen; a value without neighbours is a dot.
    fn line(&mut self, series: &Series, class: &str) {
        let colour = series.colour % COLOURS;
        let mut path = String::new();
        let mut drawn = false;
        for (span, value) in series.values.iter().enumerate() {
            let shown = value.filter(|value| !self.plot.logarithmic || 0.0 < *value);
            let Some(value) = shown else {
                drawn = false;
                continue;
            };
            let (x, y) = (self.middle(span), self.y(value));
            let step = if drawn { 'L' } else { 'M' };
            put(&mut path, format_args!("{step}{x:.1} {y:.1}"));
            let next = series.values.get(span + 1).copied().flatten();
            if !drawn && next.is_none() {
                path.push_str("h.01");
            }
            drawn = true;
        }
        put(&mut self.svg, format_args!("<path class=\"{class} c{colour}\" d=\"{path}\"/>"));
    }

    /// What stands at each span, for a pointer that rests there.
    fn hints(&mut self, series: &[&Series]) {
        let height = HEIGHT - TOP - BOTTOM;
        for span in 0..self.plot.grid.count {
            let mut hint = clock(self.plot.grid.begin(span));
            for one in series {
                if let Some(value) = one.values.get(span).copied().flatten() {
                    let value = self.plot.unit.full(value);
                    put(&mut hint, format_args!("\n{}: {value}", one.name));
                }
            }
            let (x, width) = (self.edge(span), self.edge(span + 1) - self.edge(span));
            let hint = escape(&hint);
            put(
                &mut self.svg,
                format_args!(
                    "<rect class=\"hint\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" \
                 height=\"{height}\"><title>{hint}</title></rect>"
                ),
            );
        }
    }
}
