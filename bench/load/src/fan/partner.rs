//! A partner: sets rows of seats aside, and gives them back.

use super::{Ask, News, Scene, Step, What};
use crate::dice::Dice;
use crate::record::Deed;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Partner {
    until: Option<Duration>,
    asked: bool,
    /// The row that is being, or has been, set aside.
    row: Option<u32>,
    has_it: bool,
}

impl Partner {
    pub fn step(&mut self, scene: &Scene<'_>, dice: &mut Dice, news: News<'_>) -> Step {
        let stay = Duration::from_secs_f64(scene.habits.stay_s);
        let until = *self.until.get_or_insert(scene.now + stay);
        if self.asked {
            self.asked = false;
            // What is set aside is there to be given back; the rest is tried anew.
            self.has_it = !self.has_it && news == News::Fine;
            return Step::Sleep(dice.within(scene.habits.think_ms));
        }
        if until <= scene.now || !scene.plan.has_seats() {
            return Step::Gone;
        }
        self.asked = true;
        let back = self.has_it;
        let row = match self.row {
            Some(row) if back => row,
            _ => dice.below(scene.plan.row_count()),
        };
        self.row = Some(row);
        Step::Ask(Ask { deed: Deed::Allocate, what: What::Allot { row, key: dice.roll(), back } })
    }
}
