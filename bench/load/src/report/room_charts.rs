//! Events as their operator sees them: the line, admission, and the seats.

use super::grid::{Grid, Values};
use super::plot::{Look, Plot, Series};
use super::text::Unit;
use crate::sample::{Inside, Samples};

pub fn rooms(samples: &Samples, grid: Grid) -> Vec<Plot> {
    let mut plots = Vec::new();
    for (event, looks) in &samples.inside {
        let room = Room { event, looks, grid, alone: samples.inside.len() == 1 };
        plots.extend([room.line(), room.admission(), room.active(), room.held(), room.seats()]);
    }
    plots
}

/// How old the room's word is when the operator hears it.
pub fn lag(samples: &Samples, grid: Grid) -> Plot {
    let lag = |look: &Inside| Some(look.room_lag?.as_secs_f64() * 1_000.0);
    let series = |(colour, (event, looks)): (usize, (&String, &Vec<Inside>))| {
        let values = values(looks, grid, lag);
        Series::new(event, colour, Look::Line, values)
    };
    Plot {
        title: "Age of the room's word".to_owned(),
        says: "How old the figures of the waiting room are where they are served.".to_owned(),
        unit: Unit::Millis,
        logarithmic: false,
        grid,
        series: samples.inside.iter().enumerate().map(series).collect(),
    }
}

struct Room<'a> {
    event: &'a str,
    looks: &'a [Inside],
    grid: Grid,
    /// The only event of the page: its name need not be in every title.
    alone: bool,
}

impl Room<'_> {
    fn plot(&self, title: &str, says: &str, unit: Unit, series: Vec<Series>) -> Plot {
        let event = self.event;
        let title = if self.alone { title.to_owned() } else { format!("{title}: {event}") };
        Plot { title, says: says.to_owned(), unit, logarithmic: false, grid: self.grid, series }
    }

    fn values(&self, value: impl Fn(&Inside) -> Option<f64>) -> Values {
        values(self.looks, self.grid, value)
    }

    /// Nothing where the event has no room.
    fn of_room(&self, value: impl Fn(&Inside) -> Option<f64>) -> Values {
        if self.has_room() { self.values(value) } else { Values::new() }
    }

    fn has_room(&self) -> bool {
        self.looks.iter().any(|look| look.room_lag.is_some())
    }

    fn line(&self) -> Plot {
        let queued = self.of_room(|look| Some(number(look.queued)));
        let series = vec![Series::new("in line", 0, Look::Area, queued)];
        self.plot("Line", "People who wait.", Unit::Count("people"), series)
    }

    fn admission(&self) -> Plot {
        let called = self.of_room(|look| Some(look.called_last_minute.into()));
        let most = self.of_room(|look| look.admission_per_minute.map(f64::from));
        let series = vec![
            Series::new("called in the last minute", 2, Look::Area, called),
            Series::new("most in a minute", 7, Look::Dashed, most),
        ];
        let says = "People called in any minute, and how many the operator allows.";
        self.plot("Admission against its cap", says, Unit::Count("people"), series)
    }

    fn active(&self) -> Plot {
        let active = self.of_room(|look| Some(look.active.into()));
        let most = self.of_room(|look| look.active_max.map(f64::from));
        let series = vec![
            Series::new("inside", 6, Look::Area, active),
            Series::new("most inside", 7, Look::Dashed, most),
        ];
        let says = "People called or with a pass, and how many may be so at once.";
        self.plot("Inside against its cap", says, Unit::Count("people"), series)
    }

    fn held(&self) -> Plot {
        let held = self.values(|look| Some(look.held.into()));
        let series = vec![Series::new("held", 3, Look::Area, held)];
        let says = "Reserved and not yet paid, or in payment.";
        self.plot("Holds", says, Unit::Count("seats"), series)
    }

    fn seats(&self) -> Plot {
        let sold = self.values(|look| Some(look.sold.into()));
        let free = self.values(|look| Some(look.free.into()));
        let series = vec![
            Series::new("sold", 2, Look::Area, sold),
            Series::new("free", 0, Look::Line, free),
        ];
        self.plot("Sold", "Seats sold, and seats still free.", Unit::Count("seats"), series)
    }
}

fn values(looks: &[Inside], grid: Grid, value: impl Fn(&Inside) -> Option<f64>) -> Values {
    grid.mean(looks.iter().filter_map(|look| Some((look.at, value(look)?))))
}

fn number(value: u64) -> f64 {
    // Numbers in line are below 2^32.
    #[expect(clippy::cast_precision_loss, reason = "numbers in line are below 2^53")]
    let value = value as f64;
    value
}
