//! Seating plans: what there is to sell in a place, and where it is.
//!
//! A plan stores rows, not seats: the id, price level and position of a seat follow from its row.
//! So a stadium is some tens of kilobytes, and thousands of events share the plan of their venue.

use crate::catalog::NO_SEATS;
use crate::id::{AreaIdx, PlanId};
use crate::text128;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// Most seats in a row. A row's free seats are one 64-bit word in the allocator.
pub const ROW_SEATS_MAX: u8 = 64;
/// Most seats and standing places of a plan together. Above any real venue (the largest stadium
/// holds 150,000).
pub const PLAN_PLACES_MAX: u32 = 262_144;
/// Most sections of a plan.
pub const SECTIONS_MAX: usize = 1_024;
/// Most rows of a section.
pub const ROWS_MAX: usize = 256;
/// Most standing areas of a plan.
pub const AREAS_MAX: usize = 64;
/// Most pools of a plan: an area is in one at most.
pub const POOLS_MAX: usize = AREAS_MAX;
/// Most price levels of an event; a level is an index below this.
pub const PRICE_LEVELS_MAX: usize = 32;
/// Longest section name, row label, area id and pool id, in bytes.
pub const LABEL_BYTES_MAX: usize = 16;

/// A seating plan, immutable under its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatingPlan {
    pub id: PlanId,
    pub sections: Vec<Section>,
    pub areas: Vec<Area>,
    /// Where people look: the middle of the stage or pitch, in centimetres. Best available prefers
    /// rows near it.
    pub focal_x_cm: i32,
    pub focal_y_cm: i32,
    /// Capacities that several areas share; left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<Pool>,
}

/// A block of rows with a name that is shown and is part of its seats' ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    pub name: CompactString,
    pub rows: Vec<Row>,
}

/// A row of adjacent seats, numbered upwards from `first_number`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub label: CompactString,
    /// 1 to [`ROW_SEATS_MAX`].
    pub seat_count: u8,
    pub first_number: u16,
    /// Index into the event's price levels.
    pub price_level: u8,
    /// Bit `i` is set when the row's seat `i` is an accessible place.
    pub accessible: u64,
    /// Position of the row's first seat, and the step from one seat to the next, in centimetres.
    pub x_cm: i32,
    pub y_cm: i32,
    pub step_x_cm: i16,
    pub step_y_cm: i16,
}

/// A standing area: places without numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// `areaId` in the API.
    pub id: CompactString,
    pub name: CompactString,
    pub capacity: u32,
    pub price_level: u8,
}

/// A capacity that standing areas share: as many people as the exits of all of them let out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// `poolId` in the API.
    pub id: CompactString,
    /// At least that of its largest area, at most that of all its areas together.
    pub capacity: u32,
    /// Each is in no other pool.
    pub areas: Vec<AreaIdx>,
}

/// Why a plan is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("a plan needs at least one seat or standing place")]
    Empty,
    #[error("{what} has {count}, more than {count_max}")]
    TooMany { what: &'static str, count: usize, count_max: usize },
    #[error("{what} {text:?} is not 1 to 16 of letters, digits, space, dot and underscore")]
    Label { what: &'static str, text: CompactString },
    #[error("{what} {text:?} occurs twice")]
    Twice { what: &'static str, text: CompactString },
    #[error("row {row} of section {section} needs 1 to 64 seats")]
    RowSeats { section: CompactString, row: CompactString },
    #[error("price level {level} is not one of the first 32")]
    PriceLevel { level: u8 },
    #[error("pool {pool:?} needs areas of the plan, each once and in no other pool")]
    PoolAreas { pool: CompactString },
    #[error(
        "pool {pool:?} has a capacity of {least} to {most}: its largest area's to all of theirs"
    )]
    PoolCapacity { pool: CompactString, least: u32, most: u32 },
}

impl SeatingPlan {
    /// The plan of events that have a room only: it is never stored, and has nothing to buy.
    pub fn without_seats() -> Self {
        Self {
            id: NO_SEATS.parse().expect("it is a plan's id"),
            sections: Vec::new(),
            areas: Vec::new(),
            focal_x_cm: 0,
            focal_y_cm: 0,
            pools: Vec::new(),
        }
    }

