//! Anybody of a run.

use super::bots::{Flooder, Replayer};
use super::buyer::Buyer;
use super::operator::Operator;
use super::partner::Partner;
use super::shopper::Shopper;
use super::{News, Plan, Step};
use crate::dice::Dice;
use crate::scenario::{Habits, Kind, Steering};
use std::time::Duration;

/// One person.
#[derive(Debug)]
pub struct Person {
    pub group: u16,
    /// Which of the run's venues.
    pub event: u32,
    /// Which of the run's accounts.
    pub account: u32,
    pub papers: Papers,
    dice: Dice,
    part: Part,
}

/// What a person has been given.
#[derive(Debug, Default)]
pub struct Papers {
    pub token: Option<Box<str>>,
    /// Only those who buy have it: most never come that far.
    pub inside: Option<Box<Inside>>,
}

/// What somebody has who buys; a text is empty until it is given.
#[derive(Debug, Default)]
pub struct Inside {
    pub pass: Box<str>,
    pub reservation: Box<str>,
    pub booking: Box<str>,
    /// The key of the last reserve, and when its first try was meant to be asked.
    pub key: Option<u64>,
    pub began: Duration,
}

/// What a person sees around.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Since the start of the run.
    pub now: Duration,
    pub habits: &'a Habits,
    pub plan: &'a Plan,
    /// The event has a waiting room.
    pub has_room: bool,
    /// How many accounts there are to choose from.
    pub accounts: u32,
    /// Everybody who wants to join has been answered.
    pub all_joined: bool,
    /// A pass that became known to others, and the account that it belongs to.
    pub leaked: Option<(&'a str, u32)>,
    /// A place's token that became known to others.
    pub leaked_token: Option<&'a str>,
    pub steering: &'a [Steering],
}

#[derive(Debug)]
enum Part {
    Buyer(Buyer),
    Shopper(Shopper),
    Flooder(Flooder),
    Replayer(Replayer),
    Partner(Partner),
    Operator(Operator),
}

impl Person {
    pub fn new(kind: Kind, group: u16, event: u32, accounts: u32, mut dice: Dice) -> Self {
        let part = match kind {
            Kind::Fan => Part::Buyer(Buyer::new(false)),
            Kind::Hoarder => Part::Buyer(Buyer::new(true)),
            Kind::Shopper => Part::Shopper(Shopper::default()),
            Kind::Flooder => Part::Flooder(Flooder::default()),
            Kind::Replayer => Part::Replayer(Replayer::default()),
            Kind::Partner => Part::Partner(Partner::default()),
        };
        let account = dice.below(accounts);
        Self { group, event, account, papers: Papers::default(), dice, part }
    }

    pub fn operator(group: u16) -> Self {
        let part = Part::Operator(Operator::default());
        let (dice, papers) = (Dice::new(0, 0), Papers::default());
        Self { group, event: 0, account: 0, papers, dice, part }
    }

    /// Hears the news and decides.
    pub fn step(&mut self, scene: &Scene<'_>, news: News<'_>) -> Step {
        let (dice, papers) = (&mut self.dice, &mut self.papers);
        match &mut self.part {
            Part::Buyer(buyer) => buyer.step(scene, dice, papers, news),
            Part::Shopper(shopper) => {
                if shopper.between_acts() {
                    self.account = dice.below(scene.accounts);
                }
                shopper.step(scene, dice, papers, news)
            }
            Part::Flooder(flooder) => flooder.step(scene, dice, papers, news),
            Part::Replayer(replayer) => {
                if scene.leaked.is_some_and(|(_, owner)| owner == self.account) {
                    self.account = (self.account + 1) % scene.accounts.max(1);
                }
                replayer.step(scene, dice, papers, news)
            }
            Part::Partner(partner) => partner.step(scene, dice, news),
            Part::Operator(operator) => operator.step(scene, news),
        }
    }
}

const _: () = {
    // A million people are in memory at once, each with a token of about 110 bytes besides.
    assert!(size_of::<Person>() <= 128);
};
