//! Claims by one thread and by several.

use super::carry::Step;
use super::fixture::{best, map, seats};
use super::mark::{ClaimId, Mark, Owner};
use super::{Contention, SeatMap};
use crate::HoldPhase;
use crate::best_available::{Tally, claim_best};
use crate::rules::claim;
use crate::sale::Sale;
use crate::seat_word::{SeatState, SeatWord};
use crate::shape::Wanted;
use crate::sync::Ordering;
use schema::SeatIdx;
use std::sync::atomic::AtomicU32;

#[test]
fn a_claim_takes_all_or_nothing_and_names_what_was_taken() {
    let map = map(8);
    assert_eq!(map.claim(&seats(&[2, 5]), SeatState::Held, 7), Ok(()));
    assert_eq!(map.claim(&seats(&[1, 2, 4, 5]), SeatState::Held, 8), Err(seats(&[2, 5])));
    assert_eq!(map.read(SeatIdx(1)), SeatWord::NEVER);
    assert_eq!(map.read(SeatIdx(5)), SeatWord { generation: 1, state: SeatState::Held, slot: 7 });
    assert_eq!(map.free_in_row(0), 0b1101_1011);
}

/// A claim whose claimant has announced it, has marked these of its seats, and stands still.
fn stalled(map: &SeatMap, wanted: &[u32], marked: &[u32], slot: u32) -> ClaimId {
    let claim = map.announce(&seats(wanted), Owner { state: SeatState::Held, slot });
    for seat in seats(marked) {
        assert!(matches!(map.mark(seat, claim), Step::Marked));
    }
    claim
}

#[test]
fn nobody_sees_a_claim_before_it_is_decided() {
    let map = map(8);
    let claim = stalled(&map, &[1, 4], &[1, 4], 7);
    assert_eq!([map.read(SeatIdx(1)), map.read(SeatIdx(4))], [SeatWord::NEVER; 2]);
    assert_eq!(map.free_in_row(0), 0b1111_1111);
    map.carry_through(claim);
    let held = SeatWord { generation: 1, state: SeatState::Held, slot: 7 };
    assert_eq!([map.read(SeatIdx(1)), map.read(SeatIdx(4))], [held; 2]);
    assert!(map.conclude(&seats(&[1, 4]), claim));
    assert_eq!([map.read(SeatIdx(1)), map.read(SeatIdx(4))], [held; 2]);
    assert_eq!(map.free_in_row(0), 0b1110_1101);
}

#[test]
fn a_claim_that_stands_still_is_carried_on_by_whoever_meets_it() {
    let map = map(8);
    let claim = stalled(&map, &[1, 4], &[1], 7);
    assert_eq!(map.claim(&seats(&[0, 1]), SeatState::Held, 8), Err(seats(&[1])));
    assert_eq!(map.read(SeatIdx(4)).slot, 7);
    assert_eq!(map.read(SeatIdx(0)), SeatWord::NEVER);
    assert_eq!(map.contention(), Contention { helped: 1, retried: 1, waited: 0 });
    assert!(map.conclude(&seats(&[1, 4]), claim), "it won while it stood still");
}

#[test]
fn the_shards_tally_counts_a_claim_that_has_met_another() {
    let sale = Sale::new(map(8).tables.clone());
    stalled(&sale.map, &[1, 4], &[1], 7);
    let mut tally = Tally::default();
    let mut take = |wanted: &[u32], slot| {
        let wanted = Wanted::Seats(seats(wanted));
        claim(&sale, &wanted, &[], HoldPhase::Held, slot, &mut tally).is_ok()
    };
    assert!(!take(&[0, 1], 8));
    assert!(take(&[0, 2], 8), "which meets nobody");
    let met = Contention { helped: 1, retried: 1, waited: 0 };
    assert_eq!(tally, Tally { claims_met: met, ..Tally::default() });
}

#[test]
fn a_claim_that_loses_a_seat_on_its_way_refuses_nobody_and_leaves_no_trace() {
    let map = map(8);
    let claim = stalled(&map, &[1, 4, 5, 6], &[1, 4], 8);
    map.claim(&seats(&[5]), SeatState::Held, 7).unwrap();
    assert_eq!(map.claim(&seats(&[3, 4]), SeatState::Held, 9), Ok(()));
    assert_eq!(map.read(SeatIdx(4)), SeatWord { generation: 1, state: SeatState::Held, slot: 9 });
    map.carry_through(claim);
    assert!(!map.conclude(&seats(&[1, 4, 5, 6]), claim));
    assert_eq!([map.read(SeatIdx(1)), map.read(SeatIdx(6))], [SeatWord::NEVER; 2]);
    assert_eq!(map.free_in_row(0), 0b1100_0111);
}

