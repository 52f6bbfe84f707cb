//! The way to the journal and back: what is on it may be late, lost, or there twice.

use crate::common::Common;
use crate::happening::Happening;
use crate::journal::{Ack, Append, MessageId};

/// Who waits for an acknowledgement: a process in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    pub process: usize,
    pub life: u64,
}

/// An acknowledgement on its way back.
#[derive(Debug, Clone, Copy)]
pub struct Acked {
    pub to: Sender,
    pub id: MessageId,
    pub ack: Ack,
}

#[derive(Debug, Default)]
pub struct Wire {
    appends: Vec<(Sender, Append)>,
    acks: Vec<Acked>,
}

impl Wire {
    pub fn send(&mut self, from: Sender, append: Append) {
        self.appends.push((from, append));
    }

    /// The server restarts.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Lets an acknowledgement wait.
    pub fn put_back(&mut self, acked: Acked) {
        self.acks.push(acked);
    }

    pub fn has_appends(&self) -> bool {
        !self.appends.is_empty()
    }

    pub fn has_acks(&self) -> bool {
        !self.acks.is_empty()
    }
}

/// Brings one append to the journal, if any is on its way.
pub fn carry_append(common: &mut Common) {
    if !common.wire.has_appends() {
        return;
    }
    let at = common.choose(common.wire.appends.len());
    let (from, append) = if common.happens(4) {
        // The copy comes later, maybe after its sender has gone.
        common.wire.appends[at].clone()
    } else {
        common.wire.appends.remove(at)
    };
    if common.happens(8) {
        common.note(Happening::AppendLost, format_args!("{:?} is lost", append.id));
        return;
    }
    let ack = common.journal.append(&append);
    match ack {
        Ack::Stored { duplicate: true, .. } => {
            common.note(Happening::AppendDuplicate, format_args!("{:?} is there", append.id));
        }
        Ack::Stored { sequence, .. } => {
            common.write(format_args!("{:?} stored at {sequence}", append.id));
            common.journaled(sequence, &append.record);
        }
        Ack::WrongLast => common.write(format_args!("{:?} fenced off", append.id)),
    }
    if common.happens(12) {
        common.note(Happening::AckLost, format_args!("ack of {:?} is lost", append.id));
        return;
    }
    common.wire.acks.push(Acked { to: from, id: append.id, ack });
}

/// Takes one acknowledgement off the wire.
pub fn take_ack(common: &mut Common) -> Option<Acked> {
    if !common.wire.has_acks() {
        return None;
    }
    let at = common.choose(common.wire.acks.len());
    Some(common.wire.acks.remove(at))
}
