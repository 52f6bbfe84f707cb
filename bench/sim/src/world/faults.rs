//! What fails.

use super::World;
use crate::common::{Common, Lease};
use crate::happening::Happening;
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
            65..=74 => self.drivers[driver].crash(common),
            75..=86 => {
                let by = DurationMs(common.dice.within(1_000, 20_000));
                self.drivers[driver].pause(common, by);
            }
            87..=88 => self.front.restart(common),
            89..=94 => restart_server(common),
            _ => self.kill_all(),
        }
    }

    /// Every process dies, and the bus with what is on it.
    pub(super) fn kill_all(&mut self) {
        let common = &mut self.common;
        common.note(Happening::EverybodyDies, format_args!("everything is killed"));
        for process in &mut self.processes {
            let down = DurationMs(common.dice.within(0, 1_000));
            process.crash(common, down);
        }
        for driver in &mut self.drivers {
            driver.crash(common);
        }
        self.front.restart(common);
        restart_server(common);
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
