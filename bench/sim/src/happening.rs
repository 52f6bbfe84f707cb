//! What kinds of things happened, so that a run which proves nothing is noticed.

use schema::{OutcomeBody, OwnerKind, Refusal, Released};
use std::collections::BTreeMap;

macro_rules! happenings {
    ($($name:ident),* $(,)?) => {
        /// A kind of thing that happens in a run.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Happening { $($name,)* }

        impl Happening {
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

happenings! {
    // Ownership and the journal.
    TakeOver, TakeOverContested, HandedOver, Deposed, AppendLost, AppendRepeated, AppendDuplicate,
    AckLost, Pulse, DeadlinesMoved, CheckpointStored, CheckpointRestored, CheckpointDamaged,
    Trimmed, StateTold,
    // Faults of processes.
    Crash, Pause, ClockStep, Deaf, DriverCrash, DriverPause, ViewRestarted,
    ServerRestart, EverybodyDies,
    // The bus.
    CommandLost, CommandRepeated, ReplyLost, ReplyRepeated,
    // Passes.
    PassClaimed, TurnedAway, PassForeign, PassSpent, PassExpired, PassInUse, PassUsedAgain,
    PassOfRefunded,
    // Decisions.
    Held, Split, Allotted, Killed, Returned, Refused, SeatTaken, StatusNotAllowed, ChannelRequired,
    PoolFull, SeatsUnchanged, GivenUp, Expired, Extended, Swapped, PaymentStarted, Reminded,
    Declined, Sold, PartnerSold, PaymentCancelled, Refunded, TicketRefunded, Unchanged,
    // Answers.
    Replayed, Archived, Recalled, NotRecalled, Mismatch, TooLate, Confirmed,
    // Payments.
    ProviderSilent, CommitUnknown, VerdictAgain, AttemptAgain, PaidOut, Voided,
    // Money beside the orders.
    EventTold, EventAgain, EventLost, Brought, ListUnanswered, LookerCrash, Orphan, OrphanVoided,
    OrphanRefunded, DuplicateRefunded, LateMoney, LateRefunded, Reseated, NoPlaces, SameSeats,
    EqualSeats, ByHand, MoneyGone, ReviewClosed,
}

impl Happening {
    /// The kind of an outcome.
    pub fn of(body: &OutcomeBody) -> Self {
        match body {
            OutcomeBody::SeatsHeld(held) if held.owner == OwnerKind::Fan => Self::Held,
            OutcomeBody::SeatsHeld(held) if held.owner == OwnerKind::Allotment => Self::Allotted,
            OutcomeBody::SeatsHeld(_) => Self::Killed,
            OutcomeBody::HoldReleased { why, .. } => match why {
                Released::ByOwner => Self::GivenUp,
                Released::Expired => Self::Expired,
                Released::PaymentCancelled => Self::PaymentCancelled,
                Released::Refunded => Self::Refunded,
            },
            OutcomeBody::HoldExtended { .. } => Self::Extended,
            OutcomeBody::SeatsSwapped(_) => Self::Swapped,
            OutcomeBody::PaymentStarted(_) => Self::PaymentStarted,
            OutcomeBody::Reseated(_) => Self::Reseated,
            OutcomeBody::AllottedSold { .. } => Self::PartnerSold,
            OutcomeBody::PaymentAwaited(_) => Self::Reminded,
            OutcomeBody::PaymentDeclined { .. } => Self::Declined,
            OutcomeBody::SeatsSold { .. } => Self::Sold,
            OutcomeBody::AllotmentReduced { .. } => Self::Returned,
            OutcomeBody::SaleReduced { .. } => Self::TicketRefunded,
            OutcomeBody::DeadlinesMoved { .. } => Self::DeadlinesMoved,
            OutcomeBody::Refused(Refusal::SeatTaken { .. }) => Self::SeatTaken,
            OutcomeBody::Refused(Refusal::StatusNotAllowed { .. }) => Self::StatusNotAllowed,
            OutcomeBody::Refused(Refusal::ChannelRequired { .. }) => Self::ChannelRequired,
            OutcomeBody::Refused(Refusal::PassForeign) => Self::PassForeign,
            OutcomeBody::Refused(Refusal::PassSpent) => Self::PassSpent,
            OutcomeBody::Refused(Refusal::PassExpired) => Self::PassExpired,
            OutcomeBody::Refused(Refusal::PassInUse) => Self::PassInUse,
            OutcomeBody::Refused(_) => Self::Refused,
            OutcomeBody::Unchanged { .. } => Self::Unchanged,
            OutcomeBody::SeatsUnchanged => Self::SeatsUnchanged,
        }
    }
}

/// How often each kind happened.
#[derive(Debug, Clone, Default)]
pub struct Tally(BTreeMap<Happening, u64>);

impl Tally {
    pub fn add(&mut self, happening: Happening) {
        *self.0.entry(happening).or_insert(0) += 1;
    }

    pub fn add_all(&mut self, other: &Self) {
        for (&happening, count) in &other.0 {
            *self.0.entry(happening).or_insert(0) += count;
        }
    }

    pub fn count(&self, happening: Happening) -> u64 {
        self.0.get(&happening).copied().unwrap_or(0)
    }
}
