//! Everybody together. A step is one seeded choice of who acts next; a calm is a while in which
//! everybody acts and nothing fails.

use crate::bus;
use crate::common::Common;
use crate::fan::Fan;
use crate::front::Front;
use crate::happening::Happening;
use crate::mutation::Mutation;
use crate::partner::Partner;
use crate::process::Process;
use crate::settlement::{self, Driver};
use crate::wire;
use schema::{DurationMs, InvariantId};

const FANS: usize = 4;

/// How long after trouble a shard serves again: a lease's silence, a take-over, and a margin.
const SERVES_WITHIN: DurationMs = DurationMs(4_000);

/// Longer than a payment may take, so that at the end nothing is under way.
const END: DurationMs = DurationMs(230_000);

/// A round of a calm: well below what a promise calls soon.
const ROUND: DurationMs = DurationMs(200);
const ROUND_OF_THE_END: DurationMs = DurationMs(400);

/// How often in a round messages go to and fro: the longest way, from a fan to its confirmed
/// payment, may take several rounds.
const WAYS_PER_ROUND: usize = 3;

/// More than any journal has.
const ALL: usize = usize::MAX;

#[derive(Debug)]
pub struct World {
    pub common: Common,
    processes: [Process; 2],
    drivers: [Driver; 2],
    front: Front,
    fans: Vec<Fan>,
    partner: Partner,
}

