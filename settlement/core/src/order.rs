//! The order machine: its states, what can happen to an order, and the table of legal moves.

use std::fmt;
use std::str::FromStr;

/// The state of an order. `Open` is the order that does not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    Open,
    /// The seats wait for the money.
    Paying,
    /// The attempt failed; another may follow while the hold lives.
    Declined,
    /// No money may be taken any more; the provider does not know it yet.
    Cancelling,
    Cancelled,
    /// Tickets exist.
    Paid,
    /// The money is on its way back; the tickets live until it is.
    Refunding,
    Refunded,
    /// A promise was about to break: nothing goes on until a person has looked.
    ReviewNeeded,
}

/// What can happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// The owner of the seats announces a payment attempt.
    Start,
    /// The provider has the money ready, and the seats are committed with it.
    Sell,
    /// The provider will not pay this attempt.
    Decline,
    /// The payment deadline has passed.
    GiveUp,
    /// It is certain that the provider has taken nothing and will take nothing, or has given all
    /// back.
    MoneyBack,
    /// The hold ended without another attempt.
    HoldEnded,
    /// The fan cancels the booking.
    Cancel,
    /// A rule found what must not be; needs a reason.
    Review,
    /// A person has looked: the sale stands.
    Uphold,
    /// A person has looked: the booking is paid back.
    GiveBack,
    /// A person has looked: nothing was sold, and the order is over.
    Dismiss,
}

/// One legal move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    pub from: State,
    pub trigger: Trigger,
    pub to: State,
}

const fn legal(from: State, trigger: Trigger, to: State) -> Move {
    Move { from, trigger, to }
}

/// Every legal move. What is not here is refused.
///
/// `Cancelling => Paid` is the money that was found taken when it should be cancelled: the seats
/// are still set aside, because no verdict has gone out, so the fan gets them.
pub const TRANSITIONS: &[Move] = &[
    legal(State::Open, Trigger::Start, State::Paying),
    legal(State::Paying, Trigger::Sell, State::Paid),
    legal(State::Paying, Trigger::Decline, State::Declined),
    legal(State::Paying, Trigger::GiveUp, State::Cancelling),
    legal(State::Paying, Trigger::Review, State::ReviewNeeded),
    legal(State::Declined, Trigger::Start, State::Paying),
    legal(State::Declined, Trigger::HoldEnded, State::Cancelled),
    legal(State::Cancelling, Trigger::MoneyBack, State::Cancelled),
    legal(State::Cancelling, Trigger::Sell, State::Paid),
    legal(State::Cancelling, Trigger::Review, State::ReviewNeeded),
    legal(State::Paid, Trigger::Cancel, State::Refunding),
    legal(State::Paid, Trigger::Review, State::ReviewNeeded),
    legal(State::Refunding, Trigger::MoneyBack, State::Refunded),
    legal(State::Refunding, Trigger::Review, State::ReviewNeeded),
    legal(State::ReviewNeeded, Trigger::Uphold, State::Paid),
    legal(State::ReviewNeeded, Trigger::GiveBack, State::Refunding),
    legal(State::ReviewNeeded, Trigger::Dismiss, State::Cancelled),
];

/// A move that the table does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("move an order by {trigger:?} from {from}")]
pub struct MoveRefused {
    pub from: State,
    pub trigger: Trigger,
}

/// Looks a move up.
///
/// # Errors
/// [`MoveRefused`] if the table does not have it.
pub fn transition(from: State, trigger: Trigger) -> Result<State, MoveRefused> {
    let found = TRANSITIONS.iter().find(|legal| legal.from == from && legal.trigger == trigger);
    found.map(|legal| legal.to).ok_or(MoveRefused { from, trigger })
}

impl State {
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Paying,
        Self::Declined,
        Self::Cancelling,
        Self::Cancelled,
        Self::Paid,
        Self::Refunding,
        Self::Refunded,
        Self::ReviewNeeded,
    ];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paying => "paying",
            Self::Declined => "declined",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Paid => "paid",
            Self::Refunding => "refunding",
            Self::Refunded => "refunded",
            Self::ReviewNeeded => "review_needed",
        }
    }
}

impl Trigger {
    pub const ALL: [Self; 11] = [
        Self::Start,
        Self::Sell,
        Self::Decline,
        Self::GiveUp,
        Self::MoneyBack,
        Self::HoldEnded,
        Self::Cancel,
        Self::Review,
        Self::Uphold,
        Self::GiveBack,
        Self::Dismiss,
    ];
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("parse an order's state")]
pub struct StateUnknown;

impl FromStr for State {
    type Err = StateUnknown;

    fn from_str(text: &str) -> Result<Self, StateUnknown> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(StateUnknown)
    }
}

#[cfg(test)]
mod tests;
