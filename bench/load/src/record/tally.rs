//! The sums of what was heard.

use super::{Dealt, Deed, Latency, Verdict, is_success};
use std::collections::BTreeMap;
use std::time::Duration;

/// One answer. Times count from the start of the run.
#[derive(Debug, Clone)]
pub struct Heard {
    pub deed: Deed,
    /// When the person wanted to ask; before `asked` where no connection was free.
    pub intended: Duration,
    pub asked: Duration,
    pub answered: Duration,
    /// 0 if there was no answer.
    pub status: u16,
    /// The problem's code, or what went wrong on the way; empty for a success.
    pub code: Box<str>,
    pub verdict: Verdict,
}

/// What one second of the run brought.
#[derive(Debug, Clone, Default)]
pub struct Second {
    /// Answers of each kind, successes only.
    pub good: BTreeMap<Deed, u64>,
    /// Other answers by `"STATUS CODE"`.
    pub other: BTreeMap<(Verdict, Box<str>), u64>,
    /// Purchases that were confirmed in it.
    pub booked: u64,
    /// Of the answers that came in it, from the intended start; to 6 %.
    pub latency: BTreeMap<Deed, Latency>,
}

/// Everything that a crowd was told.
#[derive(Debug, Default)]
pub struct Tally {
    /// From the intended start, successes and told refusals alike.
    pub latency: BTreeMap<Deed, Latency>,
    /// From when the question was sent: what the system alone took.
    pub service: BTreeMap<Deed, Latency>,
    pub good: BTreeMap<Deed, u64>,
    /// By deed and `"STATUS CODE"`.
    pub other: BTreeMap<(Deed, Verdict, Box<str>), u64>,
    /// By whole seconds since the start.
    pub seconds: BTreeMap<u64, Second>,
    /// From the intended start of the reserve to the confirmation, thinking included.
    pub bookings: Latency,
    /// People by the whole second in which they were meant to come.
    pub arrivals: BTreeMap<u64, u64>,
    pub deals: Vec<Dealt>,
}

impl Tally {
    pub fn hear(&mut self, heard: &Heard) {
        let Heard { deed, intended, asked, answered, status, ref code, verdict } = *heard;
        let took = answered.saturating_sub(intended);
        self.latency.entry(deed).or_default().add(took);
        self.service.entry(deed).or_default().add(answered.saturating_sub(asked));
        let second = self.seconds.entry(answered.as_secs()).or_default();
        second.latency.entry(deed).or_insert_with(Latency::rough).add(took);
        if is_success(status) && verdict == Verdict::Told {
            *self.good.entry(deed).or_default() += 1;
            *second.good.entry(deed).or_default() += 1;
        } else {
            let label: Box<str> = format!("{status} {code}").trim_end().into();
            *second.other.entry((verdict, label.clone())).or_default() += 1;
            *self.other.entry((deed, verdict, label)).or_default() += 1;
        }
    }

    /// Somebody's purchase was confirmed `at`, which took so long.
    pub fn book(&mut self, at: Duration, took: Duration) {
        self.bookings.add(took);
        self.seconds.entry(at.as_secs()).or_default().booked += 1;
    }

    /// Somebody is meant to come `at`, whether there is a connection for them or not.
    pub fn arrive(&mut self, at: Duration) {
        *self.arrivals.entry(at.as_secs()).or_default() += 1;
    }

    /// Adds what others heard in the same run.
    pub fn merge(&mut self, other: Self) {
        merge_latency(&mut self.latency, other.latency);
        merge_latency(&mut self.service, other.service);
        self.bookings.merge(&other.bookings);
        merge_counts(&mut self.arrivals, other.arrivals);
        merge_counts(&mut self.good, other.good);
        merge_counts(&mut self.other, other.other);
        for (at, second) in other.seconds {
            let into = self.seconds.entry(at).or_default();
            merge_counts(&mut into.good, second.good);
            merge_counts(&mut into.other, second.other);
            into.booked += second.booked;
            merge_latency(&mut into.latency, second.latency);
        }
        self.deals.extend(other.deals);
    }

    pub fn deal(&mut self, dealt: Dealt) {
        self.deals.push(dealt);
    }

    /// From the start to the last answer.
    pub fn lasted(&self) -> Duration {
        let last = self.seconds.keys().next_back().copied();
        Duration::from_secs(last.map_or(0, |second| second + 1))
    }
}

fn merge_counts<K: Ord>(into: &mut BTreeMap<K, u64>, other: BTreeMap<K, u64>) {
    for (key, count) in other {
        *into.entry(key).or_default() += count;
    }
}

fn merge_latency(into: &mut BTreeMap<Deed, Latency>, other: BTreeMap<Deed, Latency>) {
    for (deed, latency) in other {
        match into.get_mut(&deed) {
            Some(into) => into.merge(&latency),
            None => drop(into.insert(deed, latency)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Deed, Heard, Tally, Verdict};
    use std::time::Duration;

    #[test]
    fn latency_counts_from_the_intended_start() {
        let mut tally = Tally::default();
        let at = Duration::from_millis;
        let (deed, code, verdict) = (Deed::Reserve, Box::from(""), Verdict::Told);
        let (intended, asked, answered) = (at(0), at(900), at(1_000));
        let late = Heard { deed, intended, asked, answered, status: 201, code, verdict };
        tally.hear(&late);
        tally.hear(&Heard { status: 409, code: "SEAT_TAKEN".into(), ..late });
        assert_eq!(tally.latency[&Deed::Reserve].at(0.5).as_millis(), 1_000);
        assert_eq!(tally.service[&Deed::Reserve].at(0.5).as_millis(), 100);
        assert_eq!(tally.good[&Deed::Reserve], 1);
        assert_eq!(tally.other[&(Deed::Reserve, Verdict::Told, "409 SEAT_TAKEN".into())], 1);
        assert_eq!((tally.lasted().as_secs(), tally.seconds[&1].good[&Deed::Reserve]), (2, 1));
    }

    #[test]
    fn a_success_that_nobody_can_read_is_no_good_answer() {
        let mut tally = Tally::default();
        let (deed, verdict, zero) = (Deed::Reserve, Verdict::Error, Duration::ZERO);
        let (intended, asked, answered, code) = (zero, zero, zero, "UNREADABLE".into());
        tally.hear(&Heard { deed, intended, asked, answered, status: 201, code, verdict });
        assert_eq!(tally.good.get(&deed), None);
        assert_eq!(tally.other[&(deed, verdict, "201 UNREADABLE".into())], 1);
    }
}
