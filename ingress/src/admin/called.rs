//! How many people a room has called, counted from its admission record.

use std::time::Duration;

use chassis::{Followed, Follower, Nats, StartAt};
use schema::admission::AdmissionRecord;
use schema::{EventId, codec, subject};

/// How long the server may take to say how long the record is, and how long a reader is kept from
/// its first figures while that is read. A long sale's record is read in less.
const BEGIN_WAIT: Duration = Duration::from_secs(1);

/// The count, for as long as somebody looks.
///
/// The room's cursor is no such count: it passes places that are gone, and numbers that an epoch
/// never gave out.
#[derive(Debug)]
pub struct Called {
    nats: Nats,
    event: EventId,
    reading: Option<Reading>,
}

#[derive(Debug)]
struct Reading {
    follower: Follower,
    /// The record's end when the reading began: before it is read, the count is only a part.
    target: u64,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    sequence: u64,
    called: u64,
}

impl Called {
    pub fn new(nats: Nats, event: EventId) -> Self {
        Self { nats, event, reading: None }
    }

    /// The count; `None` while it is not known.
    pub fn count(&self) -> Option<u64> {
        let reading = self.reading.as_ref()?;
        (reading.target <= reading.tally.sequence).then_some(reading.tally.called)
    }

    /// Begins to read, unless it has. A room that was never on has no record to read.
    pub async fn begin(&mut self) {
        if self.reading.is_some() {
            return;
        }
        let stream = subject::admission_stream(&self.event);
        let target = chassis::last_sequence(&self.nats, &stream);
        let Ok(Ok(target)) = tokio::time::timeout(BEGIN_WAIT, target).await else { return };
        let all = subject::admission_all(&self.event);
        let follower = Follower::start(self.nats.clone(), &stream, &all, StartAt::First);
        self.reading = Some(Reading { follower, target, tally: Tally::default() });
        let whole = async {
            while self.reading.is_some() && self.count().is_none() {
                self.read_one().await;
            }
        };
        if tokio::time::timeout(BEGIN_WAIT, whole).await.is_err() {
            tracing::debug!(event = %self.event, "the admission record is long");
        }
    }

    /// Reads on for ever. Cancel-safe: a message is counted as it is taken.
    pub async fn read_on(&mut self) {
        while self.reading.is_some() {
            self.read_one().await;
        }
        std::future::pending::<()>().await;
    }

    async fn read_one(&mut self) {
        let Some(reading) = &mut self.reading else { return };
        let counted = match reading.follower.next().await {
            Ok(message) => reading.tally.add(&self.event, &message),
            Err(_) => false,
        };
        if !counted {
            tracing::warn!(event = %self.event, "the admission record is counted again");
            self.reading = None;
        }
    }
}

impl Tally {
    /// Counts a message; `false` when nobody can read it.
    fn add(&mut self, event: &EventId, message: &Followed) -> bool {
        if message.subject == subject::admission(event) {
            let Ok(record) = codec::decode::<AdmissionRecord>(&message.payload) else {
                return false;
            };
            if let AdmissionRecord::Released(release) = record {
                self.called += u64::from(release.called);
            }
        }
        self.sequence = message.sequence;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use chassis::Followed;
    use schema::admission::{AdmissionRecord, Release};
    use schema::{EventId, UnixMillis, codec, subject};

    #[test]
    fn the_people_called_are_counted_and_not_the_numbers_passed() {
        let event: EventId = "EVT001".parse().unwrap();
        let mut tally = Tally::default();
        let mut add = |sequence, subject: String, payload: Vec<u8>| {
            let payload = payload.into();
            tally.add(&event, &Followed { sequence, subject, payload, timestamp_ms: 0 })
        };
        let released = |epoch, cursor_before, cursor, called, late| {
            let at = UnixMillis(1);
            let (claim_until, pass_until, skipped, clock) = (at, at, Vec::new(), None);
            codec::encode(&AdmissionRecord::Released(Release {
                epoch,
                cursor_before,
                cursor,
                called,
                at,
                claim_until,
                pass_until,
                skipped,
                late,
                clock,
                pace: None,
            }))
        };
        let records = subject::admission(&event);
        assert!(add(1, subject::admission_epoch(&event), b"epoch".to_vec()));
        assert!(add(2, records.clone(), released(1, 0, 10, 4, vec![])));
        // A new epoch's numbers begin far above those of the last one.
        assert!(add(3, records.clone(), released(2, 5_000, 5_002, 3, vec![7])));
        assert!(!add(4, records, b"?".to_vec()));
        assert_eq!((tally.sequence, tally.called), (3, 7));
    }
}
