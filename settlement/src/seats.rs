//! Compares what Postgres has sold with what replicas tell of the shards that own the seats.
//!
//! A replica tells one event at a time, some time after Postgres was read, and includes all that
//! the journal held before. What moves meanwhile differs in one look and not in the next: a hold is
//! sold once, and given back once.

use crate::audit::patient;
use crate::config::{AUDIT_WAIT, BEHIND_AGAIN, BEHIND_TRIES, CANDIDATES_MAX, OWNER_PART_WAIT};
use crate::error::{Error, within};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use chassis::{Nats, outside};
use schema::{
    AreaIdx, EventId, EventState, Held, HoldId, InvariantId, LiveHold, Phase, SeatIdx, ShardId,
    ShardState, Shards, sealed, subject,
};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// All that is sold, event by event; a row without places for each event that has orders.
const SOLD: &str =
    "DECLARE sold NO SCROLL CURSOR FOR SELECT event_id, seat_idx, area_idx, order_id, places FROM (
        SELECT event_id, seat_idx, NULL::INT AS area_idx, order_id, 1::BIGINT AS places
        FROM live_seat
        UNION ALL
        SELECT event_id, NULL, area_idx, order_id, count(*) FROM ticket
        WHERE state <> 'void' AND area_idx IS NOT NULL GROUP BY event_id, area_idx, order_id
        UNION ALL
        SELECT DISTINCT event_id, NULL::INT, NULL::INT, NULL::UUID, 0::BIGINT FROM orders) sold
    ORDER BY event_id";

/// The next rows of it, in a statement of their own: replicas are asked in between.
const NEXT: &str = "FETCH 4096 FROM sold";

/// Orders on their way: their drivers are at them, or the owner has not answered about them yet,
/// which the books say themselves when it takes long.
const MOVING: &str = "SELECT order_id FROM orders o WHERE order_id = ANY($1) AND (todo
        OR EXISTS (SELECT FROM outbox b WHERE b.order_id = o.order_id AND b.done_at IS NULL)
        OR EXISTS (SELECT FROM order_part p WHERE p.order_id = o.order_id AND p.done_at IS NULL))";

/// Where the owners of all seats are asked.
#[derive(Debug, Clone)]
pub(crate) struct Owners {
    pub nats: Nats,
    pub shards: Shards,
}

/// What a look has found.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// By the hold that they are about.
    pub differences: BTreeSet<(HoldId, String)>,
    /// Of whose events nothing is known: no replica tells them, or one that is behind.
    pub silent: BTreeSet<ShardId>,
    /// Where the journals ended when the look began.
    ends: BTreeMap<ShardId, u64>,
}

/// What one event has sold in Postgres, by the orders' holds.
#[derive(Debug, Default)]
struct Live {
    seats: BTreeMap<SeatIdx, HoldId>,
    areas: BTreeMap<(HoldId, AreaIdx), u32>,
}

/// Looks once at all events that have orders.
///
/// # Errors
/// [`Error::Postgres`], [`Error::Slow`] and [`Error::Bus`].
pub(crate) async fn look(pool: &PgPool, owners: &Owners) -> Result<Looked, Error> {
    let mut looked = Looked { ends: ends(owners).await?, ..Looked::default() };
    let mut session = patient(pool).await?;
    let what = "read what is sold";
    within(AUDIT_WAIT, what, sqlx::query(SOLD).execute(&mut *session)).await?;
    let mut open: Option<(EventId, Live)> = None;
    loop {
        let rows = sqlx::query(NEXT).fetch_all(&mut *session);
        let rows = within(AUDIT_WAIT, what, rows).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let event: &str = row.get("event_id");
            if open.as_ref().is_none_or(|(open, _)| open.as_str() != event) {
                let event = event.parse().expect("orders name events by their ids");
                if let Some((event, live)) = open.replace((event, Live::default())) {
                    looked.compare(owners, &event, &live).await?;
                }
            }
            open.as_mut().expect("it was opened").1.take(row);
        }
    }
    if let Some((event, live)) = open {
        looked.compare(owners, &event, &live).await?;
    }
    looked.leave_out_moving(&mut session).await?;
    Ok(looked)
}

/// The last batch of each shard's journal.
async fn ends(owners: &Owners) -> Result<BTreeMap<ShardId, u64>, Error> {
    let mut ends = BTreeMap::new();
    for shard in owners.shards.all() {
        ends.insert(shard, end(&owners.nats, shard).await?);
    }
    Ok(ends)
}

/// The sequence of the last batch of a journal; 0 before there is one.
async fn end(nats: &Nats, shard: ShardId) -> Result<u64, Error> {
    let what = "read where a journal ends";
    let read = async {
        let stream = nats.jetstream.get_stream(subject::journal_stream(shard)).await;
        let stream = stream.map_err(|error| Error::bus(what, &error))?;
        match stream.get_last_raw_message_by_subject(&subject::journal(shard)).await {
            Ok(batch) => Ok(batch.sequence),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(0),
            Err(error) => Err(Error::bus(what, &error)),
        }
    };
    outside(what, read).await
}

