//! The operator: carries out the steps of the scenario, in their order.

use super::{Ask, News, Scene, Step, What};
use crate::record::Deed;
use std::time::Duration;

/// How often the operator looks whether everybody has joined.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
pub struct Operator {
    /// The next step.
    next: usize,
    /// When it may begin; none before it was looked at.
    not_before: Option<Duration>,
}

impl Operator {
    pub fn step(&mut self, scene: &Scene<'_>, news: News<'_>) -> Step {
        if !matches!(news, News::Woken) {
            if news.try_again() {
                return Step::Sleep(LOOK);
            }
            (self.next, self.not_before) = (self.next + 1, None);
        }
        let Some(steering) = scene.steering.get(self.next) else { return Step::Gone };
        let wait = Duration::from_secs_f64(steering.wait_s);
        let not_before = *self.not_before.get_or_insert(scene.now + wait);
        if scene.now < not_before {
            return Step::Sleep(not_before.saturating_sub(scene.now));
        }
        if steering.after_joins && !scene.all_joined {
            return Step::Sleep(LOOK);
        }
        Step::Ask(Ask { deed: Deed::Steer, what: What::Steer(self.next) })
    }
}
