//! What keeps the journal short: checkpoints, and the trim behind them.

use super::World;
use crate::happening::Happening;
use crate::mutation::Mutation;
use crate::process::Process;

impl World {
    /// Stores a checkpoint, and trims the journal.
    pub(super) fn keep_house(&mut self, process: usize) {
        let common = &mut self.common;
        if common.dice.hits(70) {
            self.processes[process].store_checkpoint(common);
        }
        if self.common.dice.hits(50)
            && let Some(to) = self.trimmable()
        {
            self.trim(to);
        }
    }

    /// Up to where nobody needs the batches any more.
    ///
    /// Replicas that run count: the days for which batches are kept are longer than any of them
    /// stands still. Views and what has crashed do not: they begin behind the trim.
    fn trimmable(&self) -> Option<u64> {
        let common = &self.common;
        if common.is_broken(Mutation::TrimUnread) {
            return Some(common.journal.last());
        }
        let mut checkpointed = common.checkpoints.trimmable(&common.archive)?;
        if common.is_broken(Mutation::TrimToNewest) {
            checkpointed = common.checkpoints.newest();
        }
        // The newest batch tells a reader that begins with it that something is gone.
        let newest = common.journal.last_batch().saturating_sub(1);
        let running = self.processes.iter().filter_map(Process::position);
        running.chain([checkpointed, newest, common.store.read_to]).min()
    }

    fn trim(&mut self, to: u64) {
        let common = &mut self.common;
        common.journal.trim(to);
        if common.is_broken(Mutation::TrimEpochs) {
            common.journal.trim_epochs(to);
        }
        if common.is_broken(Mutation::LoseTail) {
            common.journal.lose_tail();
        }
        common.note(Happening::Trimmed, format_args!("the journal up to {to}"));
    }
}
