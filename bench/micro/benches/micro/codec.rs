//! The codec: a command on its way in, and a journal batch of a hundred outcomes with its checksum.

use criterion::{Criterion, Throughput};
use schema::codec::{decode, decode_checked, encode, encode_checked};
use schema::{
    AccountId, Asked, Batch, Command, CommandBody, CommandId, Currency, EventId, Held, HeldSeat,
    HoldId, HoldSeats, Outcome, OutcomeBody, OwnerKind, Pass, PassPlace, SeatIdx, UnixMillis, Want,
};
use std::hint::black_box;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

/// Ids are 128 bits that look random; a small number would be encoded shorter.
const ID: u128 = 0x0192_8f3a_77c4_7d11_9b5e_60c2_3f8d_a4e7;

const OUTCOMES: u32 = 100;

pub fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    let command = command();
    let bytes = encode(&command);
    assert!(decode::<Command>(&bytes).is_ok_and(|decoded| decoded == command));
    group.throughput(throughput(&bytes));
    group.bench_function("encode a command", |bench| bench.iter(|| encode(black_box(&command))));
    group.bench_function("decode a command", |bench| {
        bench.iter(|| decode::<Command>(black_box(&bytes)));
    });

    let outcomes = (0..OUTCOMES).map(outcome).collect();
    let batch = Batch { epoch: 70_000, number: 123_456, time: NOW, outcomes, previous: 70_122 };
    let bytes = encode_checked(&batch);
    assert!(decode_checked::<Batch>(&bytes).is_ok_and(|decoded| decoded == batch));
    group.throughput(throughput(&bytes));
    group.bench_function("encode 100 outcomes with checksum", |bench| {
        bench.iter(|| encode_checked(black_box(&batch)));
    });
    group.bench_function("decode 100 outcomes with checksum", |bench| {
        bench.iter(|| decode_checked::<Batch>(black_box(&bytes)));
    });
    group.bench_function("checksum of 100 outcomes", |bench| {
        bench.iter(|| schema::codec::checksum(black_box(&bytes)));
    });
    group.finish();
}

fn throughput(bytes: &[u8]) -> Throughput {
    Throughput::Bytes(u64::try_from(bytes.len()).expect("usize has at most 64 bits"))
}

fn event() -> EventId {
    "EVT001".parse().expect("it is an event id")
}

/// A fan with a pass asks for two seats.
fn command() -> Command {
    let place = PassPlace { epoch: 3, number: 70_000 };
    let pass = Pass { place, expires_at: NOW, account: Some(AccountId(ID)) };
    let want = Want::Seats(vec![SeatIdx(12_345), SeatIdx(12_346)]);
    Command {
        id: CommandId(ID),
        fingerprint: 0x9e37_79b9_7f4a_7c15,
        event: event(),
        account: AccountId(ID),
        deadline: NOW,
        reply_to: schema::subject::replies("2f8d0a4e").into(),
        trace: None,
        body: CommandBody::HoldSeats(HoldSeats {
            want,
            owner: OwnerKind::Fan,
            pass: Some(pass),
            condition: None,
        }),
    }
}

/// Two seats are held.
fn outcome(number: u32) -> Outcome {
    let id = ID ^ u128::from(number) << 64;
    let seat = |seat: u32| HeldSeat {
        seat: SeatIdx(number * 2 + seat),
        generation: 1,
        price_level: 2,
        price: 9_900,
    };
    let held = Held {
        hold: HoldId(id),
        account: AccountId(id),
        owner: OwnerKind::Fan,
        seats: vec![seat(0), seat(1)],
        areas: Vec::new(),
        currency: Currency::EUR,
        deadline: Some(NOW),
        pass: Some(PassPlace { epoch: 3, number: number.into() }),
    };
    let asked = Asked {
        command: CommandId(id),
        fingerprint: 0x9e37_79b9_7f4a_7c15,
        account: AccountId(id),
    };
    Outcome {
        asked: Some(asked),
        event: event(),
        free_after: 20_700 - number * 2,
        body: OutcomeBody::SeatsHeld(held),
    }
}
