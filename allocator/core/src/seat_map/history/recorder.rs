//! Threads that claim, release and sell a few seats, and write down what they were told and when.

use crate::seat_map::fixture::map_of_rows;
use crate::seat_map::oracle::{Answer, Call, ask};
use crate::seat_map::{Contention, SeatMap};
use crate::seat_word::{SeatState, SeatWord};
use schema::SeatIdx;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

/// A call and its answer, somewhere in between at an instant of `(asked, answered)`.
#[derive(Debug, Clone)]
pub struct Told {
    pub asked: u64,
    pub answered: u64,
    pub call: Call,
    pub answer: Answer,
}

/// What each thread was told, in the order in which it asked.
pub type History = Vec<Vec<Told>>;

pub struct Recorded {
    pub history: History,
    pub contention: Contention,
}

impl Recorded {
    pub fn refusals(&self) -> usize {
        let told = self.history.iter().flatten();
        told.filter(|told| matches!(told.answer, Answer::Taken(_) | Answer::NoneLeft)).count()
    }
}

pub fn record(seat_counts: &[u8], threads: usize, calls: usize, seed: u64) -> Recorded {
    let map = map_of_rows(seat_counts);
    let (clock, ready) = (AtomicU64::new(0), Barrier::new(threads));
    let history = std::thread::scope(|scope| {
        let buyers: Vec<_> = (1_u32..)
            .take(threads)
            .map(|slot| {
                let (map, clock, ready) = (&map, &clock, &ready);
                let mut buyer =
                    Buyer { map, slot, chance: seed * 64 + u64::from(slot), has: vec![] };
                scope.spawn(move || {
                    ready.wait();
                    (0..calls).map(|_| buyer.turn(clock)).collect()
                })
            })
            .collect();
        buyers.into_iter().map(|buyer| buyer.join().unwrap()).collect()
    });
    Recorded { history, contention: map.contention() }
}

struct Buyer<'a> {
    map: &'a SeatMap,
    slot: u32,
    chance: u64,
    has: Vec<(SeatIdx, SeatWord)>,
}

impl Buyer<'_> {
    fn turn(&mut self, clock: &AtomicU64) -> Told {
        let call = self.choose();
        // SeqCst, twice: the clock says which call ended before which other one began.
        let asked = clock.fetch_add(1, Ordering::SeqCst);
        let answer = ask(self.map, &call);
        let answered = clock.fetch_add(1, Ordering::SeqCst);
        self.learn(&call, &answer);
        Told { asked, answered, call, answer }
    }

    fn choose(&mut self) -> Call {
        let slot = self.slot;
        match self.dice(8) {
            0 => Call::Read { seat: self.any_seat() },
            1 => Call::Best { quantity: 1 + u8::try_from(self.dice(3)).unwrap(), slot },
            2..=4 if !self.has.is_empty() => self.change(),
            _ if 3 < self.has.len() => self.change(),
            _ => Call::Claim { seats: self.any_seats(), slot },
        }
    }

    fn change(&mut self) -> Call {
        let which = usize::try_from(self.dice(self.has.len() as u64)).unwrap();
        let (seat, from) = self.has[which];
        let sells = from.state == SeatState::Held && self.dice(4) == 0;
        let to = if sells { SeatState::Sold } else { SeatState::Free };
        Call::Change { seat, from, to }
    }

    fn learn(&mut self, call: &Call, answer: &Answer) {
        match (call, answer) {
            (_, Answer::Claimed(seats)) => {
                let words = seats.iter().map(|&seat| (seat, self.map.read(seat)));
                self.has.extend(words);
            }
            (Call::Change { seat, to, .. }, Answer::Changed(word)) => {
                self.has.retain(|(own, _)| own != seat);
                if *to != SeatState::Free {
                    self.has.push((*seat, *word));
                }
            }
            _ => {}
        }
    }

    fn any_seat(&mut self) -> SeatIdx {
        let seat = self.dice(u64::from(self.map.seat_count()));
        SeatIdx(u32::try_from(seat).unwrap())
    }

    fn any_seats(&mut self) -> Vec<SeatIdx> {
        let mut seats = vec![self.any_seat(), self.any_seat(), self.any_seat()];
        seats.sort_unstable();
        seats.dedup();
        seats
    }

    /// Xorshift: a number below `sides`.
    fn dice(&mut self, sides: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % sides
    }
}
