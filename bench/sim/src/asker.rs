//! One who asks commands, one at a time: again while no answer comes, and not for ever.

use crate::bus::{self, Told};
use crate::common::Common;
use crate::mutation::Mutation;
use schema::limits::{ASK_AGAIN, ASK_WAIT};
use schema::{AccountId, Command, CommandBody, CommandId, EventId, Outcome, Reply, UnixMillis};

/// How many commands it remembers, to ask them once more.
///
/// With those of all askers more than an owner's memory has.
const ASKED_MAX: usize = 20;

#[derive(Debug)]
pub struct Asker {
    idx: usize,
    pub account: AccountId,
    waiting: Option<Waiting>,
    asked: Vec<Command>,
    count: u64,
}

#[derive(Debug)]
struct Waiting {
    command: Command,
    since: UnixMillis,
    sent_at: UnixMillis,
}

impl Asker {
    pub fn new(idx: usize, account: AccountId) -> Self {
        Self { idx, account, waiting: None, asked: Vec::new(), count: 0 }
    }

    /// Goes on with what it waits for; says whether it waits.
    pub fn waits(&mut self, common: &mut Common) -> bool {
        let Some(waiting) = &mut self.waiting else { return false };
        if waiting.since + ASK_WAIT <= common.now {
            self.waiting = None;
            return false;
        }
        if waiting.sent_at + ASK_AGAIN <= common.now {
            waiting.sent_at = common.now;
            bus::publish(common, &waiting.command);
        }
        true
    }

    /// Asks something new.
    pub fn ask(&mut self, event: EventId, body: CommandBody, common: &mut Common) {
        self.count += 1;
        // Asker and count within the lower 72 bits, which tell commands of one millisecond apart.
        let asker = u128::try_from(self.idx + 1).expect("few ask");
        let command = Command {
            id: CommandId(asker << 48 | u128::from(self.count)),
            // Even; what else is asked under the id has the odd one.
            fingerprint: self.count << 1,
            event,
            account: self.account,
            deadline: UnixMillis::default(),
            reply_to: self.idx.to_string().into(),
            trace: None,
            body,
        };
        self.asked.push(command.clone());
        if ASKED_MAX < self.asked.len() {
            self.asked.remove(0);
        }
        self.send(command, common);
    }

    /// Asks an old command again.
    pub fn repeat(&mut self, common: &mut Common) {
        if let Some(command) = self.any_asked(common) {
            self.send(command, common);
        }
    }

    /// Asks something else under an old id: what `body` makes for the same event.
    pub fn misuse(
        &mut self,
        body: impl FnOnce(&EventId, &mut Common) -> Option<CommandBody>,
        common: &mut Common,
    ) {
        if let Some(command) = self.any_asked(common)
            && let Some(body) = body(&command.event, common)
        {
            let fingerprint = command.fingerprint | 1;
            self.send(Command { fingerprint, body, ..command }, common);
        }
    }

    /// Hears an answer; `None` if it is not to what it waits for.
    pub fn hear(&mut self, told: &Told, common: &mut Common) -> Option<(Command, Outcome)> {
        let waiting = self.waiting.take_if(|waiting| waiting.command.id == told.command)?;
        let Reply::Done { outcome, .. } = &told.reply else { return None };
        let asked = outcome.asked.map(|asked| asked.fingerprint);
        let takes_any = common.is_broken(Mutation::TakeAnyReply);
        if asked != Some(waiting.command.fingerprint) && !takes_any {
            // A late answer to what was asked under this id before.
            self.waiting = Some(waiting);
            return None;
        }
        common.promises.heard(&waiting.command, outcome);
        Some((waiting.command, (**outcome).clone()))
    }

    fn any_asked(&self, common: &mut Common) -> Option<Command> {
        let count = self.asked.len();
        (0 < count).then(|| self.asked[common.dice.index(count)].clone())
    }

    fn send(&mut self, mut command: Command, common: &mut Common) {
        command.deadline = common.wall() + ASK_WAIT;
        common.write(format_args!("{} asks {}: {:?}", self.idx, command.id, command.body));
        bus::publish(common, &command);
        self.waiting = Some(Waiting { command, since: common.now, sent_at: common.now });
    }
}
