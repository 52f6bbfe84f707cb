//! A shard against a naive model of the same rules, under random commands.

mod naive;

use super::world::{World, account};
use crate::Limits;
use crate::shard::Decision;
use naive::{CHANNELS, Model, SEATS, says};
use proptest::prelude::*;
use schema::SYSTEM_ACCOUNT;
use schema::{
    AccountId, AreaIdx, BestAvailable, Command, CommandBody, CommandId, Condition, DurationMs,
    HoldId, HoldSeats, Outcome, OutcomeBody, OwnerKind, Pass, PassPlace, PreviousStatuses,
    ReturnedPart, SeatIdx, SellAllotted, StartPayment, UnixMillis, Verdict, VerdictKind, Want,
};
use std::collections::BTreeSet;

const NAMES: [&str; 4] = ["ana", "bob", "cem", "settlement"];
#[derive(Debug, Clone)]
enum Step {
    /// Seconds.
    Wait(u64),
    Ask {
        who: usize,
        ask: Ask,
    },
    Repeat(usize),
    /// Operators change which of the channels there are.
    Channels([bool; 2]),
}

#[derive(Debug, Clone)]
enum Ask {
    Hold {
        want: Want,
        owner: OwnerKind,
        pass: Option<u64>,
        condition: Option<Condition>,
    },
    Release(usize),
    Extend(usize),
    Swap(usize, Want, Option<&'static str>),
    Pay(usize),
    Verdict {
        hold: usize,
        kind: VerdictKind,
        attempt: u32,
    },
    /// Of the seats and standing places that the hold has now so many, as the part behind so many
    /// others.
    Reduce {
        hold: usize,
        seats: usize,
        standing: u32,
        ahead: u32,
    },
    Return {
        seats: Vec<u32>,
        areas: Vec<(u16, u32)>,
        previous: Option<(bool, bool)>,
    },
    Sell {
        seats: Vec<u32>,
        areas: Vec<(u16, u32)>,
        previous: Option<(bool, bool)>,
    },
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
        2 => prop::collection::vec((0..3_u16).prop_map(AreaIdx).prop_flat_map(quantity), 0..3)
            .prop_map(Want::Areas),
    ]
}

fn quantity(area: AreaIdx) -> impl Strategy<Value = (AreaIdx, u32)> {
    (0..4_u32).prop_map(move |quantity| (area, quantity))
}

fn previous() -> impl Strategy<Value = Option<(bool, bool)>> {
    prop_oneof![2 => Just(None), 1 => any::<(bool, bool)>().prop_map(Some)]
}

fn key() -> impl Strategy<Value = Option<&'static str>> {
    let keys = [None, None, Some(CHANNELS[0].key), Some(CHANNELS[1].key), Some("OTHER")];
    prop::sample::select(keys.to_vec())
}