impl World {
    pub fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut common = Common::new(seed, mutation);
        let processes = [Process::start(0, &mut common), Process::start(1, &mut common)];
        let fans = (0..FANS).map(Fan::new).collect();
        let (drivers, front, partner) =
            (<[Driver; 2]>::default(), Front::default(), Partner::new(FANS));
        Self { common, processes, drivers, front, fans, partner }
    }

    /// Plays `steps` steps and an end, as far as the promises hold.
    pub fn play(&mut self, steps: u32) {
        self.calm(DurationMs(6_000));
        for _ in 0..steps {
            if self.common.promises.finding().is_some() {
                return;
            }
            self.step();
        }
        self.end();
    }

    fn step(&mut self) {
        let common = &mut self.common;
        let stalls = common.dice.hits(2);
        let ms = if stalls { common.dice.within(200, 2_500) } else { common.dice.within(0, 30) };
        common.pass(DurationMs(ms));
        let process = common.dice.index(self.processes.len());
        let driver = common.dice.index(self.drivers.len());
        match common.dice.within(1, 100) {
            1..=22 => self.processes[process].turn(common),
            23..=31 => wire::carry_append(common),
            32..=40 => self.deliver_ack(),
            41..=55 => self.processes[process].read_command(common),
            56..=63 => self.deliver_reply(),
            64..=73 => {
                let fan = common.dice.index(FANS);
                self.fans[fan].turn(&self.front, common);
            }
            74..=75 => self.partner.turn(common),
            76..=84 => self.drivers[driver].turn(common),
            85..=88 => {
                settlement::read_journal(common);
            }
            89..=90 => settlement::relay(common),
            91..=93 => self.processes[process].follow(common, 3),
            94 => self.front.follow(common, 5),
            95 => self.keep_house(process),
            96..=98 => self.strike(process, driver),
            _ => {
                let ms = common.dice.within(1_000, 14_000);
                self.calm(DurationMs(ms));
            }
        }
        let Common { promises, store, provider, .. } = &mut self.common;
        promises.check_money(store, provider);
    }

    /// Stores a checkpoint, or trims the journal behind all who read it.
    fn keep_house(&mut self, process: usize) {
        let common = &mut self.common;
        if common.dice.hits(60) {
            self.processes[process].store_checkpoint(common);
            return;
        }
        let others = [common.checkpoint_at, common.store.read_to, self.front.sequence];
        let behind = self.processes.iter().map(Process::position).chain(others);
        let behind = behind.min().expect("there are readers");
        let unread = common.is_broken(Mutation::TrimUnread);
        let to = if unread { common.journal.last() } else { behind };
        common.journal.trim(to);
        if common.is_broken(Mutation::TrimEpochs) {
            common.journal.trim_epochs(to);
        }
        common.note(Happening::Trimmed, format_args!("the journal up to {to}"));
    }

    /// Something fails.
    fn strike(&mut self, process: usize, driver: usize) {
        let common = &mut self.common;
        match common.dice.within(1, 100) {
            1..=25 => {
                let down = DurationMs(common.dice.within(0, 2_000));
                self.processes[process].crash(common, down);
            }
            26..=45 => {
                let by = DurationMs(common.dice.within(100, 3_000));
                self.processes[process].pause(common, by);
            }
            46..=65 => {
                let by = DurationMs(common.dice.within(500, 3_000));
                self.processes[process].deafen(common, by);
            }
            66..=75 => {
                let by = DurationMs(common.dice.within(1, 60_000));
                let forward = common.dice.hits(50);
                common.step_wall(forward, by);
                let way = if forward { "on" } else { "back" };
                common.note(Happening::ClockStep, format_args!("clocks go {way} by {}", by.0));
            }
            76..=85 => self.drivers[driver].crash(common),
            86..=95 => {
                let by = DurationMs(common.dice.within(1_000, 20_000));
                self.drivers[driver].pause(common, by);
            }
            _ => {
                common.bus.forget_commands();
                let what = format_args!("the server of COMMANDS restarts");
                common.note(Happening::CommandsForgotten, what);
            }
        }
    }

    fn deliver_ack(&mut self) {
        let Some(acked) = wire::take_ack(&mut self.common) else { return };
        let process = &mut self.processes[acked.to.process];
        if process.is_asleep(self.common.now) {
            // It waits in the socket.
            self.common.wire.put_back(acked);
        } else {
            process.hear(&acked, &mut self.common);
        }
    }

    fn deliver_reply(&mut self) {
        let Some(told) = bus::take_reply(&mut self.common) else { return };
        let asker: usize = told.to.parse().expect("askers are numbers");
        match self.fans.get_mut(asker) {
            Some(fan) => fan.hear(&told, &mut self.common),
            None => self.partner.hear(&told, &mut self.common),
        }
    }

    /// Nothing fails for a while; what takes a moment is checked when that is long enough.
    fn calm(&mut self, length: DurationMs) {
        self.common.write(format_args!("a calm of {} ms", length.0));
        self.begin_calm();
        self.rounds(length, ROUND, 25);
        self.common.calm = false;
        self.common.promises.trouble_begins();
    }

    /// Everybody goes home.
    fn end(&mut self) {
        self.common.write(format_args!("the end"));
        self.begin_calm();
        self.rounds(END, ROUND_OF_THE_END, 0);
        let Common { promises, store, provider, .. } = &mut self.common;
        promises.at_the_end(store, provider);
        let [one, other] = &self.processes;
        if one.digest() != other.digest() {
            let says = "two replicas of one journal differ".to_owned();
            self.common.promises.break_promise(InvariantId::Cmd1, says);
        }
    }

    fn begin_calm(&mut self) {
        self.common.calm = true;
        for process in &mut self.processes {
            process.heal(&self.common);
        }
    }

    fn rounds(&mut self, length: DurationMs, round: DurationMs, fans_percent: u64) {
        let mut lasted = DurationMs(0);
        while lasted < length && self.common.promises.finding().is_none() {
            lasted = lasted + round;
            self.common.pass(round);
            for fan in &mut self.fans {
                if self.common.dice.hits(fans_percent) {
                    fan.turn(&self.front, &mut self.common);
                }
            }
            for _ in 0..WAYS_PER_ROUND {
                self.way();
            }
            let Common { promises, store, provider, now, .. } = &mut self.common;
            promises.check_money(store, provider);
            if SERVES_WITHIN < lasted {
                promises.calm_lasts(*now, round, store);
                if self.processes.iter().all(|process| process.owner().is_none()) {
                    let says = format!("nobody serves {} ms after the trouble", lasted.0);
                    promises.break_promise(InvariantId::Seat3, says);
                }
            }
        }
    }

    /// Everything that is on its way arrives.
    fn way(&mut self) {
        for at in 0..self.processes.len() {
            let process = &mut self.processes[at];
            process.turn(&mut self.common);
            // One batch, full if need be.
            for _ in 0..8 {
                process.read_command(&mut self.common);
            }
            process.turn(&mut self.common);
        }
        while self.common.wire.has_appends() {
            wire::carry_append(&mut self.common);
        }
        while self.common.wire.has_acks() {
            self.deliver_ack();
        }
        for process in &mut self.processes {
            process.follow(&mut self.common, ALL);
        }
        while settlement::read_journal(&mut self.common) {}
        for _ in 0..4 {
            for driver in &mut self.drivers {
                driver.turn(&mut self.common);
            }
        }
        settlement::relay(&mut self.common);
        self.front.follow(&self.common, ALL);
        while self.common.bus.has_replies() {
            self.deliver_reply();
        }
    }
}
