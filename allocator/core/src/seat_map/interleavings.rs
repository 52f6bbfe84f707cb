//! Two threads at one map in every order that the memory model allows:
//! `cargo nextest run -p allocator-core --features loom interleavings`.
//!
//! A second, once loom is built; `deploy/test` leaves it out, because that takes two minutes.

use super::SeatMap;
use super::fixture::{map, seats};
use crate::seat_word::SeatState;
use crate::sync::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;
use schema::SeatIdx;

/// The row's bits say what the words say once all threads are done.
fn assert_bits_match(map: &SeatMap) {
    let is_free = |seat: &u32| map.read(SeatIdx(*seat)).state == SeatState::Free;
    let free = (0..map.seat_count()).filter(is_free).fold(0, |bits, seat| bits | 1 << seat);
    assert_eq!(map.free_in_row(0), free);
}

/// Lets two threads claim these sets; exactly one must get all of its own.
fn contend(first: &'static [u32], second: &'static [u32]) {
    loom::model(move || {
        let map = Arc::new(map(3));
        let rival = Arc::clone(&map);
        let rival = thread::spawn(move || rival.claim(&seats(second), SeatState::Held, 2).is_ok());
        let won = map.claim(&seats(first), SeatState::Held, 1).is_ok();
        let lost = rival.join().unwrap();
        assert!(won != lost, "SEAT-1: one of two overlapping claims wins, and only one");
        let (mine, slot) = if won { (first, 1) } else { (second, 2) };
        for seat in 0..3 {
            let word = map.read(SeatIdx(seat));
            let owner = if mine.contains(&seat) { slot } else { 0 };
            assert_eq!(word.slot, owner, "seat {seat}");
            assert_eq!(word.state == SeatState::Free, owner == 0, "seat {seat}");
        }
        assert_bits_match(&map);
    });
}

#[test]
fn of_two_overlapping_claims_one_gets_all_and_the_other_nothing() {
    contend(&[0, 1], &[0, 1]);
    contend(&[0, 1], &[1, 2]);
    contend(&[1, 2], &[0, 1]);
    contend(&[0, 2], &[1, 2]);
}

#[test]
fn a_claim_beside_a_release_gets_all_or_nothing_and_the_bits_follow() {
    loom::model(|| {
        let map = Arc::new(map(2));
        map.claim(&seats(&[0, 1]), SeatState::Held, 1).unwrap();
        let claimant = Arc::clone(&map);
        let claimant =
            thread::spawn(move || claimant.claim(&seats(&[0, 1]), SeatState::Held, 2).is_ok());
        for seat in seats(&[0, 1]) {
            map.transition(seat, map.read(seat), SeatState::Free).unwrap();
        }
        let claimed = claimant.join().unwrap();
        let (state, slot) = if claimed { (SeatState::Held, 2) } else { (SeatState::Free, 0) };
        for seat in seats(&[0, 1]) {
            let word = map.read(seat);
            assert_eq!((word.state, word.slot), (state, slot), "{seat:?}");
        }
        assert_bits_match(&map);
    });
}

#[test]
fn who_sees_a_change_sees_what_was_done_before_it_and_time_never_runs_back() {
    loom::model(|| {
        let map = Arc::new(map(1));
        let done = Arc::new(AtomicU64::new(0));
        let (seen, doing) = (Arc::clone(&map), Arc::clone(&done));
        // The reader is the spawned one: loom looks for other orders of a load only at a write that
        // came before it.
        let reader = thread::spawn(move || {
            let first = seen.read(SeatIdx(0));
            assert!(u64::from(first.generation) <= doing.load(Ordering::Relaxed));
            if first.generation == 2 {
                assert_eq!(seen.free_in_row(0), 1, "the bit is set before the seat is free");
            }
            let second = seen.read(SeatIdx(0));
            assert!(first.generation <= second.generation);
        });
        // Relaxed, as is the load above: the words alone must order them.
        done.store(1, Ordering::Relaxed);
        map.claim(&seats(&[0]), SeatState::Held, 1).unwrap();
        done.store(2, Ordering::Relaxed);
        map.transition(SeatIdx(0), map.read(SeatIdx(0)), SeatState::Free).unwrap();
        reader.join().unwrap();
    });
}
