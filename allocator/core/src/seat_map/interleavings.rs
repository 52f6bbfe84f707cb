//! Two and three threads at one map in the orders that the memory model allows, within the bounds
//! said below:
//! `cargo nextest run -p allocator-core --features loom interleavings`.

use super::SeatMap;
use super::carry::Step;
use super::fixture::{best, map, map_of_rows, seats};
use super::mark::Owner;
use crate::best_available::claim_best;
use crate::seat_word::{SeatState, SeatWord};
use crate::sync::{AtomicU64, Ordering};
use loom::sync::Arc;
use loom::thread;
use schema::SeatIdx;

/// Most orders of one test; one that has more is cut off there.
///
/// Fewer would end the tests of two threads too early, more are minutes. With three threads there
/// are too many for a day, but a claim that shows its seats before it is decided is found out in
/// the first second.
const ORDERS_MAX: usize = 20_000;

/// Goes through the orders with at most so many switches away from a thread that could go on.
///
/// The defects that these tests were made for need one or two; each switch more is a hundred times
/// as many orders.
fn explore(switches_max: usize, orders: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(switches_max);
    model.max_permutations = Some(ORDERS_MAX);
    // The bound is looked at once in so many orders.
    model.checkpoint_interval = 1_000;
    model.check(orders);
}

/// Lets a thread of its own claim these seats, and says whether it got them.
fn claimant(map: &Arc<SeatMap>, wanted: &'static [u32], slot: u32) -> thread::JoinHandle<bool> {
    let map = Arc::clone(map);
    thread::spawn(move || claim(&map, wanted, slot))
}

fn claim(map: &SeatMap, wanted: &[u32], slot: u32) -> bool {
    map.claim(&seats(wanted), SeatState::Held, slot).is_ok()
}

/// Each seat belongs to whom it should after its first claim, or nothing ever happened to it, and
/// the rows' bits say the same.
fn assert_owners(map: &SeatMap, owner_of: impl Fn(u32) -> Option<u32>) {
    for seat in 0..map.seat_count() {
        let owned = |slot| SeatWord { generation: 1, state: SeatState::Held, slot };
        let expected = owner_of(seat).map_or(SeatWord::NEVER, owned);
        assert_eq!(map.read(SeatIdx(seat)), expected, "seat {seat}");
    }
    assert_bits_match(map);
}

fn assert_bits_match(map: &SeatMap) {
    for seat in seats(&(0..map.seat_count()).collect::<Vec<_>>()) {
        let (row, bit) = map.tables.row_bit(seat);
        let is_free = map.read(seat).state == SeatState::Free;
        assert_eq!(map.free_in_row(row) & bit != 0, is_free, "the bit of {seat:?}");
    }
}

/// Lets two threads claim these sets; exactly one must get all of its own.
fn contend(first: &'static [u32], second: &'static [u32]) {
    explore(2, move || {
        let map = Arc::new(map(3));
        let rival = claimant(&map, second, 2);
        let won = claim(&map, first, 1);
        let lost = rival.join().expect("a claimant ends");
        assert!(won != lost, "SEAT-1: one of two overlapping claims wins, and only one");
        let (mine, slot) = if won { (first, 1) } else { (second, 2) };
        assert_owners(&map, |seat| mine.contains(&seat).then_some(slot));
    });
}

#[test]
fn of_two_overlapping_claims_one_gets_all_and_the_other_leaves_no_trace() {
    contend(&[0, 1], &[0, 1]);
    contend(&[0, 1], &[1, 2]);
    contend(&[1, 2], &[0, 1]);
    contend(&[0, 2], &[1, 2]);
}

#[test]
fn a_claim_that_gives_its_seats_back_refuses_nobody() {
    explore(1, || {
        let map = Arc::new(map(2));
        // The one that wants both meets the others, which do not meet each other.
        let last = claimant(&map, &[1], 1);
        let both = claimant(&map, &[0, 1], 2);
        let first = claim(&map, &[0], 3);
        let (last, both) = (last.join().unwrap(), both.join().unwrap());
        assert!(first || both, "refused for seat 0, which nobody has");
        assert!(last || both, "refused for seat 1, which nobody has");
        assert!(both != (first || last), "SEAT-1");
        assert_owners(&map, |seat| Some(if both { 2 } else { 3 - 2 * seat }));
    });
}

