//! Payments that the provider has and no driver works on: what becomes of each.

use crate::order::State;
use crate::step::Seen;

/// How the orders know a payment that the provider has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// No order has its id: it was created, and nobody ever heard of it.
    Unbound,
    Bound {
        state: State,
        /// It is of the order's last attempt.
        is_current: bool,
        /// A driver has something left to do about the order.
        has_work: bool,
        /// The order was sold: what was paid for it has its tickets, or had them.
        is_sold: bool,
    },
}

/// Why money should not be where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stray {
    /// There is no order for it.
    Orphan,
    /// Its order was given up before it came.
    Late,
    /// Its order was paid by another payment.
    Duplicate,
}

/// What is done about a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// All is as it should be, or somebody is at it.
    Rest,
    /// Nothing was taken yet, and nothing shall be.
    Void(Stray),
    /// What was taken goes back (ORD-2).
    Refund(Stray),
    /// What was taken for an order that was given up buys its places, if they can be had: see
    /// [`late`].
    Reseat,
    /// A person has to look: the order is paid, and its money is not there.
    Missing,
    /// A person has to look: the order is paid, and something else went back than its tickets that
    /// were paid back alone. Sums say so, and not how the payment is.
    Uneven,
}

/// Decides about a payment that has not changed for a while. Repeatable: what was done shows in
/// `seen`.
pub fn remedy(seen: &Seen, standing: Standing) -> Remedy {
    let stray = match standing {
        Standing::Unbound => Stray::Orphan,
        // What was sold and needs a review, a person decides about.
        Standing::Bound { has_work: true, is_current: true, .. }
        | Standing::Bound { state: State::ReviewNeeded, is_current: true, is_sold: true, .. } => {
            return Remedy::Rest;
        }
        Standing::Bound { state: State::ReviewNeeded, is_sold: true, .. } => Stray::Duplicate,
        Standing::Bound { state: State::Paid, is_current: true, .. } => return of_paid(seen),
        // The payment that was waited for in vain.
        Standing::Bound { state: State::Cancelled, is_current: true, .. }
            if *seen == Seen::Captured =>
        {
            return Remedy::Reseat;
        }
        Standing::Bound { state: State::Paid | State::Refunding | State::Refunded, .. } => {
            Stray::Duplicate
        }
        Standing::Bound { .. } => Stray::Late,
    };
    match seen {
        Seen::Created | Seen::Authorised => Remedy::Void(stray),
        Seen::Captured => Remedy::Refund(stray),
        Seen::Processing | Seen::Declined { .. } | Seen::Cancelled | Seen::Refunded => Remedy::Rest,
    }
}

/// Where late money has come to rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rung {
    /// It has bought the places that it was for.
    SameSeats,
    /// Those were taken: it has bought as many beside each other, of the same kind.
    EqualSeats,
    /// There were none: it goes back.
    Refund,
}

/// How far late money has come in asking for places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It may not ask: other money of the same order has.
    Barred,
    /// The owner of the places is asked, and has not answered.
    Asked,
    Decided(Rung),
    /// It had places, and the order that had them was given up in its turn.
    Ended,
}

/// What is done about late money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// The owner is asked again until it answers.
    Wait,
    GiveBack,
    /// A driver has the order that it has bought.
    Rest,
}

/// Decides about late money by its claim. It never stays where it is: it waits for an answer, has
/// an order, or goes back.
pub const fn late(claim: Claim) -> Late {
    match claim {
        Claim::Asked => Late::Wait,
        Claim::Decided(Rung::SameSeats | Rung::EqualSeats) => Late::Rest,
        Claim::Barred | Claim::Decided(Rung::Refund) | Claim::Ended => Late::GiveBack,
    }
}

/// The payment of an order that has come to rest as paid.
fn of_paid(seen: &Seen) -> Remedy {
    match seen {
        Seen::Captured | Seen::Processing => Remedy::Rest,
        Seen::Created
        | Seen::Authorised
        | Seen::Declined { .. }
        | Seen::Cancelled
        | Seen::Refunded => Remedy::Missing,
    }
}

