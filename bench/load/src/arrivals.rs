//! When people come: intended starts, the same ones for the same seed.

use crate::dice::Dice;
use crate::scenario::{Arrivals, Shape};
use std::time::Duration;

/// How steep a spike falls: 3 leaves a twentieth of the first rate at its end.
const SPIKE_STEEPNESS: f64 = 3.0;

/// How many times the mean rate the highest is.
pub fn steepness(shape: Shape) -> f64 {
    match shape {
        Shape::Steady => 1.0,
        Shape::Ramp => 2.0,
        Shape::Spike => SPIKE_STEEPNESS / (1.0 - (-SPIKE_STEEPNESS).exp()),
    }
}

/// When the person with this number, of `count` in the group, comes.
///
/// People are spread evenly over the group's curve, each moved within its own step of it: the rate
/// is the wished one in every second, and no two runs of one seed differ.
pub fn start(arrivals: &Arrivals, number: u32, count: u32, dice: &mut Dice) -> Duration {
    let share = (f64::from(number) + dice.share()) / f64::from(count.max(1));
    let along = match arrivals.shape {
        Shape::Steady => share,
        Shape::Ramp => share.sqrt(),
        Shape::Spike => {
            let left = 1.0 - share * (1.0 - (-SPIKE_STEEPNESS).exp());
            -left.ln() / SPIKE_STEEPNESS
        }
    };
    Duration::from_secs_f64(arrivals.after_s + along.clamp(0.0, 1.0) * arrivals.seconds)
}

#[cfg(test)]
mod tests {
    use super::{start, steepness};
    use crate::dice::Dice;
    use crate::scenario::{Arrivals, Shape};

    /// How many of 1,000 come in each of ten seconds.
    fn arrivals(shape: Shape) -> Vec<usize> {
        let arrivals = Arrivals { shape, seconds: 10.0, rate: None, after_s: 5.0 };
        let mut counts = vec![0; 10];
        for number in 0..1_000 {
            let mut dice = Dice::new(7, u64::from(number));
            let start = start(&arrivals, number, 1_000, &mut dice).as_secs();
            counts[usize::try_from(start - 5).unwrap().min(9)] += 1;
        }
        counts
    }

    #[test]
    fn a_steady_crowd_comes_at_one_rate_a_ramp_grows_and_a_spike_falls() {
        let steady = arrivals(Shape::Steady);
        assert!(steady.iter().all(|count| (99..=101).contains(count)), "{steady:?}");
        let ramp = arrivals(Shape::Ramp);
        assert!(ramp.is_sorted() && ramp[0] < 15 && 185 < ramp[9], "{ramp:?}");
        let spike = arrivals(Shape::Spike);
        assert!(spike.is_sorted_by(|a, b| a >= b) && 250 < spike[0], "{spike:?}");
        assert_eq!(spike.iter().sum::<usize>(), 1_000);
    }

    #[test]
    fn one_seed_gives_the_same_starts() {
        let (shape, rate) = (Shape::Spike, None);
        let arrivals = Arrivals { shape, seconds: 3.0, rate, after_s: 0.0 };
        let starts = |seed| {
            let at = |number| start(&arrivals, number, 50, &mut Dice::new(seed, number.into()));
            (0..50).map(at).collect::<Vec<_>>()
        };
        assert_eq!(starts(1), starts(1));
        assert_ne!(starts(1), starts(2));
    }

    #[test]
    fn the_busiest_second_is_as_many_times_the_mean_as_is_said() {
        // A spike's first second holds a tenth of its time, and falls within it.
        for (shape, slack) in [(Shape::Steady, 0.02), (Shape::Ramp, 0.06), (Shape::Spike, 0.15)] {
            let most = arrivals(shape).into_iter().max().unwrap();
            let most = f64::from(u32::try_from(most).unwrap()) / 100.0;
            let said = steepness(shape);
            assert!(most <= said * 1.02 && said * (1.0 - slack) <= most, "{most}, not {said}");
        }
    }
}
