//! Counts everything again and names what does not agree.

use crate::Shard;
use crate::catalogue::EventState;
use crate::holds::{Hold, HoldPhase};
use crate::sale::{Sale, count_of, word_of};
use crate::seat_word::SeatState;
use schema::{AccountId, AreaIdx, InvariantId, OwnerKind, PlaceCounts};
use std::collections::{BTreeMap, BTreeSet};

/// A broken promise and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub promise: InvariantId,
    pub says: String,
}

impl Shard {
    /// Checks the promises over the whole state, O(state). Empty means that none is broken.
    pub fn audit(&self) -> Vec<Difference> {
        let mut audit = Audit { differences: Vec::new() };
        let mut by_event: BTreeMap<usize, Vec<(u32, &Hold)>> = BTreeMap::new();
        for (slot, entry) in self.holds.iter() {
            by_event.entry(entry.event).or_default().push((slot, &entry.hold));
        }
        let mut due: BTreeSet<_> = self.deadlines.iter().collect();
        for (at, state) in self.catalogue.events.iter().enumerate() {
            if let Some(sale) = &state.sale {
                let holds = by_event.get(&at).map_or(&[][..], Vec::as_slice);
                audit.seats(state, sale, holds);
                audit.derived(state, sale, holds);
                for &(slot, hold) in holds {
                    let turn = hold.due.map(|at| self.deadlines.turn(hold.held.hold, at));
                    let known = turn.is_none_or(|turn| due.remove(&(turn, slot)));
                    let says = || format!("{} is not in the deadlines", hold.held.hold);
                    audit.expect(InvariantId::Seat3, known, says);
                }
            }
        }
        audit.expect(InvariantId::Seat3, due.is_empty(), || format!("due without a hold: {due:?}"));
        audit.differences
    }
}

struct Audit {
    differences: Vec<Difference>,
}

impl Audit {
    fn expect(&mut self, promise: InvariantId, holds: bool, says: impl FnOnce() -> String) {
        if !holds {
            self.differences.push(Difference { promise, says: says() });
        }
    }

    /// SEAT-1: the owned seats are those of the holds. SEAT-2: the counts are those of the words.
    fn seats(&mut self, state: &EventState, sale: &Sale, holds: &[(u32, &Hold)]) {
        let mut counts = PlaceCounts::default();
        *count_of(&mut counts, SeatState::Free) = sale.map.seat_count();
        let mut owned = 0;
        for (_, word) in sale.words() {
            owned += usize::from(word.state != SeatState::Free);
            *count_of(&mut counts, SeatState::Free) -= 1;
            *count_of(&mut counts, word.state) += 1;
        }
        for &(slot, hold) in holds {
            owned = owned.saturating_sub(hold.held.seats.len());
            for seat in &hold.held.seats {
                let (found, expected) =
                    (sale.map.read(seat.seat), word_of(slot, hold, seat.generation));
                self.expect(InvariantId::Seat1, found == expected, || {
                    format!("{} {:?}: {found:?}, not {expected:?}", state.id, seat.seat)
                });
            }
        }
        self.expect(InvariantId::Seat1, owned == 0, || {
            format!("{}: {owned} owned seats without a hold", state.id)
        });
        self.standing(state, sale, &mut counts);
        self.expect(InvariantId::Seat2, counts == sale.counts, || {
            format!("{}: {:?}, not {counts:?}", state.id, sale.counts)
        });
        self.row_bits(state, sale);
    }

