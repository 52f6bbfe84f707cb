//! Golden bytes of a checkpoint, whose stored parts must stay readable, field for field; and what
//! is made of parts.

use super::{Base, Changed, Head, PartName, Position, Segments};
use allocator_core::{
    Answer, Ended, EventSnapshot, Hold, HoldPhase, Limits, Numbered, PassUse, PaymentTerms,
    SeatState, SeatWord, Shard,
};
use schema::sealed::{seal, unseal};
use schema::{
    AccountId, Applied, AreaIdx, Asked, CommandId, Currency, EventId, Held, HeldArea, HeldSeat,
    HoldId, Outcome, OutcomeBody, OwnerKind, PassPlace, Refusal, Released, SeatIdx, ShardId,
    UnixMillis,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::num::NonZeroU32;

const GOLDEN: &str = include_str!("golden.txt");

const SHARD: ShardId = ShardId(3);

#[test]
fn stored_bytes_are_read_as_what_was_written() {
    let wrong = [
        unlike("Head", &head()),
        unlike("Event", &event_snapshot()),
        unlike("Swapped", &swapped_snapshot()),
        unlike("Answers", &answers()),
        unlike("Ended", &ended()),
    ];
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "new parts, or read as others:\n{}", wrong.join("\n"));
}

/// The line that there should be, where the one that there is says something else. How a part is
/// compressed may change, so bytes are only compared with what they say.
fn unlike<T: Serialize + DeserializeOwned + PartialEq>(name: &str, state: &T) -> Option<String> {
    let line = GOLDEN.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let digit_pairs = (0..line.len()).step_by(2).map(|at| &line[at..at + 2]);
    let stored: Vec<u8> = digit_pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    if unseal::<T>(&stored).is_some_and(|read| read == *state) {
        return None;
    }
    let sealed = seal(state).unwrap();
    Some(sealed.iter().fold(format!("{name} "), |line, byte| line + &format!("{byte:02x}")))
}

fn contents() -> HashMap<String, Vec<u8>> {
    let contents =
        [seal(&event_snapshot()).unwrap(), seal(&answers()).unwrap(), seal(&ended()).unwrap()];
    head().parts.iter().map(ToString::to_string).zip(contents).collect()
}

#[test]
fn a_checkpoint_is_whole_or_it_is_none() {
    let whole = head().assemble(SHARD, &contents()).unwrap();
    assert_eq!(whole.snapshot.events, [event_snapshot()]);
    assert_eq!((whole.snapshot.answers, whole.snapshot.ended), (answers(), ended()));
    assert_eq!(whole.changed, Changed::from([(event(), 17)]));
    for name in head().parts.iter().map(ToString::to_string) {
        let mut without = contents();
        without.remove(&name);
        assert_eq!(head().assemble(SHARD, &without), None, "without {name}");
        let mut damaged = contents();
        damaged.get_mut(&name).unwrap()[7] ^= 1;
        assert_eq!(head().assemble(SHARD, &damaged), None, "with a bit of {name} changed");
    }
    let replaced = |at: usize, content: Vec<u8>| {
        let mut contents = contents();
        contents.insert(head().parts[at].to_string(), content);
        head().assemble(SHARD, &contents)
    };
    let other = EventSnapshot { event: "EVT002".parse().unwrap(), ..event_snapshot() };
    assert_eq!(replaced(0, seal(&other).unwrap()), None, "another event's part");
    let late = Numbered { from: 16, ..answers() };
    assert_eq!(replaced(1, seal(&late).unwrap()), None, "an answer is missing before it");
    let short = Numbered::<Ended> { from: 16, entries: vec![] };
    assert_eq!(replaced(2, seal(&short).unwrap()), None, "an ended hold is missing at its end");
}

#[test]
fn a_part_keeps_its_name_until_its_event_changes() {
    let shard = Shard::new(SHARD, Limits::default());
    let position = head().position;
    let other: EventId = "EVT002".parse().unwrap();
    let mut base = Base::new(14);
    let mut changed = Changed::from([(event(), 11), (other.clone(), 12)]);
    let first = base.next(&shard, position, &changed);
    changed.insert(other, 15);
    let second = base.next(&shard, position, &changed);
    let names = |head: &Head| head.parts.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&first), ["event/EVT001/11", "event/EVT002/12"]);
    assert_eq!(names(&second), ["event/EVT001/11", "event/EVT002/15"]);
    assert_eq!(base.checkpoints, 2);
}

