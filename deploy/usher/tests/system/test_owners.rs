//! Of two owners of a shard only the later one serves.

use crate::auditor::assert_clean;
use crate::catalogue::list;
use crate::crowd::accounts;
use crate::fan::{Fan, best, text};
use crate::journal::{Bus, Entry, check_epochs, shard_of};
use crate::market::{Market, WhenLost};
use crate::split::Split;
use crate::system::System;
use crate::up::{Reach, Up};
use crate::wait::{PATIENCE, until};
use async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE;
use async_nats::{HeaderMap, Subscriber};
use chassis::EpochRecord;
use futures_util::StreamExt;
use rustix::process::Signal;
use schema::{
    AccountId, Batch, BestAvailable, Command, CommandBody, CommandId, DurationMs, HoldSeats,
    OwnerKind, Reply, ReplyBatch, Want, codec, subject,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often a command that was answered is asked again of an owner that is paused.
const REPETITIONS: usize = 20;

/// FENCE-1 as those who ask see it: each answer left behind an append of its owner's own epoch,
/// because it names a batch that the journal took before, and never an older one than was named
/// already. An owner that wakes and answers from its memory alone would name the last batch of its
/// own, which is older than those that its successor was heard with.
fn check_answers(journal: &[Entry], heard: &[ReplyBatch], successor: u64) {
    let batches: BTreeMap<u64, &Batch> = journal
        .iter()
        .filter_map(|entry| match entry {
            Entry::Batch { sequence, batch, .. } => Some((*sequence, batch)),
            Entry::Epoch { .. } => None,
        })
        .collect();
    let (mut after, mut named) = (0, 0);
    for ReplyBatch { time, replies } in heard {
        for (command, reply) in replies {
            let Reply::Done { sequence, replayed, outcome } = reply else { continue };
            let batch = batches.get(sequence).expect("FENCE-1: an answer names its batch");
            assert!(batch.time <= *time, "FENCE-1: {command} was answered before its append");
            assert!(named <= *sequence, "FENCE-1: {command} was answered without an append");
            named = *sequence;
            assert!(
                *replayed || batch.outcomes.contains(outcome),
                "{command} is not at {sequence}"
            );
            after += usize::from(successor < *sequence);
        }
    }
    assert!(0 < after, "the successor was heard");
}

/// Hears every answer of every owner.
struct Ear {
    answers: Subscriber,
    heard: Vec<ReplyBatch>,
}

impl Ear {
    async fn open(nats: &str) -> Self {
        let client = async_nats::connect(nats).await.unwrap();
        let answers = client.subscribe(subject::replies(">")).await.unwrap();
        client.flush().await.unwrap();
        Self { answers, heard: Vec::new() }
    }

    /// Waits for the answer to a command; returns the batch that it names.
    async fn hears(&mut self, command: CommandId) -> u64 {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.answers.next()).await;
            let batch = read(&message.expect("an answer in time").expect("NATS is there"));
            let named = batch.replies.iter().find_map(|(id, reply)| match reply {
                Reply::Done { sequence, .. } if *id == command => Some(*sequence),
                _ => None,
            });
            self.heard.push(batch);
            if let Some(named) = named {
                return named;
            }
        }
    }

    /// Everything heard so far.
    async fn heard(&mut self) -> Vec<ReplyBatch> {
        while let Ok(Some(message)) = tokio::time::timeout(LULL, self.answers.next()).await {
            self.heard.push(read(&message));
        }
        std::mem::take(&mut self.heard)
    }
}

/// Asks for a seat as nobody's account, and to be answered where this ear hears it.
fn command(event: &str) -> Command {
    let best = BestAvailable { quantity: 1, section: None, price_level: None, accessible: false };
    let want = Want::BestAvailable(best);
    Command {
        id: CommandId(77),
        fingerprint: 78,
        event: event.parse().unwrap(),
        account: AccountId(79),
        deadline: chassis::clock::now() + DurationMs(60_000),
        reply_to: subject::replies("ear").into(),
        trace: None,
        body: CommandBody::HoldSeats(HoldSeats {
            want,
            owner: OwnerKind::Fan,
            pass: None,
            condition: None,
        }),
    }
}

/// Nobody asks any more when the ear is read, so a short silence is the end.
const LULL: Duration = Duration::from_millis(300);

