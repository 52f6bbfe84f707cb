//! The places of one event that somebody has asked for, and what follows from its holds.
//!
//! Everything here but the generations of free seats and the spent passes follows from the set of
//! holds.

use crate::holds::{Hold, HoldPhase};
use crate::map::HashMap;
use crate::plan_tables::PlanTables;
use crate::seat_map::SeatMap;
use crate::seat_word::{SeatState, SeatWord, generation_after};
use schema::{
    AccountId, AreaIdx, Held, HeldArea, HoldId, InvariantId, OwnerKind, PassPlace, PlaceCounts,
    Refusal, SeatIdx, check,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Sale {
    pub map: SeatMap,
    /// Seats and standing places together.
    // SEAT-2: free + held + paying + sold + blocked = all.
    pub counts: PlaceCounts,
    /// Standing places by area, counted from holds; SEAT-2 holds in each.
    pub areas: Vec<PlaceCounts>,
    /// Standing places by pool, those of its areas together; SEAT-2 holds in each.
    pub pools: Vec<PlaceCounts>,
    /// Places that an account holds or owns as a fan.
    pub accounts: HashMap<AccountId, u32>,
    pub passes: HashMap<PassPlace, PassUse>,
    /// Slots of allotments and kills.
    pub blocked: BTreeSet<u32>,
}

/// What is known of a waiting room's place. LINE-4: a pass buys once, for its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassUse {
    /// The first account that held places with it.
    pub account: AccountId,
    /// Its live hold.
    pub hold: Option<HoldId>,
    /// Whether a hold of it has been sold, once and for all.
    pub spent: bool,
}

impl Sale {
    pub fn new(tables: Arc<PlanTables>) -> Self {
        let plan = &tables.index.plan;
        let all_free = |free| PlaceCounts { free, ..PlaceCounts::default() };
        let areas = plan.areas.iter().map(|area| all_free(area.capacity)).collect();
        let pools = plan.pools.iter().map(|pool| all_free(pool.capacity)).collect();
        let counts = all_free(tables.place_count);
        let (accounts, passes, blocked) = (HashMap::default(), HashMap::default(), BTreeSet::new());
        Self { map: SeatMap::new(tables), counts, areas, pools, accounts, passes, blocked }
    }

    /// Whether nothing is left of any outcome, so that another plan may take this one's place.
    /// Says the same on the owner and on a follower that was restored, however often the owner
    /// has refused.
    pub fn is_pristine(&self) -> bool {
        let all = self.map.tables.place_count;
        self.counts.free == all && self.passes.is_empty() && self.words().next().is_none()
    }

    /// The words of all seats that ever changed, in order of seat.
    pub fn words(&self) -> impl Iterator<Item = (SeatIdx, SeatWord)> {
        let seats = (0..self.map.seat_count()).map(SeatIdx);
        let words = seats.map(|seat| (seat, self.map.read(seat)));
        words.filter(|(_, word)| *word != SeatWord::NEVER)
    }

    /// Free standing places of an area: what it and its pool have left.
    pub fn area_free(&self, area: AreaIdx) -> u32 {
        let left = self.areas[usize::from(area.0)].free;
        self.map.tables.pool_of(area).map_or(left, |pool| left.min(self.pools[pool].free))
    }

    /// Whether so many standing places are free, also in what areas share; those of `own` count as
    /// free.
    pub fn find_room(&self, areas: &[(AreaIdx, u32)], own: &[HeldArea]) -> Result<(), Refusal> {
        let mut pools: Vec<u32> = self.pools.iter().map(|pool| pool.free).collect();
        let mut free: Vec<u32> = self.areas.iter().map(|area| area.free).collect();
        for &HeldArea { area, quantity, .. } in own {
            free[usize::from(area.0)] += quantity;
            if let Some(pool) = self.map.tables.pool_of(area) {
                pools[pool] += quantity;
            }
        }
        for &(area, quantity) in areas {
            let free = free[usize::from(area.0)];
            let pool = self.map.tables.pool_of(area).map(|pool| &mut pools[pool]);
            let left = pool.as_ref().map_or(free, |pool| free.min(**pool));
            if left < quantity {
                return Err(self.none_left());
            }
            if let Some(pool) = pool {
                *pool -= quantity;
            }
        }
        Ok(())
    }

