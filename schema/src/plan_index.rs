//! Finds seats in a plan: by position and by text id.

use crate::id::{AreaIdx, SeatIdx};
use crate::plan::{Row, SeatingPlan, Section};
use compact_str::{CompactString, format_compact};
use std::collections::HashMap;

/// A plan with the tables that find a seat in O(log rows) by position and O(1) by text id.
#[derive(Debug)]
pub struct PlanIndex {
    pub plan: SeatingPlan,
    rows: Vec<RowSpan>,
    sections_by_name: HashMap<CompactString, u16>,
    areas_by_id: HashMap<CompactString, AreaIdx>,
}

/// Where a row lies in its plan's seat order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowSpan {
    pub section: u16,
    /// The row's position in its section.
    pub row: u16,
    pub first: SeatIdx,
    pub seat_count: u8,
}

/// A seat with the row and section it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct SeatPlace<'a> {
    pub section: &'a Section,
    pub row: &'a Row,
    /// The seat's position in its row, from 0.
    pub offset: u8,
}

impl SeatPlace<'_> {
    pub fn number(&self) -> u16 {
        self.row.first_number + u16::from(self.offset)
    }

    /// The seat's id in the API: `SECTION-ROW-SEAT`.
    pub fn seat_id(&self) -> CompactString {
        format_compact!("{}-{}-{}", self.section.name, self.row.label, self.number())
    }

    pub fn accessible(&self) -> bool {
        self.row.accessible >> self.offset & 1 == 1
    }

    /// Position in centimetres.
    pub fn position_cm(&self) -> (i32, i32) {
        let offset = i32::from(self.offset);
        let x = self.row.x_cm + offset * i32::from(self.row.step_x_cm);
        let y = self.row.y_cm + offset * i32::from(self.row.step_y_cm);
        (x, y)
    }
}

impl PlanIndex {
    /// Builds the tables of a plan that [`SeatingPlan::validate`] has accepted.
    pub fn new(plan: SeatingPlan) -> Self {
        let mut rows = Vec::new();
        let mut first = 0;
        for (section_idx, section) in (0_u16..).zip(&plan.sections) {
            for (row_idx, row) in (0_u16..).zip(&section.rows) {
                let seat_count = row.seat_count;
                let span = RowSpan {
                    section: section_idx,
                    row: row_idx,
                    first: SeatIdx(first),
                    seat_count,
                };
                rows.push(span);
                first += u32::from(seat_count);
            }
        }
        assert!(first == plan.seat_count());
        let names = plan.sections.iter().map(|section| section.name.clone());
        let sections_by_name = names.zip(0..).collect();
        let areas = plan.areas.iter().map(|area| area.id.clone());
        let areas_by_id = areas.zip((0..).map(AreaIdx)).collect();
        Self { plan, rows, sections_by_name, areas_by_id }
    }

    /// Rows in seat order; their spans are adjacent and cover `[0, seat_count)`.
    pub fn rows(&self) -> &[RowSpan] {
        &self.rows
    }

    /// The position in [`PlanIndex::rows`] of the row that holds `seat`; `None` outside of the
    /// plan.
    pub fn row_of(&self, seat: SeatIdx) -> Option<usize> {
        let after = self.rows.partition_point(|span| span.first <= seat);
        let at = after.checked_sub(1)?;
        let span = self.rows[at];
        (seat.0 - span.first.0 < u32::from(span.seat_count)).then_some(at)
    }

    pub fn place(&self, seat: SeatIdx) -> Option<SeatPlace<'_>> {
        let span = self.rows[self.row_of(seat)?];
        let section = &self.plan.sections[usize::from(span.section)];
        let row = &section.rows[usize::from(span.row)];
        let offset = u8::try_from(seat.0 - span.first.0).expect("a row has at most 64 seats");
        Some(SeatPlace { section, row, offset })
    }

    /// Finds a seat by its text id; `None` for other text and for seats that the plan does not
    /// have.
    pub fn seat(&self, seat_id: &str) -> Option<SeatIdx> {
        let (rest, number) = seat_id.rsplit_once('-')?;
        let (section, label) = rest.split_once('-')?;
        // A number has one spelling: `+1` and `01` would be second names of a seat.
        let plain = !number.starts_with(['0', '+']) || number == "0";
        let number: u16 = if plain { number.parse().ok()? } else { return None };
        let (span, row) = self.row(section, label)?;
        let offset = number.checked_sub(row.first_number)?;
        let inside = offset < u16::from(row.seat_count);
        inside.then(|| SeatIdx(span.first.0 + u32::from(offset)))
    }

    /// Finds a row by the names of its section and itself.
    pub fn row(&self, section: &str, label: &str) -> Option<(RowSpan, &Row)> {
        let section_idx = self.section(section)?;
        let rows = &self.plan.sections[usize::from(section_idx)].rows;
        let row_idx = rows.iter().position(|row| row.label == label)?;
        Some((self.rows_of(section_idx)[row_idx], &rows[row_idx]))
    }

    /// The rows of a section, which follow each other.
    pub fn rows_of(&self, section: u16) -> &[RowSpan] {
        let start = self.rows.partition_point(|span| span.section < section);
        let end = self.rows.partition_point(|span| span.section <= section);
        &self.rows[start..end]
    }

    /// The position in [`PlanIndex::rows`] of the row at `row` of the section at `section`.
    pub fn row_at(&self, section: u16, row: u16) -> Option<usize> {
        let start = self.rows.partition_point(|span| span.section < section);
        let at = start + usize::from(row);
        self.rows.get(at).is_some_and(|span| span.section == section).then_some(at)
    }

    pub fn section(&self, name: &str) -> Option<u16> {
        self.sections_by_name.get(name).copied()
    }

    pub fn area(&self, area_id: &str) -> Option<AreaIdx> {
        self.areas_by_id.get(area_id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::PlanIndex;
    use crate::id::{AreaIdx, SeatIdx};
    use crate::plan::tests::small;

    #[test]
    fn every_seat_is_found_by_its_own_id() {
        let index = PlanIndex::new(small());
        for seat in (0..12).map(SeatIdx) {
            let place = index.place(seat).unwrap();
            assert_eq!(index.seat(&place.seat_id()), Some(seat), "{}", place.seat_id());
        }
        assert_eq!(index.place(SeatIdx(7)).unwrap().seat_id(), "B-1-1");
        assert_eq!(index.area("FLOOR"), Some(AreaIdx(0)));
        assert_eq!((index.row_at(0, 1), index.row_at(1, 0)), (Some(1), Some(2)));
        assert_eq!((index.row_at(0, 2), index.row_at(1, 1)), (None, None));
    }

    #[test]
    fn a_seat_the_plan_does_not_have_is_not_found() {
        let index = PlanIndex::new(small());
        assert!(index.place(SeatIdx(12)).is_none());
        for text in
            ["", "A", "A-1", "A-1-0", "A-1-4", "A-3-1", "C-1-1", "A-1-01", "A-1-+1", "A-1-x"]
        {
            assert_eq!(index.seat(text), None, "{text:?}");
        }
    }
}
