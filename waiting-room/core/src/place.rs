//! Whether a called place may be claimed.

use crate::ledger::Terms;
use schema::UnixMillis;

/// The terms as they are in the room's `epoch`.
///
/// When Redis was lost since the call, nobody knows any more who claimed in the window: the claim
/// is open for as long as its pass would be good, so that the loss costs nobody a place. In the
/// active count everybody called counts as having claimed then.
pub fn terms_in(terms: Terms, epoch: u32) -> Terms {
    let lost = terms.epoch < epoch;
    Terms { claim_until: if lost { terms.pass_until } else { terms.claim_until }, ..terms }
}

/// What to do with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Mark the place as claimed; sign when the mark is stored.
    MarkAndSign,
    /// Look whether it was claimed before: sign if so, else it is too late.
    SignIfMarked,
    TooLate,
}

/// Decides over a claim of a called place.
///
/// A pass follows from the place and its release, so a repeat is identical without storage. What
/// must be remembered is *that* the place was claimed in its window: one bit in Redis. When that
/// bit may have been lost, see [`terms_in`].
pub fn claim(terms: Terms, epoch: u32, now: UnixMillis) -> Claim {
    if terms.pass_until <= now {
        return Claim::TooLate;
    }
    let terms = terms_in(terms, epoch);
    if now < terms.claim_until { Claim::MarkAndSign } else { Claim::SignIfMarked }
}

#[cfg(test)]
mod tests {
    use super::{Claim, claim};
    use crate::ledger::Terms;
    use schema::UnixMillis;

    const TERMS: Terms =
        Terms { epoch: 2, claim_until: UnixMillis(100), pass_until: UnixMillis(200) };

    #[test]
    fn a_claim_after_the_window_needs_the_mark_unless_the_marks_were_lost() {
        assert_eq!(claim(TERMS, 2, UnixMillis(99)), Claim::MarkAndSign);
        assert_eq!(claim(TERMS, 2, UnixMillis(100)), Claim::SignIfMarked);
        assert_eq!(claim(TERMS, 3, UnixMillis(100)), Claim::MarkAndSign);
        assert_eq!(claim(TERMS, 3, UnixMillis(200)), Claim::TooLate);
    }
}
