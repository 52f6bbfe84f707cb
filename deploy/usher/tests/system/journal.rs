//! Reads a shard's journal as an outsider, and folds it by rules of its own.

use crate::seats::SeatMap;
use async_nats::jetstream;
use bytes::Bytes;
use chassis::EpochRecord;
use schema::{
    Batch, Command, CommandId, HoldId, OutcomeBody, Refusal, Released, SeatIdx, ShardId, Shards,
    UnixMillis, codec, subject,
};
use std::collections::{BTreeMap, BTreeSet};

/// A message of a journal.
#[derive(Debug, Clone)]
pub enum Entry {
    Epoch {
        sequence: u64,
    },
    /// `stored` by the server's clock.
    Batch {
        sequence: u64,
        stored: UnixMillis,
        batch: Batch,
    },
}

/// A connection of the test's own.
#[derive(Debug, Clone)]
pub struct Bus {
    pub jetstream: jetstream::Context,
    /// As the system has written it down.
    pub shards: Shards,
}

impl Bus {
    pub async fn connect(url: &str) -> Self {
        let addresses: Vec<&str> = url.split(',').collect();
        let client = async_nats::connect(&addresses).await.expect("NATS is there");
        let jetstream = jetstream::new(client);
        let settings = jetstream.get_key_value(subject::SETTINGS).await.expect("it is there");
        let shards = settings.get(subject::SHARDS).await.expect("NATS answers");
        let shards = String::from_utf8(shards.expect("it is written down").into()).unwrap();
        let shards = Shards::try_from(shards.parse::<u64>().unwrap()).unwrap();
        Self { jetstream, shards }
    }

    /// Everything in a shard's journal, in order.
    pub async fn journal(&self, shard: ShardId) -> Vec<Entry> {
        let stream = self.jetstream.get_stream(subject::journal_stream(shard)).await;
        let stream = stream.expect("the journal is there");
        let state = stream.get_info().await.expect("NATS answers").state;
        let mut entries = Vec::new();
        for sequence in state.first_sequence..=state.last_sequence {
            let message = stream.get_raw_message(sequence).await.expect("journals have no holes");
            entries.push(if message.subject.as_str() == subject::journal_epoch(shard) {
                Entry::Epoch { sequence }
            } else {
                let batch = codec::decode_checked(&message.payload).expect("it is a batch");
                let stored = message.time.unix_timestamp_nanos() / 1_000_000;
                let stored = UnixMillis(stored.try_into().expect("after 1970"));
                Entry::Batch { sequence, stored, batch }
            });
        }
        entries
    }

    /// The sequence of the newest epoch record.
    pub async fn epoch(&self, shard: ShardId) -> u64 {
        let stream = self.jetstream.get_stream(subject::journal_stream(shard)).await;
        let stream = stream.expect("the journal is there");
        let last = stream.get_last_raw_message_by_subject(&subject::journal_epoch(shard)).await;
        last.expect("a served shard has an epoch").sequence
    }

    /// The name of the process that was the last to take a shard.
    pub async fn owner(&self, shard: ShardId) -> String {
        let stream = self.jetstream.get_stream(subject::journal_stream(shard)).await;
        let stream = stream.expect("the journal is there");
        let last = stream.get_last_raw_message_by_subject(&subject::journal_epoch(shard)).await;
        let record = EpochRecord::decode(&last.expect("a served shard has an epoch").payload);
        record.expect("it is an epoch record").owner
    }

    /// Asks the owner of a shard, past the gateway.
    pub async fn ask(&self, shard: ShardId, command: &Command) {
        let bytes = Bytes::from(codec::encode(command));
        let sent = self.jetstream.publish(subject::commands(shard), bytes).await;
        sent.expect("NATS is there").await.expect("the stream takes it");
    }

    /// Appends to a journal what its owner never wrote.
    pub async fn append(
        &self,
        subject: String,
        headers: async_nats::HeaderMap,
        bytes: Vec<u8>,
    ) -> u64 {
        let sent = self.jetstream.publish_with_headers(subject, headers, Bytes::from(bytes)).await;
        sent.expect("NATS is there").await.expect("the stream takes it").sequence
    }
}

/// In a system with the usual number of shards.
pub fn shard_of(event: &str) -> ShardId {
    Shards::default().of(&event.parse().unwrap())
}

/// Asserts that each batch is its time's owner's, without a gap.
pub fn check_epochs(entries: &[Entry]) {
    let (mut epoch, mut number) = (0, 0);
    for entry in entries {
        match entry {
            Entry::Epoch { sequence } => (epoch, number) = (*sequence, 0),
            Entry::Batch { sequence, batch, .. } => {
                assert_eq!(batch.epoch, epoch, "FENCE-1: a deposed owner appended at {sequence}");
                assert_eq!(batch.number, number + 1, "a batch is missing before {sequence}");
                number = batch.number;
            }
        }
    }
}

/// When each hold that nobody paid ended, by the server's clock.
pub fn expiries(entries: &[Entry]) -> BTreeMap<HoldId, UnixMillis> {
    let mut expiries = BTreeMap::new();
    for entry in entries {
        let Entry::Batch { stored, batch, .. } = entry else { continue };
        for outcome in &batch.outcomes {
            if let OutcomeBody::HoldReleased { hold, why: Released::Expired } = &outcome.body {
                expiries.insert(*hold, *stored);
            }
        }
    }
    expiries
}

