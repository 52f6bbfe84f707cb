//! A run that never was, with everything a page can show.

use super::metrics;
use crate::record::{Deed, Heard, Shown, Tally, Verdict};
use crate::results::{Figure, Finding, Kept, Met, Results, Wish};
use crate::sample::{Inside, Process, Samples};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a hostile operator may name an event.
pub const HOSTILE: &str = "EVT<script>alert(1)</script>";

pub const SECONDS: u32 = 90;

pub fn results() -> Results {
    let figure = |value: f64, unit: &str, p99: Option<f64>| Figure {
        value,
        unit: unit.to_owned(),
        p50: p99.map(|p99| p99 / 4.0),
        p99,
        p999: p99.map(|p99| p99 * 2.5),
    };
    let named = |(name, figure): (&str, Figure)| (name.to_owned(), figure);
    let figures = [
        ("reserve_per_second", figure(10_432.0, "1/s", Some(22.4))),
        ("poll_per_second", figure(48_201.0, "1/s", Some(8.1))),
        ("sell_out_seconds", figure(41.3, "s", None)),
        ("rss_mib_usher", figure(812.4, "MiB", None)),
    ];
    let ratios = [("reserve_vs_conventional", 4.31), ("poll_vs_bare_hyper", 0.74)];
    let promises = [("SEAT-1", Kept::Held), ("ORD-1", Kept::Held), ("LINE-4", Kept::Broken)];
    Results {
        scenario: format!("flash-sale {HOSTILE}"),
        commit: "2c765e5ce95bdb2985cf27e74c218e35db660dfc".to_owned(),
        machine: "2 cores, 23.5 GiB, AMD EPYC, Linux 6.18.44".to_owned(),
        figures: figures.map(named).into(),
        ratios: ratios.map(|(name, ratio)| (name.to_owned(), ratio)).into(),
        promises: promises.map(|(name, kept)| (name.to_owned(), kept)).into(),
        ..Results::default()
    }
}

pub fn findings() -> Vec<Finding> {
    let finding = |promise, kept, says: &str| Finding { promise, kept, says: says.to_owned() };
    vec![
        finding("SEAT-1", Kept::Held, "20,724 places, and none was promised to two accounts."),
        finding("ORD-1", Kept::Held, "All 5,120 bookings that were confirmed exist."),
        finding("LINE-4", Kept::Broken, &format!("In {HOSTILE} 612 were called in a minute.")),
    ]
}

pub fn wishes() -> Vec<Wish> {
    let says = "reserve: p99 62.0 ms, at most 50 ms".to_owned();
    vec![Wish { name: "p99_ms.reserve".to_owned(), met: Met::Missed, says }]
}

/// A crowd that comes in a spike, waits, reserves and pays.
pub fn tally() -> Tally {
    let mut tally = Tally::default();
    let mut arrivals = BTreeMap::new();
    let mut hear = |deed, second: u32, count: u32, ms: u32, status, code: &str| {
        for number in 0..count {
            let intended =
                Duration::from_secs(second.into()) + Duration::from_millis(number.into());
            let took = Duration::from_micros(u64::from(ms * 200 + ms * ms * (number % 97)));
            let (asked, answered) = (intended + took / 3, intended + took);
            let verdict = Verdict::of(Shown { status, code, says_when: status == 429 });
            let (code, by_bot) = (code.into(), false);
            tally.hear(&Heard { deed, intended, asked, answered, status, code, verdict, by_bot });
        }
    };
    for second in 0..SECONDS {
        let spike = 600 / (1 + second.abs_diff(12));
        *arrivals.entry(second.into()).or_default() += u64::from(spike);
        hear(Deed::Join, second, spike * 2, 8, 201, "");
        hear(Deed::Status, second, 40 + spike / 4, 2, 200, "");
        if (9..16).contains(&second) {
            hear(Deed::Join, second, 90, 5, 429, "TOO_MANY_REQUESTS");
        }
        hear(Deed::Me, second, 160 + spike, 4, 200, "");
        if 15 < second {
            hear(Deed::Claim, second, 30, 6, 200, "");
            hear(Deed::Reserve, second, 60, 7 + second % 9, 201, "");
            hear(Deed::Reserve, second, second / 2, 5, 409, "SEAT_TAKEN");
            hear(Deed::Confirm, second, 40, 14, 200, "");
            hear(Deed::Confirm, second, 4, 9, 402, "PAYMENT_DECLINED");
        }
        if (60..64).contains(&second) {
            hear(Deed::Reserve, second, 7, 30, 503, "BUSY");
        }
    }
    hear(Deed::Seats, 70, 1, 30, 0, HOSTILE);
    tally.arrivals = arrivals;
    tally
}

pub fn samples() -> Samples {
    let mut samples = Samples::default();
    let at = |second: u32| Duration::from_millis(u64::from(second) * 1_000 + 300);
    let process = |second: u32, cores_ms: u32, mib: u32| Process {
        at: at(second),
        cpu: Duration::from_millis(u64::from(cores_ms * second)),
        resident_kib: u64::from(mib + second * mib / 200) * 1_024,
        threads: 4 + mib / 40,
        open_files: Some(20 + 2 * mib),
        proportional_kib: None,
    };
    for (name, cores_ms, mib) in [
        ("usher", 620, 700),
        ("nats", 130, 90),
        ("redis", 50, 60),
        ("postgres", 210, 160),
        ("bench", 540, 380),
    ] {
        let taken = (0..SECONDS).map(|second| process(second, cores_ms, mib)).collect();
        samples.processes.insert(name.to_owned(), taken);
    }
    samples.busy = (1..SECONDS).map(|second| (at(second), 1.8)).collect();
    let inside = |second: u32| Inside {
        at: at(second),
        queued: u64::from((second * 900).min(12_000).saturating_sub(second * 60)),
        called: u64::from(second * 10),
        active: (second * 40).min(1_960),
        active_max: Some(2_000),
        called_last_minute: (second * 10).min(597),
        admission_per_minute: Some(600),
        free: 20_724 - second * 100,
        held: 20 * (30 - second.abs_diff(30).min(30)),
        sold: second * 80,
        room_lag: Some(Duration::from_millis(u64::from(100 + second % 7 * 20))),
    };
    samples.inside.insert(HOSTILE.to_owned(), (0..SECONDS).map(inside).collect());
    samples.metrics = metrics::fixture(&(0..SECONDS).map(at).collect::<Vec<_>>());
    samples
}
