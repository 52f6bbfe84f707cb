//! What a question costs in one size beside another, and whether that is flat.

use super::pairs::median;
use crate::measure::Measured;
use crate::results::{Figure, Met, Wish};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a question may cost beside one in the smallest size.
const FLAT: std::ops::RangeInclusive<f64> = 0.8..=1.2;

/// One kind of question in several sizes, the smallest first.
pub struct Costs {
    /// As figures have it: `reserve`, `poll`.
    pub deed: &'static str,
    /// What the sizes count: `seats`, `waiting`.
    pub noun: &'static str,
    /// What a good answer is worth: the seats of a party.
    pub units_of_answer: u32,
    pub steps: Vec<Step>,
}

/// One size, with a turn of each round.
pub struct Step {
    pub size: u32,
    pub turns: Vec<Turn>,
}

pub struct Turn {
    pub measured: Measured,
    /// Seconds on a core from the turn's start until after its rest, by Usher's processes.
    pub cpu: BTreeMap<String, f64>,
}

impl Turn {
    /// Microseconds on a core that Usher itself took for one unit, then with its servers.
    fn micros(&self, units_of_answer: u32) -> [f64; 2] {
        let units = self.measured.good_all * u64::from(units_of_answer);
        let units = u32::try_from(units).map_or(f64::from(u32::MAX), f64::from).max(1.0);
        let own = self.cpu.get("usher").copied().unwrap_or_default();
        [own, self.cpu.values().sum()].map(|seconds| seconds * 1e6 / units)
    }

    pub fn raw(&self) -> Value {
        json!({"heard": self.measured.json(), "usherCpuSeconds": self.cpu})
    }
}

impl Costs {
    /// The table for people.
    pub fn table(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{:<28}{:>14}{:>14}{:>12}{:>10}{:>14}",
            format!("{} by {}", self.deed, self.noun),
            "us of Usher",
            "us of all",
            "per s",
            "p99 ms",
            "beside first"
        )];
        for (step, beside) in self.steps.iter().zip(self.beside_first()) {
            let [own, all] = step.micros(self.units_of_answer);
            let rate = step.rate(self.units_of_answer);
            let p99 = rate.p99.unwrap_or_default();
            lines.push(format!(
                "{:<28}{own:>14.1}{all:>14.1}{:>12.0}{p99:>10.2}{beside:>14.2}",
                step.size, rate.value
            ));
        }
        lines
    }

    pub fn figures(&self) -> BTreeMap<String, Figure> {
        let mut figures = BTreeMap::new();
        for step in &self.steps {
            let of = format!("of_{}_{}", step.size, self.noun);
            let [own, all] = step.micros(self.units_of_answer);
            let mut add = |name: &str, figure| {
                figures.insert(format!("{}_{name}_{of}", self.deed), figure);
            };
            add("per_second", step.rate(self.units_of_answer));
            add("cpu_us_usher", plain(own));
            add("cpu_us_all", plain(all));
        }
        figures
    }

    /// Of each larger size beside the smallest.
    pub fn ratios(&self) -> BTreeMap<String, f64> {
        let Some(first) = self.steps.first() else { return BTreeMap::new() };
        let ratio = |(step, beside): (&Step, f64)| {
            let name = format!("{}_cpu_{}_vs_{}", self.deed, step.size, first.size);
            (name, (beside * 1_000.0).round() / 1_000.0)
        };
        self.steps.iter().zip(self.beside_first()).skip(1).map(ratio).collect()
    }

    pub fn target(&self) -> Wish {
        let beside = self.beside_first();
        let least = beside.iter().copied().fold(f64::INFINITY, f64::min);
        let most = beside.iter().copied().fold(0.0, f64::max);
        let met = FLAT.contains(&least) && FLAT.contains(&most);
        let says = format!(
            "{} by {}: {least:.2} to {most:.2} of the smallest one's time on a core, {} to {} \
             wished for",
            self.deed,
            self.noun,
            FLAT.start(),
            FLAT.end()
        );
        let met = if met { Met::Met } else { Met::Missed };
        Wish { name: format!("{}_flat", self.deed), met, says }
    }

    /// What a unit takes of Usher beside one of the smallest size in the same round: the median of
    /// the rounds.
    fn beside_first(&self) -> Vec<f64> {
        let own = |turn: &Turn| turn.micros(self.units_of_answer)[0];
        let Some(first) = self.steps.first() else { return Vec::new() };
        let beside = |step: &Step| {
            let rounds = step.turns.iter().zip(&first.turns);
            median(rounds.map(|(turn, first)| own(turn) / own(first).max(f64::MIN_POSITIVE)))
        };
        self.steps.iter().map(beside).collect()
    }
}