impl Stray {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orphan => "orphan",
            Self::Late => "late",
            Self::Duplicate => "duplicate",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::Orphan, Self::Late, Self::Duplicate].into_iter().find(|why| why.as_str() == text)
    }
}

impl Rung {
    pub const ALL: [Self; 3] = [Self::SameSeats, Self::EqualSeats, Self::Refund];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameSeats => "same_seats",
            Self::EqualSeats => "equal_seats",
            Self::Refund => "refund",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| rung.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, Late, Remedy, Rung, Standing, Stray, late, remedy};
    use crate::order::State;
    use crate::step::Seen;

    fn all_seen() -> [Seen; 7] {
        [
            Seen::Created,
            Seen::Processing,
            Seen::Authorised,
            Seen::Declined { reason: String::new() },
            Seen::Captured,
            Seen::Cancelled,
            Seen::Refunded,
        ]
    }

    fn bound(state: State, is_current: bool, has_work: bool) -> Standing {
        Standing::Bound { state, is_current, has_work, is_sold: false }
    }

    /// The remedies of a standing, in the order of [`all_seen`].
    fn remedies(standing: Standing) -> [Remedy; 7] {
        all_seen().map(|seen| remedy(&seen, standing))
    }

    fn stray(why: Stray) -> [Remedy; 7] {
        let (void, rest) = (Remedy::Void(why), Remedy::Rest);
        [void, rest, void, rest, Remedy::Refund(why), rest, rest]
    }

    #[test]
    fn every_cell_of_the_table() {
        let missing = Remedy::Missing;
        assert_eq!(remedies(Standing::Unbound), stray(Stray::Orphan));
        for state in State::ALL {
            let others = match state {
                State::Paid | State::Refunding | State::Refunded => stray(Stray::Duplicate),
                _ => stray(Stray::Late),
            };
            let current = match state {
                State::Paid => {
                    let rest = Remedy::Rest;
                    [missing, rest, missing, missing, rest, missing, missing]
                }
                State::Cancelled => {
                    let mut ladder = stray(Stray::Late);
                    ladder[4] = Remedy::Reseat;
                    ladder
                }
                _ => others,
            };
            assert_eq!(remedies(bound(state, true, true)), [Remedy::Rest; 7], "{state}");
            assert_eq!(remedies(bound(state, true, false)), current, "{state}");
            for has_work in [false, true] {
                assert_eq!(remedies(bound(state, false, has_work)), others, "{state}");
            }
        }
    }

    #[test]
    fn money_of_a_review_is_a_persons_to_decide_about_only_if_it_has_bought_something() {
        let (state, is_sold) = (State::ReviewNeeded, true);
        for has_work in [false, true] {
            let of = |is_current| Standing::Bound { state, is_current, has_work, is_sold };
            assert_eq!(remedies(of(true)), [Remedy::Rest; 7]);
            assert_eq!(remedies(of(false)), stray(Stray::Duplicate));
        }
    }

    #[test]
    fn late_money_waits_for_an_answer_has_an_order_or_goes_back() {
        let table = [
            (Claim::Barred, Late::GiveBack),
            (Claim::Asked, Late::Wait),
            (Claim::Decided(Rung::SameSeats), Late::Rest),
            (Claim::Decided(Rung::EqualSeats), Late::Rest),
            (Claim::Decided(Rung::Refund), Late::GiveBack),
            (Claim::Ended, Late::GiveBack),
        ];
        for (claim, step) in table {
            assert_eq!(late(claim), step, "{claim:?}");
        }
        for why in [Stray::Orphan, Stray::Late, Stray::Duplicate] {
            assert_eq!(Stray::from_text(why.as_str()), Some(why));
        }
        assert!(Rung::ALL.iter().all(|rung| Rung::from_text(rung.as_str()) == Some(*rung)));
    }
}
