//! Random calls of one thread, each answered as the oracle wants it, and the same seats at the end.

use super::fixture::map_of_rows;
use super::oracle::{Answer, Call, Oracle, ask};
use super::{Contention, SeatMap};
use crate::seat_word::{SeatState, SeatWord};
use proptest::prelude::*;
use schema::SeatIdx;

const ROWS: [u8; 3] = [3, 1, 4];
const SEATS: u32 = 8;

/// A call before it is known what the seats say.
#[derive(Debug, Clone)]
enum Plan {
    Claim(Vec<SeatIdx>),
    Best(u8),
    /// Expects the seat's word, or one of an earlier time.
    Change(SeatIdx, SeatState, bool),
    Read(SeatIdx),
}

fn plans() -> impl Strategy<Value = Plan> {
    let seat = || (0..SEATS).prop_map(SeatIdx);
    let sets = prop::collection::btree_set(seat(), 1..=5);
    let state = prop::sample::select(vec![SeatState::Free, SeatState::Paying, SeatState::Sold]);
    prop_oneof![
        3 => sets.prop_map(|seats| Plan::Claim(seats.into_iter().collect())),
        1 => (1_u8..=5).prop_map(Plan::Best),
        4 => (seat(), state, prop::bool::weighted(0.1)).prop_map(|(seat, to, stale)| {
            Plan::Change(seat, to, stale)
        }),
        1 => seat().prop_map(Plan::Read),
    ]
}

fn call(plan: Plan, map: &SeatMap, slot: u32) -> Call {
    match plan {
        Plan::Claim(seats) => Call::Claim { seats, slot },
        Plan::Best(quantity) => Call::Best { quantity, slot },
        Plan::Read(seat) => Call::Read { seat },
        Plan::Change(seat, to, stale) => {
            let found = map.read(seat);
            if found.state == SeatState::Free {
                return Call::Read { seat };
            }
            let generation = found.generation - u32::from(stale);
            Call::Change { seat, from: SeatWord { generation, ..found }, to }
        }
    }
}

fn assert_same(map: &SeatMap, oracle: &Oracle) {
    for (seat, &word) in (0_u32..).zip(&oracle.words) {
        assert_eq!(map.read(SeatIdx(seat)), word, "seat {seat}");
        let (row, bit) = map.tables.row_bit(SeatIdx(seat));
        let is_free = map.free_in_row(row) & bit != 0;
        assert_eq!(is_free, word.state == SeatState::Free, "the bit of seat {seat}");
    }
}

proptest! {
    #[test]
    fn a_map_answers_every_call_as_the_oracle_does(
        plans in prop::collection::vec(plans(), 1..60),
    ) {
        let map = map_of_rows(&ROWS);
        let mut oracle = Oracle::new(&ROWS);
        for (slot, plan) in (1_u32..).zip(plans) {
            let call = call(plan, &map, slot);
            let answer: Answer = ask(&map, &call);
            let after = oracle.after(&call, &answer);
            prop_assert!(after.is_some(), "{call:?} => {answer:?} at {oracle:?}");
            oracle = after.unwrap();
            assert_same(&map, &oracle);
        }
        prop_assert_eq!(map.contention(), Contention::default(), "one claimant meets nobody");
    }
}
