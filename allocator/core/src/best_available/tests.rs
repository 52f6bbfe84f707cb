//! Which seats are chosen. A row is drawn as text: `.` free, `x` taken, `a` free and accessible.
//!
//! Seats are ten metres apart, so that none is about as near as another but for equal ones.

use super::{Tally, claim_best, claim_best_of};
use crate::plan_tables::PlanTables;
use crate::seat_map::SeatMap;
use crate::seat_word::SeatState;
use schema::limits::REQUEST_PLACES_MAX;
use schema::{BestAvailable, PlanIndex, Row, SeatIdx, SeatingPlan, Section};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rows one behind the other, the stage before the middle of the first. An empty line starts a
/// section, and with it the next price level.
fn map(rows: &str) -> SeatMap {
    let mut sections = vec![Section { name: "S0".into(), rows: vec![] }];
    let (mut taken, mut seat, mut y_cm) = (vec![], 0, 2_000);
    let width = i32::try_from(rows.lines().next().unwrap().trim().len()).unwrap();
    for line in rows.lines().map(str::trim) {
        if line.is_empty() {
            sections.push(Section { name: format!("S{}", sections.len()).into(), rows: vec![] });
            continue;
        }
        let bits = |wanted: char| {
            let seats = line.chars().zip(0_u32..).filter(|(seat, _)| *seat == wanted);
            seats.fold(0_u64, |bits, (_, at)| bits | 1 << at)
        };
        taken
            .extend((0..64).filter(|bit| bits('x') >> bit & 1 == 1).map(|bit| SeatIdx(seat + bit)));
        let level = u8::try_from(sections.len() - 1).unwrap();
        let section = sections.last_mut().unwrap();
        section.rows.push(Row {
            label: section.rows.len().to_string().into(),
            seat_count: u8::try_from(line.len()).unwrap(),
            first_number: 1,
            price_level: level,
            accessible: bits('a'),
            x_cm: 0,
            y_cm,
            step_x_cm: 1_000,
            step_y_cm: 0,
        });
        seat += u32::try_from(line.len()).unwrap();
        y_cm += 1_800;
    }
    let focal_x_cm = (width - 1) * 500;
    let id = "p-1".parse().unwrap();
    let plan =
        SeatingPlan { id, sections, areas: vec![], focal_x_cm, focal_y_cm: 0, pools: vec![] };
    assert_eq!(plan.validate(), Ok(()));
    let map = SeatMap::new(Arc::new(PlanTables::new(Arc::new(PlanIndex::new(plan)))));
    if !taken.is_empty() {
        map.claim(&taken, SeatState::Sold, 1).unwrap();
    }
    map
}

fn want(quantity: u8) -> BestAvailable {
    BestAvailable { quantity, section: None, price_level: None, accessible: false }
}

/// Whatever the slot.
#[track_caller]
fn chosen(rows: &str, want: BestAvailable, expected: &[u32]) {
    spread(rows, want, &[expected]);
}

/// Each of them by some slot; they are as near as each other.
#[track_caller]
fn spread(rows: &str, want: BestAvailable, expected: &[&[u32]]) {
    let choices = (0..32).map(|slot| {
        let choice = claim_best(&map(rows), want, SeatState::Held, slot);
        choice.map_or(vec![], |choice| choice.seats.iter().map(|seat| seat.0).collect())
    });
    let choices: BTreeSet<Vec<u32>> = choices.collect();
    assert_eq!(choices.iter().map(Vec::as_slice).collect::<Vec<_>>(), expected);
}

#[test]
fn the_run_nearest_to_the_stage_is_taken() {
    chosen("..........", want(2), &[4, 5]);
    spread("....xx....", want(2), &[&[2, 3], &[6, 7]]);
    chosen("xxxxxxxxxx\n..........", want(4), &[13, 14, 15, 16]);
    // The far end of the first row is farther than the middle of the second.
    chosen("..xxxxxxxx\n..........", want(2), &[14, 15]);
}

#[test]
fn no_single_seat_is_left_alone_while_another_run_leaves_none() {
    chosen("xxx...xxxx\n..........", want(2), &[14, 15]);
    chosen(".....xxxxx", want(3), &[2, 3, 4]);
    chosen(".....xxxxx", want(4), &[1, 2, 3, 4]);
    spread("xxx.xx...x", want(1), &[&[3], &[6]]);
    chosen("xxx...xxxx", want(2), &[4, 5]);
}

#[test]
fn accessible_seats_are_for_those_who_ask_and_come_with_a_companion() {
    spread("....aa....", want(2), &[&[2, 3], &[6, 7]]);
    chosen("xxxxaaxxxx", want(1), &[]);
    let accessible = |quantity| BestAvailable { accessible: true, ..want(quantity) };
    spread("....aa....", accessible(2), &[&[3, 4], &[5, 6]]);
    spread("....aa....", accessible(1), &[&[4], &[5]]);
    chosen("xxxxaaxxxx", accessible(2), &[4, 5]);
    chosen("..........", accessible(1), &[]);
    chosen("xxx.x.axxx\nxx..xxxxxx", accessible(3), &[5, 6, 13]);
    chosen("xxx.xxxaxx\nxx..xxxxxx", accessible(3), &[7, 12, 13]);
}

