//! A person on a stage: told news, step by step.

use super::{News, Papers, Person, Plan, Row, Scene, Status, Step};
use crate::dice::Dice;
use crate::record::Deed;
use crate::scenario::{Habits, Kind, Range};
use std::time::Duration;

pub struct Stage {
    pub person: Person,
    pub habits: Habits,
    pub plan: Plan,
    pub has_room: bool,
    pub now: Duration,
}

pub const TWO_SECONDS: Duration = Duration::from_secs(2);

/// Habits without any chance.
pub fn plain() -> Habits {
    Habits {
        parties: vec![0.0, 1.0],
        asks_me: 1.0,
        named: 0.0,
        look_ms: Range(100, 100),
        think_ms: Range(1_000, 1_000),
        linger_s: 0.0,
        ..Habits::default()
    }
}

impl Stage {
    pub fn new(kind: Kind, habits: Habits, has_room: bool) -> Self {
        let row = |label: &str, first_idx| Row {
            section: "A".into(),
            label: label.into(),
            first_idx,
            first_number: 1,
            seats: 10,
        };
        let plan = Plan::new(vec![row("1", 0), row("2", 10)]);
        let person = Person::new(kind, 0, 0, 5, Dice::new(1, 2));
        Self { person, habits, plan, has_room, now: Duration::ZERO }
    }

    pub fn hear(&mut self, news: News<'_>) -> Step {
        let scene = Scene {
            now: self.now,
            habits: &self.habits,
            plan: &self.plan,
            has_room: self.has_room,
            accounts: 5,
            all_joined: false,
            leaked: Some(("head.body.seal", 4)),
            leaked_token: Some("GenuineToken"),
            steering: &[],
        };
        let step = self.person.step(&scene, news);
        if let Step::Sleep(time) = step {
            self.now += time;
        }
        step
    }

    /// Hears the news, and must ask this next.
    pub fn asks(&mut self, news: News<'_>, deed: Deed) -> super::What {
        match self.hear(news) {
            Step::Ask(ask) if ask.deed == deed => ask.what,
            step => panic!("{news:?} is followed by {step:?}, not by {deed:?}"),
        }
    }

    /// Hears the news, and must sleep.
    pub fn sleeps(&mut self, news: News<'_>) -> Duration {
        match self.hear(news) {
            Step::Sleep(time) => time,
            step => panic!("{news:?} is followed by {step:?}, not by sleep"),
        }
    }

    pub fn papers(&self) -> &Papers {
        &self.person.papers
    }
}

pub fn joined() -> News<'static> {
    News::Joined { token: "token", number: Some(70), poll_after: TWO_SECONDS }
}

pub fn reserved() -> News<'static> {
    News::Reserved { reservation: "r-1", expires_in: Duration::from_mins(10) }
}

pub fn refused(status: u16, code: &str) -> News<'_> {
    News::Refused { status, code }
}

pub fn status(cursor: u64) -> Status {
    Status {
        cursor,
        rate_per_minute: 60,
        sold_out: false,
        closed: false,
        floor: TWO_SECONDS,
        ceiling: Duration::from_secs(30),
        divisor: 4,
    }
}
