//! Those who do not play by the rules.

use super::line::{Line, Walk};
use super::{Ask, Inside, News, Papers, Scene, Step, Want, What};
use crate::dice::Dice;
use crate::record::Deed;
use std::time::Duration;

/// Polls a place of its own in its own rhythm, whatever it is told.
#[derive(Debug, Default)]
pub struct Flooder {
    line: Line,
    until: Option<Duration>,
    asked: bool,
}

impl Flooder {
    pub fn step(
        &mut self,
        scene: &Scene<'_>,
        dice: &mut Dice,
        papers: &mut Papers,
        news: News<'_>,
    ) -> Step {
        if papers.token.is_none() {
            match self.line.step(scene, dice, papers, news) {
                Walk::Go(step @ Step::Ask(_)) => return step,
                Walk::Go(step) if papers.token.is_none() => return step,
                Walk::Go(_) => {}
                Walk::In | Walk::Out => return Step::Gone,
            }
        }
        let stay = Duration::from_secs_f64(scene.habits.stay_s);
        if *self.until.get_or_insert(scene.now + stay) <= scene.now {
            return Step::Gone;
        }
        self.asked = !self.asked;
        if self.asked {
            Step::ask(Deed::Me)
        } else {
            Step::Sleep(dice.within(scene.habits.think_ms))
        }
    }
}

/// Shows forged tokens and others' passes. Whatever succeeds is a breach.
#[derive(Debug, Default)]
pub struct Replayer {
    until: Option<Duration>,
    asked: bool,
}

impl Replayer {
    pub fn step(
        &mut self,
        scene: &Scene<'_>,
        dice: &mut Dice,
        papers: &mut Papers,
        _news: News<'_>,
    ) -> Step {
        let stay = Duration::from_secs_f64(scene.habits.stay_s);
        if *self.until.get_or_insert(scene.now + stay) <= scene.now {
            return Step::Gone;
        }
        self.asked = !self.asked;
        if !self.asked {
            return Step::Sleep(dice.within(scene.habits.think_ms));
        }
        papers.token = Some(forged(dice, 96).into());
        match dice.below(3) {
            0 => Step::ask(Deed::Me),
            1 => Step::ask(Deed::Claim),
            _ => {
                let made_up = forged(dice, 180);
                let pass = scene.leaked.map_or(made_up.as_str(), |(pass, _)| pass);
                papers.inside = Some(Box::new(Inside { pass: pass.into(), ..Inside::default() }));
                let what = What::Reserve { want: Want::Best(1), key: dice.roll() };
                Step::Ask(Ask { deed: Deed::Reserve, what })
            }
        }
    }
}

/// Text that looks like a token.
fn forged(dice: &mut Dice, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letter = |_| char::from(LETTERS[usize::try_from(dice.below(64)).expect("below 64")]);
    (0..length).map(letter).collect()
}
