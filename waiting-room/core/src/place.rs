//! Whether a called place may be claimed.

use crate::ledger::Terms;
use schema::UnixMillis;

/// The terms as they are in the room's `epoch`.
///
/// When Redis was lost since the call and before the claims were closed and counted, nobody knows
/// any more who claimed in the window: the claim is open for as long as its pass would be good, so
/// that the loss costs nobody a place. In the active count everybody called counts as having
/// claimed then.
///
/// LINE-2: what was counted is journaled. Such a window stays closed, for its slots are others'.
pub fn terms_in(terms: Terms, epoch: u32) -> Terms {
    let lost = terms.epoch < epoch && terms.counted.is_none();
    Terms { claim_until: if lost { terms.pass_until } else { terms.claim_until }, ..terms }
}

/// Whether the number is in one of the ascending ranges.
pub(crate) fn is_among(ranges: &[(u64, u64)], number: u64) -> bool {
    let idx = ranges.partition_point(|&(_, last)| last < number);
    ranges.get(idx).is_some_and(|&(first, _)| first <= number)
}

/// What to do with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Mark the place as claimed; sign when the mark is stored.
    MarkAndSign,
    /// Look whether it was claimed before: sign if so, else it is too late.
    SignIfMarked,
    /// Sign: the records say that it was claimed in its window.
    Sign,
    TooLate,
}

/// Decides over a claim of a called place.
///
/// A pass follows from the place and its release, so a repeat is identical without storage. What
/// must be remembered is *that* the place was claimed in its window: one bit in Redis, and in the
/// records once the window is closed. When that bit may have been lost, see [`terms_in`].
pub fn claim(terms: Terms, epoch: u32, now: UnixMillis) -> Claim {
    if terms.pass_until <= now {
        return Claim::TooLate;
    }
    if let Some(claimed) = terms.counted {
        return if claimed { Claim::Sign } else { Claim::TooLate };
    }
    let terms = terms_in(terms, epoch);
    if now < terms.claim_until { Claim::MarkAndSign } else { Claim::SignIfMarked }
}

#[cfg(test)]
mod tests {
    use super::{Claim, claim, terms_in};
    use crate::ledger::Terms;
    use schema::UnixMillis;

    const TERMS: Terms = Terms {
        epoch: 2,
        claim_until: UnixMillis(100),
        pass_until: UnixMillis(200),
        counted: None,
    };

    #[test]
    fn a_claim_after_the_window_needs_the_mark_unless_the_marks_were_lost() {
        assert_eq!(claim(TERMS, 2, UnixMillis(99)), Claim::MarkAndSign);
        assert_eq!(claim(TERMS, 2, UnixMillis(100)), Claim::SignIfMarked);
        assert_eq!(claim(TERMS, 3, UnixMillis(100)), Claim::MarkAndSign);
        assert_eq!(claim(TERMS, 3, UnixMillis(200)), Claim::TooLate);
    }

    #[test]
    fn what_was_counted_stays_so_whatever_was_lost_since() {
        for (claimed, wanted) in [(true, Claim::Sign), (false, Claim::TooLate)] {
            let terms = Terms { counted: Some(claimed), ..TERMS };
            for epoch in [2, 3] {
                assert_eq!(terms_in(terms, epoch), terms);
                for now in [99, 100, 199] {
                    assert_eq!(claim(terms, epoch, UnixMillis(now)), wanted, "{epoch} {now}");
                }
                assert_eq!(claim(terms, epoch, UnixMillis(200)), Claim::TooLate);
            }
        }
    }
}
