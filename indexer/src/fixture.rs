//! What the tests share: listings and batches, and an index without streams.

use schema::{
    Applied, Batch, Currency, DurationMs, EventId, EventListing, EventStatus, Money, Outcome,
    OutcomeBody, PriceLevel, Refusal, ShardId, Shards, UnixMillis,
};
use std::path::Path;

use crate::position::{Origins, Targets};
use crate::search::Searches;
use crate::writer::{Fed, Writer};

/// Midnight of the test calendar's day 0.
pub(crate) fn day(day: u64) -> UnixMillis {
    UnixMillis(1_800_000_000_000 + day * 86_400_000)
}

pub(crate) fn event(id: &str) -> EventId {
    id.parse().expect("a test's id is valid")
}

/// Makes a listing of `id | name | venue | city | category | day | price | places`.
pub(crate) fn listing(line: &str) -> EventListing {
    let parts: Vec<&str> = line.split('|').map(str::trim).collect();
    let [id, name, venue, city, category, at, price, places] = parts[..] else {
        panic!("not a listing: {line}");
    };
    let price = Money::new(price.parse().expect("a price"), Currency::USD);
    EventListing {
        event: event(id),
        plan: "plan".parse().expect("valid"),
        name: name.into(),
        venue: venue.into(),
        city: city.into(),
        category: category.into(),
        starts_at: day(at.parse().expect("a day")),
        sale_starts_at: day(0),
        status: EventStatus::OnSale,
        price_levels: vec![PriceLevel { name: "All".into(), price }],
        places_total: places.parse().expect("a count"),
        hold_ttl_ms: DurationMs(600_000),
        hold_life_max_ms: DurationMs(1_800_000),
        account_places_max: 10,
        waiting_room: false,
        channels: Vec::new(),
        request_places_max: 10,
        terms: schema::Terms::default(),
    }
}

/// A batch in which each event has so many free places left.
pub(crate) fn batch(epoch: u64, number: u64, frees: &[(&str, u32)]) -> Batch {
    let outcome = |(id, free): &(&str, u32)| Outcome {
        asked: None,
        event: event(id),
        free_after: *free,
        body: OutcomeBody::Refused(Refusal::SoldOut),
    };
    Batch {
        epoch,
        number,
        time: day(0),
        outcomes: frees.iter().map(outcome).collect(),
        previous: 0,
    }
}

pub(crate) fn origins(catalog: &str) -> Origins {
    let journals = Shards::default().all().map(|shard| format!("journal {shard}")).collect();
    Origins { catalog: catalog.to_owned(), journals }
}

pub(crate) fn no_targets() -> Targets {
    Targets { catalog: 0, journals: vec![0; Shards::default().count()] }
}

/// An index fed by hand: one catalogue, and the journal of shard 0 in epoch 1.
pub(crate) struct Bench {
    pub writer: Writer,
}

impl Bench {
    pub(crate) fn open(dir: &Path) -> Self {
        Self::open_of(dir, "catalog")
    }

    /// Opens the index of a certain incarnation of the catalogue.
    pub(crate) fn open_of(dir: &Path, catalog: &str) -> Self {
        let shards = Shards::default();
        let writer = Writer::open(dir, shards, &origins(catalog), no_targets()).expect("opens");
        Self { writer }
    }

    pub(crate) fn list(&mut self, listing: EventListing) {
        let sequence = self.writer.positions.catalog + 1;
        let fed = Fed::Catalog { sequence, listing: Some(Box::new(listing)) };
        self.writer.apply(fed).expect("applies");
    }

    pub(crate) fn journal(&mut self, frees: &[(&str, u32)]) {
        let position = self.writer.positions.journals[0];
        let Applied { number, .. } = position.applied;
        let batch = Some(batch(1, number + 1, frees));
        let fed = Fed::Journal { shard: ShardId(0), sequence: position.read + 1, batch };
        self.writer.apply(fed).expect("applies");
    }

    pub(crate) fn searches(&self) -> Searches {
        Searches { reader: self.writer.store.reader.clone(), fields: self.writer.store.fields }
    }
}
