//! Claims by one thread and by several.

use super::SeatMap;
use super::fixture::{map, seats};
use crate::seat_word::{SeatState, SeatWord};
use schema::SeatIdx;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn a_claim_takes_all_or_nothing_and_names_what_was_taken() {
    let map = map(8);
    assert_eq!(map.claim(&seats(&[2, 5]), SeatState::Held, 7), Ok(()));
    assert_eq!(map.claim(&seats(&[1, 2, 4, 5]), SeatState::Held, 8), Err(seats(&[2, 5])));
    assert_eq!(map.read(SeatIdx(1)), SeatWord::NEVER);
    assert_eq!(map.read(SeatIdx(5)), SeatWord { generation: 1, state: SeatState::Held, slot: 7 });
    assert_eq!(map.free_in_row(0), 0b1101_1011);
}

#[test]
fn a_claim_that_loses_a_seat_on_its_way_gives_the_others_back() {
    let map = map(8);
    // Without the first look, as if seat 5 had been taken just after it.
    map.claim(&seats(&[5]), SeatState::Held, 7).unwrap();
    assert_eq!(map.take(&seats(&[1, 4, 5, 6]), SeatState::Held, 8), Err(seats(&[5])));
    let given_back = SeatWord { generation: 2, ..SeatWord::NEVER };
    assert_eq!([map.read(SeatIdx(1)), map.read(SeatIdx(4))], [given_back; 2]);
    assert_eq!(map.read(SeatIdx(6)), SeatWord::NEVER);
    assert_eq!(map.free_in_row(0), 0b1101_1111);
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