    /// What is said to who asks for more than there is.
    pub fn none_left(&self) -> Refusal {
        if self.counts.free == 0 { Refusal::SoldOut } else { Refusal::NotEnoughSeats }
    }

    pub fn places_of(&self, account: AccountId) -> u32 {
        self.accounts.get(&account).copied().unwrap_or(0)
    }

    /// Counts the places of a hold whose seats are claimed, and binds its pass.
    pub fn begin(&mut self, slot: u32, held: &Held) {
        let phase = HoldPhase::first_of(held.owner);
        self.check_words(slot, held, phase.seat_state());
        self.count(held, SeatState::Free, phase.seat_state());
        self.own(slot, held, phase);
        if let Some(place) = held.pass {
            let fresh = PassUse { account: held.account, hold: None, spent: false };
            let pass = self.passes.entry(place).or_insert(fresh);
            assert!(pass.account == held.account);
            assert!(pass.hold.is_none());
            pass.hold = Some(held.hold);
        }
    }

    /// Moves a live hold to another phase.
    pub fn advance(&mut self, slot: u32, hold: &Hold, to: HoldPhase) {
        self.change_seats(slot, hold, to.seat_state());
        self.count(&hold.held, hold.phase.seat_state(), to.seat_state());
        if to == HoldPhase::Sold {
            self.spend_pass(&hold.held);
        }
    }

    /// Gives a hold other places; the seats that are new to it are claimed. SEAT-1.
    pub fn swap(&mut self, slot: u32, hold: &Hold, to: &Held) {
        let state = hold.phase.seat_state();
        self.check_words(slot, to, state);
        for seat in hold.held.seats.iter().filter(|seat| !to.has_seat(seat.seat)) {
            self.change_seat(slot, hold, seat.seat, seat.generation, SeatState::Free);
        }
        self.count(&hold.held, state, SeatState::Free);
        self.count(to, SeatState::Free, state);
        assert!(to.owner == OwnerKind::Fan, "only fans swap");
        let places = self.accounts.get_mut(&to.account).expect("counted at its begin");
        let others = places.checked_sub(hold.held.place_count()).expect("counted at its begin");
        *places = others + to.place_count();
    }

    /// Frees all places of a hold.
    pub fn end(&mut self, slot: u32, hold: &Hold) {
        self.change_seats(slot, hold, SeatState::Free);
        self.count(&hold.held, hold.phase.seat_state(), SeatState::Free);
        if hold.phase == HoldPhase::Blocked {
            let was_there = self.blocked.remove(&slot);
            assert!(was_there);
        }
        self.leave(&hold.held, hold.held.place_count());
        if let Some(place) = hold.held.pass {
            let pass = self.passes.get_mut(&place).expect("bound at its begin");
            assert!(pass.hold == Some(hold.held.hold));
            pass.hold = None;
        }
    }

    /// Frees a part of a hold: seats of it, and standing places of its areas.
    pub fn give_back(
        &mut self,
        slot: u32,
        hold: &Hold,
        seats: &[SeatIdx],
        areas: &[(AreaIdx, u32)],
    ) {
        assert!(matches!(hold.phase, HoldPhase::Blocked | HoldPhase::Sold));
        let from = hold.phase.seat_state();
        for &seat in seats {
            let claimed = hold.held.seats.iter().find(|held| held.seat == seat);
            let claimed = claimed.expect("a seat that is given back is in its hold");
            self.change_seat(slot, hold, seat, claimed.generation, SeatState::Free);
        }
        let seat_count = u32::try_from(seats.len()).expect("at most 4,096 places");
        shift(&mut self.counts, from, SeatState::Free, seat_count);
        for &(area, quantity) in areas {
            self.count_area(area, quantity, from, SeatState::Free);
        }
        let standing: u32 = areas.iter().map(|(_, quantity)| quantity).sum();
        self.leave(&hold.held, seat_count + standing);
    }

