//! Golden bytes of a checkpoint: a stored one must stay readable, field for field.

use super::{Checkpoint, decode_large, encode_large, view_checkpoint};
use allocator_core::{
    Answer, Ended, EventSnapshot, Hold, HoldPhase, PassUse, PaymentTerms, SeatState, SeatWord,
    Snapshot,
};
use schema::{
    AccountId, Applied, AreaIdx, Asked, CommandId, Currency, EventId, Held, HeldArea, HeldSeat,
    HoldId, Outcome, OutcomeBody, OwnerKind, PassPlace, Refusal, Released, SeatIdx, ShardId,
    UnixMillis,
};

const GOLDEN: &str = include_str!("golden.txt");

#[test]
fn the_bytes_of_a_checkpoint_are_frozen() {
    let bytes = encode_large(&checkpoint());
    let written = bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let golden = GOLDEN.strip_prefix("Checkpoint ").unwrap().trim();
    assert_eq!(written, golden);
    let digit_pairs = (0..golden.len()).step_by(2).map(|at| &golden[at..at + 2]);
    let stored: Vec<u8> = digit_pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    assert_eq!(decode_large::<Checkpoint>(&stored), Some(checkpoint()));
    assert!(view_checkpoint(&stored).is_some());
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
fn checkpoint() -> Checkpoint {
    let asked = Asked { command: CommandId(1), fingerprint: 2, account: AccountId(3) };
    let body = OutcomeBody::Refused(Refusal::SoldOut);
    let outcome = Outcome { asked: Some(asked), event: event(), free_after: 4, body };
    let ended = Ended {
        hold: HoldId(5),
        event: event(),
        account: AccountId(6),
        why: Released::Expired,
        at: at(7),
    };
    let snapshot = Snapshot {
        shard: ShardId(3),
        time: at(8),
        events: vec![event_snapshot()],
        ended: vec![ended],
        answers: vec![Answer { at: at(9), outcome }],
    };
    let applied = Applied { epoch: 12, number: 13, sequence: 14 };
    Checkpoint { applied, time: Some(at(10)), snapshot }
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
    Hold { held, phase, changes: 59, attempt: 60, due: Some(at(61)), terms }
}