    /// Names a plan by its content, so that equal plans are stored once and a plan never changes
    /// under its id.
    ///
    /// 110 bits of FNV-1a over the encoded plan without its id. Not a defence against a forger:
    /// operators make plans, and they need no collision to change one.
    pub fn content_id(&self) -> PlanId {
        let content = (&self.sections, &self.areas, self.focal_x_cm, self.focal_y_cm);
        // Without pools as before there were any: a plan that is there keeps its id.
        let bytes = match &self.pools[..] {
            [] => rmp_serde::to_vec(&content),
            pools => rmp_serde::to_vec(&(content, pools)),
        };
        let bytes = bytes.expect("a plan has no type that fails to encode");
        let basis = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D_u128;
        let hash = bytes.iter().fold(basis, |hash, &byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B)
        });
        let digits = text128::encode(hash);
        let tail = std::str::from_utf8(&digits[4..]).expect("base 32 digits are ASCII");
        format!("p-{tail}").parse().expect("two letters and 22 digits are a plan id")
    }

    pub fn seat_count(&self) -> u32 {
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        rows.map(|row| u32::from(row.seat_count)).sum()
    }

    /// Standing places: those of areas outside of pools, and those of pools.
    pub fn area_capacity(&self) -> u32 {
        let areas = self.areas.iter().zip((0..).map(AreaIdx));
        let alone = areas.filter(|(_, idx)| self.pool_of(*idx).is_none());
        let alone = alone.map(|(area, _)| area.capacity);
        let shared = self.pools.iter().map(|pool| pool.capacity);
        alone.chain(shared).fold(0, u32::saturating_add)
    }

    /// The position of the pool that an area is in. O(areas).
    pub fn pool_of(&self, area: AreaIdx) -> Option<usize> {
        self.pools.iter().position(|pool| pool.areas.contains(&area))
    }

    /// How many places of an area are free when `taken` tells the taken ones of each: as many as
    /// are left in the area and in its pool. 0 for an area that the plan does not have.
    pub fn area_free(&self, area: AreaIdx, taken: impl Fn(AreaIdx) -> u32) -> u32 {
        let left = self.area(area).map_or(0, |area| area.capacity).saturating_sub(taken(area));
        let pool = self.pool_of(area).map(|at| self.pools[at].free(&taken));
        pool.map_or(left, |pool| left.min(pool))
    }

    /// Seats and standing places together.
    pub fn place_count(&self) -> u32 {
        self.seat_count().saturating_add(self.area_capacity())
    }

    pub fn area(&self, idx: AreaIdx) -> Option<&Area> {
        self.areas.get(usize::from(idx.0))
    }

    /// Checks every limit of this module and that all names are unique where ids are made of them.
    ///
    /// # Errors
    /// The first [`Fault`] in plan order.
    pub fn validate(&self) -> Result<(), Fault> {
        check_count("the plan's section list", self.sections.len(), SECTIONS_MAX)?;
        check_count("the plan's area list", self.areas.len(), AREAS_MAX)?;
        check_unique("section", self.sections.iter().map(|section| &section.name))?;
        check_unique("area", self.areas.iter().map(|area| &area.id))?;
        check_count("the plan's pool list", self.pools.len(), POOLS_MAX)?;
        check_unique("pool", self.pools.iter().map(|pool| &pool.id))?;
        for section in &self.sections {
            section.validate()?;
        }
        for area in &self.areas {
            check_level(area.price_level)?;
        }
        for (at, pool) in self.pools.iter().enumerate() {
            pool.validate(&self.areas, &self.pools[..at])?;
        }
        let places_max = usize::try_from(PLAN_PLACES_MAX).unwrap_or(usize::MAX);
        let places = usize::try_from(self.place_count()).unwrap_or(usize::MAX);
        check_count("the plan", places, places_max)?;
        if places == 0 { Err(Fault::Empty) } else { Ok(()) }
    }
}

impl Pool {
    /// How many of its places are free when `taken` tells the taken ones of each area.
    pub fn free(&self, taken: impl Fn(AreaIdx) -> u32) -> u32 {
        self.capacity.saturating_sub(self.areas.iter().map(|&area| taken(area)).sum())
    }

    /// Checks it against the plan's areas and the pools before it.
    fn validate(&self, areas: &[Area], before: &[Self]) -> Result<(), Fault> {
        let capacity = |idx: &AreaIdx| areas.get(usize::from(idx.0)).map(|area| area.capacity);
        let capacities: Option<Vec<u32>> = self.areas.iter().map(capacity).collect();
        let known = |at: usize| self.areas[..at].contains(&self.areas[at]);
        let twice = (0..self.areas.len()).any(known);
        let shared = before.iter().any(|pool| pool.areas.iter().any(|a| self.areas.contains(a)));
        let faulty = || Fault::PoolAreas { pool: self.id.clone() };
        let capacities = capacities.filter(|_| !twice && !shared).ok_or_else(faulty)?;
        let least = capacities.iter().copied().max().ok_or_else(faulty)?;
        let most = capacities.into_iter().fold(0, u32::saturating_add);
        if (least..=most).contains(&self.capacity) {
            return Ok(());
        }
        Err(Fault::PoolCapacity { pool: self.id.clone(), least, most })
    }
}

impl Section {
    fn validate(&self) -> Result<(), Fault> {
        check_count("a section's row list", self.rows.len(), ROWS_MAX)?;
        check_unique("row", self.rows.iter().map(|row| &row.label))?;
        for row in &self.rows {
            check_level(row.price_level)?;
            let last = row.first_number.checked_add(u16::from(row.seat_count));
            if !(1..=ROW_SEATS_MAX).contains(&row.seat_count) || last.is_none() {
                let (section, row) = (self.name.clone(), row.label.clone());
                return Err(Fault::RowSeats { section, row });
            }
        }
        Ok(())
    }
}

fn check_count(what: &'static str, count: usize, count_max: usize) -> Result<(), Fault> {
    if count <= count_max { Ok(()) } else { Err(Fault::TooMany { what, count, count_max }) }
}

fn check_level(level: u8) -> Result<(), Fault> {
    if usize::from(level) < PRICE_LEVELS_MAX { Ok(()) } else { Err(Fault::PriceLevel { level }) }
}

pub(crate) fn check_unique<'a>(
    what: &'static str,
    labels: impl Iterator<Item = &'a CompactString>,
) -> Result<(), Fault> {
    let mut seen = std::collections::HashSet::new();
    for label in labels {
        // A hyphen would make `SECTION-ROW-SEAT` ambiguous.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" ._".contains(&byte);
        if !(1..=LABEL_BYTES_MAX).contains(&label.len()) || !label.bytes().all(allowed) {
            return Err(Fault::Label { what, text: label.clone() });
        }
        if !seen.insert(label) {
            return Err(Fault::Twice { what, text: label.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
