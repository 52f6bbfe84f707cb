//! What people do and hear.

use crate::record::Deed;
use std::time::Duration;

/// What a person does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Ask(Ask),
    /// Nothing, for so long.
    Sleep(Duration),
    /// Nothing any more.
    Gone,
}

/// A question. Whose event, account and papers it is about, the person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub deed: Deed,
    pub what: What,
}

/// What a question has beyond its deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    Plain,
    /// A join under an idempotency key.
    Keyed(u64),
    Reserve {
        want: Want,
        key: u64,
    },
    Pay(Card),
    /// A number of one of the words that people search for.
    Search(u32),
    /// A partner sets a row of the plan aside under this key, or gives it back.
    Allot {
        row: u32,
        key: u64,
        back: bool,
    },
    /// The operator's change with this number in the scenario.
    Steer(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// So many adjacent seats.
    Best(u8),
    /// So many standing places of the plan's first area.
    Standing(u8),
    /// Those that the person has chosen, by their index in the plan.
    Seats(Box<[u32]>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    Good,
    Declined,
}

/// What a person hears.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum News<'a> {
    /// The time has come: the arrival, or the end of a sleep.
    Woken,
    Joined {
        token: &'a str,
        number: Option<u64>,
        poll_after: Duration,
    },
    Place {
        state: PlaceState,
        /// Everything is sold, the line is told.
        sold_out: bool,
        poll_after: Duration,
    },
    Status(Status),
    Pass(&'a str),
    /// The compact seat map.
    Seats(&'a [u8]),
    Reserved {
        reservation: &'a str,
        expires_in: Duration,
    },
    Confirmed {
        booking: &'a str,
    },
    Pending {
        booking: &'a str,
        poll_after: Duration,
    },
    /// A success that says nothing more.
    Fine,
    Refused {
        status: u16,
        code: &'a str,
    },
    /// No answer came.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceState {
    /// Pre-queued or queued.
    Waiting,
    /// Called, or claimed already.
    Called,
    /// Expired or completed.
    Over,
}

/// The public status of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    pub cursor: u64,
    pub rate_per_minute: u64,
    pub sold_out: bool,
    pub closed: bool,
    pub floor: Duration,
    pub ceiling: Duration,
    pub divisor: u64,
}

impl Step {
    pub fn ask(deed: Deed) -> Self {
        Self::Ask(Ask { deed, what: What::Plain })
    }
}

impl Status {
    /// When a place asks again, if its number is all it knows; the public policy without jitter.
    pub fn poll_after(&self, number: u64) -> Duration {
        let ahead = number.saturating_sub(self.cursor);
        let wait_ms = ahead.saturating_mul(60_000) / self.rate_per_minute.max(60);
        let wait = Duration::from_millis(wait_ms / self.divisor.max(1));
        wait.clamp(self.floor, self.ceiling.max(self.floor))
    }
}

impl News<'_> {
    /// Whether the same question may be answered otherwise a little later.
    pub fn try_again(&self) -> bool {
        match self {
            Self::Lost => true,
            Self::Refused { status, code } => {
                matches!(status, 423 | 429 | 503) || *code == "IDEMPOTENCY_IN_FLIGHT"
            }
            _ => false,
        }
    }
}
