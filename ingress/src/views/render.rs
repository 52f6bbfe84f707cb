//! Seat maps as bytes: JSON for people and scripts, a compact form for pages.
//!
//! The compact form (`application/octet-stream`), integers big-endian: `USM1`, version u64, seat
//! count u32, area count u16, then two bits a seat in plan order (the order of the JSON form; the
//! first seat in the lowest bits; 0 free, 1 held, 2 sold, 3 blocked), padded to a whole byte, then
//! the free places of each area as u32.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use schema::{AreaIdx, Channel, EventId, PlanIndex, Pool, SeatIdx, codec};
use serde_json::Value;

use super::seats::{Delta, Snapshot, taken_of};

/// The first bytes of the compact form.
pub const MAGIC: &[u8; 4] = b"USM1";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatsForm {
    Json,
    Compact,
}

/// A seat map as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub version: u64,
    /// [`stamp`] of the channels that it shows.
    pub stamp: u32,
    pub form: SeatsForm,
    pub body: Bytes,
}

/// How many rendered maps are kept. A crowd looks at one event; sixteen of two megabytes are
/// bearable.
const RENDERINGS_MAX: usize = 16;

/// The seat maps that were asked for last.
#[derive(Debug, Default)]
pub struct Renderings {
    newest_last: Mutex<VecDeque<(EventId, Rendered)>>,
}

impl Renderings {
    pub fn find(
        &self,
        event: &EventId,
        (version, stamp): (u64, u32),
        form: SeatsForm,
    ) -> Option<Rendered> {
        let kept = self.newest_last.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |kept: &Rendered| (kept.version, kept.stamp, kept.form) == (version, stamp, form);
        kept.iter().find(|(id, kept)| id == event && same(kept)).map(|(_, kept)| kept.clone())
    }

    /// Keeps a map; an older one of the same event and form makes room for it.
    pub fn keep(&self, event: EventId, rendered: Rendered) {
        let mut kept = self.newest_last.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(id, old)| *id != event || old.form != rendered.form);
        if kept.len() == RENDERINGS_MAX {
            kept.pop_front();
        }
        kept.push_back((event, rendered));
    }
}

/// Renders a map; milliseconds for a large JSON one, so not for a runtime thread.
pub fn render(
    plan: &PlanIndex,
    channels: &[Channel],
    snapshot: &Snapshot,
    form: SeatsForm,
) -> Rendered {
    let body = match form {
        SeatsForm::Json => json(plan, channels, snapshot).into(),
        SeatsForm::Compact => compact(plan, snapshot).into(),
    };
    Rendered { version: snapshot.version, stamp: stamp(channels, form), form, body }
}

/// Tells apart what a map shows of channels, which change without the journal; 0 where it shows
/// none. O(rows of channels).
///
/// The hashes of codes are not a part of it: whoever has the stamp could try codes on them.
pub fn stamp(channels: &[Channel], form: SeatsForm) -> u32 {
    if channels.is_empty() || form == SeatsForm::Compact {
        return 0;
    }
    let shown = channels.iter();
    let shown = shown.map(|channel| (&channel.key, &channel.name, channel.ends_at, &channel.rows));
    codec::checksum(&codec::encode(&shown.collect::<Vec<_>>())).max(1)
}

/// The data of a `delta` event: `{version, changes:[[seatId, status]], areas:[[areaId, free]]}`.
pub fn delta(plan: &PlanIndex, delta: &Delta) -> String {
    let seats = delta.seats.iter().filter_map(|(seat, status)| {
        Some(serde_json::json!([plan.place(*seat)?.seat_id().as_str(), status.name()]))
    });
    // What one area gives out is not free in those that share its pool either.
    let with_its_pool = |idx: &AreaIdx| {
        let pool = plan.plan.pool_of(*idx).map(|at| &plan.plan.pools[at].areas[..]);
        std::iter::once(*idx).chain(pool.unwrap_or_default().iter().copied()).collect::<Vec<_>>()
    };
    let areas: BTreeSet<AreaIdx> = delta.areas.iter().flat_map(with_its_pool).collect();
    let areas = areas.into_iter().filter_map(|idx| {
        let free = plan.plan.area_free(idx, |area| taken_of(&delta.areas_taken, area));
        Some(serde_json::json!([plan.plan.area(idx)?.id.as_str(), free]))
    });
    let (seats, areas): (Vec<_>, Vec<_>) = (seats.collect(), areas.collect());
    serde_json::json!({"version": delta.version, "changes": seats, "areas": areas}).to_string()
}

