//! `usher audit` finds what was planted, and nothing else.

use crate::auditor::{assert_clean, assert_found, audit, postgres, reconcile};
use crate::crowd::sell_out;
use crate::fan::{Fan, best};
use crate::journal::{Bus, Entry, shard_of};
use crate::process::free_port;
use crate::system::System;
use crate::up::{Reach, Up};
use crate::wait::until;
use async_nats::HeaderMap;
use rustix::process::Signal;
use schema::{
    AccountId, Batch, Currency, Held, HeldSeat, HoldId, Outcome, OutcomeBody, OwnerKind, SeatIdx,
    ShardId, codec, subject,
};
use sqlx::types::Uuid;
use sqlx::{PgPool, Row};

const EVENT: &[&str] = &["EVT002"];

/// A seat that nobody buys.
const FREE_SEAT: u32 = 299;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_finds_a_difference_planted_in_any_of_the_four() {
    let up = Up::start().await;
    Box::pin(planted_differences_are_found(&up.reach())).await;
}

/// Plants differences one after the other, and audits before, with and after each.
pub async fn planted_differences_are_found(reach: &Reach) {
    let fan = Fan::new(&reach.client, "audited").await;
    fan.buy(&best("EVT002", 1)).await;
    assert_clean(reach, EVENT).await;
    let pool = postgres(reach).await;
    let sold = Sold::find(&pool).await;
    plant_in_postgres(reach, &pool, &sold).await;
    #[cfg(debug_assertions)]
    plant_in_the_owner(reach, &sold).await;
    plant_in_the_checkpoint(reach, &pool, &sold).await;
    plant_in_the_answers(reach, &pool).await;

    // Last, because the system itself now follows a journal that its owner did not write.
    let hold = forge_a_hold(&Bus::connect(&reach.nats).await, SeatIdx(250)).await;
    let whose = format!("nobody's to the owner and {hold}'s in the journal");
    assert_found(reach, EVENT, &format!("SEAT-1 EVT002: seat 250 is {whose}")).await;
}

/// The one sold seat.
struct Sold {
    seat: u32,
    hold: HoldId,
}

impl Sold {
    async fn find(pool: &PgPool) -> Self {
        let query = "SELECT seat_idx, order_id FROM live_seat";
        let row = sqlx::query(query).fetch_one(pool).await.unwrap();
        let seat = u32::try_from(row.get::<i32, _>("seat_idx")).unwrap();
        Self { seat, hold: HoldId(row.get::<Uuid, _>("order_id").as_u128()) }
    }
}

async fn plant_in_postgres(reach: &Reach, pool: &PgPool, sold: &Sold) {
    let Sold { seat, hold } = sold;
    let other = HoldId(hold.0 ^ 1);
    let plants = [
        (
            "UPDATE live_seat SET event_id = 'EVT003'",
            "UPDATE live_seat SET event_id = 'EVT002'",
            format!("ORD-3 EVT002: seat {seat} is sold to {hold} in the journal only"),
            format!("ORD-3: event EVT002: seat {seat} is sold to {hold} at its owner only"),
        ),
        (
            "INSERT INTO live_seat SELECT event_id, 299, order_id, 7 FROM live_seat",
            "DELETE FROM live_seat WHERE line = 7",
            format!("ORD-3 EVT002: seat {FREE_SEAT} is sold to {hold} in Postgres only"),
            format!("ORD-3: event EVT002: seat {FREE_SEAT} is sold to {hold} in Postgres only"),
        ),
        (
            "UPDATE live_seat SET order_id = (left(order_id::text, 35) || \
                to_hex(get_byte(uuid_send(order_id), 15) % 16 # 1))::uuid",
            "UPDATE live_seat SET order_id = (left(order_id::text, 35) || \
                to_hex(get_byte(uuid_send(order_id), 15) % 16 # 1))::uuid",
            format!(
                "SEAT-1 EVT002: seat {seat} is {other}'s in Postgres and {hold}'s in the journal"
            ),
            format!("ORD-3: event EVT002: seat {seat} is sold to {other} in Postgres only"),
        ),
    ];
    for (plant, repair, expected, reconciled) in plants {
        sqlx::query(plant).execute(pool).await.unwrap();
        assert_found(reach, EVENT, &expected).await;
        let (code, printed) = reconcile(&reach.variables).await;
        assert_eq!(code, 1, "{printed}");
        assert!(printed.lines().any(|line| line == reconciled), "{reconciled}: {printed}");
        sqlx::query(repair).execute(pool).await.unwrap();
        assert_clean(reach, EVENT).await;
    }
}