/// An event's seats as its journal tells them.
#[derive(Debug, Default)]
pub struct Story {
    pub owners: BTreeMap<SeatIdx, HoldId>,
    holds: BTreeMap<HoldId, Vec<SeatIdx>>,
    pub sold: BTreeSet<HoldId>,
    /// What was decided on each command.
    pub decided: BTreeMap<CommandId, OutcomeBody>,
}

impl Story {
    /// Folds the journal, asserting SEAT-1 and SEAT-4 on the way.
    pub fn read(entries: &[Entry], event: &str, map: &SeatMap) -> Self {
        let mut story = Self::default();
        for entry in entries {
            let Entry::Batch { sequence, batch, .. } = entry else { continue };
            for outcome in batch.outcomes.iter().filter(|one| one.event.as_str() == event) {
                story.take(*sequence, &outcome.body, map);
                if let Some(asked) = outcome.asked {
                    let before = story.decided.insert(asked.command, outcome.body.clone());
                    assert_eq!(before, None, "CMD-1 {sequence}: {asked:?} was decided twice");
                }
                let free = map.seats().count() - story.owners.len();
                assert_eq!(usize::try_from(outcome.free_after).unwrap(), free, "SEAT-2 {sequence}");
            }
        }
        story
    }

    fn take(&mut self, sequence: u64, body: &OutcomeBody, map: &SeatMap) {
        match body {
            OutcomeBody::SeatsHeld(held) => {
                let seats: Vec<SeatIdx> = held.seats.iter().map(|seat| seat.seat).collect();
                for seat in &seats {
                    let before = self.owners.insert(*seat, held.hold);
                    assert_eq!(before, None, "SEAT-1 {sequence}: {seat:?} has two owners");
                }
                self.holds.insert(held.hold, seats);
            }
            OutcomeBody::SeatsSwapped(held) => {
                for seat in self.holds.remove(&held.hold).expect("only a hold is swapped") {
                    assert_eq!(self.owners.remove(&seat), Some(held.hold), "SEAT-1 {sequence}");
                }
                self.take(sequence, &OutcomeBody::SeatsHeld(held.clone()), map);
            }
            OutcomeBody::AllottedSold { parts, payment } => {
                self.take(sequence, &OutcomeBody::AllotmentReduced { parts: parts.clone() }, map);
                self.take(sequence, &OutcomeBody::SeatsHeld(payment.held.clone()), map);
            }
            OutcomeBody::AllotmentReduced { parts } => {
                for part in parts {
                    let left = self.holds.get_mut(&part.hold).expect("only a hold is reduced");
                    left.retain(|seat| !part.seats.contains(seat));
                    for seat in &part.seats {
                        assert_eq!(self.owners.remove(seat), Some(part.hold), "SEAT-1 {sequence}");
                    }
                }
            }
            OutcomeBody::Reseated(payment) => {
                self.take(sequence, &OutcomeBody::SeatsHeld(payment.held.clone()), map);
            }
            OutcomeBody::SaleReduced { places, .. } => {
                let left = self.holds.get_mut(&places.hold).expect("only a hold is reduced");
                left.retain(|seat| !places.seats.contains(seat));
                for seat in &places.seats {
                    assert_eq!(self.owners.remove(seat), Some(places.hold), "SEAT-1 {sequence}");
                }
            }
            OutcomeBody::HoldReleased { hold, .. } => {
                for seat in self.holds.remove(hold).expect("only a hold is released") {
                    assert_eq!(self.owners.remove(&seat), Some(*hold), "SEAT-1 {sequence}");
                }
                self.sold.remove(hold);
            }
            OutcomeBody::SeatsSold { hold, .. } => {
                assert!(
                    self.holds.contains_key(hold),
                    "ORD-3 {sequence}: {hold} sold from nothing"
                );
                self.sold.insert(*hold);
            }
            OutcomeBody::Refused(refusal) => self.check(sequence, refusal, map),
            _ => {}
        }
    }

    /// SEAT-4: what was refused was so at that moment.
    fn check(&mut self, sequence: u64, refusal: &Refusal, map: &SeatMap) {
        let owned = |seat: &SeatIdx| self.owners.contains_key(seat);
        match refusal {
            Refusal::SeatTaken { seats } => {
                assert!(!seats.is_empty(), "SEAT-4 {sequence}");
                assert!(seats.iter().all(owned), "SEAT-4 {sequence}: free seats called taken");
            }
            Refusal::SoldOut => {
                assert_eq!(
                    self.owners.len(),
                    map.seats().count(),
                    "SEAT-4 {sequence}: not sold out"
                );
            }
            // Whoever is alone gets any free seat, or hears that it is sold out. So two were asked
            // for, and no more: that is as far as these tests go.
            Refusal::NotEnoughSeats => {
                let room = room_for_two(map, owned);
                assert!(!room, "SEAT-4 {sequence}: there was room for two");
                let free = map.seats().count() - self.owners.len();
                assert!(0 < free, "SEAT-4 {sequence}: it is sold out, not short of neighbours");
            }
            _ => {}
        }
    }
}

/// Whether two find room: side by side, or one behind the other in neighbouring rows of a section.
fn room_for_two(map: &SeatMap, owned: impl Fn(&SeatIdx) -> bool) -> bool {
    let mut seats = (0..).map(SeatIdx);
    let mut row_before = None;
    for (row, section) in map.rows.iter().zip(&map.sections) {
        let free: Vec<bool> = seats.by_ref().take(row.len()).map(|seat| !owned(&seat)).collect();
        let side_by_side = free.windows(2).any(|pair| pair[0] && pair[1]);
        let here = free.contains(&true).then_some(section);
        if side_by_side || here.is_some() && here == row_before {
            return true;
        }
        row_before = here;
    }
    false
}