#[test]
fn a_claim_that_stands_still_is_decided_once_by_all_who_meet_it() {
    explore(2, || {
        let map = Arc::new(map(2));
        let still = map.announce(&seats(&[0, 1]), Owner { state: SeatState::Held, slot: 2 });
        assert!(matches!(map.mark(SeatIdx(0), still), Step::Marked));
        let last = claimant(&map, &[1], 1);
        let first = claim(&map, &[0], 3);
        let last = last.join().unwrap();
        let both = map.conclude(&seats(&[0, 1]), still);
        assert!(both != first, "seat 0 goes to one of the two that want it");
        assert!(both != last, "and so does seat 1");
        assert_owners(&map, |seat| Some(if both { 2 } else { 3 - 2 * seat }));
    });
}

#[test]
fn a_reader_sees_only_what_stays() {
    explore(1, || {
        let map = Arc::new(map(2));
        let seen = Arc::clone(&map);
        let rival = claimant(&map, &[1], 2);
        let reader = thread::spawn(move || [seen.read(SeatIdx(0)), seen.read(SeatIdx(0))]);
        let won = claim(&map, &[0, 1], 1);
        assert!(won != rival.join().unwrap());
        let after = map.read(SeatIdx(0));
        let [first, second] = reader.join().unwrap();
        let stays = first == SeatWord::NEVER || first == after;
        assert!(stays, "{first:?} was given back, it is {after:?}");
        let stays = second == after || second == SeatWord::NEVER && first == second;
        assert!(stays, "{second:?} after {first:?} was given back, it is {after:?}");
    });
}

#[test]
fn a_claim_beside_a_release_gets_all_or_nothing_and_the_bits_follow() {
    explore(2, || {
        let map = Arc::new(map(2));
        assert!(claim(&map, &[0, 1], 1));
        let claimant = claimant(&map, &[0, 1], 2);
        for seat in seats(&[0, 1]) {
            map.transition(seat, map.read(seat), SeatState::Free).unwrap();
        }
        let claimed = claimant.join().unwrap();
        let (generation, state, slot) =
            if claimed { (3, SeatState::Held, 2) } else { (2, SeatState::Free, 0) };
        for seat in seats(&[0, 1]) {
            assert_eq!(map.read(seat), SeatWord { generation, state, slot }, "{seat:?}");
        }
        assert_bits_match(&map);
    });
}

#[test]
fn a_thread_that_helps_a_claim_which_is_long_over_changes_nothing() {
    explore(2, || {
        let map = Arc::new(map(2));
        let rival = claimant(&map, &[0, 1], 2);
        // The second claim takes the first one's place in the table, whoever still helps that one.
        let first = claim(&map, &[0], 1);
        let second = claim(&map, &[1], 3);
        let rival = rival.join().unwrap();
        assert!(first != rival && second != rival, "SEAT-1");
        assert_owners(&map, |seat| Some(if rival { 2 } else { 1 + 2 * seat }));
    });
}

#[test]
fn the_best_seat_is_found_while_there_always_is_one() {
    explore(2, || {
        let map = Arc::new(map_of_rows(&[1, 1]));
        assert!(claim(&map, &[0], 1));
        let seeks = Arc::clone(&map);
        let seeker =
            thread::spawn(move || claim_best(&seeks, best(1), SeatState::Held, 2).is_some());
        // The near seat becomes free before the far one is taken.
        map.transition(SeatIdx(0), map.read(SeatIdx(0)), SeatState::Free).unwrap();
        let far = claim(&map, &[1], 3);
        assert!(seeker.join().unwrap(), "NOT_ENOUGH_SEATS beside a free seat");
        assert!(far || map.read(SeatIdx(1)).slot == 2);
        assert_bits_match(&map);
    });
}

#[test]
fn who_sees_a_change_sees_what_was_done_before_it_and_time_never_runs_back() {
    explore(2, || {
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
        assert!(claim(&map, &[0], 1));
        done.store(2, Ordering::Relaxed);
        map.transition(SeatIdx(0), map.read(SeatIdx(0)), SeatState::Free).unwrap();
        reader.join().unwrap();
    });
}
