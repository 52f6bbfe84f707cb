//! When the main event was sold out.
//!
//! That nothing is free is not enough: what is held may lapse or be given back. Sold out it is when
//! its operator sees nothing free and nothing held.

use crate::record::{Deal, Dealt};
use crate::sample::Inside;
use std::time::Duration;

/// The sale of the last seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoldOut {
    /// From the start of the run.
    pub at: Duration,
    /// From the first reservation.
    pub took: Duration,
}

/// None if it never was. `looks` are the operator's at the event, `deals` those of all events.
pub fn sold_out(event: &str, deals: &[Dealt], looks: &[Inside]) -> Option<SoldOut> {
    let is_sold_out = |look: &&Inside| look.free == 0 && look.held == 0 && 0 < look.sold;
    let seen = looks.iter().find(is_sold_out)?.at;
    let of_event = || deals.iter().filter(|dealt| &*dealt.event == event);
    let reserved = of_event().filter(|dealt| matches!(dealt.deal, Deal::Reserved { .. }));
    let first = reserved.map(|dealt| dealt.answered).min()?;
    // Looks come once a second: the last seat was sold by the last booking before.
    let paid = of_event().filter(|dealt| matches!(dealt.deal, Deal::Confirmed { .. }));
    let paid = paid.map(|dealt| dealt.answered).filter(|answered| *answered <= seen);
    let at = paid.max().unwrap_or(seen);
    Some(SoldOut { at, took: at.saturating_sub(first) })
}

#[cfg(test)]
mod tests {
    use super::{SoldOut, sold_out};
    use crate::record::{Deal, Dealt};
    use crate::sample::Inside;
    use std::time::Duration;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn look(at_ms: u64, free: u32, held: u32, sold: u32) -> Inside {
        Inside { at: MS(at_ms), free, held, sold, ..Inside::default() }
    }

    fn dealt(event: &str, at_ms: u64, deal: Deal) -> Dealt {
        let (asked, answered) = (MS(at_ms), MS(at_ms));
        Dealt { event: event.into(), account: 0, key: None, asked, answered, deal }
    }

    fn reserved() -> Deal {
        let (reservation, places) = ("r".into(), Box::default());
        Deal::Reserved { reservation, places, expires_in: MS(60_000) }
    }

    fn confirmed() -> Deal {
        Deal::Confirmed { reservation: "r".into(), booking: "b".into(), places: Box::default() }
    }

    #[test]
    fn held_seats_are_not_sold() {
        let deals = [dealt("E", 1_000, reserved()), dealt("E", 5_200, confirmed())];
        let full = [look(3_000, 0, 2, 98), look(4_000, 1, 1, 98)];
        assert_eq!(sold_out("E", &deals, &full), None);
        let before_the_sale = [look(0, 0, 0, 0)];
        assert_eq!(sold_out("E", &deals, &before_the_sale), None);
    }

    #[test]
    fn the_last_booking_before_all_were_seen_sold_is_the_time() {
        let deals = [
            dealt("OTHER", 500, reserved()),
            dealt("E", 1_000, reserved()),
            dealt("E", 4_000, confirmed()),
            dealt("E", 5_200, confirmed()),
            dealt("OTHER", 5_900, confirmed()),
            dealt("E", 9_000, confirmed()),
        ];
        let looks = [look(5_000, 0, 1, 99), look(6_000, 0, 0, 100), look(7_000, 0, 0, 100)];
        let wanted = SoldOut { at: MS(5_200), took: MS(4_200) };
        assert_eq!(sold_out("E", &deals, &looks), Some(wanted));
    }
}