/// What a replica tells of an event that includes the journal up to `end`; `None` if none does.
async fn ask(
    nats: &Nats,
    shard: ShardId,
    event: &EventId,
    end: u64,
) -> Result<Option<ShardState>, Error> {
    for _ in 0..BEHIND_TRIES {
        let question = event.as_str().as_bytes().to_vec();
        let asked = chassis::ask_in_parts(nats, subject::state(shard), question, OWNER_PART_WAIT);
        let what = "ask a replica";
        let told = outside(what, asked).await.map_err(|error| Error::bus(what, &error))?;
        let told: Option<ShardState> = told.and_then(|bytes| sealed::unseal(&bytes));
        let Some(told) = told else { return Ok(None) };
        if end <= told.applied.sequence {
            return Ok(Some(told));
        }
        tokio::time::sleep(BEHIND_AGAIN).await;
    }
    Ok(None)
}

impl Live {
    fn take(&mut self, row: &PgRow) {
        let Some(order) = row.get::<Option<Uuid>, _>("order_id") else { return };
        let hold = HoldId(order.as_u128());
        let number = |column| row.get::<Option<i32>, _>(column);
        if let Some(seat) = number("seat_idx") {
            self.seats.insert(SeatIdx(u32::try_from(seat).expect("a seat's index")), hold);
        } else if let Some(area) = number("area_idx") {
            let area = AreaIdx(u16::try_from(area).expect("an area's index"));
            let places: i64 = row.get("places");
            self.areas.insert((hold, area), u32::try_from(places).unwrap_or(u32::MAX));
        }
    }
}

impl Looked {
    /// Asks a replica for the event, and notes where it differs.
    async fn compare(
        &mut self,
        owners: &Owners,
        event: &EventId,
        live: &Live,
    ) -> Result<(), Error> {
        let shard = owners.shards.of(event);
        // Who is silent for one event is not waited for at each of the others.
        if self.silent.contains(&shard) {
            return Ok(());
        }
        let Some(told) = ask(&owners.nats, shard, event, self.ends[&shard]).await? else {
            self.silent.insert(shard);
            return Ok(());
        };
        let state = told.events.into_iter().find(|state| state.event == *event);
        let found = differences(live, state.as_ref()).into_iter().map(|(hold, what)| {
            let text = format!("{}: event {event}: {what}", InvariantId::Ord3);
            (hold, text)
        });
        let room = CANDIDATES_MAX - self.differences.len();
        self.differences.extend(found.take(room));
        Ok(())
    }

    async fn leave_out_moving(&mut self, session: &mut PgConnection) -> Result<(), Error> {
        let orders: Vec<Uuid> =
            self.differences.iter().map(|(hold, _)| Uuid::from_u128(hold.0)).collect();
        let moving = sqlx::query_scalar::<_, Uuid>(MOVING).bind(orders).fetch_all(session);
        let moving: BTreeSet<Uuid> =
            within(AUDIT_WAIT, "read orders on their way", moving).await?.into_iter().collect();
        self.differences.retain(|(hold, _)| !moving.contains(&Uuid::from_u128(hold.0)));
        Ok(())
    }
}

/// What differs, by the hold that it is about.
fn differences(live: &Live, state: Option<&EventState>) -> Vec<(HoldId, String)> {
    // Paying: the sale is committed, and its verdict is on the way.
    let is_bought = |hold: &&LiveHold| matches!(hold.phase, Phase::Paying | Phase::Sold);
    let bought: BTreeMap<HoldId, &LiveHold> = state
        .iter()
        .flat_map(|state| &state.holds)
        .filter(is_bought)
        .map(|hold| (hold.held.hold, hold))
        .collect();
    let mut found = Vec::new();
    for (seat, hold) in &live.seats {
        if !bought.get(hold).is_some_and(|bought| has_seat(&bought.held, *seat)) {
            let text = format!("seat {} is sold to {hold} in Postgres only", seat.0);
            found.push((*hold, text));
        }
    }
    for (&(hold, area), &tickets) in &live.areas {
        let places = bought.get(&hold).map_or(0, |bought| places(&bought.held, area));
        if places != tickets {
            found.push((hold, standing(hold, area, tickets, places)));
        }
    }
    for (&hold, bought) in bought.iter().filter(|(_, bought)| bought.phase == Phase::Sold) {
        let seats = bought.held.seats.iter().map(|held| held.seat);
        for seat in seats.filter(|seat| live.seats.get(seat) != Some(&hold)) {
            let text = format!("seat {} is sold to {hold} at its owner only", seat.0);
            found.push((hold, text));
        }
        for part in &bought.held.areas {
            if !live.areas.contains_key(&(hold, part.area)) {
                found.push((hold, standing(hold, part.area, 0, part.quantity)));
            }
        }
    }
    found
}

fn has_seat(held: &Held, seat: SeatIdx) -> bool {
    held.seats.binary_search_by_key(&seat, |held| held.seat).is_ok()
}

fn places(held: &Held, area: AreaIdx) -> u32 {
    held.areas.iter().filter(|part| part.area == area).map(|part| part.quantity).sum()
}

fn standing(hold: HoldId, area: AreaIdx, tickets: u32, places: u32) -> String {
    let area = area.0;
    format!("{hold} has {tickets} places of area {area} in Postgres and {places} at their owner")
}
