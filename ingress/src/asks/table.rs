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
    waiting: Arc<DashMap<CommandId, Asker>>,
}

#[derive(Debug)]
struct Asker {
    fingerprint: u64,
    heard: oneshot::Sender<Heard>,
}

/// One who waits; leaving the table is dropping this.
#[derive(Debug)]
pub struct Waiting {
    table: Table,
    command: CommandId,
    pub reply: oneshot::Receiver<Heard>,
}

impl Table {
    /// Enters a command; `None` while one with its id waits already.
    pub fn enter(&self, command: CommandId, fingerprint: u64) -> Option<Waiting> {
        match self.waiting.entry(command) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => {
                let (heard, reply) = oneshot::channel();
                vacant.insert(Asker { fingerprint, heard });
                Some(Waiting { table: self.clone(), command, reply })
            }
        }
    }

    /// Hands a reply to who waits for it; says whether somebody did. Who waits under the same id
    /// with another command does not.
    pub fn answer(&self, command: CommandId, heard: Heard) -> bool {
        let is_meant = |_: &_, asker: &Asker| heard.reply.is_to(asker.fingerprint);
        let waiting = self.waiting.remove_if(&command, is_meant);
        waiting.is_some_and(|(_, asker)| asker.heard.send(heard).is_ok())
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
        self.table.waiting.remove_if(&self.command, |_, asker| asker.heard.is_closed());
    }
}

#[cfg(test)]
mod tests {
    use super::{Heard, Table};
    use schema::{AccountId, Asked, CommandId, Outcome, OutcomeBody, Refusal, Reply, UnixMillis};

    fn busy() -> Heard {
        Heard { time: UnixMillis(1), reply: Reply::Busy }
    }

    #[test]
    fn a_command_waits_once_and_may_be_entered_again_after_its_answer_or_its_end() {
        let table = Table::default();
        let command = CommandId(1);
        let mut first = table.enter(command, 7).unwrap();
        assert!(table.enter(command, 7).is_none(), "in flight");
        assert!(table.answer(command, busy()));
        assert!(!table.answer(command, busy()), "nobody waits any more");
        let second = table.enter(command, 7).unwrap();
        assert_eq!(first.reply.try_recv(), Ok(busy()));
        drop(first);
        assert_eq!(table.len(), 1, "the end of the first leaves the second alone");
        drop(second);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_late_reply_to_another_command_of_the_same_id_is_not_taken() {
        let table = Table::default();
        let mut waiting = table.enter(CommandId(1), 7).unwrap();
        let mismatch = |asked| Heard { time: UnixMillis(1), reply: Reply::Mismatch { asked } };
        let asked = Asked { command: CommandId(1), fingerprint: 6, account: AccountId(2) };
        let body = OutcomeBody::Refused(Refusal::SoldOut);
        let event = "EVT001".parse().unwrap();
        let outcome = Outcome { asked: Some(asked), event, free_after: 0, body };
        let done = Reply::Done { sequence: 1, replayed: false, outcome: Box::new(outcome) };
        assert!(!table.answer(CommandId(1), Heard { time: UnixMillis(1), reply: done }));
        assert!(!table.answer(CommandId(1), mismatch(6)));
        assert!(table.answer(CommandId(1), mismatch(7)), "it waits for its own");
        assert_eq!(waiting.reply.try_recv(), Ok(mismatch(7)));
    }
}
