//! Where the index lives, and the limits of its work.

use std::path::PathBuf;
use std::time::Duration;

/// Section `[indexer]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The index's own folder; one process has it at a time, and all in it may be deleted at any
    /// time.
    pub dir: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self { dir: PathBuf::from("./data/indexer") }
    }
}

/// How long a change waits for its commit, at most.
///
/// A commit is about ten fsyncs. At 300 ms they take a few percent of a disk that the journals
/// share; twice as long would leave too little of the second within which search reflects a change.
pub(crate) const COMMIT_INTERVAL: Duration = Duration::from_millis(300);

/// How long a position alone waits for its commit, when no document changed.
///
/// It spares the fsyncs of a journal full of refusals; a restart rereads as many seconds of it.
pub(crate) const POSITION_INTERVAL: Duration = Duration::from_secs(10);

/// How many messages may wait for the writer. More would only be memory: the streams keep what
/// waits.
pub(crate) const FED_WAITING_MAX: usize = 1_024;

/// How many messages the writer takes at once. A commit is delayed by one such batch, a few
/// milliseconds.
pub(crate) const FED_BATCH_MAX: usize = 256;

/// Memory in which the writer gathers documents before it makes a segment of them.
///
/// Tantivy refuses less than 15 MB; 20,000 changed events fit in this, and more become a second
/// segment.
pub(crate) const WRITER_HEAP_BYTES: usize = 20_000_000;

/// Threads that merge small segments. One: merging competes with the sale for two cores, and nobody
/// waits for it.
pub(crate) const MERGE_THREADS: usize = 1;

/// How many searches run at once, each on a thread of its own.
///
/// Search is the stage that may wait: two leave the other cores to the sale, and more would only
/// share them.
pub(crate) const SEARCHES_RUNNING_MAX: usize = 2;

/// How many questions may wait for one of the threads. At 1 ms a search that is a tenth of a
/// second.
pub(crate) const SEARCHES_WAITING_MAX: usize = 256;

/// How long a question may wait for its turn; then its asker has given up or will soon.
pub(crate) const SEARCH_WAIT: Duration = Duration::from_millis(500);

/// How long one search may work. Common ones take 1 ms; the bound is for an index that has grown
/// strange.
pub(crate) const SEARCH_BUDGET: Duration = Duration::from_millis(500);

/// How many answers of the last commit are kept for those who ask the same.
///
/// A page of 100 hits has about 30 kB; what many people ask at once is far fewer questions.
pub(crate) const ANSWERS_KEPT_MAX: usize = 256;

/// How long the server may take to confirm a subscription.
pub(crate) const FLUSH_WAIT: Duration = Duration::from_secs(2);

/// How long the answer may wait for a place in the connection's buffer.
pub(crate) const REPLY_WAIT: Duration = Duration::from_millis(500);

/// Most values of one facet in an answer: a page shows a dozen, and an answer must fit a message.
pub(crate) const FACET_VALUES_MAX: usize = 100;

/// How long each part of a replica's state may take, which it copies and packs first.
pub(crate) const STATE_PART_WAIT: Duration = Duration::from_secs(10);

const _: () = {
    assert!(COMMIT_INTERVAL.as_millis() < POSITION_INTERVAL.as_millis());
    assert!(FED_BATCH_MAX <= FED_WAITING_MAX);
    assert!(SEARCHES_RUNNING_MAX < SEARCHES_WAITING_MAX);
    assert!(15_000_000 <= WRITER_HEAP_BYTES);
};
