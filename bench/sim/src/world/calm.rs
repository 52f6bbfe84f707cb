//! Whiles in which nothing fails: what takes a moment is looked at when one has lasted.

use super::World;
use crate::common::Common;
use crate::process::MOVES_WITHIN;
use crate::{provider_event, settlement, wire};
use schema::{DurationMs, InvariantId};

/// How long after trouble a shard serves again: a lease's silence, a take-over, and a margin.
const SERVES_WITHIN: DurationMs = DurationMs(3_000);

/// Longer than a payment may take, so that at the end nothing is under way.
const END: DurationMs = DurationMs(230_000);

/// A round of a calm: well below what a promise calls soon.
const ROUND: DurationMs = DurationMs(200);
const ROUND_OF_THE_END: DurationMs = DurationMs(400);

/// How often in a round messages go to and fro: the longest way, from a fan to its confirmed
/// payment, may take several rounds.
const WAYS_PER_ROUND: usize = 3;

/// How many calls of each look go to and fro meanwhile: a payment takes five.
const LOOKS_PER_WAY: usize = 5;

/// How likely each fan and the partner do something in a round.
const PEOPLE_PERCENT: u64 = 25;

/// More than any journal has.
const ALL: usize = usize::MAX;

impl World {
    /// The sale begins well.
    pub(super) fn open(&mut self) {
        self.be_calm(DurationMs(6_000), PEOPLE_PERCENT);
    }

    /// Nothing fails for a while; what takes a moment is checked when that is long enough.
    pub(super) fn calm(&mut self) {
        let dice = &mut self.common.dice;
        let length = DurationMs(dice.within(1_000, 12_000));
        // In some nobody comes, so that the journal is quiet while deadlines run.
        if dice.hits(30) {
            self.be_calm(length + length, 0);
        } else {
            self.be_calm(length, PEOPLE_PERCENT);
        }
    }

    fn be_calm(&mut self, length: DurationMs, people_percent: u64) {
        self.common.write(format_args!("a calm of {} ms", length.0));
        self.begin_calm();
        self.rounds(length, ROUND, people_percent);
        self.common.calm = false;
        self.common.promises.trouble_begins();
    }

    /// Everybody goes home.
    pub(super) fn end(&mut self) {
        self.common.write(format_args!("the end"));
        self.common.ends = true;
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

    fn rounds(&mut self, length: DurationMs, round: DurationMs, people_percent: u64) {
        let mut lasted = DurationMs(0);
        while lasted < length && self.common.promises.finding().is_none() {
            lasted = lasted + round;
            self.common.pass(round);
            for fan in &mut self.fans {
                if self.common.dice.hits(people_percent) {
                    fan.turn(&self.front, &mut self.common);
                }
            }
            for partner in &mut self.partners {
                if self.common.dice.hits(people_percent / 2) {
                    partner.turn(&mut self.common);
                }
            }
            for _ in 0..WAYS_PER_ROUND {
                self.way();
            }
            let is_served = self.is_served();
            let Common { promises, store, provider, now, .. } = &mut self.common;
            promises.check_money(store, provider);
            if SERVES_WITHIN < lasted {
                promises.calm_lasts(*now, round, store);
                if !is_served {
                    let says = format!("nobody serves {} ms after the trouble", lasted.0);
                    promises.break_promise(InvariantId::Seat3, says);
                }
            }
        }
    }

    /// Whether the shard has an owner, or is on its way from one to the other.
    fn is_served(&self) -> bool {
        let Common { now, lease, .. } = &self.common;
        let is_free = lease.released_by.is_some();
        let moves = is_free && now.since(lease.beaten_at) < MOVES_WITHIN;
        moves || self.processes.iter().any(|process| process.serves(*now))
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
        provider_event::tell_news(&mut self.common);
        for _ in 0..LOOKS_PER_WAY {
            for looker in &mut self.lookers {
                looker.turn(&mut self.common);
            }
        }
        settlement::relay(&mut self.common);
        self.front.follow(&self.processes, &mut self.common, ALL);
        while self.common.bus.has_replies() {
            self.deliver_reply();
        }
    }
}
