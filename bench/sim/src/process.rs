//! A process that stands by, takes the shard over, owns it, and is crashed and paused meanwhile.

use crate::bus;
use crate::common::{Common, Lease};
use crate::happening::Happening;
use crate::journal::{Ack, Append, MessageId, Record};
use crate::mutation::Mutation;
use crate::owner::Owner;
use crate::replica::Replica;
use crate::spread::HandOver;
use crate::wire::{Acked, Sender};
use schema::{DurationMs, ShardState, UnixMillis};

/// As in the allocator's shell: how long an owner may be silent, and how often it beats.
const LEASE_SILENCE: DurationMs = DurationMs(1_000);
pub const LEASE_BEAT: DurationMs = DurationMs(300);

/// How long a shard that is handed over may be without an owner in a calm.
pub const MOVES_WITHIN: DurationMs = DurationMs(1_000);

/// How long an epoch record is waited for before it is sent again.
const TAKE_AGAIN: DurationMs = DurationMs(60);

#[derive(Debug)]
pub struct Process {
    idx: usize,
    life: u64,
    /// Of this life, among those who share the shards out.
    name: String,
    /// Whether it has read to the journal's end once, and is there for others.
    is_ready: bool,
    hand_over: HandOver,
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
        Self {
            idx,
            life: 0,
            name: any_name(idx, common),
            is_ready: false,
            hand_over: HandOver::default(),
            rests_until: none,
            is_down: false,
            deaf_until: none,
            replica,
            role,
        }
    }

    /// How far it has read; `None` while it is down.
    pub fn position(&self) -> Option<u64> {
        (!self.is_down).then_some(self.replica.applied.sequence)
    }

    /// Tells its replica's state to who asks; `None` while nobody hears it.
    pub fn tell(&self, common: &Common) -> Option<ShardState> {
        if self.is_down || self.is_asleep(common.now) {
            return None;
        }
        let live = self.owner().filter(|_| common.is_broken(Mutation::StateOfOwner));
        let shown = live.map_or(&self.replica.shard, Owner::shard);
        let Replica { applied, time, received, .. } = self.replica;
        let ago = common.now.since(received);
        let (events, ended) = (shown.show(), shown.show_ended());
        Some(ShardState { applied, time, ago, events, ended })
    }

    /// Whether it is there and does nothing.
    pub fn is_asleep(&self, now: UnixMillis) -> bool {
        now < self.rests_until && !self.is_down
    }

    /// Of what its replica has.
    pub fn digest(&self) -> u64 {
        self.replica.shard.digest()
    }

    /// Whether it serves, or has done so until just now.
    pub fn serves(&self, now: UnixMillis) -> bool {
        let leaves_since = self.owner().map(|owner| owner.leaves_since);
        leaves_since.is_some_and(|since| since.is_none_or(|since| now.since(since) < MOVES_WITHIN))
    }

    /// Whether it neither has the shard nor takes it.
    pub fn stands_by(&self) -> bool {
        matches!(self.role, Role::StandBy { .. })
    }

    fn owner(&self) -> Option<&Owner> {
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
            (self.is_down, self.is_ready) = (false, false);
            (self.name, self.hand_over) = (any_name(self.idx, common), HandOver::default());
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
            let live = self.owner().map(|owner| owner.shard().snapshot());
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
        self.replica.turn(common);
        self.is_ready |= common.journal.last() <= self.replica.sequence;
        if self.is_ready {
            common.presence.beat(self.idx, &self.name, common.now);
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
            Role::Owner(_) => self.own(common),
        }
    }

    /// One round of an owner, which may be its last.
    fn own(&mut self, common: &mut Common) {
        let Role::Owner(owner) = &mut self.role else { return };
        let (mine, lease) = (owner.epoch, &common.lease);
        let (newest, beaten_at) = (lease.epoch, lease.beaten_at);
        let hears = self.deaf_until <= common.now && !common.happens(50);
        if mine < newest && hears {
            common.note(Happening::Deposed, format_args!("epoch {mine} hears of another"));
            self.stand_by(common);
            return;
        }
        if newest <= mine && beaten_at + LEASE_BEAT <= common.now {
            common.lease = Lease { epoch: mine, beaten_at: common.now, released_by: None };
        }
        if owner.leaves_since.is_none() && hears && self.hand_over.is_due(&self.name, common) {
            common.write(format_args!("epoch {mine} is to hand over"));
            owner.leave(common);
        }
        owner.turn(common);
        if owner.has_left() && !common.is_broken(Mutation::KeepLease) {
            common.note(Happening::HandedOver, format_args!("epoch {mine} lets the shard go"));
            if newest <= mine {
                let released_by = Some(self.name.clone());
                common.lease = Lease { epoch: mine, beaten_at: common.now, released_by };
            }
            self.stand_by(common);
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
        let lease = &common.lease;
        let hears = self.deaf_until <= common.now && lease.epoch == *epoch;
        if hears {
            *heard_at = lease.beaten_at.max(*heard_at);
        }
        // A shard that was let go is free at once, for the one that is to have it.
        let released_by = lease.released_by.as_ref().filter(|_| hears);
        let waits = released_by
            .map_or(LEASE_SILENCE, |before| common.presence.courtesy(&self.name, before));
        if 0 < last && common.now.since(*heard_at) < waits {
            return;
        }
        let alive = common.now.since(lease.beaten_at) < LEASE_SILENCE;
        if 0 < last && alive && released_by.is_none() && lease.epoch == last {
            common.tally.add(Happening::TakeOverContested);
        }
        let (nonce, previous) = (common.dice.roll(), last);
        common.write(format_args!("process {} takes over after {previous}", self.idx));
        common.wire.send(self.sender(), epoch_record(nonce, previous));
        self.role = Role::Taking { nonce, previous, sent_at: common.now };
    }
}

/// The name of a new life: who is preferred changes with it.
fn any_name(idx: usize, common: &mut Common) -> String {
    format!("{:08x}-{idx}", common.dice.within(0, u64::from(u32::MAX)))
}

fn epoch_record(nonce: u64, previous: u64) -> Append {
    let (id, record) = (MessageId::Epoch { nonce }, Record::Epoch { nonce });
    Append { id, fence: Some(previous), record }
}
