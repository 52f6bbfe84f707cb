//! The reply table: who waits for the answer to which command.

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use schema::{CommandId, Reply, UnixMillis};
use tokio::sync::oneshot;

/// A reply with the journal time at which the owner gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub time: UnixMillis,
    pub reply: Reply,
}

/// Commands of this instance that wait for an answer. Bounded by the requests that may run at once.
#[derive(Debug, Default, Clone)]
pub struct Table {
    waiting: Arc<DashMap<CommandId, oneshot::Sender<Heard>>>,
}

/// One who waits; leaving the table is dropping this.
#[derive(Debug)]
pub struct Waiting {
    table: Table,
    command: CommandId,
    pub reply: oneshot::Receiver<Heard>,
}

impl Table {
    /// Enters a command; `None` while the same command waits already.
    pub fn enter(&self, command: CommandId) -> Option<Waiting> {
        match self.waiting.entry(command) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => {
                let (sender, reply) = oneshot::channel();
                vacant.insert(sender);
                Some(Waiting { table: self.clone(), command, reply })
            }
        }
    }

    /// Hands a reply to who waits for it; says whether somebody did.
    pub fn answer(&self, command: CommandId, heard: Heard) -> bool {
        let waiting = self.waiting.remove(&command);
        waiting.is_some_and(|(_, sender)| sender.send(heard).is_ok())
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Still there when no answer came. A newcomer with the same id cannot have entered
        // meanwhile, unless the answer took this entry out, and then the receiver is done with it.
        if self.reply.is_terminated() {
            return;
        }
        self.reply.close();
        self.table.waiting.remove_if(&self.command, |_, sender| sender.is_closed());
    }
}

#[cfg(test)]
mod tests {
    use super::{Heard, Table};
    use schema::{CommandId, Reply, UnixMillis};

    fn busy() -> Heard {
        Heard { time: UnixMillis(1), reply: Reply::Busy }
    }

    #[test]
    fn a_command_waits_once_and_may_be_entered_again_after_its_answer_or_its_end() {
        let table = Table::default();
        let command = CommandId(1);
        let mut first = table.enter(command).unwrap();
        assert!(table.enter(command).is_none(), "in flight");
        assert!(table.answer(command, busy()));
        assert!(!table.answer(command, busy()), "nobody waits any more");
        let second = table.enter(command).unwrap();
        assert_eq!(first.reply.try_recv(), Ok(busy()));
        drop(first);
        assert_eq!(table.len(), 1, "the end of the first leaves the second alone");
        drop(second);
        assert_eq!(table.len(), 0);
    }
}
