//! SEAT-4: a refusal was true. It is false only if nothing that anybody was told, or was not told,
//! can explain it at any time between question and answer.
//!
//! - `SEAT_TAKEN` is explained by a possible owner of one of the seats that it names.
//! - `SOLD_OUT` is explained by a moment at which fewer places than wished for were possibly free,
//!   standing places and seats for wheelchairs included.
//! - `NOT_ENOUGH_SEATS` is explained by a moment at which no row had so many free neighbours that
//!   are not set apart for wheelchairs; for standing places, by one at which the area had fewer.
//!   Crowds wish for no section and no price, so these are not judged.
//! - `RESERVATION_EXPIRED` is explained by a moment at which the hold possibly had ended.

use super::holds::{Lapsed, Ledger, Loose, Refused};
use super::map::{Area, SeatMap, Status};
use super::owners::seats;
use super::runs::Hall;
use super::span::{FOREVER, Span, Spans};
use super::steps::{Changes, Steps};
use crate::record::Place;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// What became of the refusals of some events.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// True by what others were told, or false.
    pub sure: u64,
    /// Explained only by questions that had no definite answer.
    pub open: u64,
    pub false_ones: Vec<String>,
}

/// What can explain the refusals of one event.
struct Reasons<'a> {
    /// By those who were told that a seat is theirs, and those who did not hear whether it is.
    told: HashMap<&'a str, Spans>,
    untold: HashMap<&'a str, Spans>,
    /// Reserves of any seats without a definite answer.
    anywhere: Spans,
    free: Steps,
    longest_run: Steps,
    free_in_area: HashMap<&'a str, Steps>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    True,
    Open,
    False,
}

/// Judges the refusals of one event by what is known of it; others' seats by its map after all.
pub fn judge(event: &str, ledger: &Ledger, map: &SeatMap) -> Judged {
    let reasons = Reasons::new(ledger, map);
    let mut judged = Judged::default();
    for refused in &ledger.refused {
        match reasons.verdict(refused) {
            None => {}
            Some(Verdict::True) => judged.sure += 1,
            Some(Verdict::Open) => judged.open += 1,
            Some(Verdict::False) => {
                judged.sure += 1;
                judged.false_ones.push(sentence(event, refused));
            }
        }
    }
    judge_lapsed(event, ledger, &mut judged);
    judged
}

fn judge_lapsed(event: &str, ledger: &Ledger, judged: &mut Judged) {
    let mut certain: HashMap<&str, Vec<Span>> = HashMap::new();
    for hold in &ledger.holds {
        certain.entry(&hold.reservation).or_default().extend(hold.certain);
    }
    for Lapsed { reservation, at } in &ledger.lapsed {
        // Of a hold whose own answer was lost nobody knows when it ends.
        let Some(lives) = certain.get(&**reservation) else { continue };
        judged.sure += 1;
        if lives.iter().any(|span| span.from <= at.from && at.to <= span.to) {
            let second = at.from.as_secs_f64();
            judged.false_ones.push(format!(
                "RESERVATION_EXPIRED for {reservation} of {event} at {second:.3} s, while it lived"
            ));
        }
    }
}

fn sentence(event: &str, refused: &Refused) -> String {
    let Refused { code, seats, quantity, at } = refused;
    let wanted = match &seats[..] {
        [] => format!("{quantity} places"),
        seats => seats.join(", "),
    };
    let second = at.from.as_secs_f64();
    format!("{code} for {wanted} of {event} at {second:.3} s, where nothing was in the way")
}

impl<'a> Reasons<'a> {
    fn new(ledger: &'a Ledger, map: &'a SeatMap) -> Self {
        let mut told: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
        for hold in &ledger.holds {
            for seat in seats(&hold.places) {
                told.entry(seat).or_default().push(hold.possible);
            }
        }
        // Nobody of the crowd ever had it: it was taken before, or kept back.
        for seat in map.seats().filter(|seat| seat.status != Status::Free) {
            let always = Span { from: Duration::ZERO, to: FOREVER };
            told.entry(&seat.id).or_insert_with(|| vec![always]);
        }
        let mut untold: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
        for loose in ledger.loose.iter().filter(|loose| loose.quantity == 0) {
            for seat in &loose.seats {
                untold.entry(seat).or_default().push(loose.possible);
            }
        }
        let anywhere = |loose: &&Loose| loose.seats.is_empty();
        let anywhere: Vec<&Loose> = ledger.loose.iter().filter(anywhere).collect();
        let pairs = told.iter().chain(&untold);
        let owned: Vec<(&str, Span)> =
            pairs.flat_map(|(seat, spans)| spans.iter().map(|span| (*seat, *span))).collect();
        Self {
            free: free(ledger, map, &owned),
            free_in_area: free_in_areas(ledger, map),
            longest_run: Hall::new(map).longest_over_time(&owned),
            told: by_seat(told),
            untold: by_seat(untold),
            anywhere: anywhere.iter().map(|loose| loose.possible).collect(),
        }
    }

