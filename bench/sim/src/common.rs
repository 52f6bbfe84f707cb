//! What all actors have in common: time, chance, the servers, and the promises that watch.

use crate::archive::Archive;
use crate::bus::Bus;
use crate::checkpoint::Checkpoints;
use crate::dice::Dice;
use crate::hall::Hall;
use crate::happening::{Happening, Tally};
use crate::journal::{Journal, Record};
use crate::mutation::Mutation;
use crate::promises::Promises;
use crate::provider::Provider;
use crate::provider_event::Events;
use crate::room::Rooms;
use crate::spread::Presence;
use crate::store::Store;
use crate::trace::Trace;
use crate::wire::Wire;
use schema::{DurationMs, OrderId, UnixMillis};
use settlement_core::Seen;
use std::fmt;

/// Where the journal's clocks begin.
pub const START: UnixMillis = UnixMillis(1_000_000_000);

/// Well below what a command is given to be answered in: clocks further apart would make every
/// command late, verdicts too.
const SKEW_MAX: DurationMs = DurationMs(400);

/// How many events have a waiting room.
const ROOM_PERCENT: u64 = 50;

/// The key that an owner bumps.
#[derive(Debug, Clone, Default)]
pub struct Lease {
    pub epoch: u64,
    pub beaten_at: UnixMillis,
    /// The name of the owner that has let it go.
    pub released_by: Option<String>,
}

#[derive(Debug)]
pub struct Common {
    /// True time. Actors know spans of it (a monotonic clock) and [`Common::wall`].
    pub now: UnixMillis,
    /// What the wall clock shows at [`Common::now`]; it is stepped.
    wall: UnixMillis,
    /// By how much the clock of each process goes before it.
    skews: [DurationMs; 2],
    /// Nothing fails while it is calm.
    pub calm: bool,
    /// Everybody goes home: what is not our own does nothing unheard of any more either.
    pub ends: bool,
    pub dice: Dice,
    pub trace: Trace,
    pub tally: Tally,
    pub mutation: Option<Mutation>,
    pub hall: Hall,
    pub rooms: Rooms,
    pub journal: Journal,
    pub wire: Wire,
    pub bus: Bus,
    pub lease: Lease,
    pub presence: Presence,
    pub checkpoints: Checkpoints,
    pub archive: Archive,
    pub store: Store,
    pub provider: Provider,
    pub events: Events,
    /// An order that an event has brought, and what that is believed to say.
    pub brought: Option<(OrderId, Option<Seen>)>,
    pub promises: Promises,
}

impl Common {
    pub fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut dice = Dice::new(seed);
        let skews = [0, 1].map(|_| DurationMs(dice.within(0, SKEW_MAX.0)));
        let hall = Hall::new([0, 1].map(|_| dice.hits(ROOM_PERCENT)));
        let mut promises = Promises::default();
        let events = hall.events.iter().filter(|event| hall.has_room(event));
        events.for_each(|event| promises.needs_pass(event));
        Self {
            now: START,
            wall: START,
            skews,
            calm: false,
            ends: false,
            dice,
            trace: Trace::new(START),
            tally: Tally::default(),
            mutation,
            hall,
            rooms: Rooms::default(),
            journal: Journal::default(),
            wire: Wire::default(),
            bus: Bus::default(),
            lease: Lease::default(),
            presence: Presence::default(),
            checkpoints: Checkpoints::default(),
            archive: Archive::default(),
            store: Store::default(),
            provider: Provider::default(),
            events: Events::default(),
            brought: None,
            promises,
        }
    }

    pub fn pass(&mut self, by: DurationMs) {
        self.now = self.now + by;
        self.wall = self.wall + by;
    }

    /// The wall clock of askers and of settlement.
    pub fn wall(&self) -> UnixMillis {
        self.wall
    }

    /// The wall clock of a process that may own the shard.
    pub fn wall_of(&self, process: usize) -> UnixMillis {
        self.wall + self.skews[process]
    }

    /// Somebody sets the clock.
    pub fn step_wall(&mut self, forward: bool, by: DurationMs) {
        self.wall = if forward { self.wall + by } else { self.wall - by };
    }

    /// Whether a fault of this likelihood strikes now.
    pub fn happens(&mut self, percent: u64) -> bool {
        !self.calm && self.dice.hits(percent)
    }

    /// Whether somebody who is not of the system does what nobody expects: in a calm as ever.
    pub fn surprises(&mut self, percent: u64) -> bool {
        !self.ends && self.dice.hits(percent)
    }

    /// Which of `count` that wait comes next: the oldest while it is calm.
    pub fn choose(&mut self, count: usize) -> usize {
        if self.calm { 0 } else { self.dice.index(count) }
    }

    pub fn is_broken(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Adds a line to the story.
    pub fn write(&mut self, what: fmt::Arguments<'_>) {
        self.trace.note(self.now, what);
    }

    /// Adds a line, and counts what it tells.
    pub fn note(&mut self, happening: Happening, what: fmt::Arguments<'_>) {
        self.tally.add(happening);
        self.trace.note(self.now, format_args!("{happening:?}: {what}"));
    }

    /// The journal has taken a message that it did not have.
    pub fn journaled(&mut self, sequence: u64, record: &Record) {
        let Self { promises, store, tally, now, .. } = self;
        promises.journaled(*now, sequence, record, store, tally);
    }
}