#[test]
fn a_party_that_fits_into_no_row_is_split_evenly_over_neighbours() {
    chosen("xxxx..xxxx\nxxx..xxxxx", want(4), &[4, 5, 13, 14]);
    chosen("xxxx..xxxx\nxxx...xxxx", want(5), &[4, 5, 13, 14, 15]);
    chosen("xxxx.xxxxx\nxxx.xxxxxx\nxxxxx.xxxx", want(3), &[4, 13, 25]);
    // The rows in question are not neighbours, or not of one section.
    chosen("xxxx..xxxx\nxxxxxxxxxx\nxxx..xxxxx", want(4), &[]);
    chosen("xxxx..xxxx\n\nxxx..xxxxx", want(4), &[]);
}

#[test]
fn the_longest_party_sits_in_one_row_or_in_equal_parts() {
    let longest = u8::try_from(REQUEST_PLACES_MAX).unwrap();
    let together: Vec<u32> = (16..28).collect();
    chosen("xxxx......xxxx\nxx............", want(longest), &together);
    let parts: Vec<u32> = (0..6).chain(6..12).collect();
    chosen("......\n......", want(longest), &parts);
}

#[test]
fn a_party_that_fits_into_a_row_is_not_split_to_leave_no_seat_alone() {
    let rows = ".....xxxxx\n.....xxxxx";
    chosen(rows, want(4), &[1, 2, 3, 4]);
    chosen(rows, want(6), &[2, 3, 4, 12, 13, 14]);
}

#[test]
fn a_choice_says_whom_it_splits_and_what_it_leaves_alone() {
    let cost = |rows: &str, quantity: u8| {
        let choice = claim_best(&map(rows), want(quantity), SeatState::Held, 2).unwrap();
        (choice.row_count, choice.stranded)
    };
    assert_eq!(cost("..........", 4), (1, 0));
    assert_eq!(cost("xxx...xxxx", 1), (1, 0));
    assert_eq!(cost("xxx...xxxx", 2), (1, 1));
    assert_eq!(cost("xxx...xxxx\nxxx..xxxxx", 4), (2, 1));
    let mut tally = Tally::default();
    tally.add(&claim_best(&map("xxx...xxxx\nxxx..xxxxx"), want(4), SeatState::Held, 2).unwrap());
    assert_eq!(tally, Tally { singles_stranded: 1, parties_split: 1, ..Tally::default() });
}

#[test]
fn a_party_of_twelve_sits_together() {
    let row = [12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
    chosen("......x.....\n............", want(12), &row);
}

#[test]
fn filters_are_kept() {
    let rows = "..........\n\n..........";
    chosen(rows, BestAvailable { section: Some(1), ..want(2) }, &[14, 15]);
    chosen(rows, BestAvailable { price_level: Some(1), ..want(2) }, &[14, 15]);
    chosen(rows, BestAvailable { section: Some(0), price_level: Some(1), ..want(2) }, &[]);
    chosen(rows, BestAvailable { section: Some(1), ..want(12) }, &[]);
    chosen(rows, want(200), &[]);
}

#[test]
fn closed_seats_are_left_and_all_others_are_sold() {
    let rows = "..........\n....xx....\n..........";
    let closed = [0b00_0011_1100, 0b00_0000_0001, 0];
    for quantity in [1, 2, 3] {
        let map = map(rows);
        while let Some(choice) =
            claim_best_of(&map, &closed, want(quantity), SeatState::Sold, u32::from(quantity))
        {
            for seat in choice.seats {
                let (row, bit) = map.tables.row_bit(seat);
                assert_eq!(closed[row] & bit, 0, "{seat:?}");
            }
        }
        while claim_best_of(&map, &closed, want(1), SeatState::Sold, 1).is_some() {}
        let left: Vec<u64> = (0..3).map(|row| map.free_in_row(row)).collect();
        assert_eq!(left, closed, "parties of {quantity}");
    }
}

#[test]
fn a_house_can_be_sold_out_by_parties() {
    let house = vec![".".repeat(64); 20].join("\n");
    let map = map(&house);
    let mut sold = 0;
    for quantity in [2, 4, 2, 1, 3, 2, 6, 4, 5, 2].into_iter().cycle() {
        let choice = claim_best(&map, want(quantity), SeatState::Sold, 1);
        let Some(choice) = choice else { break };
        sold += choice.seats.len();
    }
    while claim_best(&map, want(1), SeatState::Sold, 1).is_some() {
        sold += 1;
    }
    assert_eq!(sold, 64 * 20);
}

mod arena;
mod sell_out;
mod spread;