#[test]
fn a_chain_of_claims_that_stand_still_is_carried_on_from_its_end() {
    let map = map(8);
    let first = stalled(&map, &[0, 1], &[0], 1);
    let second = stalled(&map, &[1, 2], &[1], 2);
    let third = stalled(&map, &[2, 3], &[2], 3);
    // The third can go on at once. That is the end of the second, and lets the first go on.
    assert_eq!(map.claim(&seats(&[0]), SeatState::Held, 4), Err(seats(&[0])));
    assert!(map.conclude(&seats(&[0, 1]), first));
    assert!(!map.conclude(&seats(&[1, 2]), second));
    assert!(map.conclude(&seats(&[2, 3]), third));
    assert_eq!(map.free_in_row(0), 0b1111_0000);
}

#[test]
fn a_mark_that_comes_too_late_is_a_free_seat_and_goes_when_it_is_met() {
    let map = map(8);
    let claim = stalled(&map, &[1, 5], &[1], 7);
    map.claims.decide(claim, false);
    // As if a thread that helps had stood still since before the decision.
    let late = Mark { generation: 0, claim }.encode();
    map.words[5].store(late, Ordering::Relaxed);
    assert!(!map.conclude(&seats(&[1]), claim));
    assert_eq!(map.read(SeatIdx(5)), SeatWord::NEVER, "its claim has left");
    let next = stalled(&map, &[2, 3], &[], 8);
    assert_eq!(next.place(), claim.place());
    assert_eq!(map.read(SeatIdx(5)), SeatWord::NEVER, "and another one has its place");
    assert_eq!(map.claim(&seats(&[5]), SeatState::Held, 9), Ok(()));
    assert_eq!(map.read(SeatIdx(5)), SeatWord { generation: 1, state: SeatState::Held, slot: 9 });
}

#[test]
fn a_seat_that_a_claim_has_not_struck_off_yet_is_not_chosen_again() {
    let map = map(3);
    let claim = stalled(&map, &[0, 1], &[0, 1], 7);
    map.claims.decide(claim, true);
    assert_eq!(map.free_in_row(0), 0b111, "the claimant stands still before it clears the bits");
    let chosen = claim_best(&map, best(1), SeatState::Held, 8);
    assert_eq!(chosen.map(|choice| choice.seats), Some(seats(&[2])));
    assert_eq!(claim_best(&map, best(1), SeatState::Held, 9), None);
}

#[test]
fn a_word_of_an_earlier_time_changes_nothing() {
    let map = map(1);
    let seat = SeatIdx(0);
    map.claim(&[seat], SeatState::Held, 7).unwrap();
    let first = map.read(seat);
    let freed = map.transition(seat, first, SeatState::Free).unwrap();
    assert_eq!(freed, SeatWord { generation: 2, state: SeatState::Free, slot: 0 });
    map.claim(&[seat], SeatState::Held, 7).unwrap();
    let second = map.read(seat);
    assert_eq!(map.transition(seat, first, SeatState::Free), Err(second));
    assert_eq!((map.read(seat), map.free_in_row(0)), (second, 0));
}

#[test]
fn threads_that_claim_overlapping_seats_never_share_one() {
    const THREADS: u32 = 4;
    const CLAIMS: u32 = 5_000;
    let map = map(12);
    let owners: Vec<AtomicU32> = (0..12).map(|_| AtomicU32::new(0)).collect();
    let won: u32 = std::thread::scope(|scope| {
        let claimants: Vec<_> = (1..=THREADS)
            .map(|slot| {
                let (map, owners) = (&map, &owners);
                scope.spawn(move || {
                    (0..CLAIMS).map(|turn| claimant(map, owners, slot, turn)).sum::<u32>()
                })
            })
            .collect();
        claimants.into_iter().map(|claimant| claimant.join().unwrap()).sum::<u32>()
    });
    assert!(0 < won, "somebody got seats");
    assert_eq!(map.free_in_row(0), (1 << 12) - 1, "all came back");
    for seat in (0..12).map(SeatIdx) {
        let word = map.read(seat);
        assert_eq!((word.state, word.slot), (SeatState::Free, 0));
    }
}

/// Claims three seats; whoever has them writes its name beside them and must find it there alone.
fn claimant(map: &SeatMap, owners: &[AtomicU32], slot: u32, turn: u32) -> u32 {
    // Sets of three that overlap differently from turn to turn.
    let mut wanted: Vec<u32> =
        (0..3).map(|step| (slot + turn * 7 + step * (1 + turn % 4)) % 12).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let wanted = seats(&wanted);
    if let Err(taken) = map.claim(&wanted, SeatState::Held, slot) {
        assert!(!taken.is_empty());
        assert!(taken.iter().all(|seat| wanted.contains(seat)));
        assert!(wanted.iter().all(|&seat| map.read(seat).slot != slot), "nothing is kept");
        return 0;
    }
    let owner = |seat: &SeatIdx| &owners[usize::try_from(seat.0).unwrap()];
    for seat in &wanted {
        // Relaxed: ordered by the words of the seat; a second owner would be seen here as well.
        let before = owner(seat).swap(slot, Ordering::Relaxed);
        assert_eq!(before, 0, "{seat:?} has two owners");
    }
    for seat in &wanted {
        // Relaxed, as above.
        assert_eq!(owner(seat).swap(0, Ordering::Relaxed), slot);
        map.transition(*seat, map.read(*seat), SeatState::Free).unwrap();
    }
    1
}
