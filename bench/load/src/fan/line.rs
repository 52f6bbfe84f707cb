//! Waiting in line: join, poll as told, claim.

use super::{Ask, Inside, News, Papers, PlaceState, Scene, Step, What};
use crate::dice::Dice;
use crate::record::Deed;
use std::time::Duration;

/// How often somebody tries again who got no answer or was asked to wait, before going away.
const RETRIES_MAX: u8 = 30;

/// The most by which a browser stretches what it was told to wait.
const STRETCH: f64 = 0.1;

/// How long to ask again after a claim that came too early.
const CALLED_SOON: Duration = Duration::from_secs(2);

/// Somebody's way through the line.
#[derive(Debug, Default)]
pub struct Line {
    phase: Phase,
    /// Asks for the own place also far from the front.
    asks_me: bool,
    tries: u8,
    number: Option<u64>,
    key: u64,
    /// Until when to wait although nothing is left; 0 before that was heard.
    lingers_until_ms: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Outside,
    Joining,
    JoiningAgain,
    Waiting,
    Claiming,
}

/// Where a step in line leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Walk {
    Go(Step),
    /// With a pass among the papers.
    In,
    Out,
}

impl Line {
    pub fn step(
        &mut self,
        scene: &Scene<'_>,
        dice: &mut Dice,
        papers: &mut Papers,
        news: News<'_>,
    ) -> Walk {
        if news.try_again() {
            return self.again(dice);
        }
        match (self.phase, news) {
            // Outside => Joining.
            (Phase::Outside, _) => {
                self.key = dice.roll();
                self.asks_me = dice.hits(scene.habits.asks_me);
                self.phase = Phase::Joining;
                self.join()
            }
            (Phase::Joining | Phase::JoiningAgain, News::Woken) => self.join(),
            // Joining => JoiningAgain | Waiting; who does not come back is out.
            (Phase::Joining | Phase::JoiningAgain, News::Joined { token, number, poll_after }) => {
                let is_first = self.phase == Phase::Joining;
                if is_first && dice.hits(scene.habits.double_click) {
                    self.phase = Phase::JoiningAgain;
                    return self.join();
                }
                if dice.hits(scene.habits.no_show) {
                    return Walk::Out;
                }
                papers.token = Some(token.into());
                (self.number, self.phase, self.tries) = (number, Phase::Waiting, 0);
                Walk::Go(Step::Sleep(stretched(poll_after, dice)))
            }
            (Phase::Waiting, News::Woken) => {
                let knows_enough = !self.asks_me && self.number.is_some();
                let deed = if knows_enough { Deed::Status } else { Deed::Me };
                Walk::Go(Step::ask(deed))
            }
            (Phase::Waiting, News::Status(status)) => self.look_at(scene, &status, dice),
            // Waiting => Claiming.
            (Phase::Waiting, News::Place { state, sold_out, poll_after }) => match state {
                PlaceState::Over => Walk::Out,
                PlaceState::Waiting if sold_out && !self.lingers(scene) => Walk::Out,
                PlaceState::Waiting => {
                    self.tries = 0;
                    Walk::Go(Step::Sleep(stretched(poll_after, dice)))
                }
                PlaceState::Called => {
                    (self.phase, self.tries) = (Phase::Claiming, 0);
                    Walk::Go(Step::ask(Deed::Claim))
                }
            },
            (Phase::Claiming, News::Woken) => Walk::Go(Step::ask(Deed::Claim)),
            (Phase::Claiming, News::Pass(pass)) => {
                let inside = Inside { pass: pass.into(), ..Inside::default() };
                papers.inside = Some(Box::new(inside));
                Walk::In
            }
            // Claiming => Waiting.
            (Phase::Claiming, News::Refused { code: "NOT_CALLED", .. }) => {
                self.phase = Phase::Waiting;
                self.asks_me = true;
                Walk::Go(Step::Sleep(CALLED_SOON))
            }
            _ => Walk::Out,
        }
    }

    fn join(&self) -> Walk {
        Walk::Go(Step::Ask(Ask { deed: Deed::Join, what: What::Keyed(self.key) }))
    }

    /// Far from the front the public status is enough; near it the place must show itself.
    fn look_at(&mut self, scene: &Scene<'_>, status: &super::Status, dice: &mut Dice) -> Walk {
        self.tries = 0;
        if status.closed || status.sold_out && !self.lingers(scene) {
            return Walk::Out;
        }
        let poll_after = status.poll_after(self.number.unwrap_or(0));
        if poll_after < status.ceiling {
            return Walk::Go(Step::ask(Deed::Me));
        }
        // Below the ceiling, as the service spreads its own answers.
        let within = 0.77 + 0.23 * dice.share();
        Walk::Go(Step::Sleep(poll_after.mul_f64(within)))
    }

    /// What is held may lapse: for a while it is worth waiting although nothing is left.
    fn lingers(&mut self, scene: &Scene<'_>) -> bool {
        let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        if self.lingers_until_ms == 0 {
            let longest = Duration::from_secs_f64(scene.habits.linger_s);
            self.lingers_until_ms = ms(scene.now + longest);
        }
        ms(scene.now) < self.lingers_until_ms
    }

    fn again(&mut self, dice: &mut Dice) -> Walk {
        self.tries += 1;
        if RETRIES_MAX < self.tries {
            return Walk::Out;
        }
        Walk::Go(Step::Sleep(pause(self.tries, dice)))
    }
}

/// How long to wait before the same question again: doubling up to 8 s, half of it by chance.
pub fn pause(tries: u8, dice: &mut Dice) -> Duration {
    let longest = Duration::from_secs(1 << tries.saturating_sub(1).min(3));
    longest.mul_f64(0.5 + dice.share() / 2.0)
}

fn stretched(poll_after: Duration, dice: &mut Dice) -> Duration {
    poll_after.mul_f64(1.0 + STRETCH * dice.share())
}

#[cfg(test)]
mod tests;
