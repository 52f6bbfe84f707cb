//! Every cell of the table, executed on a place of a real ledger with the decisions of the core.

use super::{Known, Move, State};
use crate::ledger::{Ledger, Standing};
use crate::mono::MonoMs;
use crate::place::{Claim, claim};
use schema::UnixMillis;
use schema::admission::{AdmissionRecord, Draw, Release};

/// The place is the tenth.
const NUMBER: u64 = 10;
const CLAIM_MS: u64 = 100;
const PASS_MS: u64 = 300;

/// A place, its room, and what the shell keeps of it.
struct World {
    ledger: Ledger,
    claimed: bool,
    completed: bool,
    is_over: bool,
    now: u64,
}

impl World {
    /// A place that was just given: of a pre-queue, or of the line.
    fn new(in_pre_queue: bool) -> Self {
        let mut world = Self {
            ledger: Ledger::default(),
            claimed: false,
            completed: false,
            is_over: false,
            now: 1_000,
        };
        let at = UnixMillis(0);
        let (redis_run_id, number_floor, given_to) = ("r".into(), 0, 0);
        let started =
            AdmissionRecord::EpochStarted { epoch: 1, given_to, number_floor, redis_run_id, at };
        world.apply(started);
        world.apply(AdmissionRecord::MarkRaised { epoch: 1, number_max: 1_000 });
        if in_pre_queue {
            world.apply(AdmissionRecord::GatherStarted { given_to: 0, base: 0 });
        }
        world
    }

    /// A place that has come to `state`.
    fn at(state: State) -> Self {
        let mut world = Self::new(state == State::Prequeued);
        let way: &[Move] = match state {
            State::Prequeued | State::Queued => &[],
            State::Ready => &[Move::Call],
            State::Admitted => &[Move::Call, Move::Claim],
            State::Completed => &[Move::Call, Move::Claim, Move::Buy],
            State::Abandoned => &[Move::Call, Move::Leave],
            State::Expired => &[Move::Call, Move::Claim, Move::PassEnds],
        };
        for &step in way {
            assert!(world.step(step), "{step:?} on the way to {state:?}");
        }
        assert_eq!(world.state(), state);
        world
    }

    fn apply(&mut self, record: AdmissionRecord) {
        self.ledger.apply(record, MonoMs(self.now));
    }

    fn standing(&self) -> Option<Standing> {
        self.ledger.gathering.is_none().then(|| self.ledger.standing(NUMBER))
    }

    fn state(&self) -> State {
        let (standing, now) = (self.standing(), UnixMillis(self.now));
        let (claimed, completed, is_over) = (self.claimed, self.completed, self.is_over);
        Known { standing, claimed, completed, is_over, now }.state()
    }

    /// Does what the shell does; says whether it was taken. What is refused changes nothing.
    fn step(&mut self, step: Move) -> bool {
        match step {
            Move::Draw => {
                let waits = self.ledger.gathering.is_some();
                if waits {
                    let (seed, at) = ([0; 32], UnixMillis(self.now));
                    self.apply(AdmissionRecord::Drawn(Draw {
                        base: 0,
                        last: 100,
                        seed,
                        at,
                        made_of: None,
                    }));
                }
                waits
            }
            Move::Call => self.call(),
            Move::Claim => self.claim(),
            Move::Buy => {
                // The allocator takes a pass once, and knows no place without one.
                let is_taken = self.claimed && !self.completed;
                self.completed |= is_taken;
                is_taken
            }
            Move::GiveBack => {
                // Only a pass that is good is taken.
                let is_good = matches!(self.state(), State::Admitted | State::Completed);
                self.completed |= is_good;
                is_good
            }
            Move::Leave => {
                let is_open = matches!(self.standing(), Some(Standing::Called(_)));
                if is_open && self.state() == State::Ready {
                    self.apply(AdmissionRecord::Left { epoch: 1, numbers: vec![NUMBER] });
                }
                true
            }
            Move::ClaimEnds => self.wait_for(State::Ready, CLAIM_MS),
            Move::PassEnds => self.wait_for(State::Admitted, PASS_MS),
            Move::CancelEvent => {
                let before = self.state();
                self.is_over = true;
                before != self.state()
            }
        }
    }

    fn call(&mut self) -> bool {
        if self.standing() != Some(Standing::Waiting) {
            return false;
        }
        let at = UnixMillis(self.now);
        self.apply(AdmissionRecord::Released(Release {
            epoch: 1,
            cursor_before: 0,
            cursor: NUMBER,
            called: 10,
            at,
            claim_until: UnixMillis(self.now + CLAIM_MS),
            pass_until: UnixMillis(self.now + PASS_MS),
            skipped: Vec::new(),
            late: Vec::new(),
            clock: None,
            pace: None,
        }));
        true
    }

    fn claim(&mut self) -> bool {
        let Some(Standing::Called(terms)) = self.standing() else { return false };
        let is_taken = match claim(terms, 1, UnixMillis(self.now)) {
            Claim::MarkAndSign | Claim::Sign => true,
            Claim::SignIfMarked => self.claimed,
            Claim::TooLate => false,
        };
        self.claimed |= is_taken;
        is_taken
    }

    /// Lets time pass until a state that ends with it has ended.
    fn wait_for(&mut self, state: State, span_ms: u64) -> bool {
        let concerns = self.state() == state;
        self.now += if concerns { span_ms } else { 0 };
        concerns
    }
}

#[test]
fn every_move_leads_from_every_state_to_where_the_table_says_and_what_is_refused_changes_nothing() {
    for state in State::ALL {
        for step in Move::ALL {
            let mut world = World::at(state);
            let is_taken = world.step(step);
            assert_eq!(is_taken, state.after(step).is_some(), "{state:?} {step:?}");
            let wanted = state.after(step).unwrap_or(state);
            assert_eq!(world.state(), wanted, "{state:?} {step:?}");
        }
    }
}

#[test]
fn the_table_is_the_one_that_is_promised() {
    let promised = "prequeued: Draw queued, Leave prequeued, CancelEvent expired
          queued: Call ready, Leave queued, CancelEvent expired
          ready: Claim admitted, Leave abandoned, ClaimEnds expired
          admitted: Claim admitted, Buy completed, GiveBack completed, \
            Leave admitted, PassEnds expired
          completed: Claim completed, GiveBack completed, Leave completed
          abandoned: Leave abandoned
          expired: Buy completed, Leave expired";
    let told = State::ALL.map(|state| {
        let moves = Move::ALL.into_iter().filter_map(|step| {
            let next = state.after(step)?;
            Some(format!("{step:?} {}", next.name()))
        });
        format!("{}: {}", state.name(), moves.collect::<Vec<_>>().join(", "))
    });
    let promised: Vec<&str> = promised.lines().map(str::trim).collect();
    assert_eq!(told.as_slice(), promised);
}

#[test]
fn who_never_claimed_has_expired_for_good() {
    let mut world = World::at(State::Ready);
    assert!(world.step(Move::ClaimEnds));
    assert_eq!(world.state(), State::Expired);
    for step in [Move::Claim, Move::Buy, Move::GiveBack, Move::Call, Move::PassEnds] {
        assert!(!world.step(step), "{step:?}");
        assert_eq!(world.state(), State::Expired);
    }
}