/// Changes words in the memory of the running owner through a door that only test builds have.
#[cfg(debug_assertions)]
async fn plant_in_the_owner(reach: &Reach, sold: &Sold) {
    let client = async_nats::connect(&reach.nats).await.unwrap();
    let plant = async |seat: u32, word: u64| -> u64 {
        let plant =
            allocator::Plant { event: "EVT002".parse().unwrap(), seat: SeatIdx(seat), word };
        let subject = allocator::Plant::subject(shard_of("EVT002"));
        let planted = client.request(subject, codec::encode(&plant).into()).await.unwrap();
        codec::decode(&planted.payload).unwrap()
    };
    // `generation:29 | state:3 | slot:32`: once changed, sold to a hold that there is not.
    let before = plant(FREE_SEAT, (1 << 35) | (3 << 32) | 0x00ff_ffff).await;
    let found = format!("SEAT-1 EVT002: seat {FREE_SEAT} is Sold to the owner without a hold");
    assert_found(reach, EVENT, &found).await;
    plant(FREE_SEAT, before).await;
    assert_clean(reach, EVENT).await;

    let Sold { seat, hold } = sold;
    let before = plant(*seat, 9 << 35).await;
    let found =
        format!("SEAT-1 EVT002: seat {seat} is nobody's to the owner and {hold}'s in the journal");
    assert_found(reach, EVENT, &found).await;
    plant(*seat, before).await;
    assert_clean(reach, EVENT).await;
}

async fn plant_in_the_checkpoint(reach: &Reach, pool: &PgPool, sold: &Sold) {
    let shard = shard_of("EVT002");
    let Part { base, sequence, name, content } = Part::with_the_sale(pool, shard).await;
    assert_clean(reach, EVENT).await;
    let store = async |bytes: &[u8]| {
        let query = "UPDATE checkpoint_part SET content = $1 \
                     WHERE shard = $2 AND base = $3 AND part = $4";
        let query = sqlx::query(query).bind(bytes).bind(i16::from(shard.0)).bind(base).bind(&name);
        assert_eq!(query.execute(pool).await.unwrap().rows_affected(), 1);
    };
    let unreadable = format!("CMD-1 checkpoint {shard} at {sequence}: it cannot be read");
    let mut damaged = content.clone();
    damaged[7] ^= 1;
    store(&damaged).await;
    assert_found(reach, EVENT, &unreadable).await;
    let plain = unpacked(&content);
    store(&packed(&plain, codec::VERSION + 1)).await;
    assert_found(reach, EVENT, &unreadable).await;

    // Whole and well-formed, but its hold is not sold.
    let mut unsold = plain;
    let at = unsold.windows(5).position(|bytes| bytes == b"\xA4Sold").unwrap();
    unsold[at..at + 5].copy_from_slice(b"\xA4Held");
    store(&packed(&unsold, codec::VERSION)).await;
    let hold = sold.hold;
    let phase = format!("{hold} has phase Held in the checkpoint and Sold in the journal");
    assert_found(reach, EVENT, &format!("SEAT-1 EVT002: {phase}")).await;
    store(&content).await;
    assert_clean(reach, EVENT).await;
}

/// Lets the newest checkpoint remember another answer than the journal's.
async fn plant_in_the_answers(reach: &Reach, pool: &PgPool) {
    let shard = shard_of("EVT002");
    assert_clean(reach, &["--all"]).await;
    let euro = |plain: &[u8]| plain.windows(4).position(|bytes| bytes == b"\xA3EUR");
    let query = "SELECT base, part, content FROM checkpoint_part \
                 WHERE shard = $1 AND part LIKE 'answers/%' ORDER BY base DESC";
    let rows = sqlx::query(query).bind(i16::from(shard.0)).fetch_all(pool).await.unwrap();
    let parts = rows.iter().map(|row| (row.get("base"), row.get("part"), row.get("content")));
    let mut parts =
        parts.filter(|(_, _, content): &(i64, String, Vec<u8>)| euro(&unpacked(content)).is_some());
    let (base, name, content) = parts.next().expect("somebody has reserved");
    let store = async |bytes: &[u8]| {
        let query = "UPDATE checkpoint_part SET content = $1 \
                     WHERE shard = $2 AND base = $3 AND part = $4";
        let query = sqlx::query(query).bind(bytes).bind(i16::from(shard.0)).bind(base).bind(&name);
        assert_eq!(query.execute(pool).await.unwrap().rows_affected(), 1);
    };
    let mut other = unpacked(&content);
    let at = euro(&other).expect("looked at just above");
    other[at..at + 4].copy_from_slice(b"\xA3USD");
    store(&packed(&other, codec::VERSION)).await;
    let (code, printed) = audit(reach, &["--all"]).await;
    let answer = format!("CMD-1 shard {shard}: the answer to ");
    assert!(code == 1 && printed.starts_with(&answer), "{printed}");
    assert!(printed.contains(" is another in the checkpoint than in the journal"), "{printed}");
    store(&content).await;
    assert_clean(reach, &["--all"]).await;
}

/// The event in the newest checkpoint.
struct Part {
    base: i64,
    /// Of the checkpoint.
    sequence: i64,
    name: String,
    content: Vec<u8>,
}

