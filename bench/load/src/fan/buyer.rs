//! Fans and hoarders: through the line where there is one, then to the seats.

use super::line::{Line, Walk};
use super::purchase::{Course, Purchase, hoard, hoarder_waits};
use super::{News, Papers, Scene, Step};
use crate::dice::Dice;
use std::time::Duration;

/// Places that a hoarder asks for.
const HOARD: u8 = 10;

#[derive(Debug)]
pub struct Buyer {
    hoards: bool,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Line(Line),
    Buying(Box<Purchase>),
    /// Asked for seats (true), or waits for the next try. Ends at the time.
    Hoarding {
        asked: bool,
        until: Duration,
    },
}

impl Buyer {
    pub fn new(hoards: bool) -> Self {
        Self { hoards, way: Way::Line(Line::default()) }
    }

    pub fn step(
        &mut self,
        scene: &Scene<'_>,
        dice: &mut Dice,
        papers: &mut Papers,
        news: News<'_>,
    ) -> Step {
        match &mut self.way {
            Way::Line(line) if scene.has_room => match line.step(scene, dice, papers, news) {
                Walk::Go(step) => step,
                Walk::Out => Step::Gone,
                Walk::In => self.enter(scene, dice, papers),
            },
            Way::Line(_) => self.enter(scene, dice, papers),
            Way::Buying(purchase) => match purchase.step(scene, dice, papers, news) {
                Course::Go(step) => step,
                Course::Over => Step::Gone,
            },
            Way::Hoarding { until, .. } if *until <= scene.now => Step::Gone,
            Way::Hoarding { asked, .. } => {
                *asked = !*asked;
                if *asked {
                    return hoard(dice, HOARD);
                }
                Step::Sleep(hoarder_waits(scene, dice, news))
            }
        }
    }

    // Line => Buying | Hoarding.
    fn enter(&mut self, scene: &Scene<'_>, dice: &mut Dice, papers: &mut Papers) -> Step {
        if self.hoards {
            let until = scene.now + Duration::from_secs_f64(scene.habits.stay_s);
            self.way = Way::Hoarding { asked: false, until };
        } else {
            self.way = Way::Buying(Box::default());
        }
        self.step(scene, dice, papers, News::Woken)
    }
}
