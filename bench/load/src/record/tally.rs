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
    /// A bot heard it.
    pub by_bot: bool,
}

/// What one second of the run brought.
#[derive(Debug, Clone, Default)]
pub struct Second {
    /// Answers of each kind, whatever they said.
    pub answers: BTreeMap<Deed, u64>,
    /// Answers of each kind, successes only.
    pub good: BTreeMap<Deed, u64>,
    /// Other answers by `"STATUS CODE"`.
    pub other: BTreeMap<(Verdict, Box<str>), u64>,
    /// Purchases that were confirmed in it.
    pub booked: u64,
    /// Of the answers to people that came in it, from the intended start; to 6 %.
    pub latency: BTreeMap<Deed, Latency>,
}

/// Everything that a crowd was told.
#[derive(Debug, Default)]
pub struct Tally {
    /// From the intended start, of what people were told: successes and refusals. Who is sent away
    /// is answered sooner than who is served, so those would hide how long serving takes; bots ask
    /// what nobody else does, and as often as they like.
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
        let Heard { deed, intended, asked, answered, status, ref code, verdict, by_bot } = *heard;
        let second = self.seconds.entry(answered.as_secs()).or_default();
        *second.answers.entry(deed).or_default() += 1;
        if verdict == Verdict::Told && !by_bot {
            let took = answered.saturating_sub(intended);
            self.latency.entry(deed).or_default().add(took);
            self.service.entry(deed).or_default().add(answered.saturating_sub(asked));
            second.latency.entry(deed).or_insert_with(Latency::rough).add(took);
        }
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
            merge_counts(&mut into.answers, second.answers);
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

    /// All answers by what was asked, whatever they said.
    pub fn answers(&self) -> BTreeMap<Deed, u64> {
        let mut answers = self.good.clone();
        for ((deed, ..), count) in &self.other {
            *answers.entry(*deed).or_default() += count;
        }
        answers
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
        let (intended, asked, answered, by_bot) = (at(0), at(900), at(1_000), false);
        let late = Heard { deed, intended, asked, answered, status: 201, code, verdict, by_bot };
        tally.hear(&late);
        tally.hear(&Heard { status: 409, code: "SEAT_TAKEN".into(), ..late });
        assert_eq!(tally.latency[&Deed::Reserve].at(0.5).as_millis(), 1_000);
        assert_eq!(tally.service[&Deed::Reserve].at(0.5).as_millis(), 100);
        assert_eq!(tally.good[&Deed::Reserve], 1);
        assert_eq!(tally.other[&(Deed::Reserve, Verdict::Told, "409 SEAT_TAKEN".into())], 1);
        assert_eq!((tally.lasted().as_secs(), tally.seconds[&1].good[&Deed::Reserve]), (2, 1));
    }

    #[test]
    fn latencies_are_those_of_what_people_were_told_and_everything_is_counted() {
        let mut tally = Tally::default();
        let (at, deed) = (Duration::from_millis, Deed::Me);
        let mut hear = |ms, status, code: &str, verdict, by_bot| {
            let (intended, asked, answered, code) = (at(0), at(0), at(ms), code.into());
            let heard = Heard { deed, intended, asked, answered, status, code, verdict, by_bot };
            tally.hear(&heard);
        };
        hear(400, 200, "", Verdict::Told, false);
        hear(300, 409, "SOLD_OUT", Verdict::Told, false);
        hear(1, 429, "POLL_TOO_SOON", Verdict::Shed, false);
        hear(2, 503, "BUSY", Verdict::Shed, false);
        hear(900, 0, "NO_ANSWER", Verdict::Error, false);
        // Bots are served too, and hear 429 by design.
        hear(3, 200, "", Verdict::Told, true);
        hear(1, 429, "POLL_TOO_SOON", Verdict::Told, true);
        let told = [&tally.latency[&deed], &tally.service[&deed]];
        for latency in told.into_iter().chain([&tally.seconds[&0].latency[&deed]]) {
            let (least, most) = (latency.at(0.0).as_millis(), latency.max().as_millis());
            assert_eq!(latency.count(), 2);
            assert!((280..=320).contains(&least) && (380..=420).contains(&most), "{least} {most}");
        }
        assert_eq!((tally.answers()[&deed], tally.seconds[&0].answers[&deed]), (7, 7));
        assert_eq!(tally.good[&deed], 2);
        assert_eq!(tally.other[&(deed, Verdict::Told, "429 POLL_TOO_SOON".into())], 1);
    }

    #[test]
    fn a_success_that_nobody_can_read_is_no_good_answer() {
        let mut tally = Tally::default();
        let (deed, verdict, zero) = (Deed::Reserve, Verdict::Error, Duration::ZERO);
        let (intended, asked, answered, code) = (zero, zero, zero, "UNREADABLE".into());
        let (status, by_bot) = (201, false);
        tally.hear(&Heard { deed, intended, asked, answered, status, code, verdict, by_bot });
        assert_eq!(tally.good.get(&deed), None);
        assert_eq!(tally.other[&(deed, verdict, "201 UNREADABLE".into())], 1);
    }
}
