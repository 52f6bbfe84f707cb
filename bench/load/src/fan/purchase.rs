//! Buying: look, reserve, think, pay.

use super::line::pause;
use super::{Ask, Card, News, Papers, Scene, Step, Want, What};
use crate::dice::Dice;
use crate::record::Deed;
use std::time::Duration;

/// How often a question without a definite answer is put again.
const RETRIES_MAX: u8 = 10;

/// How often somebody asks what became of a payment.
const LOOKS_MAX: u8 = 60;

/// One purchase.
#[derive(Debug, Default)]
pub struct Purchase {
    phase: Phase,
    retries: u8,
    /// Tries to get seats.
    tries: u8,
    party: u8,
    /// How many they were before the party shrank.
    friends: u8,
    named: bool,
    /// Has given up on seats.
    stands: bool,
    /// The first card will be declined.
    poor: bool,
    key: u64,
    /// Seats that were chosen; empty for the best.
    seats: Box<[u32]>,
    /// Until when to wait although nothing is left; none before that was heard.
    lingers_until: Option<Duration>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Outside,
    Looking,
    Choosing,
    Reserving,
    ReservingAgain,
    Lingering,
    Thinking,
    Releasing,
    Paying,
    Settling,
    Cancelling,
}

/// Where a step of a purchase leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course {
    Go(Step),
    /// With a booking or without.
    Over,
}

impl Purchase {
    pub fn step(
        &mut self,
        scene: &Scene<'_>,
        dice: &mut Dice,
        papers: &mut Papers,
        news: News<'_>,
    ) -> Course {
        if news.try_again() {
            self.retries += 1;
            let gives_up = RETRIES_MAX < self.retries;
            let wait = Step::Sleep(pause(self.retries, dice));
            return if gives_up { Course::Over } else { Course::Go(wait) };
        }
        match (self.phase, news) {
            // Outside => Looking.
            (Phase::Outside, _) => self.begin(scene, dice),
            // Lingering => Looking.
            (Phase::Looking | Phase::Lingering, News::Woken) => self.look(),
            // Looking => Choosing.
            (Phase::Looking, News::Seats(map)) => {
                let (party, among) = (self.party.into(), scene.habits.among);
                self.seats = scene.plan.choose(map, party, among, dice);
                self.choose(scene, dice)
            }
            (Phase::Looking, News::Fine) => self.choose(scene, dice),
            // Choosing => Reserving.
            (Phase::Choosing, News::Woken) => {
                (self.phase, self.key) = (Phase::Reserving, dice.roll());
                self.reserve()
            }
            (Phase::Reserving | Phase::ReservingAgain, News::Woken) => self.reserve(),
            (_, News::Reserved { reservation, .. }) => {
                self.reserved(scene, dice, papers, reservation)
            }
            (Phase::Reserving | Phase::ReservingAgain, News::Refused { code, .. }) => {
                self.refused(scene, dice, code)
            }
            // Thinking => Paying | Releasing; who abandons is out.
            (Phase::Thinking, News::Woken) => self.decide(scene, dice),
            (Phase::Releasing, News::Woken) => Course::Go(Step::ask(Deed::Release)),
            (Phase::Paying, News::Woken) => self.pay(),
            // Paying => Paying, with another card.
            (Phase::Paying, News::Refused { status: 402, .. }) if self.poor => {
                self.poor = false;
                Course::Go(Step::Sleep(dice.within(scene.habits.think_ms)))
            }
            // Paying => Cancelling, for those who change their minds.
            (Phase::Paying | Phase::Settling, News::Confirmed { booking }) => {
                if !dice.hits(scene.habits.cancel) {
                    return Course::Over;
                }
                papers.inside.get_or_insert_default().booking = booking.into();
                self.phase = Phase::Cancelling;
                Course::Go(Step::Sleep(dice.within(scene.habits.think_ms)))
            }
            (Phase::Cancelling, News::Woken) => Course::Go(Step::ask(Deed::Cancel)),
            // Paying => Settling.
            (Phase::Paying | Phase::Settling, News::Pending { booking, poll_after }) => {
                if self.phase == Phase::Paying {
                    papers.inside.get_or_insert_default().booking = booking.into();
                    (self.phase, self.tries) = (Phase::Settling, 0);
                }
                self.tries += 1;
                let gives_up = LOOKS_MAX < self.tries;
                if gives_up { Course::Over } else { Course::Go(Step::Sleep(poll_after)) }
            }
            (Phase::Settling, News::Woken) => Course::Go(Step::ask(Deed::Booking)),
            _ => Course::Over,
        }
    }

