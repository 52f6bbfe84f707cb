//! A seating plan as operators write it.

use schema::{Area, AreaIdx, Pool, Row, SeatingPlan, Section};
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanBody {
    #[serde(default)]
    sections: Vec<SectionBody>,
    #[serde(default)]
    areas: Vec<AreaBody>,
    /// Capacities that several areas share.
    #[serde(default)]
    pools: Vec<PoolBody>,
    /// Where people look, in centimetres.
    #[serde(default)]
    focal_x: i32,
    #[serde(default)]
    focal_y: i32,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SectionBody {
    section: String,
    rows: Vec<RowBody>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowBody {
    row: String,
    /// How many seats the row has: 1 to 64.
    seats: u8,
    /// The number of its first seat; 1 without.
    #[serde(default = "one")]
    first_seat: u16,
    price_level: u8,
    /// Numbers of the seats that are accessible places.
    #[serde(default)]
    accessible: Vec<u16>,
    /// Position of the first seat and step to the next, in centimetres. Without, rows stand behind
    /// each other.
    x: Option<i32>,
    y: Option<i32>,
    step_x: Option<i16>,
    step_y: Option<i16>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AreaBody {
    area_id: String,
    name: String,
    capacity: u32,
    price_level: u8,
}

/// As many people as the areas together may hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolBody {
    /// 1 to 16 of letters, digits, space, dot and underscore.
    pool_id: String,
    /// That of its largest area at least, that of all its areas together at most.
    capacity: u32,
    /// Ids of areas, each in one pool at most.
    areas: Vec<String>,
}

fn one() -> u16 {
    1
}

/// Between neighbours and between rows that say nothing of where they stand, in centimetres.
const SEAT_STEP_CM: i16 = 55;
const ROW_STEP_CM: i32 = 90;

impl PlanBody {
    /// Makes the plan, named by its content. [`SeatingPlan::validate`] has not seen it yet.
    pub fn plan(self) -> Result<SeatingPlan, String> {
        let mut behind_cm = 0;
        let mut sections = Vec::with_capacity(self.sections.len());
        for section in self.sections {
            let mut rows = Vec::with_capacity(section.rows.len());
            for row in section.rows {
                rows.push(row.row(behind_cm)?);
                behind_cm = i32::saturating_add(behind_cm, ROW_STEP_CM);
            }
            sections.push(Section { name: section.section.into(), rows });
        }
        let ids: Vec<&str> = self.areas.iter().map(|area| area.area_id.as_str()).collect();
        let pools = self.pools.into_iter().map(|pool| pool.pool(&ids)).collect::<Result<_, _>>()?;
        let areas = self.areas.into_iter().map(|area| Area {
            id: area.area_id.into(),
            name: area.name.into(),
            capacity: area.capacity,
            price_level: area.price_level,
        });
        let mut plan = SeatingPlan {
            id: "p-unnamed".parse().expect("within the letters of plan ids"),
            sections,
            areas: areas.collect(),
            focal_x_cm: self.focal_x,
            focal_y_cm: self.focal_y,
            pools,
        };
        plan.id = plan.content_id();
        Ok(plan)
    }
}

impl PoolBody {
    /// `ids` are those of the plan's areas, in order.
    fn pool(self, ids: &[&str]) -> Result<Pool, String> {
        let area = |id: &String| {
            let at = ids.iter().position(|known| known == id);
            let idx = at.and_then(|at| u16::try_from(at).ok()).map(AreaIdx);
            idx.ok_or_else(|| format!("pool {:?} names an area that the plan lacks", self.pool_id))
        };
        let areas = self.areas.iter().map(area).collect::<Result<_, _>>()?;
        Ok(Pool { areas, id: self.pool_id.into(), capacity: self.capacity })
    }
}

impl RowBody {
    fn row(self, behind_cm: i32) -> Result<Row, String> {
        let mut accessible = 0_u64;
        for number in &self.accessible {
            let offset = number.checked_sub(self.first_seat);
            let offset = offset.filter(|offset| *offset < u16::from(self.seats.min(64)));
            let offset = offset.ok_or_else(|| {
                format!("row {:?} has no seat {number} to be accessible", self.row)
            })?;
            accessible |= 1 << offset;
        }
        Ok(Row {
            label: self.row.into(),
            seat_count: self.seats,
            first_number: self.first_seat,
            price_level: self.price_level,
            accessible,
            x_cm: self.x.unwrap_or(0),
            y_cm: self.y.unwrap_or(behind_cm),
            step_x_cm: self.step_x.unwrap_or(SEAT_STEP_CM),
            step_y_cm: self.step_y.unwrap_or(0),
        })
    }
}
