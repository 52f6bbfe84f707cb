//! What a seat's history tells of batches, and where it may be continued.

use super::{Broken, SeatHistory, TURNS_MAX, What};
use crate::{
    AccountId, Asked, Batch, CommandId, Currency, DurationMs, EventId, Held, HeldSeat, HoldId,
    Money, Outcome, OutcomeBody, OwnerKind, Payment, Refusal, Released, ReturnedPart, SeatIdx,
    ShardId, UnixMillis, codec, subject,
};

const SEAT: SeatIdx = SeatIdx(7);
const SHARD: ShardId = ShardId(1);

fn event(name: &str) -> EventId {
    name.parse().unwrap()
}

fn held(hold: u128, seats: &[u32]) -> Held {
    let seat =
        |seat: &u32| HeldSeat { seat: SeatIdx(*seat), generation: 1, price_level: 0, price: 6_500 };
    Held {
        hold: HoldId(hold),
        account: AccountId(hold + 100),
        owner: OwnerKind::Fan,
        seats: seats.iter().map(seat).collect(),
        areas: Vec::new(),
        currency: Currency::EUR,
        deadline: Some(UnixMillis(9_000)),
        pass: None,
    }
}

fn batch(number: u64, name: &str, bodies: Vec<OutcomeBody>) -> Batch {
    let outcome = |body| Outcome { asked: None, event: event(name), free_after: 0, body };
    let outcomes = bodies.into_iter().map(outcome).collect();
    Batch { epoch: 1, number, time: UnixMillis(number * 1_000), outcomes, previous: 0 }
}

fn told(history: &SeatHistory) -> Vec<(u64, u128, What)> {
    let hold = |turn: &super::SeatTurn| turn.hold.map_or(0, |hold| hold.0);
    let turn = |turn: &super::SeatTurn| (turn.at.0, hold(turn), turn.what.clone());
    history.turns().map(turn).collect()
}

fn taken() -> OutcomeBody {
    OutcomeBody::Refused(Refusal::SeatTaken { seats: vec![SeatIdx(6), SEAT] })
}

#[test]
fn it_tells_who_had_the_seat_who_wanted_it_and_why_it_was_let_go() {
    let mut history = SeatHistory::new(event("EVT001"), SEAT, SHARD);
    let payment = |hold| Payment {
        held: held(hold, &[6, 7]),
        attempt: 1,
        method: "card".into(),
        token: "tok_ok".into(),
        payment_deadline: UnixMillis(99_000),
        trace: None,
    };
    let moved = OutcomeBody::DeadlinesMoved { by: DurationMs(500) };
    let expired = OutcomeBody::HoldReleased { hold: HoldId(1), why: Released::Expired };
    let declined =
        OutcomeBody::PaymentDeclined { hold: HoldId(3), attempt: 1, deadline: UnixMillis(20_000) };
    let batches = [
        vec![OutcomeBody::SeatsHeld(held(1, &[6, 7])), OutcomeBody::SeatsHeld(held(2, &[8]))],
        vec![taken(), taken(), moved.clone()],
        vec![expired, OutcomeBody::HoldReleased { hold: HoldId(2), why: Released::ByOwner }],
        // Nobody has it: what is said of others does not concern it.
        vec![OutcomeBody::SeatsHeld(held(3, &[7]))],
        vec![OutcomeBody::PaymentStarted(payment(3)), moved],
        vec![declined, OutcomeBody::PaymentStarted(payment(3))],
        vec![OutcomeBody::SeatsSold { hold: HoldId(3), pass: None }],
        vec![OutcomeBody::HoldReleased { hold: HoldId(3), why: Released::Refunded }],
    ];
    for (number, bodies) in (1..).zip(batches) {
        history.read(10 + number, &batch(number, "EVT001", bodies)).unwrap();
    }
    let until = |until| Some(UnixMillis(until));
    let price = Money::new(6_500, Currency::EUR);
    let was_held = What::Held { by: OwnerKind::Fan, until: until(9_000), price };
    let refused = What::Refused {
        code: "SEAT_TAKEN",
        count: 2,
        last: UnixMillis(2_000),
        accounts: Vec::new(),
    };
    let started = What::PaymentStarted { attempt: 1 };
    let expected = [
        (1_000, 1, was_held.clone()),
        (2_000, 1, refused),
        (2_000, 1, What::Prolonged { until: UnixMillis(9_500) }),
        (3_000, 1, What::Released(Released::Expired)),
        (4_000, 3, was_held),
        (5_000, 3, started.clone()),
        (6_000, 3, What::PaymentDeclined { attempt: 1, until: UnixMillis(20_000) }),
        (6_000, 3, started),
        (7_000, 3, What::Sold),
        (8_000, 3, What::Released(Released::Refunded)),
    ];
    assert_eq!(told(&history), expected);
    assert_eq!((history.sequence(), history.omitted()), (18, 0));
}

