//! What is on sale: listings of events, and the settings of their rooms.

use crate::channel::Channel;
use crate::id::{EventId, PlanId};
use crate::limits::{ACCOUNT_PLACES_MAX, HOLD_LIFE_MAX, HOLD_TTL, REQUEST_PLACES};
use crate::money::{Currency, Money};
use crate::plan::SeatingPlan;
use crate::room::RoomOptions;
use crate::terms::Terms;
use crate::time::{DurationMs, UnixMillis};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The plan of an event that sells no seats here and has a room only. No stored plan has this id.
pub(crate) const NO_SEATS: &str = "no-seats";

/// Longest name, venue, city and category, in bytes.
pub const TITLE_BYTES_MAX: usize = 200;

/// An event as the catalogue shows it. Its plan is fixed once it is on sale; its
/// limits and channels may change, for what is asked from then on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventListing {
    pub event: EventId,
    pub plan: PlanId,
    pub name: CompactString,
    pub venue: CompactString,
    pub city: CompactString,
    pub category: CompactString,
    pub starts_at: UnixMillis,
    pub sale_starts_at: UnixMillis,
    pub status: EventStatus,
    /// All in one currency, named by index from the plan's rows and areas.
    pub price_levels: Vec<PriceLevel>,
    pub places_total: u32,
    /// How long a hold lives without payment.
    pub hold_ttl_ms: DurationMs,
    /// Most places an account may hold and own of this event.
    pub account_places_max: u16,
    /// Whether a waiting room was set up for this event. Its mode is a live setting.
    pub waiting_room: bool,
    /// How long a hold may live from its beginning, however often its owner extends it.
    #[serde(default = "hold_life_max")]
    pub hold_life_max_ms: DurationMs,
    /// What [`Channel::check_all`] accepts.
    #[serde(default)]
    pub channels: Vec<Channel>,
    /// Most places in one fan's request, 1 to [`REQUEST_PLACES_MAX`].
    ///
    /// [`REQUEST_PLACES_MAX`]: crate::limits::REQUEST_PLACES_MAX
    #[serde(default = "request_places")]
    pub request_places_max: u16,
    /// Who gets what of a price. A fee that the buyer pays is in the prices of the levels.
    #[serde(default)]
    pub terms: Terms,
}

fn request_places() -> u16 {
    REQUEST_PLACES
}

fn hold_life_max() -> DurationMs {
    HOLD_LIFE_MAX
}

/// Whether an event can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EventStatus {
    OnSale,
    Cancelled,
}

/// A price with a name, for example "Lower bowl".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceLevel {
    pub name: CompactString,
    /// What a buyer is charged for a place.
    pub price: Money,
}

impl EventListing {
    /// An event that has a room, and no seats.
    pub fn without_seats(event: EventId, name: &str, now: UnixMillis) -> Self {
        Self {
            event,
            plan: SeatingPlan::without_seats().id,
            name: name.into(),
            venue: CompactString::default(),
            city: CompactString::default(),
            category: CompactString::default(),
            starts_at: now,
            sale_starts_at: now,
            status: EventStatus::OnSale,
            price_levels: Vec::new(),
            places_total: 0,
            hold_ttl_ms: HOLD_TTL,
            account_places_max: ACCOUNT_PLACES_MAX,
            waiting_room: true,
            hold_life_max_ms: HOLD_LIFE_MAX,
            channels: Vec::new(),
            request_places_max: REQUEST_PLACES,
            terms: Terms::default(),
        }
    }

    /// Whether the event is sold here. Without seats it is a room in front of somebody else's site.
    pub fn has_seats(&self) -> bool {
        self.plan.as_str() != NO_SEATS
    }

    /// The currency of all prices; euros for an event without price levels, which sells nothing.
    pub fn currency(&self) -> Currency {
        self.price_levels.first().map_or(Currency::EUR, |level| level.price.currency)
    }

    /// The price of a level, in minor units.
    pub fn price(&self, level: u8) -> Option<i64> {
        self.price_levels.get(usize::from(level)).map(|level| level.price.amount)
    }
}

/// Live settings of a room; an operator changes them while people wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomSettings {
    pub mode: RoomMode,
    /// Most people called in any 60 s window.
    pub admission_rate_per_minute: u32,
    /// Most people inside at once: called and not yet claimed, or holding a live pass.
    pub active_max: u32,
    pub claim_window_seconds: u32,
    pub pass_ttl_seconds: u32,
    pub adaptive: bool,
    /// When a pre-queue becomes a line.
    pub opens_at: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "RoomOptions::is_default")]
    pub options: RoomOptions,
}

/// What a room does with people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoomMode {
    /// No room: reserve needs no pass.
    Off,
    /// People gather; the line starts at `opens_at` in drawn order.
    PreQueue,
    /// People are called in order.
    Open,
    /// Nobody is called; people join, and those inside go on.
    Hold,
    /// Nobody joins; those in line are called.
    Drain,
    /// Nobody joins and nobody is called.
    Closed,
    /// Called at once, until more come than the room's standby allows: then a line, for a while.
    Standby,
}

impl RoomMode {
    /// Whether reserve needs a pass.
    pub fn is_on(self) -> bool {
        self != Self::Off
    }
}

impl Default for RoomSettings {
    /// 600 a minute is ten a second, a pace that one small machine bears with room to spare; the
    /// windows are those of the field: 120 s to claim, 300 s to buy.
    fn default() -> Self {
        Self {
            mode: RoomMode::Open,
            admission_rate_per_minute: 600,
            active_max: 2_000,
            claim_window_seconds: 120,
            pass_ttl_seconds: 300,
            adaptive: false,
            opens_at: None,
            options: RoomOptions::default(),
        }
    }
}
