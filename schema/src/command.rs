//! Commands: what is asked of the owner of a shard.

use crate::id::{AccountId, AreaIdx, CommandId, EventId, HoldId, SeatIdx};
use crate::outcome::{Held, ReturnedPart};
use crate::time::UnixMillis;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A command in its envelope. The same bytes are sent again until an answer comes or the deadline
/// passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub id: CommandId,
    /// A hash of everything that makes this command what it is: the same id with another one is
    /// refused.
    pub fingerprint: u64,
    pub event: EventId,
    pub account: AccountId,
    /// After this the asker has gone: a command not seen before is dropped with [`Reply::TooLate`].
    ///
    /// [`Reply::TooLate`]: crate::Reply::TooLate
    pub deadline: UnixMillis,
    /// The subject on which the asker hears the answer; empty when nobody waits.
    pub reply_to: CompactString,
    /// W3C `traceparent` of the asker.
    pub trace: Option<CompactString>,
    pub body: CommandBody,
}

impl Command {
    /// Turns the wall-clock times of the command into those of the clock that decides it.
    pub fn translate_times(&mut self, translate: impl Fn(UnixMillis) -> UnixMillis) {
        self.deadline = translate(self.deadline);
        if let CommandBody::HoldSeats(HoldSeats { pass: Some(pass), .. }) = &mut self.body {
            pass.expires_at = translate(pass.expires_at);
        }
    }
}

/// The account in whose name settlement sends verdicts and gives back parts of sales. No login has
/// it.
pub const SYSTEM_ACCOUNT: AccountId = AccountId(0);

/// The account in whose name operators block places, whoever of them it is. No login has it.
pub const HOUSE_ACCOUNT: AccountId = AccountId(1);

/// The account in whose name settlement asks for places for money that came late. No login has it.
pub const LATE_MONEY_ACCOUNT: AccountId = AccountId(2);

/// The method of a payment whose money was there before its places: it came after the hold that it
/// was for had ended. No fan can name it.
pub const LATE_MONEY: &str = "LATE_MONEY";

/// The method of what a partner has sold: the partner has the buyer's money, and no provider is
/// asked. No fan can name it.
pub const PARTNER_SALE: &str = "PARTNER";

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandBody {
    HoldSeats(HoldSeats),
    /// Gives up a hold that is not being paid.
    ReleaseHold {
        hold: HoldId,
    },
    /// Turns Held into Paying; settlement takes over from the journal.
    StartPayment(StartPayment),
    /// Settlement's verdict on a hold.
    RecordVerdict(Verdict),
    /// Gives allotted places back, whole allotments or parts.
    ReturnAllotted {
        seats: Vec<SeatIdx>,
        areas: Vec<(AreaIdx, u32)>,
        /// Of seats only; `None` takes those that are set aside.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous: Option<PreviousStatuses>,
    },
    /// Asks for more time before a hold is paid.
    ExtendHold {
        hold: HoldId,
    },
    /// Takes other places into a hold that waits to be paid, all or nothing.
    SwapSeats {
        hold: HoldId,
        want: Want,
        /// As in [`Condition::Channel`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channel: Option<CompactString>,
    },
    /// Settlement asks for places for money that came after its hold had ended.
    Reseat(Reseat),
    /// Settlement gives back places of a hold that is sold, whose money went back.
    ReduceSale {
        /// Counts the parts of the hold that went back, from 1: each is given back once, in order.
        part: u32,
        /// Of one hold, and never all that it has left.
        places: ReturnedPart,
    },
    /// A partner has sold places.
    SellAllotted(SellAllotted),
}

impl CommandBody {
    /// The name in logs.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::HoldSeats(_) => "hold_seats",
            Self::ReleaseHold { .. } => "release_hold",
            Self::StartPayment(_) => "start_payment",
            Self::RecordVerdict(_) => "record_verdict",
            Self::ReturnAllotted { .. } => "return_allotted",
            Self::ExtendHold { .. } => "extend_hold",
            Self::SwapSeats { .. } => "swap_seats",
            Self::Reseat(_) => "reseat",
            Self::ReduceSale { .. } => "reduce_sale",
            Self::SellAllotted(_) => "sell_allotted",
        }
    }
}

/// Asks for places, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldSeats {
    pub want: Want,
    pub owner: OwnerKind,
    /// The right to buy, its signature already checked; `None` where no room is on.
    pub pass: Option<Pass>,
    /// What the owner asks beyond that; left out where there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// What one kind of owner may ask beyond places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Of seats for an allotment or a kill: how they may be found. Without it they are free.
    Previous(PreviousStatuses),
    /// Of a fan: the key of the channel whose code the asker knows.
    Channel(CompactString),
}

impl HoldSeats {
    pub fn previous(&self) -> Option<PreviousStatuses> {
        match self.condition {
            Some(Condition::Previous(previous)) => Some(previous),
            _ => None,
        }
    }

    pub fn channel(&self) -> Option<&str> {
        match &self.condition {
            Some(Condition::Channel(key)) => Some(key),
            _ => None,
        }
    }
}

