//! What fails.

use super::{Dead, World};
use crate::common::{Common, Lease};
use crate::happening::Happening;
use crate::process::Process;
use crate::spread::Presence;
use schema::DurationMs;

impl World {
    /// Something fails.
    pub(super) fn strike(&mut self, process: usize, driver: usize) {
        let common = &mut self.common;
        match common.dice.within(1, 100) {
            1..=20 => {
                let down = DurationMs(common.dice.within(0, 2_000));
                self.processes[process].crash(common, down);
            }
            21..=38 => {
                let by = DurationMs(common.dice.within(100, 3_000));
                self.processes[process].pause(common, by);
            }
            39..=56 => {
                let by = DurationMs(common.dice.within(500, 3_000));
                self.processes[process].deafen(common, by);
            }
            57..=64 => {
                let by = DurationMs(common.dice.within(1, 60_000));
                let forward = common.dice.hits(50);
                common.step_wall(forward, by);
                let way = if forward { "on" } else { "back" };
                common.note(Happening::ClockStep, format_args!("clocks go {way} by {}", by.0));
            }
            65..=72 => self.drivers[driver].crash(common),
            73..=75 => self.lookers[driver].crash(common),
            76..=84 => {
                let by = DurationMs(common.dice.within(1_000, 20_000));
                self.drivers[driver].pause(common, by);
            }
            85..=86 => {
                let by = DurationMs(common.dice.within(1_000, 20_000));
                self.lookers[driver].pause(by, common);
            }
            87..=88 => self.front.restart(common),
            89..=94 => restart_server(common),
            _ => self.kill_all(),
        }
    }

    pub(super) fn kill(&mut self, dead: Dead) {
        match dead {
            Dead::All => self.kill_all(),
            Dead::Owner => self.kill_processes(|process| !process.stands_by()),
            Dead::Standby => self.kill_processes(Process::stands_by),
            Dead::Settlement => self.kill_drivers(),
        }
    }

    /// Every process dies, and the bus with what is on it.
    pub(super) fn kill_all(&mut self) {
        self.common.note(Happening::EverybodyDies, format_args!("everything is killed"));
        self.kill_processes(|_| true);
        self.kill_drivers();
        self.front.restart(&mut self.common);
        restart_server(&mut self.common);
    }

    fn kill_processes(&mut self, dies: impl Fn(&Process) -> bool) {
        for process in self.processes.iter_mut().filter(|process| dies(process)) {
            let down = DurationMs(self.common.dice.within(0, 1_000));
            process.crash(&mut self.common, down);
        }
    }

    fn kill_drivers(&mut self) {
        for driver in &mut self.drivers {
            driver.crash(&mut self.common);
        }
        for looker in &mut self.lookers {
            looker.crash(&mut self.common);
        }
    }
}

/// The server of the bus restarts: what it has in memory and what is on the way is gone, what it
/// has acknowledged of the journal is not.
fn restart_server(common: &mut Common) {
    common.bus.forget();
    common.wire.forget();
    (common.lease, common.presence) = (Lease::default(), Presence::default());
    common.note(Happening::ServerRestart, format_args!("the server of the bus restarts"));
}
