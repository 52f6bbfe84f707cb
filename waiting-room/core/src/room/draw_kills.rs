//! A pre-queue whose store and givers of numbers are killed at random while it gathers, closes and
//! is drawn: whoever was entered is called in drawn order, and nobody waits for a number of nobody.

use super::{Room, Sight};
use crate::adapt::Headroom;
use crate::bits::Bits;
use crate::cohort::Cohort;
use crate::draw::{Permutation, cohort_live, draw_live, drawn_to_nobody};
use crate::epoch::EpochStart;
use crate::ledger::Ledger;
use crate::manner::Manner;
use crate::mono::MonoMs;
use schema::admission::{AdmissionRecord, Draw, DrawMadeOf, LimitedBy};
use schema::{DurationMs, RoomSettings, UnixMillis};

const BLOCK: u64 = 96;
const BASE: u64 = 50;

/// Enough words of bits for all numbers of a run.
const WORDS: usize = 512;

/// Chance, from a seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0, 1, 0)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }
}

fn mix(key: u64, round: u8, half: u64) -> u64 {
    let mut x = key ^ half ^ u64::from(round) << 56;
    for _ in 0..3 {
        x = (x ^ x >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    x ^ x >> 32
}

struct World {
    dice: Dice,
    ledger: Ledger,
    cohort: Cohort,
    /// What Redis holds: the last number given out, and the living by number.
    last: u64,
    live: Bits,
    /// The last number that somebody who lives has given out, since a giver was lost; `None` if
    /// one was.
    given_max: Option<u64>,
    losses: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let (ledger, cohort, live) = (Ledger::default(), Cohort::new(BASE), Bits::zeroed(0, WORDS));
        let (dice, given_max) = (Dice(seed), Some(0));
        let mut world = Self { dice, ledger, cohort, last: 0, live, given_max, losses: 0 };
        world.lose_store();
        let (nonce, commitment) = ([1; 32], [2; 32]);
        let (needs_beacon, witnesses) = (false, Vec::new());
        world.apply(AdmissionRecord::GatherStarted { given_to: BASE, base: BASE });
        world.apply(AdmissionRecord::Committed {
            base: BASE,
            nonce,
            commitment,
            needs_beacon,
            witnesses,
        });
        world.last = world.last.max(BASE);
        world
    }

    fn apply(&mut self, record: AdmissionRecord) {
        self.ledger.apply(record, MonoMs(0));
    }

    /// Somebody is given a number, and mostly entered with it.
    fn join(&mut self) {
        if self.ledger.mark <= self.last {
            let (epoch, number_max) = (self.ledger.epoch, self.last + BLOCK);
            self.apply(AdmissionRecord::MarkRaised { epoch, number_max });
        }
        self.last += 1;
        self.live.set(self.last);
        if !self.dice.one_in(5) {
            self.given_max = self.given_max.map(|before| before.max(self.last));
            self.cohort.enter(self.last, [7; 32]);
        }
    }

    /// Redis is lost, and a leader begins an epoch on an empty one.
    fn lose_store(&mut self) {
        self.losses += 1;
        // What the leader has seen of the last numbers, which may be long ago.
        let seen = self.last.saturating_sub(self.dice.next() % BLOCK);
        let start = EpochStart::after(&self.ledger, seen);
        let EpochStart { epoch, number_floor: floor, .. } = start;
        self.apply(start.record("run", UnixMillis(0)));
        self.apply(AdmissionRecord::MarkRaised { epoch, number_max: floor + BLOCK });
        if let Some(given_max) = self.given_max.filter(|_| start.has_doubt()) {
            self.apply(start.doubt_ended(given_max));
        }
        self.given_max = Some(0);
        let mut doubt = Bits::zeroed(0, WORDS);
        self.ledger.doubts().for_each(|number| doubt.set(number));
        let nobodys: Vec<Bits> = self.ledger.cohort_draws().map(|_| self.nobodys()).collect();
        self.live = Bits::zeroed(0, WORDS);
        let alive = start.live(&self.ledger, &doubt, &nobodys);
        alive.iter(self.ledger.cursor, floor).for_each(|number| self.live.set(number));
        self.last = floor;
    }

    fn key(&self) -> u64 {
        u64::from(self.losses) << 32 | self.cohort.entered()
    }

    fn nobodys(&self) -> Bits {
        let key = self.ledger.draws.last().map_or(0, |draw| u64::from(draw.seed[0]));
        drawn_to_nobody(&self.cohort, &|round, half| mix(key, round, half))
    }

    /// Closes the cohort and draws it; returns the numbers in line of all who were entered.
    fn draw(&mut self) -> Vec<u64> {
        let (base, last) = (BASE, self.last);
        self.apply(AdmissionRecord::CohortClosed { base, last });
        self.cohort.close(last);
        if self.dice.one_in(3) {
            self.lose_store();
        }
        let root = [3; 32];
        self.apply(AdmissionRecord::Rooted { base, root });
        if self.dice.one_in(3) {
            self.lose_store();
        }
        let key = self.key() % 251;
        let seed = [u8::try_from(key).unwrap(); 32];
        let made_of =
            DrawMadeOf { root, secret: [4; 32], beacon: "".into(), witnesses: Vec::new() };
        let draw = Draw { base, last, seed, at: UnixMillis(0), made_of: Some(made_of) };
        self.apply(AdmissionRecord::Drawn(draw.clone()));
        if self.dice.one_in(3) {
            // Before Redis hears of the draw.
            self.lose_store();
        } else {
            let settled = cohort_live(&self.live, &self.cohort, &self.ledger.decided(&draw));
            let drawn = draw_live(&settled, base, last, &|round, half| mix(key, round, half));
            let mut live = Bits::zeroed(0, WORDS);
            drawn.iter(0, last).for_each(|number| live.set(number));
            self.live.iter(last, u64::MAX).for_each(|number| live.set(number));
            self.live = live;
        }
        if self.dice.one_in(3) {
            self.lose_store();
        }
        let prf = |round, half| mix(key, round, half);
        let permutation = Permutation::new(last - base, &prf);
        let number = |given: u64| base + 1 + permutation.apply(given - base - 1);
        let mut numbers: Vec<u64> = self.cohort.numbers().map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Calls everybody up to `last`, from whom nobody checks in; returns who was called.
    fn call_all(&mut self, last: u64, settings: &RoomSettings) -> Vec<u64> {
        let mut doubt = Bits::zeroed(0, WORDS);
        self.ledger.doubts().for_each(|number| doubt.set(number));
        let mut rules = Room::at(BASE);
        let mut called = Vec::new();
        for tick in 1..10_000 {
            let now = MonoMs(tick * 250);
            let sight = Sight {
                settings,
                manner: Manner::Paced,
                line_last: last,
                sight_last: u64::MAX,
                live: &self.live,
                seen: &Bits::default(),
                doubt: &doubt,
                late: &[],
                seats_free: None,
                returns: None,
                headroom: Headroom::default(),
            };
            let decision = rules.decide(now, sight);
            assert!(decision.limited_by != LimitedBy::Recovery, "a number holds the line up");
            if let Some(plan) = decision.release {
                let is_skipped = |number: &u64| {
                    plan.skipped.iter().any(|&(first, last)| (first..=last).contains(number))
                };
                called.extend(
                    (plan.cursor_before + 1..=plan.cursor).filter(|number| !is_skipped(number)),
                );
                rules.acked(now, DurationMs(1_000), DurationMs(1_000));
            }
            if rules.cursor == last {
                return called;
            }
        }
        panic!("the line stands at {} of {last}", rules.cursor);
    }
}

#[test]
fn whatever_is_killed_the_drawn_are_called_in_their_order_and_nobody_waits_for_nobody() {
    let settings = RoomSettings {
        admission_rate_per_minute: 60_000,
        active_max: 1_000_000,
        ..RoomSettings::default()
    };
    let (mut losses, mut people) = (0, 0);
    for seed in 0..400 {
        let mut world = World::new(seed);
        for _ in 0..60 {
            match world.dice.next() % 12 {
                0 => world.lose_store(),
                1 => world.given_max = None,
                _ => (0..world.dice.next() % 9).for_each(|_| world.join()),
            }
        }
        let drawn = world.draw();
        let last = world.ledger.draws.last().unwrap().last;
        let alive: Vec<u64> = world.live.iter(BASE, last).collect();
        assert_eq!(alive, drawn, "seed {seed}: who counts as alive is who was entered");
        assert_eq!(world.call_all(last, &settings), drawn, "seed {seed}");
        (losses, people) = (losses + world.losses, people + drawn.len());
    }
    assert!(800 < losses && 20_000 < people, "{losses} losses, {people} people");
}