    /// A fan's account has so many places less.
    fn leave(&mut self, held: &Held, place_count: u32) {
        if held.owner != OwnerKind::Fan {
            return;
        }
        let places = self.accounts.get_mut(&held.account).expect("counted at its begin");
        *places = places.checked_sub(place_count).expect("counted at its begin");
        if *places == 0 {
            self.accounts.remove(&held.account);
        }
    }

    pub fn spend_pass(&mut self, held: &Held) {
        if let Some(place) = held.pass {
            self.passes.get_mut(&place).expect("bound when the hold began").spent = true;
        }
    }

    /// Takes a hold of a snapshot into account, whose seats are in the map already.
    pub fn recount(&mut self, slot: u32, hold: &Hold) {
        for seat in &hold.held.seats {
            let expected = word_of(slot, hold, seat.generation);
            let found = self.map.read(seat.seat);
            check!(InvariantId::Seat1, found == expected, "{:?}: {found:?}", seat.seat);
        }
        self.count(&hold.held, SeatState::Free, hold.phase.seat_state());
        self.own(slot, &hold.held, hold.phase);
    }

    fn own(&mut self, slot: u32, held: &Held, phase: HoldPhase) {
        if held.owner == OwnerKind::Fan {
            *self.accounts.entry(held.account).or_insert(0) += held.place_count();
        }
        if phase == HoldPhase::Blocked {
            let is_new = self.blocked.insert(slot);
            assert!(is_new);
        }
    }

    /// SEAT-1: the words of a hold's seats are those that its claim has left.
    fn check_words(&self, slot: u32, held: &Held, state: SeatState) {
        for seat in &held.seats {
            let expected = SeatWord { generation: seat.generation, state, slot };
            let found = self.map.read(seat.seat);
            check!(InvariantId::Seat1, found == expected, "{:?}: {found:?}", seat.seat);
        }
    }

    fn change_seats(&self, slot: u32, hold: &Hold, to: SeatState) {
        for seat in &hold.held.seats {
            self.change_seat(slot, hold, seat.seat, seat.generation, to);
        }
    }

    fn change_seat(&self, slot: u32, hold: &Hold, seat: SeatIdx, claimed: u32, to: SeatState) {
        let changed = self.map.transition(seat, word_of(slot, hold, claimed), to);
        check!(InvariantId::Seat1, changed.is_ok(), "{seat:?} of {}: {changed:?}", hold.held.hold);
    }

    fn count(&mut self, held: &Held, from: SeatState, to: SeatState) {
        let seats = u32::try_from(held.seats.len()).expect("a hold has at most 4,096 places");
        shift(&mut self.counts, from, to, seats);
        for &HeldArea { area, quantity, .. } in &held.areas {
            self.count_area(area, quantity, from, to);
        }
    }

    fn count_area(&mut self, area: AreaIdx, quantity: u32, from: SeatState, to: SeatState) {
        shift(&mut self.areas[usize::from(area.0)], from, to, quantity);
        if let Some(pool) = self.map.tables.pool_of(area) {
            shift(&mut self.pools[pool], from, to, quantity);
        }
        shift(&mut self.counts, from, to, quantity);
    }
}

/// The word that a hold's seat must have.
pub(crate) fn word_of(slot: u32, hold: &Hold, claimed: u32) -> SeatWord {
    let generation = generation_after(claimed, hold.changes);
    SeatWord { generation, state: hold.phase.seat_state(), slot }
}

/// The count of one state.
pub(crate) fn count_of(counts: &mut PlaceCounts, state: SeatState) -> &mut u32 {
    match state {
        SeatState::Free => &mut counts.free,
        SeatState::Held => &mut counts.held,
        SeatState::Paying => &mut counts.paying,
        SeatState::Sold => &mut counts.sold,
        SeatState::Blocked => &mut counts.blocked,
    }
}

fn shift(counts: &mut PlaceCounts, from: SeatState, to: SeatState, places: u32) {
    let left = count_of(counts, from).checked_sub(places);
    check!(InvariantId::Seat2, left.is_some(), "{places} of {from:?} in {counts:?}");
    *count_of(counts, from) = left.expect("checked just above");
    *count_of(counts, to) += places;
}
