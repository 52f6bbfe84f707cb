//! A whole sale of an arena by parties: how many seats it leaves alone, and how many parties it
//! splits.

use super::arena;
use crate::best_available::{Tally, claim_best};
use crate::seat_map::SeatMap;
use crate::seat_word::SeatState;
use schema::{BestAvailable, SeatIdx};
use std::collections::VecDeque;

/// Of a hundred parties those of one, two, .. six: couples and families, as the orders of concerts
/// are.
const PARTIES: [u32; 6] = [15, 45, 12, 22, 3, 3];

/// The same without those who come alone and would take every seat that was left alone: nothing
/// hides what careless choices do.
const COMPANIES: [u32; 6] = [0, 45, 12, 22, 3, 3];

/// One party in so many lets its hold lapse, after so many others have come: its seats are a hole
/// in a house that has filled up around them.
const LAPSES_ONE_IN: u64 = 6;
const LAPSES_AFTER: usize = 300;

/// One party in so many asks for an accessible place: about as many as there are places.
const ACCESSIBLE_ONE_IN: u64 = 40;

/// Numbers that look random and are the same on every machine (`SplitMix64`).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let bits = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ bits >> 31) % end
    }

    fn party(&mut self, weights: [u32; 6]) -> BestAvailable {
        let mut drawn = self.below(weights.iter().sum::<u32>().into());
        let mut quantity = 1;
        for weight in weights.map(u64::from) {
            if drawn < weight {
                break;
            }
            drawn -= weight;
            quantity += 1;
        }
        // Every second party has a price in mind.
        let level = u8::try_from(self.below(6)).unwrap();
        let price_level = (level < 3).then_some(level);
        let accessible = self.below(ACCESSIBLE_ONE_IN) == 0;
        BestAvailable { quantity, section: None, price_level, accessible }
    }
}

struct Sale {
    map: SeatMap,
    chance: Chance,
    weights: [u32; 6],
    came: usize,
    seated: u32,
    sold: u32,
    tally: Tally,
    /// Most seats that were alone at any time.
    alone_max: u32,
    lapsing: VecDeque<(usize, Vec<SeatIdx>)>,
}

impl Sale {
    fn new(seed: u64, weights: [u32; 6]) -> Self {
        Self {
            map: arena::map(),
            chance: Chance(seed),
            weights,
            came: 0,
            seated: 0,
            sold: 0,
            tally: Tally::default(),
            alone_max: 0,
            lapsing: VecDeque::new(),
        }
    }

    /// Sells until so many per cent are sold.
    fn sell(&mut self, percent: u32) {
        while self.sold * 100 < self.map.seat_count() * percent {
            let want = self.chance.party(self.weights);
            self.come(want);
        }
    }

    /// Sells until a party of this size that takes every seat finds none.
    fn sell_out(&mut self, quantity: u8) {
        loop {
            let want = self.chance.party(self.weights);
            let seated = self.come(want);
            let takes_any = want.price_level.is_none() && !want.accessible;
            if !seated && takes_any && want.quantity == quantity {
                if self.lapsing.is_empty() {
                    return;
                }
                self.lapse();
            }
        }
    }

    /// A party comes; says whether it has got seats.
    fn come(&mut self, want: BestAvailable) -> bool {
        self.came += 1;
        while self.lapsing.front().is_some_and(|&(due, _)| due <= self.came) {
            self.lapse();
        }
        let slot = u32::try_from(self.came).unwrap();
        let Some(choice) = claim_best(&self.map, want, SeatState::Held, slot) else { return false };
        self.seated += 1;
        self.sold += u32::from(want.quantity);
        self.tally.add(&choice);
        self.alone_max = self.alone_max.max(self.alone());
        if self.chance.below(LAPSES_ONE_IN) == 0 {
            self.lapsing.push_back((self.came + LAPSES_AFTER, choice.seats));
        }
        true
    }

    fn lapse(&mut self) {
        let (_, seats) = self.lapsing.pop_front().unwrap();
        self.sold -= u32::try_from(seats.len()).unwrap();
        for seat in seats {
            self.map.transition(seat, self.map.read(seat), SeatState::Free).unwrap();
        }
    }

    /// Free seats that nobody can sit beside, but for accessible places, which are kept.
    fn alone(&self) -> u32 {
        let rows = self.map.tables.rows.iter().enumerate();
        let alone = rows.map(|(at, row)| {
            let free = self.map.free_in_row(at);
            (free & !(free << 1) & !(free >> 1) & !row.accessible).count_ones()
        });
        alone.sum()
    }
}

#[test]
fn a_sale_leaves_fewer_than_one_seat_in_a_hundred_alone_at_any_time_and_at_its_end() {
    for seed in 0..3 {
        let mut sale = Sale::new(seed, PARTIES);
        let seats = sale.map.seat_count();
        sale.sell(95);
        let Tally { singles_stranded, parties_split, .. } = sale.tally;
        assert!(singles_stranded * 200 < seats, "seed {seed}: {singles_stranded} left alone");
        assert!(parties_split * 500 < sale.seated, "seed {seed}: {parties_split} parties split");
        sale.sell_out(2);
        let left = sale.alone();
        assert!(left * 100 < seats, "seed {seed}: {left} alone at the end");
        assert!(sale.alone_max * 100 < seats, "seed {seed}: {} alone", sale.alone_max);
        sale.sell_out(1);
        // Accessible places that nobody asked for.
        let (sold, kept) = (sale.sold, seats / 100);
        assert!(seats <= sold + kept, "seed {seed}: {sold} of {seats} sold");
    }
}

#[test]
fn a_sale_to_nobody_who_comes_alone_leaves_fewer_than_one_seat_in_a_hundred_alone() {
    for seed in 0..3 {
        let mut sale = Sale::new(seed, COMPANIES);
        let seats = sale.map.seat_count();
        sale.sell_out(2);
        assert!(sale.alone_max * 100 < seats, "seed {seed}: {} alone", sale.alone_max);
        assert!(sale.tally.parties_split * 100 < sale.seated, "seed {seed}: {:?}", sale.tally);
    }
}