impl Part {
    /// Waits until the sale is in a checkpoint.
    async fn with_the_sale(pool: &PgPool, shard: ShardId) -> Self {
        let query = "SELECT base, sequence, part, content \
                     FROM checkpoint JOIN checkpoint_part USING (shard, incarnation_ms, base) \
                     WHERE shard = $1 AND part LIKE 'event/EVT002/%' \
                     ORDER BY sequence DESC LIMIT 1";
        until("a checkpoint with the sale", async || {
            let row =
                sqlx::query(query).bind(i16::from(shard.0)).fetch_optional(pool).await.unwrap()?;
            let content: Vec<u8> = row.get("content");
            let sold = unpacked(&content).windows(5).any(|bytes| bytes == b"\xA4Sold");
            let (base, sequence, name) = (row.get("base"), row.get("sequence"), row.get("part"));
            sold.then_some(Self { base, sequence, name, content })
        })
        .await
    }
}

/// A part is compressed, with a version and a checksum at its end.
fn unpacked(content: &[u8]) -> Vec<u8> {
    lz4_flex::decompress_size_prepended(&content[..content.len() - 5]).unwrap()
}

fn packed(plain: &[u8], version: u8) -> Vec<u8> {
    let mut body = lz4_flex::compress_prepend_size(plain);
    body.push(version);
    let checksum = codec::checksum(&body);
    body.extend_from_slice(&checksum.to_be_bytes());
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_that_cannot_read_a_part_says_so_and_fails() {
    let mut up = Up::start().await;
    let reach = up.reach();
    let nowhere = format!("127.0.0.1:{}", free_port());
    for (name, url, says) in [
        ("USHER__NATS__URL", format!("nats://{nowhere}"), "not audited: connect to nats://"),
        ("USHER__POSTGRES__URL", format!("postgres://a@{nowhere}/a"), "not audited: connect to P"),
    ] {
        let mut reach = reach.clone();
        reach.variables.push((name.to_owned(), url));
        let (code, printed) = audit(&reach, &["--all"]).await;
        assert_eq!(code, 2, "{printed}");
        assert!(printed.starts_with(says), "{printed}");
    }
    let (code, printed) = audit(&reach, &["EVT-NONE"]).await;
    assert_eq!((code, &*printed), (2, "not audited: event EVT-NONE is not in the catalogue"));
    up.process().signal(Signal::STOP);
    let shard = shard_of("EVT002");
    assert_found(&reach, EVENT, &format!("FENCE-1 owner of shard {shard}: nobody answers")).await;
    up.process().signal(Signal::CONT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_while_a_crowd_buys_finds_nothing() {
    let up = Up::start().await;
    audits_during_a_sale_find_nothing(&up.reach()).await;
}

/// Audits again and again while a crowd buys the theatre out.
pub async fn audits_during_a_sale_find_nothing(reach: &Reach) {
    let client = reach.client.clone();
    let selling = async move { sell_out(&client, "EVT002", 1_000).await };
    let selling = chassis::tasks::spawn("crowd", selling);
    let mut audits = 0;
    while !selling.is_finished() {
        assert_clean(reach, &["--all"]).await;
        audits += 1;
    }
    let crowd = selling.await.unwrap();
    eprintln!("{audits} audits while {} bookings were made", crowd.bookings.len());
    assert!(2 < audits, "the sale was over before the audits");
    assert_clean(reach, &["--all"]).await;
}

/// Appends what looks like the owner's next batch: a hold that the owner knows nothing of.
async fn forge_a_hold(bus: &Bus, seat: SeatIdx) -> HoldId {
    let shard = shard_of("EVT002");
    let entries = bus.journal(shard).await;
    let batches = || {
        entries.iter().rev().filter_map(|entry| match entry {
            Entry::Batch { batch, .. } => Some(batch),
            Entry::Epoch { .. } => None,
        })
    };
    let last = batches().next().expect("a seat was sold");
    // The last batches may tell nothing but the time.
    let outcome = batches().find_map(|batch| batch.outcomes.last()).expect("a seat was sold");
    let free_after = outcome.free_after;
    let hold = HoldId(7 << 80 | u128::from(shard.0) << 72);
    assert_eq!(hold.shard(), shard);
    let taken = Held {
        hold,
        account: AccountId(7),
        owner: OwnerKind::Fan,
        seats: vec![HeldSeat { seat, generation: 1, price_level: 0, price: 1 }],
        areas: Vec::new(),
        currency: Currency::EUR,
        deadline: Some(last.time + schema::limits::HOLD_TTL),
        pass: None,
    };
    let forged = Batch {
        epoch: last.epoch,
        number: last.number + 1,
        time: last.time,
        outcomes: vec![Outcome {
            asked: None,
            event: "EVT002".parse().unwrap(),
            free_after: free_after - 1,
            body: OutcomeBody::SeatsHeld(taken),
        }],
        previous: 0,
    };
    let bytes = codec::encode_checked(&forged);
    bus.append(subject::journal(shard), HeaderMap::new(), bytes).await;
    hold
}
