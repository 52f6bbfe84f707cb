//! What came of all turns.

use super::pairs::{Pair, median};
use super::sides::{Counted, Turned};
use crate::cli::Ratio;
use crate::measure::Measured;
use crate::record::{Deed, Shown, Tally, Verdict};
use crate::results::Figure;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Usher's figures that are a thing which people do, for the page.
const DEEDS: [(&str, Deed); 5] = [
    ("reserve_per_second", Deed::Reserve),
    ("confirm_per_second", Deed::Confirm),
    ("join_per_second", Deed::Join),
    ("status_per_second", Deed::Status),
    ("poll_per_second", Deed::Me),
];

#[derive(Default)]
pub struct Sums {
    /// By figure: the rates of Usher's turns, and all that was heard in them.
    figures: BTreeMap<&'static str, (Vec<f64>, Measured)>,
    /// By figure: its unit, and what was counted in turns.
    counted: BTreeMap<&'static str, (&'static str, Vec<f64>)>,
    pub ratios: BTreeMap<String, f64>,
    pub table: Vec<String>,
    pub pairs: BTreeMap<String, Value>,
    /// That Usher's joins were given.
    pub numbers: Vec<u64>,
    /// Why turns do not count. Their comparisons have no ratio.
    pub faults: Vec<String>,
    /// The most that Usher took while another was asked, in cores.
    pub idle_cores_max: f64,
}

impl Sums {
    /// What was heard in one of Usher's turns.
    pub fn heard(&mut self, figure: &'static str, measured: &Measured) {
        let (rates, heard) = self.figures.entry(figure).or_default();
        rates.push(measured.per_second);
        heard.merge(measured);
    }

    /// What was counted in one of Usher's turns.
    pub fn count(&mut self, counted: &[Counted]) {
        for Counted { figure, unit, value } in counted {
            let (_, values) = self.counted.entry(figure).or_insert((unit, Vec::new()));
            values.push(*value);
        }
    }

    /// Notes why a turn does not count; says whether it does.
    pub fn counts(&mut self, file: &str, fault: Option<String>) -> bool {
        let counts = fault.is_none();
        self.faults.extend(fault.map(|fault| format!("{file}: {fault}")));
        counts
    }

    /// What Usher took of the cores in a turn of another's.
    pub fn idled(&mut self, other: &Turned) -> f64 {
        let cores = other.usher_cpu.values().sum::<f64>() / other.lasted.as_secs_f64().max(0.001);
        self.idle_cores_max = self.idle_cores_max.max(cores);
        cores
    }

    /// A comparison with a turn that does not count: it has no ratio.
    pub fn spoiled(&mut self, ratio: Ratio, pairs: &[Pair]) {
        let name = ratio.name();
        self.table.push(format!("{name:<30}       -   a turn does not count"));
        self.pairs.insert(name, json!({"pairs": pairs}));
    }

    /// All pairs of a comparison.
    pub fn paired(&mut self, ratio: Ratio, pairs: &[Pair]) {
        let (name, against) = (ratio.name(), ratio.other());
        let middle = median(pairs.iter().map(|pair| pair.ratio()));
        let usher = median(pairs.iter().map(|pair| pair.usher));
        let other = median(pairs.iter().map(|pair| pair.other));
        self.ratios.insert(name.clone(), (middle * 1_000.0).round() / 1_000.0);
        self.table.push(format!(
            "{name:<30}{middle:>8.2}   usher {usher:>8.0}/s   {against} {other:>8.0}/s"
        ));
        self.pairs.insert(name, json!({"median": middle, "pairs": pairs}));
    }

    /// Of each rate also its latencies as a figure of their own, in milliseconds; of what was
    /// counted the median.
    pub fn figures(&self) -> BTreeMap<String, Figure> {
        let mut figures = BTreeMap::new();
        for (name, (rates, heard)) in &self.figures {
            let rate = median(rates.iter().copied());
            let rate = heard.figure((rate * 10.0).round() / 10.0);
            let latency = Figure {
                value: rate.p50.unwrap_or_default(),
                unit: "ms".to_owned(),
                ..rate.clone()
            };
            figures.insert((*name).to_owned(), rate);
            figures.insert(name.replace("_per_second", "_ms"), latency);
        }
        for (name, (unit, values)) in &self.counted {
            // Far below one of most: more digits than others have.
            let value = (median(values.iter().copied()) * 1e6).round() / 1e6;
            let unit = (*unit).to_owned();
            figures.insert(
                (*name).to_owned(),
                Figure { value, unit, p50: None, p99: None, p999: None },
            );
        }
        figures
    }