/// Written by hand: a map of 20,000 seats has 200,000 values, and a tree of them would cost more
/// than the text.
fn json(plan: &PlanIndex, channels: &[Channel], snapshot: &Snapshot) -> String {
    let mut text = String::with_capacity(96 * snapshot.seats.len() + 4_096);
    put(&mut text, format_args!("{{\"version\":{},\"sections\":[", snapshot.version));
    let mut seat = SeatIdx(0);
    for (section_at, section) in plan.plan.sections.iter().enumerate() {
        // Names and labels are letters, digits, space, dot and underscore: nothing to escape.
        let comma = if section_at == 0 { "" } else { "," };
        put(&mut text, format_args!("{comma}{{\"section\":\"{}\",\"rows\":[", section.name));
        for (row_at, row) in section.rows.iter().enumerate() {
            let comma = if row_at == 0 { "" } else { "," };
            put(&mut text, format_args!("{comma}{{\"row\":\"{}\",\"seats\":[", row.label));
            for offset in 0..row.seat_count {
                let comma = if offset == 0 { "" } else { "," };
                put(&mut text, format_args!("{comma}"));
                json_seat(&mut text, plan, snapshot, seat);
                seat = SeatIdx(seat.0 + 1);
            }
            text.push_str("]}");
        }
        text.push_str("]}");
    }
    text.push_str("],\"areas\":");
    let areas = plan.plan.areas.iter().zip((0_u16..).map(AreaIdx)).map(|(area, idx)| {
        serde_json::json!({
            "areaId": area.id.as_str(), "name": area.name.as_str(), "capacity": area.capacity,
            "free": plan.plan.area_free(idx, |area| snapshot.area_taken(area)),
            "priceLevel": area.price_level,
        })
    });
    put(&mut text, format_args!("{}", Value::Array(areas.collect())));
    if !plan.plan.pools.is_empty() {
        let pools = plan.plan.pools.iter().map(|pool| shown_pool(plan, pool, snapshot)).collect();
        put(&mut text, format_args!(",\"pools\":{}", Value::Array(pools)));
    }
    if !channels.is_empty() {
        let channels = channels.iter().map(|channel| shown(plan, channel)).collect();
        put(&mut text, format_args!(",\"channels\":{}", Value::Array(channels)));
    }
    text.push('}');
    text
}

fn shown_pool(plan: &PlanIndex, pool: &Pool, snapshot: &Snapshot) -> Value {
    let areas = pool.areas.iter().filter_map(|&idx| Some(plan.plan.area(idx)?.id.as_str()));
    serde_json::json!({
        "poolId": pool.id.as_str(), "capacity": pool.capacity,
        "free": pool.free(|area| snapshot.area_taken(area)),
        "areas": areas.collect::<Vec<_>>(),
    })
}

/// A channel with its seats as numbers `from`, `to`, both included.
fn shown(plan: &PlanIndex, channel: &Channel) -> Value {
    let places = channel.rows.iter().filter_map(|row| {
        let section = plan.plan.sections.get(usize::from(row.section))?;
        let of_row = section.rows.get(usize::from(row.row))?;
        let (mut rest, mut runs) = (row.seats, Vec::new());
        while rest != 0 {
            let from = rest.trailing_zeros();
            let count = (rest >> from).trailing_ones();
            rest &= u64::MAX.checked_shl(from + count).unwrap_or(0);
            let number = |offset: u32| u32::from(of_row.first_number) + offset;
            runs.push(serde_json::json!({
                "section": section.name.as_str(), "row": of_row.label.as_str(),
                "from": number(from), "to": number(from + count - 1),
            }));
        }
        Some(runs)
    });
    serde_json::json!({
        "key": channel.key.as_str(), "name": channel.name.as_str(),
        "endsAt": channel.ends_at.map(schema::UnixMillis::to_rfc3339),
        "places": places.flatten().collect::<Vec<_>>(),
    })
}

fn json_seat(text: &mut String, plan: &PlanIndex, snapshot: &Snapshot, seat: SeatIdx) {
    let place = plan.place(seat).expect("the caller counts the seats of the plan");
    let (x, y) = place.position_cm();
    put(
        text,
        format_args!(
            "{{\"seatId\":\"{}\",\"status\":\"{}\",\"priceLevel\":{},\"x\":{x},\"y\":{y},\
             \"accessible\":{}}}",
            place.seat_id(),
            snapshot.status(seat).name(),
            place.row.price_level,
            place.accessible(),
        ),
    );
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a String takes all text");
}

fn compact(plan: &PlanIndex, snapshot: &Snapshot) -> Vec<u8> {
    let seat_count = plan.plan.seat_count();
    let area_count = u16::try_from(plan.plan.areas.len()).expect("a plan has at most 64 areas");
    let mut bytes = Vec::with_capacity(64 + snapshot.seats.len() / 4 + 1);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&snapshot.version.to_be_bytes());
    bytes.extend_from_slice(&seat_count.to_be_bytes());
    bytes.extend_from_slice(&area_count.to_be_bytes());
    for first in (0..seat_count).step_by(4) {
        let four = (first..seat_count.min(first + 4)).enumerate();
        let byte = four.fold(0_u8, |byte, (place, seat)| {
            byte | (snapshot.status(SeatIdx(seat)) as u8) << (2 * place)
        });
        bytes.push(byte);
    }
    for idx in (0..area_count).map(AreaIdx) {
        let free = plan.plan.area_free(idx, |area| snapshot.area_taken(area));
        bytes.extend_from_slice(&free.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests;
