//! A shard against a naive model of the same rules, under random commands.

use super::world::{World, account};
use crate::shard::Decision;
use crate::{Limits, SYSTEM_ACCOUNT};
use proptest::prelude::*;
use schema::{
    AccountId, AreaIdx, BestAvailable, Command, CommandBody, CommandId, HoldId, HoldSeats, Outcome,
    OutcomeBody, OwnerKind, Pass, PassPlace, SeatIdx, StartPayment, UnixMillis, Verdict,
    VerdictKind, Want,
};
use std::collections::{BTreeMap, BTreeSet};

const NAMES: [&str; 4] = ["ana", "bob", "cem", "settlement"];
const SEATS: u32 = 16;
const ACCESSIBLE: u32 = 11;
/// The seats of each row: section A's two, section B's one.
const ROWS: [std::ops::Range<u32>; 3] = [0..6, 6..12, 12..16];

#[derive(Debug, Clone)]
enum Step {
    /// Seconds.
    Wait(u64),
    Ask {
        who: usize,
        ask: Ask,
    },
    Repeat(usize),
}

#[derive(Debug, Clone)]
enum Ask {
    Hold { want: Want, owner: OwnerKind, pass: Option<u64> },
    Release(usize),
    Pay(usize),
    Verdict { hold: usize, kind: VerdictKind, attempt: u32 },
    Return { seats: Vec<u32>, areas: Vec<(u16, u32)> },
}

