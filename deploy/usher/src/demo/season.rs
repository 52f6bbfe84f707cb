//! A season of home games: real clubs, parks, spans and crowds, moved into the future.

use std::collections::{BTreeMap, HashSet};

use schema::limits::{HOLD_LIFE_MAX, HOLD_TTL, REQUEST_PLACES};
use schema::{
    Currency, DurationMs, EventListing, EventStatus, Money, PriceLevel, SeatingPlan, UnixMillis,
};
use serde::Deserialize;

use super::{ACCOUNT_PLACES_MAX, Catalogue, park};

const TABLE: &str = include_str!("../../demo/parks.csv");
pub const DAY: DurationMs = DurationMs::from_secs(24 * 3_600);
/// The crowd at which prices are those of the list.
const CROWD_USUAL: u32 = 30_000;

/// Where one club played its home games in one park.
#[derive(Debug, Deserialize)]
struct Home {
    code: String,
    club: String,
    park_id: String,
    park: String,
    city: String,
    first_game: String,
    last_game: String,
    games: u64,
    openings: u32,
    attendance: u32,
    utc_offset_hours: i64,
}

/// Adds one plan for each park and one event for each game.
pub fn extend(catalogue: &mut Catalogue, now: UnixMillis) {
    let homes = homes();
    let crowds = crowds(&homes);
    let plans: BTreeMap<&str, SeatingPlan> =
        crowds.iter().map(|(park, crowd)| (*park, park::plan(*crowd))).collect();
    let weeks = weeks_ahead(&homes, now);
    let mut taken = HashSet::new();
    for home in &homes {
        let (plan, crowd) = (&plans[home.park_id.as_str()], crowds[home.park_id.as_str()]);
        let days = game_days(home, &mut taken);
        let games = days.iter().zip(1..).map(|(day, number)| {
            let listing = Listing { home, plan, crowd, number, day: day + weeks * 7 };
            listing.event(now)
        });
        catalogue.events.extend(games);
    }
    catalogue.plans.extend(plans.into_values());
}

/// The table's rows, those with the fewest games first: guests choose their days before those at
/// home.
fn homes() -> Vec<Home> {
    let mut reader = csv::Reader::from_reader(TABLE.as_bytes());
    let rows: Result<Vec<Home>, _> = reader.deserialize().collect();
    let mut homes = rows.expect("the table is part of the program, and a test reads it");
    homes.sort_by_key(|home| home.games);
    homes
}

/// The average crowd of each park.
fn crowds(homes: &[Home]) -> BTreeMap<&str, u32> {
    let mut sums: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for home in homes {
        let (attendance, openings) = sums.entry(&home.park_id).or_default();
        *attendance += home.attendance;
        *openings += home.openings;
    }
    sums.into_iter().map(|(park, (attendance, openings))| (park, attendance / openings)).collect()
}

/// How many weeks the season moves: whole years, as near as whole weeks can be, until all of it
/// lies ahead. Whole weeks keep weekends, whole years keep the season in its time of the year.
fn weeks_ahead(homes: &[Home], now: UnixMillis) -> u64 {
    let first = homes.iter().map(|home| date(&home.first_game)).min().expect("the table has rows");
    // 400 years are 146,097 days.
    let weeks = |years: u64| (years * 146_097 + 1_400) / 2_800;
    let ahead = |weeks: &u64| day_of(now) + 1 < first + weeks * 7;
    (1..10_000).map(weeks).find(ahead).expect("now is before the year 9999")
}

/// Spreads the games evenly over their span. A day on which the park or the club is taken moves to
/// the next.
fn game_days<'a>(home: &'a Home, taken: &mut HashSet<(&'a str, u64)>) -> Vec<u64> {
    let first = date(&home.first_game);
    let span = date(&home.last_game) - first;
    let gaps = (home.games - 1).max(1);
    let mut days = Vec::new();
    for game in 0..home.games {
        let wished = first + (game * span + gaps / 2) / gaps;
        let is_free = |day: &u64| {
            ![&home.park_id, &home.code].iter().any(|who| taken.contains(&(who.as_str(), *day)))
        };
        let day = (wished..wished + 366)
            .find(is_free)
            .expect("a year has more days than a season has games");
        taken.insert((&home.park_id, day));
        taken.insert((&home.code, day));
        days.push(day);
    }
    days
}

