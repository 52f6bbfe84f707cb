//! Does it grow?

use std::time::Duration;

/// The share of the time that is left out: caches fill and pools open at the beginning.
const WARM_UP: f64 = 0.2;

/// With fewer samples a line through them tells nothing.
const SAMPLES_MIN: usize = 30;

/// The growth an hour: the slope of the straight line through the samples with the least squared
/// distance from them, without those of the first fifth of the time.
///
/// `None` with fewer than 30 samples after that.
pub fn per_hour(samples: &[(Duration, f64)]) -> Option<f64> {
    let hours = |at: Duration| at.as_secs_f64() / 3_600.0;
    let (first, last) = (hours(samples.first()?.0), hours(samples.last()?.0));
    let begin = first + (last - first) * WARM_UP;
    let points = samples.iter().map(|(at, value)| (hours(*at), *value));
    let points: Vec<(f64, f64)> = points.filter(|(at, _)| begin <= *at).collect();
    if points.len() < SAMPLES_MIN {
        return None;
    }
    let count = f64::from(u32::try_from(points.len()).ok()?);
    let middle = points.iter().map(|(at, _)| at).sum::<f64>() / count;
    let mean = points.iter().map(|(_, value)| value).sum::<f64>() / count;
    let (mut common, mut spread) = (0.0, 0.0);
    for (at, value) in points {
        common += (at - middle) * (value - mean);
        spread += (at - middle) * (at - middle);
    }
    (0.0 < spread).then(|| common / spread)
}

#[cfg(test)]
mod tests {
    use super::per_hour;
    use std::time::Duration;

    /// One sample a second.
    fn slope(seconds: u32, value: impl Fn(f64) -> f64) -> Option<f64> {
        let at = |second: u32| Duration::from_secs(second.into());
        let samples: Vec<_> = (0..seconds).map(|s| (at(s), value(f64::from(s)))).collect();
        per_hour(&samples)
    }

    #[test]
    fn a_leak_is_its_growth_an_hour() {
        let leak = slope(600, |second| 100.0 + second / 60.0).unwrap();
        assert!((leak - 60.0).abs() < 1e-6, "{leak}");
        let noisy = slope(600, |second| 100.0 + second / 60.0 + (second % 2.0)).unwrap();
        assert!((noisy - 60.0).abs() < 1.0, "{noisy}");
    }

    #[test]
    fn growth_while_it_warms_up_is_no_leak() {
        let slope = slope(600, |second| (second * 10.0).min(900.0)).unwrap();
        assert!(slope.abs() < 1e-6, "{slope}");
    }

    #[test]
    fn few_samples_tell_nothing() {
        assert_eq!((slope(30, |s| s), slope(0, |s| s)), (None, None));
        let at_once: Vec<_> = (0..40).map(|n| (Duration::ZERO, f64::from(n))).collect();
        assert_eq!(per_hour(&at_once), None);
    }
}