fn wants() -> impl Strategy<Value = Want> {
    let best = (0..8_u8, prop::option::of(0..3_u16), any::<bool>(), 0..8_u8).prop_map(
        |(quantity, section, level, accessible)| BestAvailable {
            quantity,
            section,
            price_level: level.then_some(1),
            accessible: accessible == 0,
        },
    );
    prop_oneof![
        4 => prop::collection::vec(0..SEATS + 1, 0..5)
            .prop_map(|seats| Want::Seats(seats.into_iter().map(SeatIdx).collect())),
        2 => best.prop_map(Want::BestAvailable),
        2 => prop::collection::vec((0..3_u16, 0..4_u32), 0..3)
            .prop_map(|areas| Want::Areas(areas.into_iter().map(|(a, n)| (AreaIdx(a), n)).collect())),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let owner = prop_oneof![6 => Just(OwnerKind::Fan), 1 => Just(OwnerKind::Allotment),
        1 => Just(OwnerKind::Kill)];
    let kind = prop_oneof![
        Just(VerdictKind::Declined),
        Just(VerdictKind::Cancelled),
        Just(VerdictKind::Sold),
        Just(VerdictKind::Refunded)
    ];
    let ask = prop_oneof![
        8 => (wants(), owner, prop::option::of(0..4_u64))
            .prop_map(|(want, owner, pass)| Ask::Hold { want, owner, pass }),
        3 => any::<usize>().prop_map(Ask::Release),
        4 => any::<usize>().prop_map(Ask::Pay),
        6 => (any::<usize>(), kind, 0..3_u32)
            .prop_map(|(hold, kind, attempt)| Ask::Verdict { hold, kind, attempt }),
        2 => (prop::collection::vec(0..SEATS, 0..3), prop::collection::vec((0..2_u16, 1..3_u32), 0..2))
            .prop_map(|(seats, areas)| Ask::Return { seats, areas }),
    ];
    let step = prop_oneof![
        2 => prop_oneof![0..40_u64, 500..1_000_u64].prop_map(Step::Wait),
        12 => (0..NAMES.len(), ask).prop_map(|(who, ask)| Step::Ask { who, ask }),
        2 => any::<usize>().prop_map(Step::Repeat),
    ];
    prop::collection::vec(step, 1..80)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Held,
    Paying,
    Sold,
    Blocked,
}

#[derive(Debug, Clone)]
struct ModelHold {
    account: AccountId,
    fan: bool,
    seats: BTreeSet<u32>,
    areas: BTreeMap<u16, u32>,
    phase: Phase,
    deadline: Option<u64>,
    reminder: u64,
    attempt: u32,
    pass: Option<u64>,
}

/// Everything as plain sets, looked through from end to end.
#[derive(Default)]
struct Model {
    holds: BTreeMap<HoldId, ModelHold>,
    /// Account, why, when.
    ended: BTreeMap<HoldId, (AccountId, &'static str, u64)>,
    passes: BTreeMap<u64, (AccountId, bool)>,
    /// Time of the last outcome: what is older than a quarter of an hour by then is forgotten.
    last: u64,
    now: u64,
}

impl Model {
    fn taken(&self, seat: u32) -> bool {
        self.holds.values().any(|hold| hold.seats.contains(&seat))
    }

    fn area_free(&self, area: u16) -> u32 {
        let taken: u32 = self.holds.values().filter_map(|hold| hold.areas.get(&area)).sum();
        [5, 3][usize::from(area)] - taken
    }

    fn free(&self) -> u32 {
        let seats = (0..SEATS).filter(|&seat| !self.taken(seat)).count();
        u32::try_from(seats).unwrap() + self.area_free(0) + self.area_free(1)
    }

    fn places_of(&self, account: AccountId) -> u32 {
        let own = self.holds.values().filter(|hold| hold.fan && hold.account == account);
        own.map(places).sum()
    }

    /// Ends a hold.
    fn end(&mut self, id: HoldId, why: &'static str) -> String {
        let hold = self.holds.remove(&id).unwrap();
        if let (Some(pass), "Refunded") = (hold.pass, why) {
            self.passes.get_mut(&pass).unwrap().1 = true;
        }
        self.ended.insert(id, (hold.account, why, self.now));
        format!("released {why}")
    }

    /// The live hold of this account, or what to answer instead.
    fn own(&self, id: HoldId, who: AccountId, again: &str) -> Result<ModelHold, String> {
        if let Some(hold) = self.holds.get(&id) {
            let own = hold.account == who;
            return if own { Ok(hold.clone()) } else { Err("HoldUnknown".to_owned()) };
        }
        match self.ended(id) {
            Some((account, why)) if account == who => {
                Err(if why == again { "unchanged" } else { "HoldEnded" }.to_owned())
            }
            _ => Err("HoldUnknown".to_owned()),
        }
    }

    fn ended(&self, id: HoldId) -> Option<(AccountId, &'static str)> {
        let &(account, why, at) = self.ended.get(&id)?;
        (self.last <= at + 900_000).then_some((account, why))
    }

    /// Predicts the answer and follows it. Best available is followed, its seats are checked.
    fn ask(&mut self, command: &Command, actual: &OutcomeBody) -> Result<String, String> {
        let who = command.account;
        match &command.body {
            CommandBody::HoldSeats(ask) => self.hold(who, ask, actual),
            CommandBody::ReleaseHold { hold } => match self.own(*hold, who, "ByOwner")?.phase {
                Phase::Held | Phase::Blocked => Ok(self.end(*hold, "ByOwner")),
                Phase::Paying => Err("PaymentInProgress".to_owned()),
                Phase::Sold => Err("AlreadySold".to_owned()),
            },
            CommandBody::StartPayment(ask) => {
                let hold = self.own(ask.hold, who, "never")?;
                match hold.phase {
                    Phase::Held if hold.deadline.unwrap() <= self.now => {
                        Err("HoldEnded".to_owned())
                    }
                    Phase::Held => {
                        let hold = self.holds.get_mut(&ask.hold).unwrap();
                        hold.phase = Phase::Paying;
                        hold.attempt += 1;
                        hold.reminder = self.now + 30_000;
                        Ok(format!("paying {}", hold.attempt))
                    }
                    Phase::Paying | Phase::Sold => Ok("unchanged".to_owned()),
                    Phase::Blocked => Err("RequestInvalid".to_owned()),
                }
            }
            CommandBody::RecordVerdict(verdict) => self.verdict(who, *verdict),
            CommandBody::ReturnAllotted { seats, areas } => self.give_back(who, seats, areas),
        }
    }

    fn hold(
        &mut self,
        who: AccountId,
        ask: &HoldSeats,
        actual: &OutcomeBody,
    ) -> Result<String, String> {
        let fan = ask.owner == OwnerKind::Fan;
        let (mut seats, mut areas) = (BTreeSet::new(), BTreeMap::new());
        let invalid = || Err("RequestInvalid".to_owned());
        let unknown = || Err("SeatUnknown".to_owned());
        let count = match &ask.want {
            Want::Seats(wanted) => {
                seats = wanted.iter().map(|seat| seat.0).collect();
                if seats.len() < wanted.len() {
                    return invalid();
                }
                if seats.iter().any(|&seat| SEATS <= seat) {
                    return unknown();
                }
                u32::try_from(seats.len()).unwrap()
            }
            Want::Areas(wanted) => {
                areas = wanted.iter().map(|(area, quantity)| (area.0, *quantity)).collect();
                if areas.len() < wanted.len() || areas.values().any(|&quantity| quantity == 0) {
                    return invalid();
                }
                if areas.keys().any(|&area| 1 < area) {
                    return unknown();
                }
                areas.values().sum()
            }
            Want::BestAvailable(best) if best.section.is_some_and(|section| 1 < section) => {
                return unknown();
            }
            Want::BestAvailable(best) => u32::from(best.quantity),
        };
        if count == 0 || (fan && 10 < count) {
            return invalid();
        }
        if fan && self.now < 10_000 {
            return Err("NotOnSale".to_owned());
        }
        let pass = ask.pass.filter(|_| fan).map(|pass| pass.place.number);
        if let Some(&(owner, spent)) = pass.and_then(|pass| self.passes.get(&pass)) {
            if owner != who {
                return Err("PassForeign".to_owned());
            }
            if spent {
                return Err("PassSpent".to_owned());
            }
        }
        if pass.is_some() && self.holds.values().any(|hold| hold.pass == pass) {
            return Err("PassInUse".to_owned());
        }
        if fan && 6 < self.places_of(who) + count {
            return Err("LimitExceeded".to_owned());
        }
        let none = if self.free() == 0 { "SoldOut" } else { "NotEnoughSeats" };
        if let Want::BestAvailable(best) = ask.want {
            seats = self.best(best, actual).ok_or(none)?;
        }
        if areas.iter().any(|(&area, &quantity)| self.area_free(area) < quantity) {
            return Err(none.to_owned());
        }
        let taken: Vec<_> = seats.iter().copied().filter(|&seat| self.taken(seat)).collect();
        if !taken.is_empty() {
            return Err(format!("taken {taken:?}"));
        }
        let OutcomeBody::SeatsHeld(held) = actual else { return Err("held".to_owned()) };
        let phase = if fan { Phase::Held } else { Phase::Blocked };
        let deadline = fan.then(|| self.now + 600_000);
        let says = format!("held {seats:?} {areas:?} {deadline:?}");
        if let Some(pass) = pass {
            self.passes.entry(pass).or_insert((who, false));
        }
        let hold = ModelHold {
            account: who,
            fan,
            seats,
            areas,
            phase,
            deadline,
            reminder: 0,
            attempt: 0,
            pass,
        };
        self.holds.insert(held.hold, hold);
        Ok(says)
    }

    /// Checks the chosen seats; `None` where the model agrees that there are none.
    fn best(&self, best: BestAvailable, actual: &OutcomeBody) -> Option<BTreeSet<u32>> {
        let fits = |row: usize| {
            best.section.is_none_or(|section| (section == 1) == (row == 2))
                && best.price_level.is_none_or(|level| (level == 1) == (row == 2))
        };
        let usable = |seat: u32| !self.taken(seat) && (best.accessible || seat != ACCESSIBLE);
        let run = |first: u32, row: &std::ops::Range<u32>| {
            let mut run = first..first + u32::from(best.quantity);
            let accessible = !best.accessible || run.contains(&ACCESSIBLE);
            run.end <= row.end && accessible && run.all(usable)
        };
        let rows = ROWS.iter().enumerate().filter(|(at, _)| fits(*at));
        let in_one_row = rows.clone().any(|(_, row)| row.clone().any(|first| run(first, row)));
        let OutcomeBody::SeatsHeld(held) = actual else {
            assert!(!in_one_row, "{best:?} was refused");
            return None;
        };
        let seats: BTreeSet<u32> = held.seats.iter().map(|held| held.seat.0).collect();
        assert_eq!(seats.len(), usize::from(best.quantity));
        assert!(seats.iter().all(|&seat| usable(seat)));
        assert_eq!(best.accessible, seats.contains(&ACCESSIBLE));
        let parts = rows.map(|(_, row)| seats.iter().filter(|seat| row.contains(seat)).count());
        let parts: Vec<_> = parts.filter(|&part| 0 < part).collect();
        assert_eq!(parts.iter().sum::<usize>(), seats.len(), "the filters are kept");
        assert_eq!(in_one_row, parts.len() == 1);
        assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1, "an even split");
        Some(seats)
    }

    fn verdict(&mut self, who: AccountId, verdict: Verdict) -> Result<String, String> {
        if who != SYSTEM_ACCOUNT {
            return Err("RequestInvalid".to_owned());
        }
        let Some(hold) = self.holds.get_mut(&verdict.hold) else {
            return match (self.ended(verdict.hold), verdict.kind) {
                (None, _) => Err("HoldUnknown".to_owned()),
                (Some((_, why)), VerdictKind::Sold) if why != "Refunded" => {
                    Err("HoldEnded".to_owned())
                }
                _ => Ok("unchanged".to_owned()),
            };
        };
        let last = 0 < verdict.attempt && verdict.attempt == hold.attempt;
        if hold.phase == Phase::Blocked {
            return Err("RequestInvalid".to_owned());
        }
        let open = hold.phase != Phase::Sold;
        match verdict.kind {
            VerdictKind::Declined if last && hold.phase == Phase::Paying => {
                hold.phase = Phase::Held;
                hold.deadline = Some(hold.deadline.unwrap().max(self.now + 30_000));
                Ok(format!("declined {:?}", hold.deadline))
            }
            VerdictKind::Cancelled if last && open => {
                Ok(self.end(verdict.hold, "PaymentCancelled"))
            }
            VerdictKind::Sold if open => {
                hold.phase = Phase::Sold;
                if let Some(pass) = hold.pass {
                    self.passes.get_mut(&pass).unwrap().1 = true;
                }
                Ok("sold".to_owned())
            }
            VerdictKind::Refunded => Ok(self.end(verdict.hold, "Refunded")),
            _ => Ok("unchanged".to_owned()),
        }
    }

    fn give_back(
        &mut self,
        who: AccountId,
        seats: &[SeatIdx],
        areas: &[(AreaIdx, u32)],
    ) -> Result<String, String> {
        let wanted: BTreeSet<u32> = seats.iter().map(|seat| seat.0).collect();
        if wanted.len() < seats.len() || (seats.is_empty() && areas.is_empty()) {
            return Err("RequestInvalid".to_owned());
        }
        let own = |hold: &ModelHold| hold.phase == Phase::Blocked && hold.account == who;
        let mine: Vec<_> = self.holds.values().filter(|hold| own(hold)).collect();
        let has = |area: u16| mine.iter().filter_map(|hold| hold.areas.get(&area)).sum::<u32>();
        let has_seats = wanted.iter().all(|seat| mine.iter().any(|hold| hold.seats.contains(seat)));
        if !has_seats || areas.iter().any(|(area, quantity)| has(area.0) < *quantity) {
            return Err("NotAllotted".to_owned());
        }
        Ok("returned".to_owned())
    }

    /// Follows which of the allotments gave: several may.
    fn follow_return(&mut self, parts: &[schema::ReturnedPart], who: AccountId) {
        for part in parts {
            let hold = self.holds.get_mut(&part.hold).unwrap();
            assert!(hold.account == who && hold.phase == Phase::Blocked);
            assert!(part.seats.iter().all(|seat| hold.seats.remove(&seat.0)));
            for (area, quantity) in &part.areas {
                let left = hold.areas.get_mut(&area.0).unwrap();
                *left = left.checked_sub(*quantity).unwrap();
            }
            if places(hold) == 0 {
                self.end(part.hold, "ByOwner");
            }
        }
    }

    /// What a tick must do now, in any order.
    fn tick(&mut self) -> BTreeSet<(HoldId, String)> {
        let mut due = BTreeSet::new();
        for (id, hold) in self.holds.clone() {
            if hold.phase == Phase::Held && hold.deadline.unwrap() <= self.now {
                due.insert((id, self.end(id, "Expired")));
            } else if hold.phase == Phase::Paying && hold.reminder <= self.now {
                self.holds.get_mut(&id).unwrap().reminder = self.now + 30_000;
                due.insert((id, format!("awaited {}", hold.attempt)));
            }
        }
        due
    }
}

fn places(hold: &ModelHold) -> u32 {
    u32::try_from(hold.seats.len()).unwrap() + hold.areas.values().sum::<u32>()
}

/// An outcome in the model's words.
fn says(body: &OutcomeBody) -> String {
    match body {
        OutcomeBody::SeatsHeld(held) => {
            let seats: BTreeSet<u32> = held.seats.iter().map(|seat| seat.seat.0).collect();
            let areas: BTreeMap<u16, u32> =
                held.areas.iter().map(|area| (area.area.0, area.quantity)).collect();
            format!("held {seats:?} {areas:?} {:?}", held.deadline.map(|at| at.0))
        }
        OutcomeBody::HoldReleased { why, .. } => format!("released {why:?}"),
        OutcomeBody::PaymentStarted(payment) => format!("paying {}", payment.attempt),
        OutcomeBody::PaymentAwaited(payment) => format!("awaited {}", payment.attempt),
        OutcomeBody::PaymentDeclined { deadline, .. } => format!("declined {:?}", Some(deadline.0)),
        OutcomeBody::SeatsSold { .. } => "sold".to_owned(),
        OutcomeBody::AllotmentReduced { .. } => "returned".to_owned(),
        OutcomeBody::Refused(schema::Refusal::SeatTaken { seats }) => {
            format!("taken {:?}", seats.iter().map(|seat| seat.0).collect::<Vec<_>>())
        }
        OutcomeBody::Refused(refusal) => format!("{refusal:?}"),
        OutcomeBody::Unchanged { .. } => "unchanged".to_owned(),
    }
}

/// The world, the model, and what was asked so far.
struct Run {
    world: World,
    model: Model,
    holds: Vec<HoldId>,
    asked: Vec<(Command, Outcome, u64)>,
}

impl Run {
    fn new() -> Self {
        let world = World::new(Limits { answers_max: 1_000, ..Limits::default() });
        let model = Model { now: world.now.0, ..Model::default() };
        Self { world, model, holds: vec![HoldId(1)], asked: vec![] }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(seconds) => self.wait(*seconds),
            Step::Ask { who, ask } => self.ask(NAMES[*who], ask),
            Step::Repeat(at) => self.repeat(*at),
        }
        assert_eq!(self.world.owner.counts(self.world.event()).unwrap().free, self.model.free());
    }

    fn wait(&mut self, seconds: u64) {
        self.world.now = UnixMillis(self.world.now.0 + seconds * 1_000);
        self.model.now = self.world.now.0;
        let outcomes = self.world.tick();
        if !outcomes.is_empty() {
            self.model.last = self.model.now;
        }
        let done: BTreeSet<_> =
            outcomes.iter().map(|outcome| (hold_of(&outcome.body), says(&outcome.body))).collect();
        assert_eq!(done, self.model.tick());
    }

    fn ask(&mut self, who: &str, ask: &Ask) {
        let hold = |at: usize| self.holds[at % self.holds.len()];
        let body = match ask.clone() {
            Ask::Hold { want, owner, pass } => CommandBody::HoldSeats(HoldSeats {
                want,
                owner,
                pass: pass.map(|number| Pass {
                    place: PassPlace { epoch: 1, number },
                    expires_at: UnixMillis(u64::MAX),
                    account: None,
                }),
            }),
            Ask::Release(at) => CommandBody::ReleaseHold { hold: hold(at) },
            Ask::Pay(at) => CommandBody::StartPayment(StartPayment {
                hold: hold(at),
                method: "CREDIT_CARD".into(),
                token: "tok_ok".into(),
            }),
            Ask::Verdict { hold: at, kind, attempt } => {
                CommandBody::RecordVerdict(Verdict { hold: hold(at), attempt, kind })
            }
            Ask::Return { seats, areas } => CommandBody::ReturnAllotted {
                seats: seats.into_iter().map(SeatIdx).collect(),
                areas: areas.into_iter().map(|(area, count)| (AreaIdx(area), count)).collect(),
            },
        };
        let id = CommandId(u128::try_from(self.asked.len()).unwrap() + 1);
        let command = self.world.command(id, who, body);
        assert_eq!(command.account, account(who));
        let decision = self.world.decide(&command);
        let Decision::Fresh(outcome) = decision else { panic!("{decision:?}") };
        let expected = self.model.ask(&command, &outcome.body).unwrap_or_else(|refusal| refusal);
        assert_eq!(says(&outcome.body), expected, "{command:?}");
        if let OutcomeBody::AllotmentReduced { parts } = &outcome.body {
            self.model.follow_return(parts, command.account);
        }
        if let OutcomeBody::SeatsHeld(held) = &outcome.body {
            self.holds.push(held.hold);
        }
        self.model.last = self.model.now;
        self.asked.push((command, outcome, self.model.now));
    }

    fn repeat(&mut self, at: usize) {
        if self.asked.is_empty() {
            return;
        }
        let (command, outcome, at) = self.asked[at % self.asked.len()].clone();
        if self.model.last <= at + 900_000 {
            assert_eq!(self.world.decide(&command), Decision::Known(outcome));
        } else {
            assert_eq!(self.world.decide(&command), Decision::TooLate);
        }
    }
}

fn hold_of(body: &OutcomeBody) -> HoldId {
    match body {
        OutcomeBody::HoldReleased { hold, .. } => *hold,
        OutcomeBody::PaymentAwaited(payment) => payment.held.hold,
        other => panic!("no timer makes {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn a_shard_decides_like_a_naive_model_of_its_rules(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
    }
}
