//! What a fan is told about a place, and whether it may be claimed.

use crate::ledger::{Standing, Terms};
use schema::{DurationMs, UnixMillis};

/// The state of a place, as `GET .../me` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceState {
    Prequeued,
    Queued,
    /// Called; the claim is open for so long.
    Ready(DurationMs),
    Admitted,
    /// Called and not claimed, given up, or the pass has ended.
    Expired,
    Completed,
}

/// The state of a place. `standing` is `None` before the draw of its pre-queue.
pub fn place_state(
    standing: Option<Standing>,
    claimed: bool,
    completed: bool,
    now: UnixMillis,
) -> PlaceState {
    let terms = match standing {
        None => return PlaceState::Prequeued,
        _ if completed => return PlaceState::Completed,
        Some(Standing::Waiting | Standing::Skipped) => return PlaceState::Queued,
        Some(Standing::Over | Standing::Left) => return PlaceState::Expired,
        Some(Standing::Called(terms)) => terms,
    };
    if claimed && now < terms.pass_until {
        return PlaceState::Admitted;
    }
    if !claimed && now < terms.claim_until {
        return PlaceState::Ready(terms.claim_until.since(now));
    }
    PlaceState::Expired
}

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

/// An estimate of a wait, in seconds: half of the people wait less than the first, nine of ten less
/// than the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    pub p50: u64,
    pub p90: u64,
}

/// Estimates the wait with `ahead` live people before; `None` while nothing is known.
///
/// `called_last_minute` is measured; it is trusted once people were called at all. The upper figure
/// allows for a rate that falls by a third.
///
/// `doubt_ahead` people wait before a doubt that stands before the place, if one does. Should the
/// line come there before its `lapse` is over, it stands for a time that nobody knows.
pub fn wait_seconds(
    ahead: u64,
    doubt_ahead: Option<u64>,
    lapse: DurationMs,
    called_last_minute: u32,
) -> Option<Wait> {
    if called_last_minute == 0 {
        return None;
    }
    let seconds = |people: u64| people.saturating_mul(60) / u64::from(called_last_minute);
    if doubt_ahead.is_some_and(|people| seconds(people) < lapse.0 / 1_000) {
        return None;
    }
    let p50 = seconds(ahead);
    Some(Wait { p50, p90: p50 + p50 / 2 + 1 })
}

#[cfg(test)]
mod tests {
    use super::{Claim, PlaceState, Wait, claim, place_state, wait_seconds};
    use crate::ledger::{Standing, Terms};
    use crate::limits::HORIZON_LAPSE;
    use schema::{DurationMs, UnixMillis};

    const TERMS: Terms =
        Terms { epoch: 2, claim_until: UnixMillis(100), pass_until: UnixMillis(200) };

    #[test]
    fn a_called_place_goes_from_ready_over_admitted_to_its_end() {
        let state = |claimed, completed, now| {
            place_state(Some(Standing::Called(TERMS)), claimed, completed, UnixMillis(now))
        };
        assert_eq!(state(false, false, 40), PlaceState::Ready(DurationMs(60)));
        assert_eq!(state(false, false, 100), PlaceState::Expired);
        assert_eq!(state(true, false, 199), PlaceState::Admitted);
        assert_eq!(state(true, false, 200), PlaceState::Expired);
        assert_eq!(state(true, true, 300), PlaceState::Completed);
        assert_eq!(place_state(None, false, false, UnixMillis(0)), PlaceState::Prequeued);
    }

    #[test]
    fn a_wait_behind_a_doubt_is_known_only_if_the_doubt_is_over_when_the_line_comes_there() {
        assert_eq!(wait_seconds(60, None, HORIZON_LAPSE, 60), Some(Wait { p50: 60, p90: 91 }));
        assert_eq!(wait_seconds(60, Some(39), HORIZON_LAPSE, 60), None);
        assert_eq!(wait_seconds(60, Some(40), HORIZON_LAPSE, 60), Some(Wait { p50: 60, p90: 91 }));
        assert_eq!(wait_seconds(60, None, HORIZON_LAPSE, 0), None);
    }

    #[test]
    fn a_claim_after_the_window_needs_the_mark_unless_the_marks_were_lost() {
        assert_eq!(claim(TERMS, 2, UnixMillis(99)), Claim::MarkAndSign);
        assert_eq!(claim(TERMS, 2, UnixMillis(100)), Claim::SignIfMarked);
        assert_eq!(claim(TERMS, 3, UnixMillis(100)), Claim::MarkAndSign);
        assert_eq!(claim(TERMS, 3, UnixMillis(200)), Claim::TooLate);
    }
}
