//! The states of a place, and what moves it from one to another.

use crate::ledger::{Standing, Terms};
use schema::UnixMillis;

/// The state of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In a pre-queue that is not drawn yet.
    Prequeued,
    /// In line, and also who was passed as gone: coming back is waiting in the late lane.
    Queued,
    /// Called; the claim is open.
    Ready,
    /// Has a pass.
    Admitted,
    /// Has bought, or has given the pass back.
    Completed,
    /// Given up after the call and before a claim.
    Abandoned,
    /// Not claimed in time, its pass has ended, or the event was cancelled while it waited.
    Expired,
}

/// What may happen to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// The pre-queue is drawn.
    Draw,
    Call,
    /// The fan asks for the pass.
    Claim,
    /// The journal says that the place's pass has bought.
    Buy,
    /// A pass of an event without seats is given back.
    GiveBack,
    /// The fan gives the place up.
    Leave,
    ClaimEnds,
    PassEnds,
    CancelEvent,
}

impl State {
    pub const ALL: [Self; 7] = [
        Self::Prequeued,
        Self::Queued,
        Self::Ready,
        Self::Admitted,
        Self::Completed,
        Self::Abandoned,
        Self::Expired,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Prequeued => "prequeued",
            Self::Queued => "queued",
            Self::Ready => "ready",
            Self::Admitted => "admitted",
            Self::Completed => "completed",
            Self::Abandoned => "abandoned",
            Self::Expired => "expired",
        }
    }

    /// Where a move leads; `None` where it is refused or does not concern the place.
    ///
    /// Leaving is never refused. A place that waits is only passed by it, so that its fan may come
    /// back; a pass stays good until it ends, or is given back by it where no seats are sold. A
    /// sale may be journaled after its pass has ended: the
    /// payment had begun before.
    pub fn after(self, event: Move) -> Option<Self> {
        MOVES[self as usize][event as usize]
    }
}

impl Move {
    pub const ALL: [Self; 9] = [
        Self::Draw,
        Self::Call,
        Self::Claim,
        Self::Buy,
        Self::GiveBack,
        Self::Leave,
        Self::ClaimEnds,
        Self::PassEnds,
        Self::CancelEvent,
    ];
}

/// By state, then by move, each in the order of its declaration.
const MOVES: [[Option<State>; 9]; 7] = {
    const QU: Option<State> = Some(State::Queued);
    const RE: Option<State> = Some(State::Ready);
    const AD: Option<State> = Some(State::Admitted);
    const CO: Option<State> = Some(State::Completed);
    const AB: Option<State> = Some(State::Abandoned);
    const EX: Option<State> = Some(State::Expired);
    const PR: Option<State> = Some(State::Prequeued);
    const NO: Option<State> = None;
    [
        // Draw, Call, Claim, Buy, GiveBack, Leave, ClaimEnds, PassEnds, CancelEvent.
        [QU, NO, NO, NO, NO, PR, NO, NO, EX],
        [NO, RE, NO, NO, NO, QU, NO, NO, EX],
        [NO, NO, AD, NO, NO, AB, EX, NO, NO],
        [NO, NO, AD, CO, CO, AD, NO, EX, NO],
        [NO, NO, CO, NO, CO, CO, NO, NO, NO],
        [NO, NO, NO, NO, NO, AB, NO, NO, NO],
        [NO, NO, NO, CO, NO, EX, NO, NO, NO],
    ]
};

/// What is known of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// `None` before the draw of its pre-queue.
    pub standing: Option<Standing>,
    pub claimed: bool,
    pub completed: bool,
    /// The event is cancelled.
    pub is_over: bool,
    pub now: UnixMillis,
}

impl Known {
    /// The state of the place.
    pub fn state(self) -> State {
        let waits = match self.standing {
            Some(_) if self.completed => return State::Completed,
            None => State::Prequeued,
            Some(Standing::Waiting | Standing::Skipped) => State::Queued,
            Some(Standing::Left) => return State::Abandoned,
            Some(Standing::Over) => return State::Expired,
            Some(Standing::Called(terms)) => return self.called(terms),
        };
        if self.is_over { State::Expired } else { waits }
    }

    fn called(self, terms: Terms) -> State {
        match self.claimed {
            true if self.now < terms.pass_until => State::Admitted,
            false if self.now < terms.claim_until => State::Ready,
            _ => State::Expired,
        }
    }
}

#[cfg(test)]
mod tests;
