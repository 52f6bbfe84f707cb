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
    /// A person has to look: the order is paid, and its money is not there.
    Missing,
}

/// Decides about a payment that has not changed for a while. Repeatable: what was done shows in
/// `seen`.
pub fn remedy(seen: &Seen, standing: Standing) -> Remedy {
    let stray = match standing {
        Standing::Unbound => Stray::Orphan,
        Standing::Bound { has_work: true, is_current: true, .. }
        | Standing::Bound { state: State::ReviewNeeded, .. } => return Remedy::Rest,
        Standing::Bound { state: State::Paid, is_current: true, .. } => return of_paid(seen),
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
}

#[cfg(test)]
mod tests {
    use super::{Remedy, Standing, Stray, remedy};
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
        Standing::Bound { state, is_current, has_work }
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
                State::ReviewNeeded => [Remedy::Rest; 7],
                State::Paid | State::Refunding | State::Refunded => stray(Stray::Duplicate),
                _ => stray(Stray::Late),
            };
            let current = match state {
                State::Paid => {
                    let rest = Remedy::Rest;
                    [missing, rest, missing, missing, rest, missing, missing]
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
}
