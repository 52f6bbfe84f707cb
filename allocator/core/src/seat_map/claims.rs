//! The table of the claims that are under way in a map, so that any thread can carry one on.

use super::mark::{ClaimId, Owner};
use crate::seat_word::SeatWord;
use crate::sync::{AtomicU64, AtomicUsize, Ordering};

/// How many claims can be under way at a time in a map.
///
/// A claimant more waits until a place is left, which is the one thing that claims wait for. Each
/// place costs 16 bytes a row of every map. The pipeline has one claimant a shard.
pub(super) const CLAIMS_MAX: usize = 4;

#[derive(Debug)]
pub(super) struct Claims {
    places: [Place; CLAIMS_MAX],
}

/// Aligned, so that claimants that never meet share no line of the cache.
#[derive(Debug)]
#[repr(align(64))]
struct Place {
    /// `claim:32 | phase:8`. The other fields belong to that claim from Open until the next
    /// Preparing.
    status: AtomicU64,
    /// What the seats become, as a word without generation.
    owner: AtomicU64,
    part_count: AtomicUsize,
    /// The seats, row by row in ascending order; as long as the plan has rows.
    parts: Box<[Part]>,
}

#[derive(Debug)]
struct Part {
    row: AtomicUsize,
    mask: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle = 0,
    Preparing = 1,
    Open = 2,
    Won = 3,
    Lost = 4,
}

/// What has become of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Open,
    Won(Owner),
    Lost,
    /// It was settled and its claimant has left: no word that it won still has its mark.
    Gone,
}

impl Claims {
    pub fn new(row_count: usize) -> Self {
        let part = |_| Part { row: AtomicUsize::new(0), mask: AtomicU64::new(0) };
        let mut number = 0;
        let places = [(); CLAIMS_MAX].map(|()| {
            let status = status(ClaimId::none_yet(number), Phase::Idle);
            number += 1;
            Place {
                status: AtomicU64::new(status),
                owner: AtomicU64::new(0),
                part_count: AtomicUsize::new(0),
                parts: (0..row_count).map(part).collect(),
            }
        });
        Self { places }
    }

    /// Opens a claim of these parts of rows; `None` if all places are in use.
    pub fn open(&self, owner: Owner, parts: impl Iterator<Item = (usize, u64)>) -> Option<ClaimId> {
        let (place, claim) = self.places.iter().find_map(|place| Some((place, place.enter()?)))?;
        let word = SeatWord { generation: 0, state: owner.state, slot: owner.slot };
        // Release, four times: who reads one of these with the Acquire in `fate` or `part` finds
        // in `status` that the claim before is over.
        place.owner.store(word.encode(), Ordering::Release);
        let mut part_count = 0;
        for (row, mask) in parts {
            place.parts[part_count].row.store(row, Ordering::Release);
            place.parts[part_count].mask.store(mask, Ordering::Release);
            part_count += 1;
        }
        place.part_count.store(part_count, Ordering::Release);
        // Preparing => Open.
        // Release: pairs with the Acquire of every look at the status; publishes the parts.
        place.status.store(status(claim, Phase::Open), Ordering::Release);
        Some(claim)
    }

    pub fn is_open(&self, claim: ClaimId) -> bool {
        // Acquire: pairs with the Release in `open`, whose parts are read next.
        let found = self.place(claim).status.load(Ordering::Acquire);
        found == status(claim, Phase::Open)
    }

    /// The row and the seats in it of the part `at`; `None` after the last one, and when the claim
    /// is gone.
    pub fn part(&self, claim: ClaimId, at: usize) -> Option<(usize, u64)> {
        let place = self.place(claim);
        // Acquire, three times: pairs with the Release in `open`. If the place's next claim wrote
        // what is read, the check of the status below sees that claim.
        if place.part_count.load(Ordering::Acquire) <= at {
            return None;
        }
        let row = place.parts[at].row.load(Ordering::Acquire);
        let mask = place.parts[at].mask.load(Ordering::Acquire);
        place.belongs_to(claim).then_some((row, mask))
    }

    // Open => Won | Lost, by the first who says so.
    pub fn decide(&self, claim: ClaimId, won: bool) {
        let phase = if won { Phase::Won } else { Phase::Lost };
        // Release: pairs with the Acquire in `fate`; whoever sees the claim won has behind it all
        // that was before the claim, and the releases of its seats. Relaxed on failure: somebody
        // has decided before, and who needs to know how looks with `fate`.
        let decided = self.place(claim).status.compare_exchange(
            status(claim, Phase::Open),
            status(claim, phase),
            Ordering::Release,
            Ordering::Relaxed,
        );
        decided.ok();
    }

    pub fn fate(&self, claim: ClaimId) -> Fate {
        let place = self.place(claim);
        // Acquire: pairs with the Release in `decide` and in `open`.
        let found = place.status.load(Ordering::Acquire);
        if found == status(claim, Phase::Open) {
            return Fate::Open;
        }
        if found == status(claim, Phase::Lost) {
            return Fate::Lost;
        }
        if found != status(claim, Phase::Won) {
            return Fate::Gone;
        }
        // Acquire: as in `part`.
        let owner = place.owner.load(Ordering::Acquire);
        if !place.belongs_to(claim) {
            return Fate::Gone;
        }
        let SeatWord { state, slot, .. } =
            SeatWord::decode(owner).expect("a claim's owner is stored as a word");
        Fate::Won(Owner { state, slot })
    }

    // Won | Lost => Idle, by the claimant, once no word of the claim needs it any more.
    pub fn close(&self, claim: ClaimId) {
        // Release: pairs with the Acquire in `fate`: who finds the claim gone finds its words
        // settled; and with the one in `enter`.
        self.place(claim).status.store(status(claim, Phase::Idle), Ordering::Release);
    }

    fn place(&self, claim: ClaimId) -> &Place {
        &self.places[claim.place()]
    }
}

impl Place {
    // Idle => Preparing.
    fn enter(&self) -> Option<ClaimId> {
        // Relaxed: the exchange decides.
        let found = self.status.load(Ordering::Relaxed);
        let before = claim_of(found);
        if found != status(before, Phase::Idle) {
            return None;
        }
        let claim = before.next();
        // Acquire: pairs with the Release in `close`, so that this claim's stores come after those
        // of the one before. Relaxed on failure: another claimant was quicker, and nothing is read.
        let entered = self.status.compare_exchange(
            found,
            status(claim, Phase::Preparing),
            Ordering::Acquire,
            Ordering::Relaxed,
        );
        entered.is_ok().then_some(claim)
    }

    /// Whether what was just read of the other fields is this claim's.
    fn belongs_to(&self, claim: ClaimId) -> bool {
        // Had the next claim written what was read, that read's Acquire would have brought this one
        // the next claim's status as well.
        // Acquire: pairs with the Release in `close`; who finds the claim gone finds its words
        // settled.
        claim_of(self.status.load(Ordering::Acquire)) == claim
    }
}

const PHASE_BITS: u32 = 8;

fn status(claim: ClaimId, phase: Phase) -> u64 {
    claim.bits() << PHASE_BITS | phase as u64
}

fn claim_of(status: u64) -> ClaimId {
    ClaimId::from_bits(status >> PHASE_BITS)
}
