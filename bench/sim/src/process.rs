//! A process that stands by, takes the shard over, owns it, and is crashed and paused meanwhile.

use crate::bus;
use crate::common::{Common, Lease};
use crate::happening::Happening;
use crate::journal::{Ack, Append, MessageId, Record};
use crate::mutation::Mutation;
use crate::owner::Owner;
use crate::replica::Replica;
use crate::wire::{Acked, Sender};
use schema::{DurationMs, UnixMillis};

/// As in the allocator's shell: how long an owner may be silent, and how often it beats.
const LEASE_SILENCE: DurationMs = DurationMs(1_000);
const LEASE_BEAT: DurationMs = DurationMs(300);

/// How long an epoch record is waited for before it is sent again.
const TAKE_AGAIN: DurationMs = DurationMs(60);

#[derive(Debug)]
pub struct Process {
    idx: usize,
    life: u64,
    /// Until when it does nothing, and whether it begins a new life then.
    rests_until: UnixMillis,
    is_down: bool,
    /// Until when it hears no beat of the lease.
    deaf_until: UnixMillis,
    replica: Replica,
    role: Role,
}

#[derive(Debug)]
enum Role {
    /// Watches the lease of this epoch, and has heard it, or begun to watch it, at some time.
    StandBy {
        epoch: u64,
        heard_at: UnixMillis,
    },
    /// Has sent an epoch record and does not know yet what became of it.
    Taking {
        nonce: u64,
        previous: u64,
        sent_at: UnixMillis,
    },
    /// Has the epoch and reads the journal up to its record.
    Recovering {
        epoch: u64,
    },
    Owner(Box<Owner>),
}

impl Process {
    pub fn start(idx: usize, common: &mut Common) -> Self {
        let replica = Replica::restore(common);
        let none = UnixMillis::default();
        let role = Role::StandBy { epoch: 0, heard_at: common.now };
        let (rests_until, deaf_until) = (none, none);
        Self { idx, life: 0, rests_until, is_down: false, deaf_until, replica, role }
    }

    /// Where the journal may be trimmed as far as this process goes.
    pub fn position(&self) -> u64 {
        self.replica.applied.sequence
    }

    /// Whether it is there and does nothing.
    pub fn is_asleep(&self, now: UnixMillis) -> bool {
        now < self.rests_until && !self.is_down
    }

    /// Of what its replica has.
    pub fn digest(&self) -> u64 {
        self.replica.shard.digest()
    }

    pub fn owner(&self) -> Option<&Owner> {
        match &self.role {
            Role::Owner(owner) => Some(owner),
            _ => None,
        }
    }

    pub fn crash(&mut self, common: &mut Common, down: DurationMs) {
        common.note(Happening::Crash, format_args!("process {} dies", self.idx));
        self.rests_until = common.now + down;
        self.is_down = true;
        self.life += 1;
        self.role = Role::StandBy { epoch: 0, heard_at: self.rests_until };
    }

    pub fn pause(&mut self, common: &mut Common, by: DurationMs) {
        common.note(Happening::Pause, format_args!("process {} sleeps for {}", self.idx, by.0));
        self.rests_until = self.rests_until.max(common.now + by);
    }

    pub fn deafen(&mut self, common: &mut Common, by: DurationMs) {
        common.note(Happening::Deaf, format_args!("process {} hears no beat", self.idx));
        self.deaf_until = common.now + by;
    }

    /// Ends what ails it.
    pub fn heal(&mut self, common: &Common) {
        self.rests_until = self.rests_until.min(common.now);
        self.deaf_until = self.deaf_until.min(common.now);
    }

    /// Whether it is there and awake.
    fn is_awake(&mut self, common: &mut Common) -> bool {
        if common.now < self.rests_until {
            return false;
        }
        if self.is_down {
            self.is_down = false;
            self.replica = Replica::restore(common);
            self.role = Role::StandBy { epoch: 0, heard_at: common.now };
        }
        true
    }

    /// Reads on in the journal.
    pub fn follow(&mut self, common: &mut Common, count: usize) {
        if self.is_awake(common) {
            self.replica.follow(common, count);
        }
    }

    pub fn store_checkpoint(&mut self, common: &mut Common) {
        if self.is_awake(common) && 0 < self.replica.applied.number {
            let live = self.owner().map(Owner::snapshot);
            self.replica.store_checkpoint(common, live);
        }
    }