    /// None for a refusal that speaks of other things than places.
    fn verdict(&self, refused: &Refused) -> Option<Verdict> {
        let at = refused.at;
        let quantity = i64::from(refused.quantity.max(1));
        let is_true = match (&*refused.code, &refused.seats[..]) {
            ("SEAT_TAKEN", [_, ..]) => {
                let meets = |spans: &HashMap<&str, Spans>, seat: &str| {
                    spans.get(seat).is_some_and(|spans| spans.any_meets(at))
                };
                if refused.seats.iter().any(|seat| meets(&self.told, seat)) {
                    return Some(Verdict::True);
                }
                if refused.seats.iter().any(|seat| meets(&self.untold, seat)) {
                    return Some(Verdict::Open);
                }
                false
            }
            ("SOLD_OUT", _) => self.free.least(at) < quantity,
            ("NOT_ENOUGH_SEATS", [area]) => self.free_in_area.get(&**area)?.least(at) < quantity,
            ("NOT_ENOUGH_SEATS", []) => self.longest_run.least(at) < quantity,
            _ => return None,
        };
        Some(match (is_true, self.anywhere.any_meets(at)) {
            (true, _) => Verdict::True,
            (false, true) => Verdict::Open,
            (false, false) => Verdict::False,
        })
    }
}

fn by_seat(spans: BTreeMap<&str, Vec<Span>>) -> HashMap<&str, Spans> {
    spans.into_iter().map(|(seat, spans)| (seat, spans.into_iter().collect())).collect()
}

/// How many places nobody possibly owned, over time.
fn free(ledger: &Ledger, map: &SeatMap, owned: &[(&str, Span)]) -> Steps {
    let mut taken = Changes::default();
    let mut owned = owned.to_vec();
    owned.sort_unstable();
    let mut owned = owned.into_iter().peekable();
    while let Some((seat, mut span)) = owned.next() {
        // Widest times overlap; a seat counts once.
        let goes_on = |(name, next): &(&str, Span), to| *name == seat && next.from <= to;
        while let Some((_, next)) = owned.next_if(|next| goes_on(next, span.to)) {
            span.to = span.to.max(next.to);
        }
        taken.add(span, 1);
    }
    for (_, span, quantity) in standing(ledger) {
        taken.add(span, quantity);
    }
    for loose in ledger.loose.iter().filter(|loose| loose.seats.is_empty()) {
        taken.add(loose.possible, loose.quantity);
    }
    taken.left_of(map.place_count())
}

fn free_in_areas<'a>(ledger: &Ledger, map: &'a SeatMap) -> HashMap<&'a str, Steps> {
    let left = |area: &'a Area| {
        let mut taken = Changes::default();
        for (_, span, quantity) in standing(ledger).filter(|(id, ..)| **id == *area.id) {
            taken.add(span, quantity);
        }
        (&*area.id, taken.left_of(area.capacity))
    };
    map.areas.iter().map(left).collect()
}

/// Standing places by area, when somebody possibly had how many of them.
fn standing(ledger: &Ledger) -> impl Iterator<Item = (&str, Span, u32)> {
    let told = ledger.holds.iter().flat_map(|hold| {
        hold.places.iter().filter_map(|place| match place {
            Place::Area { area, quantity } => Some((&**area, hold.possible, *quantity)),
            Place::Seat(_) => None,
        })
    });
    let untold = ledger.loose.iter().filter(|loose| 0 < loose.quantity);
    let untold = untold
        .flat_map(|loose| loose.seats.iter().map(|area| (&**area, loose.possible, loose.quantity)));
    told.chain(untold)
}
