//! Operations on many seats that say in which statuses they may find them.

use crate::Shard;
use crate::seat_word::{SeatState, SeatWord};
use crate::shape::Wanted;
use schema::{AccountId, AreaIdx, OwnerKind, PreviousStatuses, Refusal, SeatIdx};

/// Seats by the status in which they are found, each ascending.
#[derive(Debug, Default)]
struct Found {
    free: Vec<SeatIdx>,
    /// Set aside for the account that asks.
    own: Vec<SeatIdx>,
    others: Vec<SeatIdx>,
}

impl Shard {
    /// What is left to claim of seats of which some may be set aside for the account already;
    /// `None` when all are.
    pub(crate) fn left_to_claim(
        &self,
        event: usize,
        account: AccountId,
        owner: OwnerKind,
        wanted: Wanted,
        previous: PreviousStatuses,
    ) -> Result<Option<Wanted>, Refusal> {
        let Wanted::Seats(seats) = wanted else { return Err(Refusal::RequestInvalid) };
        if owner == OwnerKind::Fan || is_empty(previous) {
            return Err(Refusal::RequestInvalid);
        }
        let Found { free, own, mut others } = self.find(event, account, &seats);
        if !previous.set_aside {
            others.extend(own);
            others.sort_unstable();
        }
        if !others.is_empty() {
            return Err(Refusal::SeatTaken { seats: others });
        }
        if !previous.free && !free.is_empty() {
            return Err(Refusal::StatusNotAllowed { seats: free });
        }
        Ok((!free.is_empty()).then_some(Wanted::Seats(free)))
    }

    /// The seats that are set aside for the account, to be given back or sold, of some that may be
    /// free.
    pub(crate) fn own_among(
        &self,
        event: usize,
        account: AccountId,
        (seats, areas): (&[SeatIdx], &[(AreaIdx, u32)]),
        previous: PreviousStatuses,
    ) -> Result<Vec<SeatIdx>, Refusal> {
        if !areas.is_empty() || is_empty(previous) {
            return Err(Refusal::RequestInvalid);
        }
        let Found { free, own, others } = self.find(event, account, seats);
        if !others.is_empty() || (!previous.free && !free.is_empty()) {
            return Err(Refusal::NotAllotted);
        }
        if !previous.set_aside && !own.is_empty() {
            return Err(Refusal::StatusNotAllowed { seats: own });
        }
        Ok(own)
    }

    fn find(&self, event: usize, account: AccountId, seats: &[SeatIdx]) -> Found {
        let sale = self.catalogue.events[event].sale.as_ref();
        let mut found = Found::default();
        for &seat in seats {
            let word = sale.map_or(SeatWord::NEVER, |sale| sale.map.read(seat));
            let status = match word.state {
                SeatState::Free => &mut found.free,
                SeatState::Blocked if self.is_of(word.slot, account) => &mut found.own,
                _ => &mut found.others,
            };
            status.push(seat);
        }
        found
    }

    fn is_of(&self, slot: u32, account: AccountId) -> bool {
        self.holds.get(slot).hold.held.account == account
    }
}

fn is_empty(previous: PreviousStatuses) -> bool {
    !previous.free && !previous.set_aside
}
