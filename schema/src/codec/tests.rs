//! Golden bytes: a change of format must be seen.

mod golden;

use super::{Error, decode, decode_all, decode_checked, encode, encode_checked, join};
use crate::{
    AccountId, Asked, Batch, Command, CommandBody, CommandId, Currency, Held, HeldSeat, HoldId,
    HoldSeats, Outcome, OutcomeBody, OwnerKind, Payment, SeatIdx, UnixMillis, Want,
};

fn command() -> Command {
    Command {
        id: CommandId(1),
        fingerprint: 2,
        event: "EVT001".parse().unwrap(),
        account: AccountId(3),
        deadline: UnixMillis(4),
        reply_to: "rep.x".into(),
        trace: None,
        body: CommandBody::HoldSeats(HoldSeats {
            want: Want::Seats(vec![SeatIdx(5), SeatIdx(600)]),
            owner: OwnerKind::Fan,
            pass: None,
            condition: None,
        }),
    }
}

fn held() -> Held {
    Held {
        hold: HoldId(9),
        account: AccountId(3),
        owner: OwnerKind::Fan,
        seats: vec![HeldSeat { seat: SeatIdx(5), generation: 1, price_level: 0, price: 4_000 }],
        areas: vec![],
        currency: Currency::EUR,
        deadline: Some(UnixMillis(70)),
        pass: None,
    }
}

fn batch() -> Batch {
    let asked = Asked { command: CommandId(1), fingerprint: 2, account: AccountId(3) };
    let outcome = Outcome {
        asked: Some(asked),
        event: "EVT001".parse().unwrap(),
        free_after: 299,
        body: OutcomeBody::SeatsHeld(held()),
    };
    Batch { epoch: 7, number: 1, time: UnixMillis(60), outcomes: vec![outcome], previous: 0 }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[test]
fn a_payment_without_a_trace_has_the_bytes_it_had_before_there_were_traces() {
    let mut payment = Payment {
        held: held(),
        attempt: 1,
        method: "CREDIT_CARD".into(),
        token: "tok_ok".into(),
        payment_deadline: UnixMillis(90),
        trace: None,
    };
    assert_eq!(hex(&encode(&payment)), PAYMENT_HEX);
    assert_eq!(decode::<Payment>(&encode(&payment)).unwrap(), payment);
    payment.trace = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
    assert_eq!(decode::<Payment>(&encode(&payment)).unwrap(), payment);
}

const PAYMENT_HEX: &str = concat!(
    "019598c41000000000000000000000000000000009c41000000000000000000000000000000003a3",
    "46616e9194050100cd0fa090a345555246c001ab4352454449545f43415244a6746f6b5f6f6b5a",
);

#[test]
fn any_flipped_bit_of_a_batch_is_refused() {
    let bytes = encode_checked(&batch());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(decode_checked::<Batch>(&flipped), Err(Error::Checksum)), "bit {bit}");
    }
}

#[test]
fn other_versions_empty_and_oversized_messages_are_refused() {
    let mut bytes = encode(&command());
    bytes[0] = 2;
    assert!(matches!(decode::<Command>(&bytes), Err(Error::Version { version: 2 })));
    assert!(matches!(decode::<Command>(&[]), Err(Error::Empty)));
    let large = vec![1; super::MESSAGE_BYTES_MAX + 1];
    assert!(matches!(decode::<Command>(&large), Err(Error::TooLarge { .. })));
}

#[test]
fn joined_messages_are_read_in_their_order_and_one_alone_keeps_its_bytes() {
    let mut second = command();
    second.id = CommandId(2);
    let encoded = [encode(&command()), encode(&second)];
    assert_eq!(join(&encoded[..1]), encoded[0]);
    let joined = join(&encoded);
    assert_eq!(decode_all::<Command>(&joined).unwrap(), [command(), second]);
    assert!(decode_all::<Command>(&joined[..joined.len() - 1]).is_err(), "the end is missing");
    assert!(matches!(decode_all::<Command>(&[2]), Err(Error::Version { version: 2 })));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
        let versioned = [&[super::VERSION], bytes.as_slice()].concat();
        // What happens to decode must also survive being encoded: no value is half read.
        if let Ok(batch) = decode::<Batch>(&versioned) {
            proptest::prop_assert_eq!(decode::<Batch>(&encode(&batch)).unwrap(), batch);
        }
    }
}