    /// Lines for people about all that is in no ratio.
    pub fn besides(&self) -> Vec<String> {
        let figures = self.figures();
        let latencies = figures.iter().filter(|(name, _)| name.ends_with("_ms_at_64"));
        let latencies = latencies.map(|(name, figure)| {
            let (p50, p99) = (figure.p50.unwrap_or_default(), figure.p99.unwrap_or_default());
            format!("{name:<30}p50 {p50:.2}   p99 {p99:.2}")
        });
        let counted = self.counted.keys().map(|name| format!("{name:<30}{}", figures[*name].value));
        latencies.chain(counted).collect()
    }

    /// What was heard, as the page has it.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (name, deed) in DEEDS {
            let Some((_, heard)) = self.figures.get(name) else { continue };
            tally.latency.insert(deed, heard.latency.clone());
            tally.good.insert(deed, heard.good_all);
            for (label, count) in &heard.other {
                tally.other.insert((deed, verdict(label), label.as_str().into()), *count);
            }
        }
        tally
    }
}

/// What an answer counts as that was neither good nor none. Turns do not note when they were asked
/// to come again.
fn verdict(label: &str) -> Verdict {
    let (status, code) = label.split_once(' ').unwrap_or((label, ""));
    Verdict::of(Shown { status: status.parse().unwrap_or(0), code, says_when: true })
}

#[cfg(test)]
mod tests {
    use super::super::fault::fault;
    use super::{Counted, Pair, Ratio, Sums};
    use crate::measure::Measured;
    use crate::record::{Deed, Latency};
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn turn(answers: u32, took: Duration) -> Measured {
        let mut latency = Latency::default();
        (0..answers).for_each(|_| latency.add(took));
        Measured::new(latency, answers.into(), answers.into(), BTreeMap::new())
    }

    #[test]
    fn a_figure_has_its_percentiles_in_milliseconds_beside_the_rate() {
        let mut sums = Sums::default();
        let ms = Duration::from_millis;
        for (answers, took) in [(100, ms(4)), (300, ms(6)), (200, ms(8))] {
            sums.heard("reserve_per_second", &turn(answers, took));
        }
        let figures = sums.figures();
        let (rate, times) = (&figures["reserve_per_second"], &figures["reserve_ms"]);
        assert_eq!((rate.value.round(), rate.unit.as_str()), (200.0, "1/s"));
        assert_eq!(times.unit, "ms");
        assert_eq!(rate.p99.map(f64::round), Some(8.0));
        assert_eq!((times.p50.map(f64::round), times.p999.map(f64::round)), (Some(6.0), Some(8.0)));
        assert_eq!(sums.tally().good[&Deed::Reserve], 600);
    }

    #[test]
    fn what_is_counted_is_the_median_and_told_with_latencies_of_goals() {
        let mut sums = Sums::default();
        for value in [0.002, 0.0, 0.000_4] {
            sums.count(&[Counted { figure: "redis_calls_per_poll", unit: "calls", value }]);
        }
        sums.heard("join_per_second_at_64", &turn(10, Duration::from_millis(3)));
        let figures = sums.figures();
        assert!((figures["redis_calls_per_poll"].value - 0.000_4).abs() < 1e-9);
        assert_eq!(figures["join_ms_at_64"].p99.map(f64::round), Some(3.0));
        assert_eq!(sums.besides().len(), 2);
    }

    #[test]
    fn a_comparison_with_a_turn_that_does_not_count_has_no_ratio() {
        let mut sums = Sums::default();
        let good = turn(100, Duration::from_millis(1));
        let mut bad = good.clone();
        bad.other.insert("503 BUSY".to_owned(), 50);
        assert!(sums.counts("x-1-a-usher", fault(&good)));
        assert!(!sums.counts("x-1-b-conventional", fault(&bad)));
        let pairs = [Pair { usher: 4.0, other: 1.0, usher_cores: 0.0 }];
        sums.spoiled(Ratio::ReserveVsConventional, &pairs);
        assert!(sums.ratios.is_empty(), "{:?}", sums.ratios);
        assert!(sums.faults[0].starts_with("x-1-b-conventional: 50 of 150"), "{:?}", sums.faults);
        sums.paired(Ratio::BookingVsConventional, &pairs);
        assert!((sums.ratios["booking_vs_conventional"] - 4.0).abs() < 1e-9);
    }
}
