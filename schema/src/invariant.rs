//! The catalogue of promises: ids, what they say, and the check that stops a process which broke
//! one.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! invariants {
    ($($name:ident, $id:literal, $says:literal;)*) => {
        /// A promise of the system.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum InvariantId {
            $(#[doc = $says] #[serde(rename = $id)] $name,)*
        }

        impl InvariantId {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            pub const fn says(self) -> &'static str {
                match self { $(Self::$name => $says,)* }
            }

            /// The promise that [`check!`](crate::check) said was broken, if it made this panic.
            pub fn of_panic(text: &str) -> Option<Self> {
                let (id, _) = text.split_once(BROKEN)?;
                Self::ALL.iter().copied().find(|promise| promise.id() == id)
            }
        }
    };
}

/// What [`check!`](crate::check) says after the id.
#[doc(hidden)]
pub const BROKEN: &str = " is broken: ";

invariants! {
    Seat1, "SEAT-1", "A seat has at most one live owner, in every record and answer.";
    Seat2, "SEAT-2", "Free, held, paying, sold and blocked places make all.";
    Seat3, "SEAT-3", "An unpaid hold ends within 1 s of its deadline, a paying one by a verdict.";
    Seat4, "SEAT-4", "A refusal was true at an instant of the call.";
    Cmd1, "CMD-1", "The same command id gets the same final answer for 24 h.";
    Fence1, "FENCE-1", "Of two owners only one can append; the other stops, answering nobody.";
    Ord1, "ORD-1", "An order answered as CONFIRMED survives the kill of every process.";
    Ord2, "ORD-2", "One hold is charged at most once; a charge without tickets is refunded.";
    Ord3, "ORD-3", "A ticket implies a paid order and a sold seat, and the other way round.";
    Mon1, "MON-1", "The ledger balances to zero at every commit.";
    Line1, "LINE-1", "No number is given twice; nobody is called before a smaller live number.";
    Line2, "LINE-2", "In no 60 s window are more called than the cap, nor more active than theirs.";
    Line3, "LINE-3", "Killing Redis loses no place; admission resumes within 2 s of its return.";
    Line4, "LINE-4", "A pass buys once, for one event, for its bearer.";
    Idx1, "IDX-1", "Search reflects a commit within 1 s, and a rebuilt index equals the old one.";
}

impl fmt::Display for InvariantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// Places of an event by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlaceCounts {
    pub free: u32,
    pub held: u32,
    pub paying: u32,
    pub sold: u32,
    /// Set aside without a deadline: allotments and kills.
    pub blocked: u32,
}

impl PlaceCounts {
    /// SEAT-2.
    pub fn make_all_of(&self, total: u32) -> bool {
        let parts = [self.free, self.held, self.paying, self.sold, self.blocked];
        parts.iter().map(|&part| u64::from(part)).sum::<u64>() == u64::from(total)
    }
}

/// MON-1: the entries of each currency sum to zero.
pub fn ledger_balances(entries: impl IntoIterator<Item = (crate::Currency, i64)>) -> bool {
    let mut sums = std::collections::BTreeMap::new();
    for (currency, amount) in entries {
        *sums.entry(currency).or_insert(0_i128) += i128::from(amount);
    }
    sums.values().all(|&sum| sum == 0)
}

/// Stops the process when a promise of the catalogue is broken: a wrong answer is worse than none.
#[macro_export]
macro_rules! check {
    ($id:expr, $holds:expr $(, $($context:tt)+)?) => {
        if !$holds {
            panic!(
                "{}{}{}",
                $id,
                $crate::invariant::BROKEN,
                $crate::check!(@context $($($context)+)?)
            );
        }
    };
    (@context) => { "" };
    (@context $($context:tt)+) => { format_args!($($context)+) };
}

#[cfg(test)]
mod tests {
    use super::{InvariantId, PlaceCounts, ledger_balances};
    use crate::Currency;

    #[test]
    fn places_that_vanish_or_appear_are_noticed() {
        let counts = PlaceCounts { free: 1, held: 2, paying: 3, sold: 4, blocked: 5 };
        assert!(counts.make_all_of(15));
        assert!(!counts.make_all_of(14));
        let wrapped = PlaceCounts { free: u32::MAX, held: 16, ..PlaceCounts::default() };
        assert!(!wrapped.make_all_of(15));
    }

    #[test]
    fn a_ledger_balances_only_within_each_currency() {
        let (eur, usd) = (Currency::EUR, Currency::USD);
        assert!(ledger_balances([(eur, 5), (eur, -5), (usd, 0)]));
        assert!(!ledger_balances([(eur, 5), (usd, -5)]));
    }

    #[test]
    #[should_panic(expected = "SEAT-1 is broken: seat 7")]
    fn a_broken_promise_stops_the_process_with_its_id() {
        check!(InvariantId::Seat1, 1 == 2, "seat {}", 7);
    }

    #[test]
    fn every_broken_promise_is_told_from_its_panic_and_from_other_panics() {
        for &promise in InvariantId::ALL {
            let panic = std::panic::catch_unwind(|| check!(promise, 1 == 2, "seat 7"));
            let text = panic.unwrap_err().downcast::<String>().unwrap();
            assert_eq!(InvariantId::of_panic(&text), Some(promise), "{text}");
        }
        for other in ["boom", "the pipe is broken: EPIPE", "SEAT-1", " is broken: "] {
            assert_eq!(InvariantId::of_panic(other), None);
        }
    }
}
