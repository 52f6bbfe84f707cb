//! Parties that come at the same moment are spread over seats that are about as good.

use super::{arena, want};
use crate::best_available::claim_best;
use crate::seat_map::SeatMap;
use crate::seat_word::SeatState;
use schema::SeatIdx;
use std::collections::BTreeMap;

/// A house in which all parties before have seats.
fn house(parties: u32) -> SeatMap {
    let map = arena::map();
    for slot in 0..parties {
        claim_best(&map, want(1 + u8::try_from(slot % 4).unwrap()), SeatState::Sold, slot).unwrap();
    }
    map
}

/// What a party gets that chooses alone; the house is as before.
fn choice(map: &SeatMap, quantity: u8, slot: u32) -> Vec<SeatIdx> {
    let seats = claim_best(map, want(quantity), SeatState::Held, slot).unwrap().seats;
    for &seat in &seats {
        map.transition(seat, map.read(seat), SeatState::Free).unwrap();
    }
    seats
}

fn distance(map: &SeatMap, seats: &[SeatIdx]) -> u64 {
    let row = &map.tables.rows[map.tables.row_of(seats[0])];
    let start = u8::try_from(seats[0].0 - row.first.0).unwrap();
    row.distance_squared(start, u8::try_from(seats.len()).unwrap()).isqrt()
}

#[test]
fn two_parties_that_see_the_same_seats_free_mostly_choose_others() {
    for parties in [0, 500, 5_000] {
        let map = house(parties);
        for quantity in [1, 2, 4] {
            // Of 100 parties that choose at the same moment each pair that meets.
            let choices = (0..100).map(|slot| choice(&map, quantity, slot));
            let mut takers: BTreeMap<SeatIdx, u32> = BTreeMap::new();
            for seats in choices {
                // Choices share all seats or none.
                *takers.entry(seats[0]).or_default() += 1;
            }
            let met: u32 = takers.values().map(|&count| count * (count - 1) / 2).sum();
            assert!(met * 5 < 100 * 99 / 2, "{quantity} after {parties}: {met} of 4,950 pairs met");
        }
    }
}

#[test]
fn a_party_sits_at_most_two_seats_and_a_thirtysecond_farther_than_the_nearest() {
    for parties in [0, 500, 5_000] {
        let map = house(parties);
        let choices = || (0..100).map(|slot| distance(&map, &choice(&map, 4, slot)));
        let nearest = choices().min().unwrap();
        // Half centimetres.
        let farthest = choices().max().unwrap();
        assert!(farthest <= nearest + 200 + nearest / 32, "{nearest} to {farthest}");
    }
}

#[test]
fn the_same_slot_on_the_same_seats_chooses_the_same() {
    for slot in 0..20 {
        assert_eq!(choice(&house(300), 4, slot), choice(&house(300), 4, slot));
    }
}

#[test]
fn choices_share_all_of_their_seats_or_none() {
    let map = house(700);
    let choices: Vec<_> = (0..100).map(|slot| choice(&map, 3, slot)).collect();
    for one in &choices {
        for other in &choices {
            let shared = one.iter().filter(|&seat| other.contains(seat)).count();
            assert!(shared == 0 || shared == 3, "{one:?} and {other:?}");
        }
    }
}
