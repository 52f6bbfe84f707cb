//! Everybody together. A step is one seeded choice of who acts next; a calm is a while in which
//! everybody acts and nothing fails.

mod calm;
mod faults;
mod house;

use crate::bus;
use crate::common::Common;
use crate::fan::Fan;
use crate::front::Front;
use crate::looker::Looker;
use crate::mutation::Mutation;
use crate::partner::Partner;
use crate::process::Process;
use crate::provider_event;
use crate::settlement::{self, Driver};
use crate::wire;
use clap::ValueEnum;
use schema::DurationMs;

const FANS: usize = 4;

/// What comes after the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everybody goes home.
    Home,
    /// Some die, and then everybody goes home.
    Kill(Dead),
}

/// Who dies after the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dead {
    /// Every process and the bus, at once.
    All,
    /// The process that has the shard, or is about to take it.
    Owner,
    /// The process that stands by.
    Standby,
    /// Those who work on orders.
    Settlement,
}

#[derive(Debug)]
pub struct World {
    pub common: Common,
    processes: [Process; 2],
    drivers: [Driver; 2],
    lookers: [Looker; 2],
    front: Front,
    fans: Vec<Fan>,
    /// One who sells, and the house.
    partners: [Partner; 2],
}

impl World {
    pub fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let mut common = Common::new(seed, mutation);
        let processes = [Process::start(0, &mut common), Process::start(1, &mut common)];
        let fans = (0..FANS).map(Fan::new).collect();
        let (drivers, lookers) = (<[Driver; 2]>::default(), <[Looker; 2]>::default());
        let front = Front::default();
        let partners = [Partner::new(FANS), Partner::house(FANS + 1)];
        Self { common, processes, drivers, lookers, front, fans, partners }
    }

    /// Plays `steps` steps and an end, as far as the promises hold.
    pub fn play(&mut self, steps: u32, ending: Ending) {
        self.open();
        for _ in 0..steps {
            if self.common.promises.finding().is_some() {
                return;
            }
            self.step();
        }
        if let Ending::Kill(dead) = ending {
            self.kill(dead);
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
        match common.dice.within(1, 120) {
            1..=22 => self.processes[process].turn(common),
            23..=31 => wire::carry_append(common),
            32..=40 => self.deliver_ack(),
            41..=55 => self.processes[process].read_command(common),
            56..=63 => self.deliver_reply(),
            64..=73 => {
                let fan = common.dice.index(FANS);
                self.fans[fan].turn(&self.front, common);
            }
            74..=75 => {
                let partner = common.dice.index(self.partners.len());
                self.partners[partner].turn(common);
            }
            76..=84 => self.drivers[driver].turn(common),
            85..=88 => {
                settlement::read_journal(common);
            }
            89..=90 => settlement::relay(common),
            91..=93 => self.processes[process].follow(common, 3),
            94 => self.front.follow(&self.processes, common, 5),
            95..=96 => self.keep_house(process),
            97..=99 => self.strike(process, driver),
            101..=120 => self.lookers[driver].turn(common),
            _ => {
                self.calm();
                // Before anybody has stirred.
                if self.common.dice.hits(25) {
                    self.kill_all();
                }
            }
        }
        provider_event::tell_news(&mut self.common);
        let Common { promises, store, provider, .. } = &mut self.common;
        promises.check_money(store, provider);
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
            None => self.partners[asker - FANS].hear(&told, &mut self.common),
        }
    }
}