fn condition() -> impl Strategy<Value = Option<Condition>> {
    let of_channel = |key: Option<&'static str>| key.map(|key| Condition::Channel(key.into()));
    prop_oneof![
        2 => key().prop_map(of_channel),
        1 => previous().prop_map(|previous| statuses(previous).map(Condition::Previous)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let owner = prop_oneof![6 => Just(OwnerKind::Fan), 1 => Just(OwnerKind::Allotment),
        1 => Just(OwnerKind::Kill(schema::KillReason::Safety))];
    let kind = prop_oneof![
        Just(VerdictKind::Declined),
        Just(VerdictKind::Cancelled),
        Just(VerdictKind::Sold),
        Just(VerdictKind::Refunded)
    ];
    let returned_seats = prop::collection::vec(0..SEATS, 0..3);
    let returned_areas = prop::collection::vec((0..2_u16, 1..3_u32), 0..2);
    let ask = prop_oneof![
        8 => (wants(), owner, prop::option::of(0..4_u64), condition())
            .prop_map(|(want, owner, pass, condition)| Ask::Hold { want, owner, pass, condition }),
        2 => (wants(), previous()).prop_map(|(want, previous)| {
            let condition = statuses(previous).map(Condition::Previous);
            Ask::Hold { want, owner: OwnerKind::Allotment, pass: None, condition }
        }),
        3 => any::<usize>().prop_map(Ask::Release),
        2 => any::<usize>().prop_map(Ask::Extend),
        4 => (any::<usize>(), wants(), key())
            .prop_map(|(hold, want, key)| Ask::Swap(hold, want, key)),
        4 => any::<usize>().prop_map(Ask::Pay),
        6 => (any::<usize>(), kind, 0..3_u32)
            .prop_map(|(hold, kind, attempt)| Ask::Verdict { hold, kind, attempt }),
        4 => (any::<usize>(), 0..3_usize, 0..3_u32, 0..3_u32).prop_map(
            |(hold, seats, standing, ahead)| Ask::Reduce { hold, seats, standing, ahead }),
        3 => (returned_seats.clone(), returned_areas.clone(), previous())
            .prop_map(|(seats, areas, previous)| Ask::Return { seats, areas, previous }),
        5 => (returned_seats, returned_areas, previous())
            .prop_map(|(seats, areas, previous)| Ask::Sell { seats, areas, previous }),
    ];
    let step = prop_oneof![
        2 => prop_oneof![0..40_u64, 500..1_000_u64].prop_map(Step::Wait),
        12 => (0..NAMES.len(), ask).prop_map(|(who, ask)| Step::Ask { who, ask }),
        2 => any::<usize>().prop_map(Step::Repeat),
        1 => any::<[bool; 2]>().prop_map(Step::Channels),
    ];
    prop::collection::vec(step, 1..80)
}

/// The world, the model, and what was asked so far.
struct Run {
    world: World,
    model: Model,
    holds: Vec<HoldId>,
    asked: Vec<(Command, Outcome, u64)>,
}

impl Run {
    /// In a world whose areas share `pool` places, if it is given.
    fn new(pool: Option<u32>) -> Self {
        let limits =
            Limits { answers_max: 1_000, expiry_spread: DurationMs(0), ..Limits::default() };
        let world = match pool {
            None => World::new(limits),
            Some(capacity) => World::pooled(capacity, limits),
        };
        let model = Model::starting_at(world.now.0, pool);
        Self { world, model, holds: vec![HoldId(1)], asked: vec![] }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(seconds) => self.wait(*seconds),
            Step::Ask { who, ask } => self.ask(NAMES[*who], ask),
            Step::Repeat(at) => self.repeat(*at),
            Step::Channels(there) => self.keep(*there),
        }
        assert_eq!(self.world.owner.counts(self.world.event()).unwrap().free, self.model.free());
    }

    fn keep(&mut self, there: [bool; 2]) {
        self.model.channels = there;
        let channels = CHANNELS.iter().zip(there).filter(|(_, there)| *there);
        let channels: Vec<_> = channels
            .map(|(channel, _)| (channel.key, channel.seats, channel.ends_at.map(UnixMillis)))
            .collect();
        self.world.keep(&channels);
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
        // One of the latest, so that holds get old enough to be paid, declined, sold and refunded.
        let hold = |at: usize| self.holds[self.holds.len() - 1 - at % self.holds.len().min(5)];
        let body = match ask.clone() {
            Ask::Hold { want, owner, pass, condition } => CommandBody::HoldSeats(HoldSeats {
                want,
                owner,
                pass: pass.map(|number| Pass {
                    place: PassPlace { epoch: 1, number },
                    expires_at: UnixMillis(u64::MAX),
                    account: None,
                }),
                condition,
            }),
            Ask::Release(at) => CommandBody::ReleaseHold { hold: hold(at) },
            Ask::Extend(at) => CommandBody::ExtendHold { hold: hold(at) },
            Ask::Swap(at, want, key) => {
                CommandBody::SwapSeats { hold: hold(at), want, channel: key.map(Into::into) }
            }
            Ask::Pay(at) => CommandBody::StartPayment(StartPayment {
                hold: hold(at),
                method: "CREDIT_CARD".into(),
                token: "tok_ok".into(),
            }),
            Ask::Verdict { hold: at, kind, attempt } => {
                CommandBody::RecordVerdict(Verdict { hold: hold(at), attempt, kind })
            }
            Ask::Reduce { hold: at, seats, standing, ahead } => {
                self.reduction(hold(at), seats, standing, ahead)
            }
            Ask::Return { seats, areas, previous } => CommandBody::ReturnAllotted {
                previous: statuses(previous),
                seats: seats.into_iter().map(SeatIdx).collect(),
                areas: areas.into_iter().map(|(area, count)| (AreaIdx(area), count)).collect(),
            },
            Ask::Sell { seats, areas, previous } => CommandBody::SellAllotted(SellAllotted {
                previous: statuses(previous),
                seats: seats.into_iter().map(SeatIdx).collect(),
                areas: areas.into_iter().map(|(area, count)| (AreaIdx(area), count)).collect(),
                buyer: "ana".into(),
            }),
        };
        let id = CommandId(u128::try_from(self.asked.len()).unwrap() + 1);
        let mut command = self.world.command(id, who, body);
        command.account = self.actor(who, &command.body);
        let decision = self.world.decide(&command);
        let Decision::Fresh(outcome) = decision else { panic!("{decision:?}") };
        let expected = self.model.ask(&command, &outcome.body).unwrap_or_else(|refusal| refusal);
        assert_eq!(says(&outcome.body), expected, "{command:?}");
        if let OutcomeBody::AllotmentReduced { parts } = &outcome.body {
            self.model.follow_return(parts, command.account);
        }
        if let OutcomeBody::AllottedSold { parts, payment } = &outcome.body {
            self.model.follow_sale(parts, payment);
            self.holds.push(payment.held.hold);
        }
        if let OutcomeBody::SeatsHeld(held) = &outcome.body {
            self.holds.push(held.hold);
        }
        self.model.last = self.model.now;
        self.asked.push((command, outcome, self.model.now));
    }

    fn reduction(&self, hold: HoldId, seats: usize, standing: u32, ahead: u32) -> CommandBody {
        let known = self.world.owner.hold(hold);
        let own = known.as_ref().map(|known| known.held);
        let seats = own.map_or(vec![], |own| {
            own.seats.iter().rev().take(seats).rev().map(|seat| seat.seat).collect()
        });
        let areas = own.and_then(|own| own.areas.first()).filter(|_| 0 < standing);
        let areas = areas.map(|area| (area.area, standing)).into_iter().collect();
        let part = self.model.parts_of(hold) + ahead;
        CommandBody::ReduceSale { part, places: ReturnedPart { hold, seats, areas } }
    }

    /// Mostly somebody who may: the hold's owner, or settlement.
    fn actor(&self, who: &str, body: &CommandBody) -> AccountId {
        let hold = match body {
            CommandBody::ReleaseHold { hold }
            | CommandBody::ExtendHold { hold }
            | CommandBody::SwapSeats { hold, .. } => *hold,
            CommandBody::StartPayment(ask) => ask.hold,
            CommandBody::RecordVerdict(_) | CommandBody::ReduceSale { .. } if who != NAMES[0] => {
                return SYSTEM_ACCOUNT;
            }
            _ => return account(who),
        };
        let owner = self.world.owner.hold(hold).map(|hold| hold.held.account);
        owner.filter(|_| who != NAMES[0]).unwrap_or(account(who))
    }

    fn repeat(&mut self, at: usize) {
        if self.asked.is_empty() {
            return;
        }
        let (command, outcome, at) = self.asked[at % self.asked.len()].clone();
        if self.model.last <= at + 900_000 {
            assert_eq!(self.world.decide(&command), Decision::Known(outcome));
        } else {
            let decision = self.world.decide(&command);
            assert!(matches!(decision, Decision::Archived { .. }), "{decision:?}");
        }
    }
}

fn statuses(previous: Option<(bool, bool)>) -> Option<PreviousStatuses> {
    previous.map(|(free, set_aside)| PreviousStatuses { free, set_aside })
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
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn a_shard_decides_like_a_naive_model_of_its_rules(
        pool in prop::option::of(5..=8_u32),
        steps in steps(),
    ) {
        let mut run = Run::new(pool);
        for step in &steps {
            run.step(step);
        }
    }
}
