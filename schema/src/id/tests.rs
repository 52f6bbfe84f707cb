//! Text forms are a contract with everyone who stored an id.

use super::{AccountId, CommandId, EventId, HoldId, OrderId, ShardId, TicketId};
use crate::time::UnixMillis;

#[test]
fn text_forms_are_frozen() {
    assert_eq!(AccountId(1).to_string(), "a-00000000000000000000000001");
    assert_eq!(HoldId(u128::MAX).to_string(), "r-7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
    let ticket = TicketId { order: OrderId(33), line: 4 };
    assert_eq!(ticket.to_string(), "t-00000000000000000000000011-4");
    assert_eq!(ticket.to_string().parse(), Ok(ticket));
}

#[test]
fn an_id_of_another_kind_is_refused() {
    assert!("r-00000000000000000000000001".parse::<AccountId>().is_err());
    assert!("a-00000000000000000000000001".parse::<AccountId>().is_ok());
    assert!("a-".parse::<AccountId>().is_err());
}

#[test]
fn a_hold_names_its_shard_and_its_order() {
    let hold = HoldId::compose(ShardId(3), UnixMillis(1_800_000_000_000), CommandId(u128::MAX));
    assert_eq!(hold.shard(), ShardId(3));
    assert_eq!(HoldId::from(OrderId::from(hold)), hold);
    let later = HoldId::compose(ShardId(0), UnixMillis(1_800_000_000_001), CommandId(0));
    assert!(hold < later);
}

#[test]
fn an_event_id_that_would_break_a_subject_is_refused() {
    for text in ["", "a.b", "a b", "a*", ">", "0123456789012345678901234", "é"] {
        assert!(text.parse::<EventId>().is_err(), "{text:?}");
    }
}

#[test]
fn messages_carry_bytes_and_json_carries_text() {
    let id = CommandId(7);
    assert_eq!(serde_json_text(&id), "c-00000000000000000000000007");
    let bytes = rmp_serde::to_vec(&id).unwrap();
    assert_eq!(bytes.len(), 18, "two bytes of header and sixteen of id");
    assert_eq!(rmp_serde::from_slice::<CommandId>(&bytes).unwrap(), id);
}

fn serde_json_text(id: &CommandId) -> String {
    id.to_string()
}