    /// SEAT-2 of each area and each pool; adds what makes a part of the event: pools, and areas
    /// outside of them.
    fn standing(&mut self, state: &EventState, sale: &Sale, counts: &mut PlaceCounts) {
        let tables = &sale.map.tables;
        let plan = &tables.index.plan;
        let areas = plan.areas.iter().zip((0..).map(AreaIdx));
        let areas = areas.map(|(area, idx)| {
            (&area.id, area.capacity, sale.areas[usize::from(idx.0)], tables.pool_of(idx).is_none())
        });
        let pools = plan.pools.iter().zip(&sale.pools);
        let pools = pools.map(|(pool, counted)| (&pool.id, pool.capacity, *counted, true));
        for (id, capacity, mut counted, is_part) in areas.chain(pools) {
            let all = counted.make_all_of(capacity);
            self.expect(InvariantId::Seat2, all, || format!("{} {id}: {counted:?}", state.id));
            let parts = [
                SeatState::Free,
                SeatState::Held,
                SeatState::Paying,
                SeatState::Sold,
                SeatState::Blocked,
            ];
            for part in parts.into_iter().filter(|_| is_part) {
                *count_of(counts, part) += *count_of(&mut counted, part);
            }
        }
    }

    /// SEAT-4: a row's bits say what its words say, else a refusal for want of seats would be
    /// untrue.
    fn row_bits(&mut self, state: &EventState, sale: &Sale) {
        for (at, row) in sale.map.tables.rows.iter().enumerate() {
            let seats = (row.first.0..).map(schema::SeatIdx).take(usize::from(row.seat_count));
            let free = seats.zip(0..).fold(0_u64, |free, (seat, bit)| {
                free | u64::from(sale.map.read(seat).state == SeatState::Free) << bit
            });
            let bits = sale.map.free_in_row(at);
            self.expect(InvariantId::Seat4, bits == free, || {
                format!("{}: row {at} has {bits:#b}, not {free:#b}", state.id)
            });
        }
    }

    /// What follows from holds: limits of accounts, areas, pools, blocked slots, passes in use.
    fn derived(&mut self, state: &EventState, sale: &Sale, holds: &[(u32, &Hold)]) {
        let mut accounts: BTreeMap<AccountId, u32> = BTreeMap::new();
        let mut taken = vec![0_u32; sale.areas.len()];
        let mut blocked = BTreeSet::new();
        let mut passes = BTreeMap::new();
        for &(slot, hold) in holds {
            if hold.held.owner == OwnerKind::Fan {
                *accounts.entry(hold.held.account).or_insert(0) += hold.held.place_count();
            }
            for area in &hold.held.areas {
                taken[usize::from(area.area.0)] += area.quantity;
            }
            if hold.phase == HoldPhase::Blocked {
                blocked.insert(slot);
            }
            passes.extend(hold.held.pass.map(|place| (place, (hold.held.hold, hold.phase))));
        }
        let known: BTreeMap<_, _> =
            sale.accounts.iter().map(|(&id, &places)| (id, places)).collect();
        self.expect(InvariantId::Seat2, known == accounts, || {
            format!("{}: accounts {known:?}, not {accounts:?}", state.id)
        });
        let plan = &sale.map.tables.index.plan;
        for (pool, counts) in plan.pools.iter().zip(&sale.pools) {
            let free = pool.free(|area| taken[usize::from(area.0)]);
            self.expect(InvariantId::Seat2, counts.free == free, || {
                format!("{} {}: {counts:?}, not {free} free", state.id, pool.id)
            });
        }
        let areas = plan.areas.iter().zip(&sale.areas).zip(taken);
        for ((area, counts), taken) in areas {
            self.expect(InvariantId::Seat2, area.capacity - counts.free == taken, || {
                format!("{} {}: {counts:?}, not {taken} taken", state.id, area.id)
            });
        }
        self.expect(InvariantId::Seat2, blocked == sale.blocked, || {
            format!("{}: blocked {:?}, not {blocked:?}", state.id, sale.blocked)
        });
        for (place, used) in &sale.passes {
            let live = passes.remove(place);
            let agrees = used.hold == live.map(|(hold, _)| hold);
            let spent = used.spent || live.is_none_or(|(_, phase)| phase != HoldPhase::Sold);
            self.expect(InvariantId::Line4, agrees && spent, || {
                format!("{} {place:?}: {used:?}, not {live:?}", state.id)
            });
        }
        self.expect(InvariantId::Line4, passes.is_empty(), || {
            format!("{}: not bound: {passes:?}", state.id)
        });
    }
}
