//! People without a line: they browse, search, look at seats, and sometimes buy.

use super::purchase::{Course, Purchase};
use super::{Ask, News, Papers, Scene, Step, What};
use crate::dice::Dice;
use crate::record::Deed;
use crate::scenario::Act;
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Shopper {
    /// When the session ends; none before its first act.
    until: Option<Duration>,
    acting: bool,
    purchase: Option<Box<Purchase>>,
}

impl Shopper {
    /// Nothing is under way that belongs to an account.
    pub fn between_acts(&self) -> bool {
        !self.acting && self.purchase.is_none()
    }

    pub fn step(
        &mut self,
        scene: &Scene<'_>,
        dice: &mut Dice,
        papers: &mut Papers,
        news: News<'_>,
    ) -> Step {
        if let Some(purchase) = &mut self.purchase {
            if let Course::Go(step) = purchase.step(scene, dice, papers, news) {
                return step;
            }
            (self.purchase, papers.inside) = (None, None);
            return self.think(scene, dice);
        }
        if self.acting {
            return self.think(scene, dice);
        }
        let stay = Duration::from_secs_f64(scene.habits.stay_s);
        if *self.until.get_or_insert(scene.now + stay) <= scene.now {
            return Step::Gone;
        }
        let acts = &scene.habits.acts;
        let act = dice.choose(acts.values().copied());
        let act = *acts.keys().nth(act).expect("an index into the acts was chosen");
        self.act(act, scene, dice, papers)
    }

    fn act(&mut self, act: Act, scene: &Scene<'_>, dice: &mut Dice, papers: &mut Papers) -> Step {
        if act == Act::Buy {
            let mut purchase = Box::<Purchase>::default();
            let course = purchase.step(scene, dice, papers, News::Woken);
            self.purchase = Some(purchase);
            let Course::Go(step) = course else { return self.think(scene, dice) };
            return step;
        }
        self.acting = true;
        match act {
            Act::Search => {
                let what = What::Search(dice.below(u32::MAX));
                Step::Ask(Ask { deed: Deed::Search, what })
            }
            Act::Seats => Step::ask(Deed::Seats),
            Act::Status => Step::ask(Deed::Status),
            Act::Event | Act::Buy => Step::ask(Deed::Event),
        }
    }

    fn think(&mut self, scene: &Scene<'_>, dice: &mut Dice) -> Step {
        self.acting = false;
        Step::Sleep(dice.within(scene.habits.think_ms))
    }
}