/// Days since 1970-01-01 of a date such as `2024-03-28`.
fn date(text: &str) -> u64 {
    let midnight = UnixMillis::parse_rfc3339(&format!("{text}T00:00:00Z"));
    day_of(midnight.expect("the table's dates are dates"))
}

/// Days since 1970-01-01.
pub fn day_of(time: UnixMillis) -> u64 {
    time.0 / DAY.0
}

/// One game on its way to an event.
struct Listing<'a> {
    home: &'a Home,
    plan: &'a SeatingPlan,
    crowd: u32,
    /// Of the club in this park, from 1.
    number: u32,
    /// Since 1970-01-01.
    day: u64,
}

impl Listing<'_> {
    fn event(&self, now: UnixMillis) -> EventListing {
        let Home { code, club, park, city, games, .. } = self.home;
        let suffix = if *games == 1 { String::new() } else { format!(", game {}", self.number) };
        let starts_at = self.first_pitch();
        EventListing {
            event: self.id(code).parse().expect("letters, digits and a hyphen are an event id"),
            plan: self.plan.id.clone(),
            name: format!("{club} at {park}{suffix}").into(),
            venue: park.as_str().into(),
            city: city.as_str().into(),
            category: "Baseball".into(),
            starts_at,
            sale_starts_at: UnixMillis(day_of(now) * DAY.0),
            status: EventStatus::OnSale,
            price_levels: self.price_levels(),
            places_total: self.plan.place_count(),
            hold_ttl_ms: HOLD_TTL,
            hold_life_max_ms: HOLD_LIFE_MAX,
            account_places_max: ACCOUNT_PLACES_MAX,
            waiting_room: false,
            channels: Vec::new(),
            request_places_max: REQUEST_PLACES,
            terms: schema::Terms::default(),
        }
    }

    /// Club and local date, for example `NYA-20270409`.
    fn id(&self, code: &str) -> String {
        let midnight = UnixMillis(self.day * DAY.0).to_rfc3339();
        format!("{code}-{}{}{}", &midnight[..4], &midnight[5..7], &midnight[8..10])
    }

    /// 19:05 local on weekdays, 16:10 on Saturdays, 13:10 on Sundays, in UTC.
    fn first_pitch(&self) -> UnixMillis {
        let minutes: i64 = match self.weekday() {
            0 => 13 * 60 + 10,
            6 => 16 * 60 + 10,
            _ => 19 * 60 + 5,
        };
        let utc_minutes = minutes - self.home.utc_offset_hours * 60;
        let after =
            u64::try_from(utc_minutes).expect("no game begins before midnight UTC of its day");
        UnixMillis(self.day * DAY.0 + after * 60_000)
    }

    /// 0 is Sunday. 1970-01-01 was a Thursday.
    fn weekday(&self) -> u64 {
        (self.day + 4) % 7
    }

    /// The list's prices, higher where more people come and on weekends, in steps of half a dollar.
    fn price_levels(&self) -> Vec<PriceLevel> {
        let demand_percent = i64::from(self.crowd * 100 / CROWD_USUAL).clamp(60, 170);
        let weekend_percent = if matches!(self.weekday(), 0 | 6) { 115 } else { 100 };
        let levels = park::PRICES.iter().take(park::level_count(self.crowd));
        let level = |&(name, cents): &(&str, i64)| {
            let asked = cents * demand_percent * weekend_percent / 10_000;
            let price = Money::new(asked / 50 * 50, Currency::USD);
            PriceLevel { name: name.into(), price }
        };
        levels.map(level).collect()
    }
}
