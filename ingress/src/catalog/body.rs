//! An event as the API shows it.

use schema::{EventListing, EventStatus, Money, PriceLevel, Terms, UnixMillis};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An amount in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MoneyBody {
    #[schema(example = 12550)]
    pub amount: i64,
    /// Three capital letters of ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
}

impl From<Money> for MoneyBody {
    fn from(money: Money) -> Self {
        Self { amount: money.amount, currency: money.currency.to_string() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceLevelBody {
    /// What `priceLevel` of seats and areas names.
    pub price_level: usize,
    pub name: String,
    /// What is charged for a place.
    pub price: MoneyBody,
    /// What of the price is a fee.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee: Option<MoneyBody>,
}

impl PriceLevelBody {
    fn new(price_level: usize, level: &PriceLevel, terms: &Terms) -> Self {
        let fee = terms.fee_on_top(level.price.amount);
        Self {
            price_level,
            name: level.name.to_string(),
            price: level.price.into(),
            fee: (0 < fee).then(|| Money { amount: fee, ..level.price }.into()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventBody {
    pub event_id: String,
    pub name: String,
    pub venue: String,
    pub city: String,
    pub category: String,
    pub starts_at: String,
    pub sale_starts_at: String,
    /// `ON_SALE`, `ANNOUNCED` (its sale starts later) or `CANCELLED`.
    pub status: &'static str,
    /// Whether reserve needs a pass now.
    pub waiting_room: bool,
    pub price_levels: Vec<PriceLevelBody>,
    pub seats_total: u32,
    pub seats_free: u32,
    /// Most places an account may own.
    pub account_places_max: u16,
    /// Most places in one reservation.
    pub request_places_max: u16,
}

impl EventBody {
    pub fn new(
        listing: &EventListing,
        free: Option<u32>,
        waiting_room: bool,
        now: UnixMillis,
    ) -> Self {
        let status = match listing.status {
            EventStatus::Cancelled => "CANCELLED",
            EventStatus::OnSale if now < listing.sale_starts_at => "ANNOUNCED",
            EventStatus::OnSale => "ON_SALE",
        };
        let levels = listing.price_levels.iter().enumerate();
        let price_levels =
            levels.map(|(number, level)| PriceLevelBody::new(number, level, &listing.terms));
        Self {
            event_id: listing.event.to_string(),
            name: listing.name.to_string(),
            venue: listing.venue.to_string(),
            city: listing.city.to_string(),
            category: listing.category.to_string(),
            starts_at: listing.starts_at.to_rfc3339(),
            sale_starts_at: listing.sale_starts_at.to_rfc3339(),
            status,
            waiting_room,
            price_levels: price_levels.collect(),
            seats_total: listing.places_total,
            seats_free: free.unwrap_or(listing.places_total),
            account_places_max: listing.account_places_max,
            request_places_max: listing.request_places_max,
        }
    }
}
