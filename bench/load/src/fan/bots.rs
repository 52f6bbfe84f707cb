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

/// Shows forged tokens, genuine ones with one letter changed, and others' passes. Whatever succeeds
/// is a breach.
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
        papers.token = Some(match scene.leaked_token {
            Some(token) if dice.hits(0.5) => tampered(token, dice).into(),
            _ => forged(dice, 96).into(),
        });
        match dice.below(3) {
            0 => Step::ask(Deed::Me),
            1 => Step::ask(Deed::Claim),
            _ => {
                let pass = match scene.leaked {
                    Some((pass, _)) if dice.hits(0.5) => pass.to_owned(),
                    Some((pass, _)) => tampered(pass, dice),
                    None => forged(dice, 180),
                };
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

/// The text with one letter changed. Not the last of a part: some of its bits may mean nothing.
fn tampered(text: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let counts = |pair: &[char]| pair[0] != '.' && pair[1] != '.';
    let inner = letters.windows(2).enumerate().filter(|(_, pair)| counts(pair));
    let inner: Vec<usize> = inner.map(|(at, _)| at).collect();
    let bound = u32::try_from(inner.len()).expect("a token is short").max(1);
    let nth = usize::try_from(dice.below(bound)).expect("32 bits fit");
    // A text of one letter has none that counts, and is no token either.
    let Some(&at) = inner.get(nth) else { return forged(dice, 96) };
    letters[at] = if letters[at] == 'A' { 'B' } else { 'A' };
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::tampered;
    use crate::dice::Dice;

    #[test]
    fn a_changed_token_differs_in_one_letter_that_counts() {
        let mut dice = Dice::new(1, 1);
        let genuine = "AAb.cD.eFg";
        for _ in 0..100 {
            let changed = tampered(genuine, &mut dice);
            let pairs = genuine.chars().zip(changed.chars()).enumerate();
            let differ: Vec<usize> = pairs.filter(|(_, (a, b))| a != b).map(|(at, _)| at).collect();
            assert_eq!((changed.len(), differ.len()), (10, 1), "{changed}");
            assert!([0, 1, 4, 7, 8].contains(&differ[0]), "{changed}");
        }
        assert_ne!(tampered("x", &mut dice), "x");
    }
}