    fn begin(&mut self, scene: &Scene<'_>, dice: &mut Dice) -> Course {
        let size = dice.choose(scene.habits.parties.iter().copied());
        self.party = u8::try_from(size + 1).expect("parties are of at most 10");
        self.friends = self.party;
        self.stands = !scene.plan.has_seats();
        self.named = dice.hits(scene.habits.named) && scene.plan.has_seats();
        self.poor = dice.hits(scene.habits.decline);
        self.look()
    }

    fn look(&mut self) -> Course {
        (self.phase, self.retries) = (Phase::Looking, 0);
        Course::Go(Step::ask(if self.named { Deed::Seats } else { Deed::Event }))
    }

    fn choose(&mut self, scene: &Scene<'_>, dice: &mut Dice) -> Course {
        (self.phase, self.retries) = (Phase::Choosing, 0);
        Course::Go(Step::Sleep(dice.within(scene.habits.look_ms)))
    }

    fn reserve(&self) -> Course {
        let want = if self.stands {
            Want::Standing(self.party)
        } else if self.seats.is_empty() {
            Want::Best(self.party)
        } else {
            Want::Seats(self.seats.clone())
        };
        let what = What::Reserve { want, key: self.key };
        Course::Go(Step::Ask(Ask { deed: Deed::Reserve, what }))
    }

    // Reserving => ReservingAgain | Thinking.
    fn reserved(
        &mut self,
        scene: &Scene<'_>,
        dice: &mut Dice,
        papers: &mut Papers,
        reservation: &str,
    ) -> Course {
        papers.inside.get_or_insert_default().reservation = reservation.into();
        self.retries = 0;
        if self.phase == Phase::Reserving && dice.hits(scene.habits.double_click) {
            self.phase = Phase::ReservingAgain;
            return self.reserve();
        }
        self.phase = Phase::Thinking;
        Course::Go(Step::Sleep(dice.within(scene.habits.think_ms)))
    }

    // Reserving => Looking, for other seats or fewer; Lingering, for what others give back.
    fn refused(&mut self, scene: &Scene<'_>, dice: &mut Dice, code: &str) -> Course {
        self.tries = self.tries.saturating_add(1);
        self.seats = Box::default();
        let has_standing = scene.plan.standing().is_some();
        match code {
            "SEAT_TAKEN" if self.tries < scene.habits.tries_max => self.look(),
            "NOT_ENOUGH_SEATS" if 1 < self.party => {
                self.party -= 1;
                self.look()
            }
            // Better to stand than not to be there.
            "NOT_ENOUGH_SEATS" | "SOLD_OUT" if !self.stands && has_standing => {
                (self.stands, self.named, self.party) = (true, false, self.friends);
                self.look()
            }
            "SOLD_OUT" => self.linger(scene, dice),
            _ => Course::Over,
        }
    }

    fn linger(&mut self, scene: &Scene<'_>, dice: &mut Dice) -> Course {
        let longest = Duration::from_secs_f64(scene.habits.linger_s);
        if *self.lingers_until.get_or_insert(scene.now + longest) <= scene.now {
            return Course::Over;
        }
        self.phase = Phase::Lingering;
        Course::Go(Step::Sleep(dice.within(scene.habits.think_ms)))
    }

    fn decide(&mut self, scene: &Scene<'_>, dice: &mut Dice) -> Course {
        let share = dice.share();
        if share < scene.habits.abandon {
            return Course::Over;
        }
        if share < scene.habits.abandon + scene.habits.release {
            self.phase = Phase::Releasing;
            return Course::Go(Step::ask(Deed::Release));
        }
        self.phase = Phase::Paying;
        self.pay()
    }

    fn pay(&self) -> Course {
        let card = if self.poor { Card::Declined } else { Card::Good };
        Course::Go(Step::Ask(Ask { deed: Deed::Confirm, what: What::Pay(card) }))
    }
}

/// Takes as much as is given and lets it lapse, again and again.
pub fn hoard(dice: &mut Dice, places: u8) -> Step {
    let what = What::Reserve { want: Want::Best(places), key: dice.roll() };
    Step::Ask(Ask { deed: Deed::Reserve, what })
}

/// How long a hoarder waits for the next try: the hold's life, or a moment after a refusal.
pub fn hoarder_waits(scene: &Scene<'_>, dice: &mut Dice, news: News<'_>) -> Duration {
    match news {
        News::Reserved { expires_in, .. } => expires_in,
        _ => dice.within(scene.habits.think_ms),
    }
}

#[cfg(test)]
mod tests;
