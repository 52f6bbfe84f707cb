//! The journal of one shard as its server keeps it: numbered messages, a fence, message ids.

use std::collections::BTreeMap;

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Somebody takes the shard over; the nonce tells whose record it is.
    Epoch { nonce: u64 },
    /// An encoded batch.
    Batch(Vec<u8>),
}

/// By what a repeated append is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageId {
    Epoch { nonce: u64 },
    Batch { epoch: u64, number: u64 },
}

/// A message on its way to the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    pub id: MessageId,
    /// The epoch record that must be the last one; 0 is none, `None` asks for no check.
    pub fence: Option<u64>,
    pub record: Record,
}

/// What the server says to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    Stored {
        sequence: u64,
        duplicate: bool,
    },
    /// Another epoch record is the last one: nothing was stored.
    WrongLast,
}

#[derive(Debug, Default)]
pub struct Journal {
    records: BTreeMap<u64, Record>,
    last: u64,
    /// The epoch records that are left, with their nonces.
    epochs: BTreeMap<u64, u64>,
    ids: BTreeMap<MessageId, u64>,
}

impl Journal {
    /// Appends a message, unless it is stored already or fenced off.
    pub fn append(&mut self, append: &Append) -> Ack {
        // The server looks for repetitions first: who repeats a message that is stored hears so,
        // also when it has been deposed since.
        if let Some(&sequence) = self.ids.get(&append.id) {
            return Ack::Stored { sequence, duplicate: true };
        }
        let last_epoch = self.last_epoch().map_or(0, |(sequence, _)| sequence);
        if append.fence.is_some_and(|expected| expected != last_epoch) {
            return Ack::WrongLast;
        }
        self.last += 1;
        if let Record::Epoch { nonce } = append.record {
            self.epochs.insert(self.last, nonce);
        }
        self.ids.insert(append.id, self.last);
        self.records.insert(self.last, append.record.clone());
        Ack::Stored { sequence: self.last, duplicate: false }
    }

    /// The newest epoch record: its sequence and nonce.
    pub fn last_epoch(&self) -> Option<(u64, u64)> {
        self.epochs.last_key_value().map(|(&sequence, &nonce)| (sequence, nonce))
    }

    /// The first message behind a position.
    pub fn after(&self, sequence: u64) -> Option<(u64, &Record)> {
        self.records.range(sequence + 1..).next().map(|(&sequence, record)| (sequence, record))
    }

    pub fn last(&self) -> u64 {
        self.last
    }

    /// The newest batch, 0 before there is one.
    pub fn last_batch(&self) -> u64 {
        let is_batch = |record: &Record| matches!(record, Record::Batch(_));
        let newest = self.records.iter().rfind(|(_, record)| is_batch(record));
        newest.map_or(0, |(&sequence, _)| sequence)
    }

    /// Forgets the batches up to a position, and never an epoch record.
    pub fn trim(&mut self, to: u64) {
        self.records.retain(|&at, record| to < at || matches!(record, Record::Epoch { .. }));
    }

    /// What no server may do: forgets the last batch of the epoch before this one, once this one
    /// has a batch.
    pub fn lose_tail(&mut self) {
        let Some((epoch, _)) = self.last_epoch() else { return };
        let is_batch = |record: &Record| matches!(record, Record::Batch(_));
        let goes_on = self.records.range(epoch..).any(|(_, record)| is_batch(record));
        let mut before = self.records.range(..epoch);
        let tail = before.rfind(|(_, record)| is_batch(record)).map(|(&at, _)| at);
        if goes_on && let Some(tail) = tail {
            self.records.remove(&tail);
        }
    }

    /// What no caller may do: the fence stands on these records.
    pub fn trim_epochs(&mut self, to: u64) {
        self.records.retain(|&at, record| to < at || matches!(record, Record::Batch(_)));
        self.epochs.retain(|&at, _| to < at);
    }
}
