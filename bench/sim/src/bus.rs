//! COMMANDS and the way of the answers: both drop, repeat and reorder.

use crate::common::Common;
use crate::happening::Happening;
use schema::limits::COMMAND_AGE_MAX;
use schema::{Command, CommandId, Reply, UnixMillis, codec};

/// A command that was sent.
#[derive(Debug)]
struct Sent {
    at: UnixMillis,
    bytes: Vec<u8>,
}

/// An answer on its way.
#[derive(Debug, Clone)]
pub struct Told {
    /// What the command named as the place to answer to.
    pub to: String,
    pub command: CommandId,
    pub reply: Reply,
}

#[derive(Debug, Default)]
pub struct Bus {
    commands: Vec<Sent>,
    /// What was read and is retained: whoever begins to read reads it again.
    retained: Vec<Sent>,
    replies: Vec<Told>,
}

impl Bus {
    pub fn has_commands(&self) -> bool {
        !self.commands.is_empty()
    }

    pub fn has_replies(&self) -> bool {
        !self.replies.is_empty()
    }

    /// The server restarts: its stream in memory is empty, and answers on the way are lost.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// A reader begins with the oldest command that is retained.
    pub fn read_again(&mut self) {
        self.commands.append(&mut self.retained);
    }
}

/// Sends a command. The promises know from here on that it was asked.
pub fn publish(common: &mut Common, command: &Command) {
    common.promises.asked(command);
    if common.happens(8) {
        common.note(Happening::CommandLost, format_args!("{} is lost", command.id));
        return;
    }
    let bytes = codec::encode(command);
    common.bus.commands.push(Sent { at: common.now, bytes });
}

/// Takes one command for an owner; a copy may stay and be read once more.
pub fn take_command(common: &mut Common) -> Option<Command> {
    let now = common.now;
    for kept in [&mut common.bus.commands, &mut common.bus.retained] {
        kept.retain(|sent| now <= sent.at + COMMAND_AGE_MAX);
    }
    if !common.bus.has_commands() {
        return None;
    }
    let at = common.choose(common.bus.commands.len());
    let command = codec::decode(&common.bus.commands[at].bytes).expect("it was encoded here");
    if common.happens(25) {
        common.tally.add(Happening::CommandRepeated);
    } else {
        let sent = common.bus.commands.remove(at);
        common.bus.retained.push(sent);
    }
    Some(command)
}

/// Sends an answer.
pub fn tell(common: &mut Common, told: Told) {
    if common.happens(10) {
        common.note(Happening::ReplyLost, format_args!("answer to {} is lost", told.command));
        return;
    }
    common.bus.replies.push(told);
}

/// Takes one answer for its asker; it may come again.
pub fn take_reply(common: &mut Common) -> Option<Told> {
    if !common.bus.has_replies() {
        return None;
    }
    let at = common.choose(common.bus.replies.len());
    if common.happens(10) {
        common.tally.add(Happening::ReplyRepeated);
        return Some(common.bus.replies[at].clone());
    }
    Some(common.bus.replies.remove(at))
}