/// The statuses in which an operation on many seats may find them. It happens only if each is in
/// one of these, and passes over those that are as it would make them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PreviousStatuses {
    pub free: bool,
    /// Set aside for the account that asks: in an allotment of the partner, in a kill of the house.
    pub set_aside: bool,
}

/// Which places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Want {
    Seats(Vec<SeatIdx>),
    BestAvailable(BestAvailable),
    Areas(Vec<(AreaIdx, u32)>),
}

impl Want {
    /// The sum saturates.
    pub fn place_count(&self) -> u32 {
        match self {
            Self::Seats(seats) => u32::try_from(seats.len()).unwrap_or(u32::MAX),
            Self::BestAvailable(best) => u32::from(best.quantity),
            Self::Areas(areas) => {
                areas.iter().fold(0, |sum, &(_, quantity)| sum.saturating_add(quantity))
            }
        }
    }
}

/// Adjacent seats, chosen and claimed in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BestAvailable {
    pub quantity: u8,
    /// Index of the section in the plan.
    pub section: Option<u16>,
    pub price_level: Option<u8>,
    /// Whether one of the seats must be an accessible place. Without it none is.
    pub accessible: bool,
}

/// For whom places are set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OwnerKind {
    /// A fan: with a deadline and the account's limit.
    Fan,
    /// A partner's allotment: without a deadline.
    Allotment,
    /// Not for sale (an operator's block).
    Kill(KillReason),
    /// A partner that has sold places: they are being paid from the beginning, and no limit of an
    /// account is asked.
    PartnerSale,
}

impl OwnerKind {
    /// Whether the places wait for nobody's payment: in an allotment or a kill.
    pub const fn is_set_aside(self) -> bool {
        matches!(self, Self::Allotment | Self::Kill(_))
    }
}

/// Why places are not for sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KillReason {
    /// Stage, mixing desk, cables.
    Production,
    /// The stage cannot be seen well enough.
    Sightline,
    Camera,
    Safety,
    /// A broken seat.
    Defect,
    /// The promoter's or the venue's own guests.
    House,
    Other,
}

impl KillReason {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Production => "PRODUCTION",
            Self::Sightline => "SIGHTLINE",
            Self::Camera => "CAMERA",
            Self::Safety => "SAFETY",
            Self::Defect => "DEFECT",
            Self::House => "HOUSE",
            Self::Other => "OTHER",
        }
    }
}

/// What a verified pass says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    pub place: PassPlace,
    /// By the wall clock, as in [`Command::deadline`].
    pub expires_at: UnixMillis,
    /// The account it was claimed for; `None` binds it to its first user.
    pub account: Option<AccountId>,
}

/// A place in the event's line, for its life: the room's epoch and the number given out in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PassPlace {
    pub epoch: u32,
    pub number: u64,
}

/// Asks to pay for a hold.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartPayment {
    pub hold: HoldId,
    /// The method's name in the API, for example `CREDIT_CARD`.
    pub method: CompactString,
    /// What the payment provider charges, for example `tok_ok`.
    pub token: CompactString,
}

impl fmt::Debug for StartPayment {
    /// Without the token, which may be worth money.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hold, method, token: _ } = self;
        let mut shown = f.debug_struct("StartPayment");
        shown.field("hold", hold).field("method", method).finish_non_exhaustive()
    }
}

/// Asks for the places that were paid for, or equal ones, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reseat {
    /// The places that were paid for at the prices that were paid, and for whom. Its id is that of
    /// the hold that is to have them; generations say nothing.
    pub paid: Held,
    /// The hold that the money was for, which has ended.
    pub before: HoldId,
}

/// Asks to sell places that are set aside for the partner that asks, all or nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellAllotted {
    pub seats: Vec<SeatIdx>,
    pub areas: Vec<(AreaIdx, u32)>,
    /// Of seats only; `None` takes those that are set aside.
    pub previous: Option<PreviousStatuses>,
    /// Whom they were sold to, as whoever asks wrote it down; empty where that is not said. Only
    /// that one reads it again.
    pub buyer: CompactString,
}

impl fmt::Debug for SellAllotted {
    /// Without the buyer, who is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seats, areas, previous, buyer: _ } = self;
        let mut shown = f.debug_struct("SellAllotted");
        shown.field("seats", seats).field("areas", areas).field("previous", previous);
        shown.finish_non_exhaustive()
    }
}

/// What became of a hold's payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub hold: HoldId,
    /// The attempt it speaks of. A verdict on an earlier attempt changes nothing.
    pub attempt: u32,
    pub kind: VerdictKind,
}

/// In order of rank: a verdict of a lower rank than the one known changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VerdictKind {
    /// The attempt failed; the hold lives on for another.
    Declined,
    /// There will be no payment: the seats are free.
    Cancelled,
    /// Paid and committed: the seats are sold.
    Sold,
    /// Paid back: the seats are free.
    Refunded,
}
