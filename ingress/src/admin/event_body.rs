//! An event as operators write it, checked against every limit of the catalogue.

use chassis::Problem;
use schema::limits::{
    ACCOUNT_PLACES_MAX, HOLD_LIFE_MAX, HOLD_TTL, REQUEST_PLACES, REQUEST_PLACES_MAX,
};
use schema::{
    DurationMs, EventId, EventListing, EventStatus, Money, PRICE_LEVELS_MAX, PlanIndex, PriceLevel,
    SeatingPlan, TITLE_BYTES_MAX, Terms, UnixMillis,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::channel_body::{ChannelInput, channels};
use super::plan_body::PlanBody;
use super::terms_body::{TermsInput, terms};
use crate::catalog::MoneyBody;
use crate::problems;

/// Longest life of a hold. A day of unpaid seats is an allotment.
const HOLD_TTL_MAX: DurationMs = DurationMs::from_secs(86_400);
/// Shortest: a person must be able to type a card number.
const HOLD_TTL_MIN: DurationMs = DurationMs::from_secs(5);

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventInput {
    /// 1 to 24 of letters, digits, hyphen and underscore.
    #[schema(example = "EVT100")]
    pub event_id: String,
    name: String,
    venue: String,
    city: String,
    category: String,
    /// RFC 3339.
    starts_at: String,
    /// RFC 3339; now without.
    sale_starts_at: Option<String>,
    /// `ON_SALE` or `CANCELLED`.
    #[schema(value_type = Option<String>)]
    status: Option<EventStatus>,
    price_levels: Vec<PriceLevelInput>,
    plan: PlanBody,
    /// How long a hold lives: 5 s to a day; 600 without.
    hold_ttl_seconds: Option<u64>,
    /// How long a hold may live, however often its owner extends it: `holdTtlSeconds` to a day; the
    /// longer of 1,800 and `holdTtlSeconds` without. A payment that was begun before goes on, and
    /// the first 5 that are declined leave 30 s for another card.
    hold_life_max_seconds: Option<u64>,
    /// Most places an account may own; without, 10 or `requestPlacesMax`, if that is more.
    account_places_max: Option<u16>,
    /// Most places in one reservation: 1 to 12; 10 without.
    request_places_max: Option<u16>,
    /// Whether the event has a waiting room, which is open from the start, unless its settings say
    /// another mode; without it as the event is known, a new one without a room.
    waiting_room: Option<bool>,
    /// Seats for those who know a code, at most 16 channels; without it those that the event has
    /// stay. May change at any time.
    channels: Option<Vec<ChannelInput>>,
    /// Who gets what of a price; without it the terms that the event has stay. What is sold is
    /// booked by the terms of that time.
    pub terms: Option<TermsInput>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceLevelInput {
    name: String,
    /// Without a fee that the buyer pays.
    price: MoneyBody,
}

impl EventInput {
    /// Makes listing and plan. A channel without a code has that of its like in `known`, the
    /// event as it was.
    pub fn check(
        self,
        now: UnixMillis,
        known: Option<&EventListing>,
    ) -> Result<(EventListing, SeatingPlan), Problem> {
        let event: EventId = self.event_id.parse().map_err(invalid)?;
        let plan = self.plan.plan().map_err(problems::invalid)?;
        plan.validate().map_err(invalid)?;
        let terms = match self.terms {
            None => known.map_or_else(Terms::default, |known| known.terms.clone()),
            Some(said) => terms(said, self.price_levels.len())?,
        };
        let price_levels = price_levels(self.price_levels, &terms)?;
        check_levels(&plan, price_levels.len())?;
        let hold_ttl = self
            .hold_ttl_seconds
            .map_or(HOLD_TTL, |seconds| DurationMs(seconds.saturating_mul(1_000)));
        if !(HOLD_TTL_MIN..=HOLD_TTL_MAX).contains(&hold_ttl) {
            return Err(problems::invalid("holdTtlSeconds is 5 to 86,400"));
        }
        let hold_life_max =
            self.hold_life_max_seconds.map_or(HOLD_LIFE_MAX.max(hold_ttl), |seconds| {
                DurationMs(seconds.saturating_mul(1_000))
            });
        if !(hold_ttl..=HOLD_TTL_MAX).contains(&hold_life_max) {
            return Err(problems::invalid("holdLifeMaxSeconds is holdTtlSeconds to 86,400"));
        }
        let request_places_max = self.request_places_max.unwrap_or(REQUEST_PLACES);
        if !(1..=REQUEST_PLACES_MAX).contains(&request_places_max) {
            return Err(problems::invalid("requestPlacesMax is 1 to 12"));
        }
        let starts_at = time("startsAt", Some(&self.starts_at))?.expect("a text was given");
        let sale_starts_at = time("saleStartsAt", self.sale_starts_at.as_deref())?.unwrap_or(now);
        let waiting_room =
            self.waiting_room.unwrap_or(known.is_some_and(|known| known.waiting_room));
        let known = known.map_or(&[][..], |known| &known.channels);
        let channels = match self.channels {
            None if known.is_empty() => Vec::new(),
            said => channels(said, &event, &PlanIndex::new(plan.clone()), known)?,
        };
        let listing = EventListing {
            event,
            plan: plan.id.clone(),
            name: title("name", &self.name)?,
            venue: title("venue", &self.venue)?,
            city: title("city", &self.city)?,
            category: title("category", &self.category)?,
            starts_at,
            sale_starts_at,
            status: self.status.unwrap_or(EventStatus::OnSale),
            price_levels,
            places_total: plan.place_count(),
            hold_ttl_ms: hold_ttl,
            hold_life_max_ms: hold_life_max,
            account_places_max: self
                .account_places_max
                .unwrap_or(ACCOUNT_PLACES_MAX.max(request_places_max))
                .max(1),
            waiting_room,
            channels,
            request_places_max,
            terms,
        };
        Ok((listing, plan))
    }
}

fn price_levels(levels: Vec<PriceLevelInput>, terms: &Terms) -> Result<Vec<PriceLevel>, Problem> {
    if !(1..=PRICE_LEVELS_MAX).contains(&levels.len()) {
        return Err(problems::invalid("an event has 1 to 32 price levels"));
    }
    let level = |level: PriceLevelInput| -> Result<PriceLevel, Problem> {
        let currency = level.price.currency.parse().map_err(invalid)?;
        if !(0..=AMOUNT_MAX).contains(&level.price.amount) {
            return Err(problems::invalid("a price is 0 to 1,000,000,000 minor units"));
        }
        let price = Money::new(terms.charged(level.price.amount), currency);
        Ok(PriceLevel { name: title("price level", &level.name)?, price })
    };
    let levels: Vec<PriceLevel> = levels.into_iter().map(level).collect::<Result<_, _>>()?;
    let currency = levels[0].price.currency;
    if levels.iter().any(|level| level.price.currency != currency) {
        return Err(problems::invalid("all prices of an event are in one currency"));
    }
    Ok(levels)
}

/// Ten million of a currency with cents: 4,096 places of it are far below what an i64 holds.
pub(super) const AMOUNT_MAX: i64 = 1_000_000_000;

fn check_levels(plan: &SeatingPlan, count: usize) -> Result<(), Problem> {
    let rows = plan.sections.iter().flat_map(|section| &section.rows);
    let mut used =
        rows.map(|row| row.price_level).chain(plan.areas.iter().map(|area| area.price_level));
    match used.find(|level| count <= usize::from(*level)) {
        None => Ok(()),
        Some(level) => Err(problems::invalid(format!("the event has no price level {level}"))),
    }
}

pub(super) fn title<T: for<'a> From<&'a str>>(what: &str, text: &str) -> Result<T, Problem> {
    let text = text.trim();
    let plain = !text.chars().any(char::is_control);
    if plain && (1..=TITLE_BYTES_MAX).contains(&text.len()) {
        return Ok(text.into());
    }
    Err(problems::invalid(format!("{what} is 1 to {TITLE_BYTES_MAX} bytes of text")))
}

pub(crate) fn time(what: &str, text: Option<&str>) -> Result<Option<UnixMillis>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let time = UnixMillis::parse_rfc3339(text);
    time.map(Some).ok_or_else(|| problems::invalid(format!("{what} is not an RFC 3339 time")))
}

fn invalid(error: impl std::fmt::Display) -> Problem {
    problems::invalid(error.to_string())
}

/// The listing of an event with two sections, an area and these channels, for tests.
#[cfg(test)]
pub(crate) fn event_of(channels: &serde_json::Value) -> Result<EventListing, Problem> {
    let input = serde_json::json!({
        "eventId": "EVT100", "name": "Opening", "venue": "Hall", "city": "Bonn",
        "category": "Concert", "startsAt": "2027-05-01T19:00:00Z",
        "priceLevels": [{"name": "All", "price": {"amount": 4000, "currency": "EUR"}}],
        "plan": {
            "sections": [
                {"section": "A", "rows": [{"row": "1", "seats": 20, "priceLevel": 0}]},
                {"section": "B", "rows": [{"row": "1", "seats": 20, "priceLevel": 0}]}],
            "areas": [{"areaId": "F", "name": "Floor", "capacity": 50, "priceLevel": 0}],
        },
        "channels": channels,
    });
    let input: EventInput = serde_json::from_value(input).expect("the test wrote an event");
    Ok(input.check(UnixMillis(1), None)?.0)
}

#[cfg(test)]
mod tests {
    use super::{EventInput, event_of};
    use schema::UnixMillis;
    use serde_json::{Value, json};

    fn input() -> Value {
        json!({
            "eventId": "EVT100", "name": "Opening", "venue": "Hall", "city": "Bonn",
            "category": "Concert", "startsAt": "2027-05-01T19:00:00Z",
            "priceLevels": [{"name": "All", "price": {"amount": 4000, "currency": "EUR"}}],
            "plan": {
                "sections": [{"section": "A", "rows": [
                    {"row": "1", "seats": 20, "priceLevel": 0, "accessible": [1, 20]}]}],
                "areas": [{"areaId": "F", "name": "Floor", "capacity": 50, "priceLevel": 0}],
            },
        })
    }

    fn check(change: impl FnOnce(&mut Value)) -> Result<u32, String> {
        let mut value = input();
        change(&mut value);
        let input: EventInput = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let checked = input.check(UnixMillis(1), None).map_err(|problem| problem.detail)?;
        Ok(checked.0.places_total)
    }

    #[test]
    fn an_event_within_the_limits_is_accepted() {
        assert_eq!(check(|_| {}), Ok(70));
    }

    #[test]
    fn areas_of_a_pool_count_as_its_capacity() {
        let pooled = |capacity: u32, areas: Value| {
            check(|event| {
                let west = json!({"areaId": "W", "name": "West", "capacity": 30, "priceLevel": 0});
                event["plan"]["areas"].as_array_mut().unwrap().push(west);
                event["plan"]["pools"] =
                    json!([{"poolId": "ALL", "capacity": capacity, "areas": areas}]);
            })
        };
        assert_eq!(pooled(60, json!(["F", "W"])), Ok(80));
        for (capacity, areas, reason) in [
            (49, json!(["F", "W"]), "50 to 80"),
            (81, json!(["F", "W"]), "50 to 80"),
            (60, json!(["F", "X"]), "lacks"),
            (60, json!(["F", "F"]), "each once"),
            (60, json!([]), "each once"),
        ] {
            let refused = pooled(capacity, areas.clone()).unwrap_err();
            assert!(refused.contains(reason), "{capacity} {areas}: {refused}");
        }
    }

    #[test]
    fn an_event_beyond_a_limit_is_refused_with_the_reason() {
        let level = check(|event| event["plan"]["areas"][0]["priceLevel"] = json!(1));
        assert_eq!(level, Err("the event has no price level 1".to_owned()));
        let accessible = |event: &mut Value| {
            event["plan"]["sections"][0]["rows"][0]["accessible"] = json!([21]);
        };
        assert!(check(accessible).unwrap_err().contains("no seat 21"));
        for (path, value) in [
            ("/eventId", json!("EVT 1")),
            ("/name", json!("")),
            ("/startsAt", json!("soon")),
            ("/priceLevels", json!([])),
            ("/priceLevels/0/price/amount", json!(-1)),
            ("/priceLevels/0/price/currency", json!("euro")),
            ("/plan/sections/0/rows/0/seats", json!(65)),
            ("/plan/sections/0/section", json!("A-B")),
            ("/plan", json!({})),
        ] {
            let faulty = check(|event| *event.pointer_mut(path).unwrap() = value.clone());
            assert!(faulty.is_err(), "{path} {value}");
        }
    }

    #[test]
    fn a_reservation_is_for_1_to_12_places_as_the_event_says_and_10_without_a_word() {
        for (max, accepted) in [(0, false), (1, true), (12, true), (13, false)] {
            let checked = check(|event| event["requestPlacesMax"] = json!(max));
            assert_eq!(checked.is_ok(), accepted, "{max}");
        }
        let plain: EventInput = serde_json::from_value(input()).unwrap();
        let (listing, _) = plain.check(UnixMillis(1), None).ok().unwrap();
        assert_eq!(listing.request_places_max, 10);
    }

    #[test]
    fn channels_become_rows_of_seats_and_their_codes_hashes() {
        let listing = event_of(&json!([
            {"key": "F", "name": "Friends", "code": "friends-2030",
                "endsAt": "2027-04-01T10:00:00Z",
                "places": [{"section": "A", "row": "1", "from": 2, "to": 3}, {"seats": ["B-1-1"]}]},
            {"key": "C", "name": "Card", "code": "card-2030", "places": [{"seats": ["A-1-1"]}]},
        ]));
        let channels = listing.unwrap().channels;
        let rows = |at: usize| -> Vec<_> {
            let rows = channels[at].rows.iter();
            rows.map(|row| (row.section, row.row, row.seats)).collect()
        };
        assert_eq!(rows(0), [(0, 0, 0b110), (1, 0, 0b1)]);
        assert_eq!(rows(1), [(0, 0, 0b1)]);
        assert_eq!(channels[0].ends_at, UnixMillis::parse_rfc3339("2027-04-01T10:00:00Z"));
        assert_ne!(channels[0].code_hash, channels[1].code_hash);
        assert!(!format!("{channels:?}").contains("2030"));
    }

    #[test]
    fn a_faulty_channel_is_refused_with_the_code_of_its_fault() {
        let channel = |key: &str, code: &str, places: Value| {
            let name = "Friends";
            json!({"key": key, "name": name, "code": code, "places": places})
        };
        let one = |places: Value| json!([channel("F", "friends-2030", places)]);
        let a = json!([{"section": "A"}]);
        let two = |key: &str, code: &str, places: Value| {
            json!([channel("F", "code1", a.clone()), channel(key, code, places)])
        };
        let b = json!([{"section": "B"}]);
        let many: Vec<Value> =
            (0..17).map(|at| channel(&at.to_string(), "code", a.clone())).collect();
        for (channels, code) in [
            (json!(many), "CHANNELS_TOO_MANY"),
            (two("G", "code2", json!([{"seats": ["A-1-9"]}])), "CHANNEL_OVERLAP"),
            (two("G", "code1", b.clone()), "CHANNEL_CODE_TWICE"),
            (two("F", "code2", b), "REQUEST_INVALID"),
            (one(json!([{"areaId": "F", "quantity": 2}])), "CHANNEL_AREA_UNSUPPORTED"),
            (one(json!([{"section": "Z"}])), "SEAT_UNKNOWN"),
            (one(json!([{"section": "A"}, {"seats": ["A-1-1"]}])), "REQUEST_INVALID"),
            (one(json!([{}])), "REQUEST_INVALID"),
            (one(json!([])), "REQUEST_INVALID"),
            (json!([channel("a-b", "code1", a.clone())]), "REQUEST_INVALID"),
            (json!([channel("F", "abc", a.clone())]), "REQUEST_INVALID"),
            (json!([channel("F", &"x".repeat(65), a.clone())]), "REQUEST_INVALID"),
            (json!([{"key": "F", "name": "Friends", "places": a}]), "REQUEST_INVALID"),
        ] {
            assert_eq!(event_of(&channels).unwrap_err().code, code, "{channels}");
        }
    }
}
