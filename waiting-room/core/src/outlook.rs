//! Whether the places will last until somebody's turn.

use crate::returns::Baskets;

/// From how many baskets on their mean is taken for that of the sale.
const BASKETS_MIN: u64 = 20;

/// How likely it is that all is sold before a place's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    Low,
    Medium,
    High,
}

/// What stands between a place and the free seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Live people ahead, and people inside who hold no seats yet.
    pub people: u64,
    pub baskets: Baskets,
    /// Most places that one account may have.
    pub basket_max: u16,
}

impl Outlook {
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The outlook: people before, times the mean basket, against the `free` places. At least as many
/// is high, at least half as many is medium.
///
/// Until [`BASKETS_MIN`] baskets are known it is said only where every basket from one place to the
/// most that are allowed says the same; else `None`.
pub fn outlook(free: u32, demand: Demand) -> Option<Outlook> {
    let of = |places: u64, count: u64| {
        // Compared without a division: people * places / count against free.
        let wanted = u128::from(demand.people) * u128::from(places);
        let free = u128::from(free) * u128::from(count);
        if free <= wanted {
            Outlook::High
        } else if free <= wanted * 2 {
            Outlook::Medium
        } else {
            Outlook::Low
        }
    };
    let Baskets { count, places } = demand.baskets;
    if BASKETS_MIN <= count {
        return Some(of(places, count));
    }
    let (least, most) = (of(1, 1), of(u64::from(demand.basket_max.max(1)), 1));
    (least == most).then_some(least)
}

#[cfg(test)]
mod tests {
    use super::{Demand, Outlook, outlook};
    use crate::returns::Baskets;

    fn of(free: u32, people: u64, count: u64, places: u64) -> Option<Outlook> {
        let baskets = Baskets { count, places };
        outlook(free, Demand { people, baskets, basket_max: 6 })
    }

    #[test]
    fn the_outlook_is_the_demand_before_a_place_against_the_free_seats() {
        assert_eq!(of(1_000, 199, 100, 250), Some(Outlook::Low));
        assert_eq!(of(1_000, 200, 100, 250), Some(Outlook::Medium));
        assert_eq!(of(1_000, 399, 100, 250), Some(Outlook::Medium));
        assert_eq!(of(1_000, 400, 100, 250), Some(Outlook::High));
        assert_eq!(of(0, 0, 100, 250), Some(Outlook::High), "nothing is free");
        assert_eq!(of(u32::MAX, u64::MAX, 100, 250), Some(Outlook::High));
    }

    #[test]
    fn before_anything_was_sold_only_what_holds_for_every_basket_is_said() {
        assert_eq!(of(20_000, 1_000_000, 0, 0), Some(Outlook::High), "with one seat each");
        assert_eq!(of(20_000, 1_000, 0, 0), Some(Outlook::Low), "with six each");
        assert_eq!(of(20_000, 5_000, 0, 0), None);
        assert_eq!(of(20_000, 5_000, 19, 190), None);
        assert_eq!(of(0, 0, 0, 0), Some(Outlook::High));
    }
}