impl Step {
    fn micros(&self, units_of_answer: u32) -> [f64; 2] {
        let of =
            |idx: usize| median(self.turns.iter().map(|turn| turn.micros(units_of_answer)[idx]));
        [of(0), of(1)]
    }

    /// Units a second, with how long the answers took.
    fn rate(&self, units_of_answer: u32) -> Figure {
        let mut heard = Measured::default();
        self.turns.iter().for_each(|turn| heard.merge(&turn.measured));
        let rate = median(self.turns.iter().map(|turn| turn.measured.per_second));
        heard.figure((rate * f64::from(units_of_answer)).round())
    }
}

fn plain(value: f64) -> Figure {
    let value = (value * 10.0).round() / 10.0;
    Figure { value, unit: "us".to_owned(), p50: None, p99: None, p999: None }
}

#[cfg(test)]
mod tests {
    use super::{Costs, Step, Turn};
    use crate::measure::Measured;
    use crate::results::Met;

    /// 1,000 answers that took so many milliseconds of Usher, and as much of the servers.
    fn turn(cpu_ms: u32) -> Turn {
        let seconds = f64::from(cpu_ms) / 1_000.0;
        let cpu = ["usher", "nats"].map(|name| (name.to_owned(), seconds)).into();
        let measured = Measured { good_all: 1_000, per_second: 500.0, ..Measured::default() };
        Turn { measured, cpu }
    }

    fn costs(small: [u32; 3], large: [u32; 3]) -> Costs {
        let step = |size, turns: [u32; 3]| Step { size, turns: turns.map(turn).into() };
        Costs {
            deed: "reserve",
            noun: "seats",
            units_of_answer: 4,
            steps: vec![step(300, small), step(80_000, large)],
        }
    }

    #[test]
    fn a_cost_is_time_on_a_core_for_one_unit() {
        let figures = costs([40, 40, 40], [44, 44, 44]).figures();
        let is = |name: &str, value: f64| (figures[name].value - value).abs() < 1e-9;
        assert!(is("reserve_cpu_us_usher_of_300_seats", 10.0), "{figures:?}");
        assert!(is("reserve_cpu_us_all_of_300_seats", 20.0), "{figures:?}");
        assert!(is("reserve_per_second_of_80000_seats", 2_000.0), "{figures:?}");
        assert_eq!(figures["reserve_cpu_us_usher_of_300_seats"].unit, "us");
    }

    #[test]
    fn sizes_are_compared_within_a_round_so_that_a_slow_one_does_not_show() {
        // The machine is half as fast in the second round.
        let costs = costs([40, 80, 40], [44, 88, 44]);
        assert!((costs.ratios()["reserve_cpu_80000_vs_300"] - 1.1).abs() < 1e-9);
        assert_eq!(costs.target().met, Met::Met, "{}", costs.target().says);
        assert_eq!(costs.table().len(), 3);
    }

    #[test]
    fn more_than_a_fifth_more_or_less_is_not_flat() {
        assert_eq!(costs([40; 3], [49; 3]).target().met, Met::Missed);
        assert_eq!(costs([40; 3], [31; 3]).target().met, Met::Missed);
        assert_eq!(costs([40; 3], [48; 3]).target().met, Met::Met);
    }
}
