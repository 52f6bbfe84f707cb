//! The events of a run: their deals, and their maps after it.

use super::booked::patiently;
use super::findings::Findings;
use super::holds::{Booking, Hold, Ledger, ledger};
use super::map::{SeatMap, Status};
use super::owners::{double_owners, overfull};
use super::refusals::{self, Judged};
use crate::record::{Dealt, Place};
use crate::wire::{Connection, Door, Question};
use anyhow::{Context as _, ensure};
use std::collections::{BTreeMap, HashMap};
use tokio::task::JoinSet;

/// Connections that read maps. A map of a stadium is megabytes, so that few are read at a time.
const CONNECTIONS: usize = 4;

/// One event.
pub struct Event<'a> {
    pub id: &'a str,
    pub ledger: Ledger,
    /// None if it could not be read.
    pub map: Option<SeatMap>,
}

/// Sorts deals by their events, and reads the map of each. What could not be read is said in
/// `unread`.
pub async fn events<'a>(
    door: &Door,
    deals: &'a [Dealt],
    unread: &mut Vec<String>,
) -> Vec<Event<'a>> {
    let mut by_event: BTreeMap<&str, Vec<&Dealt>> = BTreeMap::new();
    for dealt in deals {
        by_event.entry(&dealt.event).or_default().push(dealt);
    }
    let ids: Vec<String> = by_event.keys().map(|id| (*id).to_owned()).collect();
    let mut maps = read_maps(door, &ids).await;
    let event = |(id, deals): (&'a str, Vec<&Dealt>)| {
        let map = match maps.remove(id).context("its map was not read").flatten() {
            Ok(map) => Some(map),
            Err(error) => {
                unread.push(format!("{error:#}"));
                None
            }
        };
        Event { id, ledger: ledger(&deals), map }
    };
    by_event.into_iter().map(event).collect()
}

async fn read_maps(door: &Door, ids: &[String]) -> HashMap<String, anyhow::Result<SeatMap>> {
    let mut reading = JoinSet::new();
    for number in 0..CONNECTIONS {
        let own: Vec<_> = ids.iter().skip(number).step_by(CONNECTIONS).cloned().collect();
        let mut connection = Connection::new(door, number);
        reading.spawn(async move {
            let mut maps = Vec::with_capacity(own.len());
            for id in own {
                let map = read_map(&mut connection, &id).await;
                maps.push((id, map));
            }
            maps
        });
    }
    let mut all = HashMap::new();
    while let Some(maps) = reading.join_next().await {
        all.extend(maps.expect("reading does not panic"));
    }
    all
}

async fn read_map(connection: &mut Connection, event: &str) -> anyhow::Result<SeatMap> {
    let question = Question::get(format!("/api/events/{event}/seats"));
    let answer = patiently(connection, &question).await.map_err(anyhow::Error::msg);
    let answer = answer.with_context(|| format!("ask for the seats of {event}"))?;
    ensure!(answer.status == 200, "seats of {event}: {} {}", answer.status, answer.text());
    serde_json::from_slice(&answer.body).with_context(|| format!("read the seats of {event}"))
}

/// SEAT-1, by what was told alone.
pub fn owners(events: &[Event<'_>], findings: &mut Findings) {
    let mut faults = Vec::new();
    let (mut holds, mut bookings) = (0, 0);
    for Event { id, ledger, map } in events {
        holds += ledger.holds.len();
        bookings += ledger.holds.iter().map(|hold| hold.bookings.len()).sum::<usize>();
        faults.extend(double_owners(id, ledger));
        if let Some(map) = map {
            faults.extend(overfull(id, ledger, &map.areas));
        }
    }
    if 0 < holds {
        let seen =
            format!("{holds} reservations and {bookings} bookings, no place with two owners");
        findings.judge("SEAT-1", &seen, "places had two owners", &faults);
    }
}

/// SEAT-4.
pub fn refusals(events: &[Event<'_>], findings: &mut Findings) {
    let mut all = Judged::default();
    for Event { id, ledger, map } in events {
        let Some(map) = map else { continue };
        let Judged { sure, open, false_ones } = refusals::judge(id, ledger, map);
        all.sure += sure;
        all.open += open;
        all.false_ones.extend(false_ones);
    }
    // Refusals that lost answers may explain are no evidence of anything.
    if 0 < all.sure {
        let Judged { sure, open, false_ones } = all;
        let right = sure - u64::try_from(false_ones.len()).expect("64 bits fit");
        let seen = format!("{right} of {sure} refusals were true, {open} more may have been");
        findings.judge("SEAT-4", &seen, "refusals were false", &false_ones);
    }
}

/// ORD-3: what was sold shows as sold.
pub fn sold(events: &[Event<'_>], findings: &mut Findings) {
    let mut faults = Vec::new();
    let mut tickets = 0_u64;
    for Event { id, ledger, map } in events {
        let Some(map) = map else { continue };
        let statuses = map.statuses();
        let mut standing: HashMap<&str, u32> = HashMap::new();
        for booking in live(&ledger.holds) {
            for place in &booking.places {
                match place {
                    Place::Seat(seat) => {
                        tickets += 1;
                        let status = statuses.get(&**seat);
                        if status != Some(&Status::Sold) {
                            let booking = &booking.id;
                            faults.push(format!("{seat} of {id} is {booking}'s and {status:?}"));
                        }
                    }
                    Place::Area { area, quantity } => {
                        tickets += u64::from(*quantity);
                        *standing.entry(area).or_default() += quantity;
                    }
                }
            }
        }
        for (area, sold) in standing {
            let known = map.areas.iter().find(|known| *known.id == *area);
            let taken = known.map_or(0, |known| known.capacity.saturating_sub(known.free));
            if taken < sold {
                faults.push(format!("{sold} places of {area} of {id} are sold, {taken} are taken"));
            }
        }
    }
    if 0 < tickets {
        let seen = format!("{tickets} tickets looked for on the seat maps");
        findings.judge("ORD-3", &seen, "tickets are not for sold places", &faults);
    }
}

/// Bookings that nobody has asked to cancel.
pub fn live(holds: &[Hold]) -> impl Iterator<Item = &Booking> {
    let bookings = holds.iter().flat_map(|hold| &hold.bookings);
    bookings.filter(|booking| booking.cancel_asked.is_none())
}