#[test]
fn an_allotment_gives_back_the_seats_that_it_names_and_no_others() {
    let mut history = SeatHistory::new(event("EVT001"), SEAT, SHARD);
    let back = |seat| {
        let part = ReturnedPart { hold: HoldId(1), seats: vec![SeatIdx(seat)], areas: vec![] };
        OutcomeBody::AllotmentReduced { parts: vec![part] }
    };
    let bodies = vec![OutcomeBody::SeatsHeld(held(1, &[6, 7])), back(6), back(7), taken()];
    history.read(1, &batch(1, "EVT001", bodies)).unwrap();
    let told = told(&history);
    assert_eq!(told[1].2, What::Returned);
    assert_eq!((told.len(), told[2].1), (3, 0), "nobody's hold was in the way");
}

#[test]
fn a_seat_whose_ticket_was_paid_back_alone_is_released_and_the_rest_stays_sold() {
    let mut history = SeatHistory::new(event("EVT001"), SEAT, SHARD);
    let back = |part, seat| {
        let places = ReturnedPart { hold: HoldId(1), seats: vec![SeatIdx(seat)], areas: vec![] };
        OutcomeBody::SaleReduced { part, places }
    };
    let sold = OutcomeBody::SeatsSold { hold: HoldId(1), pass: None };
    let bodies =
        vec![OutcomeBody::SeatsHeld(held(1, &[6, 7])), sold, back(1, 6), back(2, 7), taken()];
    history.read(1, &batch(1, "EVT001", bodies)).unwrap();
    let told = told(&history);
    assert_eq!((&told[1].2, &told[2].2), (&What::Sold, &What::Released(Released::Refunded)));
    assert_eq!((told.len(), told[3].1), (4, 0), "nobody's hold was in the way");
}

