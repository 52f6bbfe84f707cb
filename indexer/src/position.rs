//! Up to where the streams are in the index; the payload of every commit.

use schema::{Applied, Batch, ShardId, Step};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The shape of documents and payload. Another number than the stored one makes the index anew.
pub(crate) const FORMAT: u32 = 1;

/// Which streams there are: each one's time of creation, so that a position is never used on
/// another stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origins {
    pub catalog: String,
    /// By shard.
    pub journals: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Positions {
    format: u32,
    origins: Origins,
    /// The last stream sequence that was read.
    pub catalog: u64,
    /// By shard.
    pub journals: Vec<JournalPosition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct JournalPosition {
    /// The last stream sequence that was read, epoch records included.
    pub read: u64,
    pub applied: Applied,
}

impl Positions {
    /// The beginning of all streams.
    pub(crate) fn start(origins: Origins) -> Self {
        let journals = vec![JournalPosition::default(); origins.journals.len()];
        Self { format: FORMAT, origins, catalog: 0, journals }
    }

    /// Reads a commit's payload.
    ///
    /// # Errors
    /// [`Error::Unusable`] if it is none, of another format or of other streams.
    pub(crate) fn from_payload(payload: Option<&str>, origins: &Origins) -> Result<Self, Error> {
        let unusable = |why: String| Error::Unusable { why };
        let payload = payload.ok_or_else(|| unusable("it has no commit yet".into()))?;
        let positions: Self = serde_json::from_str(payload)
            .map_err(|err| unusable(format!("its payload is not ours, {err}")))?;
        if positions.format != FORMAT {
            return Err(unusable(format!("format {}, not {FORMAT}", positions.format)));
        }
        if positions.origins != *origins {
            return Err(unusable("the streams were made anew since".into()));
        }
        if positions.journals.len() != origins.journals.len() {
            return Err(unusable("another number of shards".into()));
        }
        Ok(positions)
    }

    pub(crate) fn to_payload(&self) -> String {
        serde_json::to_string(self).expect("numbers and strings are JSON")
    }

    /// Whether everything up to these sequences has been read.
    pub(crate) fn reach(&self, targets: &Targets) -> bool {
        let mut journals = self.journals.iter().zip(&targets.journals);
        targets.catalog <= self.catalog && journals.all(|(at, target)| *target <= at.read)
    }
}

/// The last sequences of all streams at some time.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    pub catalog: u64,
    /// By shard.
    pub journals: Vec<u64>,
}

impl JournalPosition {
    /// Moves on to a batch, and says whether it is to be applied.
    ///
    /// # Errors
    /// [`Error::Gap`] if a batch is missing between this one and the one before.
    pub(crate) fn advance(
        &mut self,
        shard: ShardId,
        sequence: u64,
        batch: &Batch,
    ) -> Result<bool, Error> {
        let Batch { epoch, number, .. } = *batch;
        match self.applied.step(batch, sequence) {
            Step::Apply => self.applied.advance(batch, sequence),
            Step::Skip => return Ok(false),
            Step::Gap => {
                let same_epoch = epoch == self.applied.epoch;
                let expected = if same_epoch { self.applied.number + 1 } else { 1 };
                return Err(Error::Gap { shard, expected, found: number });
            }
        }
        assert!(self.applied.sequence == sequence);
        Ok(true)
    }
}
