//! What two processes must agree on: ids, money, time, commands, outcomes, names on the bus,
//! limits, promises.
//!
//! This crate depends on no other of the workspace and does no input or output.

pub mod admission;
pub mod codec;
pub mod cohort;
pub mod history;
pub mod invariant;
pub mod limits;
pub mod sealed;
pub mod search;
pub mod stream;
pub mod subject;

mod catalog;
mod channel;
mod command;
mod id;
mod journal;
mod load;
mod money;
mod outcome;
mod plan;
mod plan_index;
mod refusal;
mod reply;
mod room;
mod settle;
mod shard_state;
mod shards;
mod terms;
mod text128;
mod time;

pub use catalog::{EventListing, EventStatus, PriceLevel, RoomMode, RoomSettings, TITLE_BYTES_MAX};
pub use channel::{
    CHANNEL_CODE_BYTES_MAX, CHANNEL_CODE_BYTES_MIN, CHANNEL_ROWS_MAX, CHANNELS_MAX, Channel,
    ChannelFault, ChannelRow,
};
pub use command::{
    BestAvailable, Command, CommandBody, Condition, HOUSE_ACCOUNT, HoldSeats, KillReason,
    LATE_MONEY, LATE_MONEY_ACCOUNT, OwnerKind, PARTNER_SALE, Pass, PassPlace, PreviousStatuses,
    Reseat, SYSTEM_ACCOUNT, SellAllotted, StartPayment, Verdict, VerdictKind, Want,
};
pub use id::{
    AccountId, AreaIdx, CommandId, EventId, HoldId, NAME_BYTES_MAX, OrderId, ParseError, PlanId,
    SeatIdx, ShardId, TicketId,
};
pub use invariant::{InvariantId, PlaceCounts};
pub use journal::{Applied, Batch, Step};
pub use load::{AllocatorLoad, SettlementLoad};
pub use money::{Currency, CurrencyError, Money};
pub use outcome::{
    Asked, Held, HeldArea, HeldSeat, Outcome, OutcomeBody, Payment, Released, ReturnedPart,
};
pub use plan::{
    AREAS_MAX, Area, Fault, LABEL_BYTES_MAX, PLAN_PLACES_MAX, POOLS_MAX, PRICE_LEVELS_MAX, Pool,
    ROW_SEATS_MAX, ROWS_MAX, Row, SECTIONS_MAX, SeatingPlan, Section,
};
pub use plan_index::{PlanIndex, RowSpan, SeatPlace};
pub use refusal::{Code, Refusal};
pub use reply::{Reply, ReplyBatch};
pub use room::{ENQUEUE_SECRET_BYTES, EnqueueKey, QueueingMethod, RoomOptions, Standby};
pub use settle::{
    CancelAnswer, CancelBooking, CancelTicket, CheckIn, CheckInAnswer, Found, ProviderEvent,
    ProviderEventAnswer, Receipt, Scan, Scanned, TransferAnswer, TransferTicket,
};
pub use shard_state::{EndedHold, EventState, LiveHold, Phase, ShardState};
pub use shards::{SHARDS_MAX, Shards, ShardsOutOfRange};
pub use terms::{FeePayer, MilliPercent, Split, Terms};
pub use time::{DurationMs, TIME_MAX, UnixMillis};