#[test]
fn a_swap_tells_of_the_seats_that_come_and_go_and_not_of_those_that_stay() {
    let mut history = SeatHistory::new(event("EVT001"), SEAT, SHARD);
    let swapped = |hold, seats: &[u32]| OutcomeBody::SeatsSwapped(held(hold, seats));
    let bodies = vec![
        OutcomeBody::SeatsHeld(held(1, &[6])),
        swapped(1, &[6, 7]),
        swapped(1, &[7, 8]),
        swapped(1, &[8]),
        OutcomeBody::HoldReleased { hold: HoldId(1), why: Released::ByOwner },
        OutcomeBody::SeatsHeld(held(2, &[7])),
        swapped(3, &[9]),
    ];
    history.read(1, &batch(1, "EVT001", bodies)).unwrap();
    let told = told(&history);
    assert_eq!(told.iter().map(|(_, hold, _)| *hold).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(told[1].2, What::SwappedAway);
}

#[test]
fn it_is_read_from_the_messages_of_its_shards_journal() {
    let event = event("EVT001");
    let name = subject::journal(SHARD);
    let mut history = SeatHistory::new(event, SEAT, SHARD);
    let bodies = vec![OutcomeBody::SeatsHeld(held(1, &[7]))];
    let bytes = codec::encode_checked(&batch(1, "EVT001", bodies));
    history.take(1, "another subject", b"an epoch record").unwrap();
    assert_eq!(history.take(2, &name, b"?"), Err(Broken::Unreadable(2)));
    history.take(3, &name, &bytes).unwrap();
    assert_eq!(told(&history).len(), 1);
}

#[test]
fn other_events_repeated_batches_and_gaps_do_not_mislead_it() {
    let mut history = SeatHistory::new(event("EVT001"), SEAT, SHARD);
    let holds =
        |number, hold, name| batch(number, name, vec![OutcomeBody::SeatsHeld(held(hold, &[7]))]);
    history.read(1, &holds(1, 1, "EVT001")).unwrap();
    history.read(2, &holds(1, 2, "EVT001")).unwrap();
    history.read(3, &holds(2, 3, "EVT002")).unwrap();
    assert_eq!(told(&history).len(), 1);
    assert_eq!(history.read(4, &holds(4, 4, "EVT001")), Err(Broken::Missing(4)));
    assert_eq!(history.kept_from(), None);
}

#[test]
fn a_trimmed_journal_is_told_from_its_first_batch_on_and_who_pays_is_known_again() {
    let mut history = SeatHistory::new(event("EVT001"), SEAT, SHARD);
    let let_go = |hold| OutcomeBody::HoldReleased { hold, why: Released::ByOwner };
    let paid = Payment {
        held: held(2, &[7]),
        attempt: 3,
        method: "card".into(),
        token: "tok_ok".into(),
        payment_deadline: UnixMillis(99_000),
        trace: None,
    };
    let bodies = [vec![let_go(HoldId(9))], vec![OutcomeBody::PaymentStarted(paid)]];
    for (number, bodies) in (7..).zip(bodies) {
        history.read(40 + number, &batch(number, "EVT001", bodies)).unwrap();
    }
    assert_eq!(history.kept_from(), Some(UnixMillis(7_000)));
    assert_eq!(told(&history), [(8_000, 2, What::PaymentStarted { attempt: 3 })]);
}

#[test]
fn a_history_that_goes_on_behind_a_bookmark_tells_the_rest() {
    let sold = OutcomeBody::SeatsSold { hold: HoldId(1), pass: None };
    let moved = OutcomeBody::DeadlinesMoved { by: DurationMs(500) };
    let gone = OutcomeBody::HoldReleased { hold: HoldId(1), why: Released::Refunded };
    let holds = [1, 2].map(|hold| OutcomeBody::SeatsHeld(held(hold, &[7])));
    let [first, second] = holds;
    let bodies = [first, moved, taken(), sold, gone, second];
    let new = || SeatHistory::new(event("EVT001"), SEAT, SHARD);
    let resume = |bookmark| SeatHistory::resume(event("EVT001"), SEAT, SHARD, bookmark);
    let read = |history: &mut SeatHistory, numbers: std::ops::Range<usize>| {
        for at in numbers {
            let number = at as u64 + 1;
            history.read(number, &batch(number, "EVT001", vec![bodies[at].clone()])).unwrap();
        }
    };
    let mut whole = new();
    read(&mut whole, 0..6);
    assert_eq!(told(&whole).len(), 6);
    for end in 0..=6 {
        let mut first = new();
        read(&mut first, 0..end);
        let bytes = codec::encode(&first.bookmark());
        let bookmark = codec::decode(&bytes).unwrap();
        let mut rest = resume(bookmark).expect("it is this seat's");
        let begin = usize::try_from(rest.begins_behind()).unwrap();
        assert_eq!(begin, end.saturating_sub(1), "the last batch shows which journal it is");
        read(&mut rest, begin..6);
        assert_eq!(rest.end(), Ok(()));
        assert_eq!([told(&first), told(&rest)].concat(), told(&whole), "{end}");
        assert_eq!(rest.bookmark(), whole.bookmark());
    }
    let others = [(event("EVT002"), SEAT), (event("EVT001"), SeatIdx(8))];
    for (event, seat) in others {
        assert_eq!(SeatHistory::resume(event, seat, SHARD, whole.bookmark()), None);
    }
}

#[test]
fn a_bookmark_is_good_only_where_the_batch_that_it_lies_behind_still_is() {
    let mut first = SeatHistory::new(event("EVT001"), SEAT, SHARD);
    for number in 1..=2 {
        first.read(number, &batch(number, "EVT001", vec![])).unwrap();
    }
    let resume = || SeatHistory::resume(event("EVT001"), SEAT, SHARD, first.bookmark());
    let same = batch(2, "EVT001", vec![]);
    let anew = Batch { time: UnixMillis(99_000), ..same.clone() };
    let next = Batch { previous: 2, ..batch(3, "EVT001", vec![]) };
    for (sequence, batch, answer) in [
        (2, &same, Ok(())),
        (2, &anew, Err(Broken::Gone(2))),
        (3, &next, Err(Broken::Gone(2))),
        (3, &same, Err(Broken::Gone(2))),
    ] {
        let mut rest = resume().unwrap();
        assert_eq!(rest.read(sequence, batch), answer, "{sequence}");
        assert_eq!(rest.end(), answer);
    }
    assert_eq!(resume().unwrap().end(), Err(Broken::Gone(2)), "it ends before");
}

#[test]
fn the_first_who_are_refused_are_named_once_and_each_code_is_a_turn_of_its_own() {
    let mut history = SeatHistory::new(event("EVT001"), SEAT, SHARD);
    let seats = vec![SEAT];
    let kept = Refusal::ChannelRequired { seats: seats.clone() };
    let status = Refusal::StatusNotAllowed { seats: seats.clone() };
    let taken = Refusal::SeatTaken { seats };
    let elsewhere = Refusal::SeatTaken { seats: vec![SeatIdx(6)] };
    let askers = (1..=10).chain([1]).map(|asker| (asker, taken.clone()));
    let before = [(1, kept.clone()), (1, elsewhere), (2, kept), (3, status)];
    let refused = |(asker, refusal)| {
        let (command, account) = (CommandId(1), AccountId(asker));
        let asked = Some(Asked { command, fingerprint: 0, account });
        let body = OutcomeBody::Refused(refusal);
        Outcome { asked, event: event("EVT001"), free_after: 0, body }
    };
    let mut batch = batch(1, "EVT001", vec![OutcomeBody::SeatsHeld(held(5, &[7]))]);
    batch.outcomes.splice(0..0, before.map(refused));
    batch.outcomes.extend(askers.map(refused));
    history.read(1, &batch).unwrap();
    let last = UnixMillis(1_000);
    let told: Vec<_> = told(&history).into_iter().map(|(_, hold, what)| (hold, what)).collect();
    let no = |code, count, accounts: std::ops::RangeInclusive<u128>| What::Refused {
        code,
        count,
        last,
        accounts: accounts.map(AccountId).collect(),
    };
    assert_eq!(told[0], (0, no("CHANNEL_REQUIRED", 2, 1..=2)));
    assert_eq!(told[1], (0, no("STATUS_NOT_ALLOWED", 1, 3..=3)));
    assert_eq!(told[3], (5, no("SEAT_TAKEN", 11, 1..=8)));
    assert_eq!(told.len(), 4);
}

#[test]
fn the_newest_turns_are_kept_and_the_others_counted() {
    let mut history = SeatHistory::new(event("EVT001"), SEAT, SHARD);
    let turns = TURNS_MAX + 10;
    for (number, hold) in (1..).zip(0..turns as u128 / 2) {
        let gone = OutcomeBody::HoldReleased { hold: HoldId(hold), why: Released::ByOwner };
        let bodies = vec![OutcomeBody::SeatsHeld(held(hold, &[7])), gone];
        history.read(number, &batch(number, "EVT001", bodies)).unwrap();
    }
    assert_eq!((history.turns().len(), history.omitted()), (TURNS_MAX, 10));
}

#[test]
fn a_partners_sale_is_told_of_seats_of_its_allotment_and_of_free_ones() {
    let sale = |hold, seats: &[u32], parts| OutcomeBody::AllottedSold {
        parts,
        payment: Payment {
            held: Held { owner: OwnerKind::PartnerSale, ..held(hold, seats) },
            attempt: 1,
            method: crate::PARTNER_SALE.into(),
            token: "".into(),
            payment_deadline: UnixMillis(9_000),
            trace: None,
        },
    };
    let part = ReturnedPart { hold: HoldId(1), seats: vec![SEAT], areas: vec![] };
    let allotted = Held { owner: OwnerKind::Allotment, deadline: None, ..held(1, &[7]) };
    let sold = |hold| OutcomeBody::SeatsSold { hold: HoldId(hold), pass: None };
    let refunded = OutcomeBody::HoldReleased { hold: HoldId(2), why: Released::Refunded };
    let mut history = SeatHistory::new(event("EVT001"), SEAT, SHARD);
    let story = vec![
        OutcomeBody::SeatsHeld(allotted),
        sale(2, &[7], vec![part]),
        OutcomeBody::DeadlinesMoved { by: DurationMs(5) },
        sold(2),
        refunded,
        sale(3, &[6, 7], vec![]),
        sold(3),
    ];
    history.read(1, &batch(1, "EVT001", story)).unwrap();
    let told = told(&history);
    let whose: Vec<u128> = told.iter().map(|(_, hold, _)| *hold).collect();
    assert_eq!(whose, [1, 2, 2, 2, 3, 3], "{told:?}");
    for at in [1, 4] {
        let What::Held { by, until, .. } = told[at].2 else { panic!("{told:?}") };
        assert_eq!((by, until), (OwnerKind::PartnerSale, None), "no timer ends it");
    }
    assert_eq!(told[5].2, What::Sold);
}

#[test]
fn late_money_tells_which_hold_it_was_for() {
    let mut history = SeatHistory::new(event("EVT001"), SEAT, SHARD);
    let before = HoldId(9);
    let reseated = |hold, seats: &[u32]| {
        OutcomeBody::Reseated(Payment {
            held: held(hold, seats),
            attempt: 1,
            method: crate::LATE_MONEY.into(),
            token: before.to_string().into(),
            payment_deadline: UnixMillis(9_000),
            trace: None,
        })
    };
    let sold = OutcomeBody::SeatsSold { hold: HoldId(2), pass: None };
    history.read(1, &batch(1, "EVT001", vec![reseated(1, &[6]), reseated(2, &[7]), sold])).unwrap();
    let told = told(&history);
    let What::Reseated { before: told_before, .. } = told[0].2 else { panic!("{told:?}") };
    assert_eq!((told_before, told[0].1), (Some(before), 2));
    assert_eq!((told.len(), &told[1].2), (2, &What::Sold));
}