    /// Takes a command from the bus, if it owns the shard as far as it knows.
    pub fn read_command(&mut self, common: &mut Common) {
        if !self.is_awake(common) {
            return;
        }
        let Role::Owner(owner) = &mut self.role else { return };
        if owner.takes_commands()
            && let Some(command) = bus::take_command(common)
        {
            owner.decide(command, &self.replica.shard, common);
        }
    }

    /// Hears what the journal said, unless that was to an earlier life.
    pub fn hear(&mut self, acked: &Acked, common: &mut Common) {
        if acked.to != self.sender() || self.is_down {
            return;
        }
        let takes_any = common.is_broken(Mutation::TakeAnyEpoch);
        match &mut self.role {
            Role::Owner(owner) => {
                let owns = owner.hear(acked.id, acked.ack, common);
                if !owns {
                    self.stand_by(common);
                }
            }
            &mut Role::Taking { nonce, .. } if acked.id == (MessageId::Epoch { nonce }) => {
                self.role = match (acked.ack, common.journal.last_epoch()) {
                    (Ack::Stored { sequence, .. }, _) => Role::Recovering { epoch: sequence },
                    // An earlier try may be what is in the way: only the record itself tells.
                    (Ack::WrongLast, Some((epoch, last))) if last == nonce || takes_any => {
                        Role::Recovering { epoch }
                    }
                    (Ack::WrongLast, _) => Role::StandBy { epoch: 0, heard_at: common.now },
                };
            }
            _ => {}
        }
    }

    /// One round of whatever its role is.
    pub fn turn(&mut self, common: &mut Common) {
        if !self.is_awake(common) {
            return;
        }
        let sender = self.sender();
        match &mut self.role {
            Role::StandBy { .. } => self.watch(common),
            Role::Taking { nonce, previous, sent_at } => {
                if *sent_at + TAKE_AGAIN <= common.now {
                    *sent_at = common.now;
                    let append = epoch_record(*nonce, *previous);
                    common.wire.send(sender, append);
                }
            }
            &mut Role::Recovering { epoch } => {
                let reached = epoch <= self.replica.sequence;
                if reached || common.is_broken(Mutation::OpenBeforeEpoch) {
                    let owner = Owner::open(sender, epoch, &self.replica, common);
                    self.role = Role::Owner(Box::new(owner));
                }
            }
            Role::Owner(owner) => {
                let (mine, lease) = (owner.epoch, common.lease);
                let hears = self.deaf_until <= common.now && !common.happens(50);
                if mine < lease.epoch && hears {
                    common.note(Happening::Deposed, format_args!("epoch {mine} hears of another"));
                    self.stand_by(common);
                    return;
                }
                if lease.epoch <= mine && lease.beaten_at + LEASE_BEAT <= common.now {
                    common.lease = Lease { epoch: mine, beaten_at: common.now };
                }
                owner.turn(common);
            }
        }
    }

    fn stand_by(&mut self, common: &Common) {
        // What is in memory is dropped; another owner has the shard.
        self.role = Role::StandBy { epoch: 0, heard_at: common.now };
    }

    fn sender(&self) -> Sender {
        Sender { process: self.idx, life: self.life }
    }

    /// Takes over what nobody has, or whose owner has been silent long enough.
    fn watch(&mut self, common: &mut Common) {
        let Role::StandBy { epoch, heard_at } = &mut self.role else { return };
        let last = common.journal.last_epoch().map_or(0, |(sequence, _)| sequence);
        if *epoch != last {
            (*epoch, *heard_at) = (last, common.now);
        }
        let lease = common.lease;
        if self.deaf_until <= common.now && lease.epoch == *epoch {
            *heard_at = lease.beaten_at.max(*heard_at);
        }
        if 0 < last && common.now.since(*heard_at) < LEASE_SILENCE {
            return;
        }
        let alive = common.now.since(lease.beaten_at) < LEASE_SILENCE;
        if 0 < last && alive && lease.epoch == last {
            common.tally.add(Happening::TakeOverContested);
        }
        let (nonce, previous) = (common.dice.roll(), last);
        common.write(format_args!("process {} takes over after {previous}", self.idx));
        common.wire.send(self.sender(), epoch_record(nonce, previous));
        self.role = Role::Taking { nonce, previous, sent_at: common.now };
    }
}

fn epoch_record(nonce: u64, previous: u64) -> Append {
    let (id, record) = (MessageId::Epoch { nonce }, Record::Epoch { nonce });
    Append { id, fence: Some(previous), record }
}
