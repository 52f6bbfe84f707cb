//! One hold as the journal has it.

use schema::{
    EndedHold, EventId, Held, LiveHold, OwnerKind, Phase, PlaceCounts, Released, UnixMillis,
};

use super::seats::SeatStatus;

/// What has become of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    Held,
    Paying,
    Sold,
    Released(Released),
}

impl HoldState {
    /// `status` of a reservation in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Paying => "PAYING",
            Self::Sold => "CONFIRMED",
            Self::Released(Released::Expired) => "EXPIRED",
            Self::Released(Released::ByOwner | Released::PaymentCancelled | Released::Refunded) => {
                "RELEASED"
            }
        }
    }
}

/// A hold with what its owner may ask about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub event: EventId,
    pub held: Held,
    pub state: HoldState,
    /// Moves when a payment is declined.
    pub deadline: Option<UnixMillis>,
    /// The last payment attempt that started, and the last that was declined. Zero is none.
    pub attempt_started: u32,
    pub attempt_declined: u32,
}

impl Hold {
    pub fn new(event: EventId, held: Held) -> Self {
        let deadline = held.deadline;
        let (attempt_started, attempt_declined) = (0, 0);
        Self { event, held, state: HoldState::Held, deadline, attempt_started, attempt_declined }
    }

    /// A hold that a replica tells of. Of its attempts to pay all but the present one were
    /// declined.
    pub fn of_state(event: EventId, hold: LiveHold) -> Self {
        let LiveHold { phase, attempt, held } = hold;
        let (state, attempt_declined) = match phase {
            Phase::Held | Phase::Blocked => (HoldState::Held, attempt),
            Phase::Paying => (HoldState::Paying, attempt.saturating_sub(1)),
            Phase::Sold => (HoldState::Sold, attempt.saturating_sub(1)),
        };
        let attempt_started = attempt;
        Self { state, attempt_started, attempt_declined, ..Self::new(event, held) }
    }

    /// A hold that has ended; nobody knows any more which places it had.
    pub fn of_ended(ended: EndedHold) -> Self {
        let held = Held {
            hold: ended.hold,
            account: ended.account,
            owner: OwnerKind::Fan,
            seats: Vec::new(),
            areas: Vec::new(),
            currency: ended.currency,
            deadline: None,
            pass: None,
        };
        Self { state: HoldState::Released(ended.why), ..Self::new(ended.event, held) }
    }

    /// What the seat map shows of its seats.
    pub fn seat_status(&self) -> SeatStatus {
        match self.state {
            HoldState::Held | HoldState::Paying if self.held.deadline.is_none() => {
                SeatStatus::Blocked
            }
            HoldState::Held | HoldState::Paying => SeatStatus::Held,
            HoldState::Sold => SeatStatus::Sold,
            HoldState::Released(_) => SeatStatus::Free,
        }
    }

    /// The count its places belong to; `None` once they are free again.
    pub fn count<'a>(&self, counts: &'a mut PlaceCounts) -> Option<&'a mut u32> {
        match self.state {
            HoldState::Held | HoldState::Paying if self.held.deadline.is_none() => {
                Some(&mut counts.blocked)
            }
            HoldState::Held => Some(&mut counts.held),
            HoldState::Paying => Some(&mut counts.paying),
            HoldState::Sold => Some(&mut counts.sold),
            HoldState::Released(_) => None,
        }
    }
}