#[test]
fn a_log_is_stored_in_parts_that_are_forgotten_whole() {
    let mut log = Segments::default();
    let mut after = |remembered| {
        log.advance(&remembered);
        log.0.iter().map(|part| (part.start, part.end)).collect::<Vec<_>>()
    };
    assert_eq!(after(5..5), []);
    assert_eq!(after(5..8), [(5, 8)]);
    assert_eq!(after(5..8), [(5, 8)], "nothing has come");
    assert_eq!(after(6..9), [(5, 8), (8, 9)], "a part of which something is remembered stays");
    assert_eq!(after(8..9), [(8, 9)]);
    assert_eq!(after(20..22), [(20, 22)], "all was forgotten in between");
}

fn event() -> EventId {
    "EVT001".parse().unwrap()
}

fn at(millis: u64) -> UnixMillis {
    UnixMillis(1_800_000_000_000 + millis)
}

fn place() -> PassPlace {
    PassPlace { epoch: 11, number: 1_200 }
}

/// Every number differs from its neighbours, so that two fields cannot change places unseen.
fn head() -> Head {
    let applied = Applied { epoch: 12, number: 13, sequence: 14 };
    Head {
        position: Position { applied, time: Some(at(10)) },
        last_outcome: at(8),
        answers_from: 15,
        ended_from: 16,
        parts: vec![
            PartName::Event { event: event(), sequence: 17 },
            PartName::Answers { from: 15, to: 16 },
            PartName::Ended { from: 16, to: 17 },
        ],
        known_from: 0,
    }
}

fn answers() -> Numbered<Answer> {
    let asked = Asked { command: CommandId(1), fingerprint: 2, account: AccountId(3) };
    let body = OutcomeBody::Refused(Refusal::SoldOut);
    let outcome = Outcome { asked: Some(asked), event: event(), free_after: 4, body };
    Numbered { from: 15, entries: vec![Answer { at: at(9), outcome }] }
}

fn ended() -> Numbered<Ended> {
    let ended = Ended {
        hold: HoldId(5),
        event: event(),
        account: AccountId(6),
        why: Released::Expired,
        at: at(7),
    };
    Numbered { from: 16, entries: vec![ended] }
}

fn event_snapshot() -> EventSnapshot {
    let phases = std::iter::successors(Some(HoldPhase::Held), |phase| phase_after(*phase));
    let word = |phase: HoldPhase, slot| {
        SeatWord { generation: 20 + slot, state: phase.seat_state(), slot }.encode()
    };
    let holds: Vec<(u32, Hold)> = (0..).zip(phases.map(hold)).collect();
    let mut words: Vec<(SeatIdx, u64)> =
        holds.iter().map(|(slot, hold)| (SeatIdx(30 + slot), word(hold.phase, *slot))).collect();
    let freed = SeatWord { generation: 40, state: SeatState::Free, slot: 0 };
    words.push((SeatIdx(41), freed.encode()));
    let pass = PassUse { account: AccountId(42), hold: Some(HoldId(43)), spent: true };
    EventSnapshot { event: event(), words, passes: vec![(place(), pass)], holds }
}

/// An event with a hold that has had other places since a payment attempt.
fn swapped_snapshot() -> EventSnapshot {
    let swapped = Hold { attempt_swapped: NonZeroU32::new(62), ..hold(HoldPhase::Held) };
    EventSnapshot { event: event(), words: vec![], passes: vec![], holds: vec![(63, swapped)] }
}

/// Goes through all phases; one that is not here does not compile.
fn phase_after(phase: HoldPhase) -> Option<HoldPhase> {
    match phase {
        HoldPhase::Held => Some(HoldPhase::Paying),
        HoldPhase::Paying => Some(HoldPhase::Sold),
        HoldPhase::Sold => Some(HoldPhase::Blocked),
        HoldPhase::Blocked => None,
    }
}

fn hold(phase: HoldPhase) -> Hold {
    let held = Held {
        hold: HoldId(51),
        account: AccountId(52),
        owner: OwnerKind::Fan,
        seats: vec![HeldSeat { seat: SeatIdx(53), generation: 54, price_level: 1, price: 5_000 }],
        areas: vec![HeldArea { area: AreaIdx(55), quantity: 56, price_level: 2, price: 4_000 }],
        currency: Currency::EUR,
        deadline: Some(at(57)),
        pass: Some(place()),
    };
    let terms =
        PaymentTerms { method: "CREDIT_CARD".into(), token: "tok_ok".into(), deadline: at(58) };
    let terms = (phase == HoldPhase::Paying).then(|| Box::new(terms));
    let (parts, attempt_swapped) = (64, None);
    Hold { held, phase, changes: 59, attempt: 60, due: Some(at(61)), terms, parts, attempt_swapped }
}