fn read(message: &async_nats::Message) -> ReplyBatch {
    codec::decode(&message.payload).expect("an owner sends reply batches")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allocator_whose_epoch_is_overtaken_stops_and_its_successor_serves() {
    let up = Up::start().await;
    an_overtaken_allocator_is_succeeded(&up.reach()).await;
}

/// Appends an epoch that nobody serves, in mid-sale, and looks at who answers before and after.
pub async fn an_overtaken_allocator_is_succeeded(reach: &Reach) {
    let shard = shard_of("EVT002");
    let bus = Bus::connect(&reach.nats).await;
    let fans = accounts(&reach.client, 4, "owner").await;
    let market = Market::open(&fans, "EVT002", WhenLost::AskAgain, false);
    market.sells(10).await;
    let mut ear = Ear::open(&reach.nats).await;
    let old = bus.epoch(shard).await;
    let record = EpochRecord { nonce: "f".repeat(32), owner: "a contender".to_owned() };
    let mut headers = HeaderMap::new();
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, old.to_string());
    let record = serde_json::to_vec(&record).unwrap();
    let usurped = bus.append(subject::journal_epoch(shard), headers, record).await;
    let deposed = Instant::now();
    let successor = until("a successor", async || {
        let epoch = bus.epoch(shard).await;
        (usurped < epoch).then_some(epoch)
    })
    .await;
    market.sells(10).await;
    eprintln!(
        "epoch {old} overtaken by {usurped}: epoch {successor} sells after {:?}",
        deposed.elapsed()
    );
    let record = market.close().await;
    let journal = bus.journal(shard).await;
    check_epochs(&journal);
    check_answers(&journal, &ear.heard().await, usurped);
    let bookings = crate::market::bookings(&record);
    crate::auditor::assert_sold(reach, "EVT002", &bookings).await;
}

/// A paused allocator is replaced by its neighbour, and does no harm when it wakes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_allocator_is_succeeded_and_stays_silent_when_it_wakes() {
    let mut split = Split::start().await;
    split.stand_by("successor", "allocator").await;
    let reach = split.reach();
    let bus = Bus::connect(&reach.nats).await;
    let shard = shard_of("EVT002");
    let fan = Fan::new(&reach.client, "patient").await;
    fan.buy(&best("EVT002", 1)).await;

    let mut ear = Ear::open(&reach.nats).await;
    let known = command("EVT002");
    bus.ask(shard, &known).await;
    ear.hears(known.id).await;
    let old = bus.epoch(shard).await;
    split.stage("allocator").signal(Signal::STOP);
    let paused = Instant::now();
    for _ in 0..REPETITIONS {
        bus.ask(shard, &known).await;
    }
    let answer = fan.client.ask_stubbornly(
        fan.signed(crate::fan::reserve(&best("EVT002", 1), &crate::fan::fresh_key())),
    );
    let held = answer.await.expect(201);
    eprintln!("SIGSTOP of the allocator: its successor reserved after {:?}", paused.elapsed());
    let new = bus.epoch(shard).await;
    assert!(old < new);
    split.stage("allocator").signal(Signal::CONT);
    let paid = fan.confirm(&text(&held["reservationId"]), "tok_ok").await;
    paid.expect(200);
    for _ in 0..30 {
        fan.buy(&best("EVT002", 1)).await;
    }
    let journal = bus.journal(shard).await;
    check_epochs(&journal);
    check_answers(&journal, &ear.heard().await, new);
    // What is known by heart is told behind an append of its own, too.
    for _ in 0..5 {
        let before = bus.journal(shard).await.len();
        bus.ask(shard, &known).await;
        let named = ear.hears(known.id).await;
        assert!(u64::try_from(before).unwrap() < named, "FENCE-1: {named} of {before} is old");
    }
    assert_clean(&reach, &["--all"]).await;

    // And back: the one that was paused serves when the other has gone.
    split.stage("successor").kill();
    let killed = Instant::now();
    let call = crate::fan::reserve(&best("EVT002", 1), &crate::fan::fresh_key());
    fan.client.ask_stubbornly(fan.signed(call)).await.expect(201);
    eprintln!("kill -9 of its successor: it reserved again after {:?}", killed.elapsed());
    check_epochs(&bus.journal(shard).await);
    assert_clean(&reach, &["--all"]).await;
}

/// A planned hand-over: the owner of all shards is told to end in mid-sale, with a neighbour beside
/// it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allocator_that_is_told_to_end_hands_over_and_no_request_fails() {
    let mut split = Split::start().await;
    split.stand_by("successor", "allocator").await;
    let reach = split.reach();
    // The arena has seats for as long as this takes.
    list(&reach, "EVT001", "HANDOVER", |listing| listing.account_places_max = 10_000).await;
    let fans = accounts(&reach.client, 4, "handover").await;
    // Whoever is answered with anything but a hold or a booking, or with nothing, goes home.
    let market = Market::open(&fans, "HANDOVER", WhenLost::GoHome, false);
    market.sells(15).await;
    split.stage("allocator").signal(Signal::TERM);
    let told = Instant::now();
    let (status, _, log) = split.stage("allocator").ended().await;
    assert!(status.success(), "{log}");
    market.sells(15).await;
    eprintln!("SIGTERM of the allocator: 15 bookings later after {:?}", told.elapsed());
    let record = market.close().await;
    let lost: Vec<_> = record.iter().filter(|asked| asked.booking.is_none()).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_clean(&reach, &["--all"]).await;
}
