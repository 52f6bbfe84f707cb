//! What the owner of the seats is told about a payment.

use crate::order::State;
use schema::{
    AccountId, Command, CommandBody, CommandId, EventId, HoldId, OrderId, SYSTEM_ACCOUNT,
    UnixMillis, Verdict, VerdictKind,
};

/// A verdict as the outbox keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRecord {
    pub order: OrderId,
    pub event: EventId,
    pub attempt: u32,
    pub kind: VerdictKind,
    /// Raised when the owner must hear a verdict anew that it has answered before: else it would
    /// only repeat that answer.
    pub round: u32,
}

/// The command that tells a verdict; the same bytes for the same record but for the deadline.
pub fn verdict(record: &VerdictRecord, deadline: UnixMillis) -> Command {
    let VerdictRecord { order, attempt, kind, round, .. } = *record;
    let body = CommandBody::RecordVerdict(Verdict { hold: HoldId::from(order), attempt, kind });
    let id = command_id(order, attempt, kind, round);
    command(id, &record.event, SYSTEM_ACCOUNT, deadline, body)
}

/// What settlement asks in the name of nobody's account, under which no fan can ask.
pub(crate) fn command(
    id: CommandId,
    event: &EventId,
    account: AccountId,
    deadline: UnixMillis,
    body: CommandBody,
) -> Command {
    Command {
        id,
        fingerprint: fold64(id.0),
        event: event.clone(),
        account,
        deadline,
        // The answer is read from the journal.
        reply_to: "".into(),
        trace: None,
        body,
    }
}

/// Derives the id of a verdict's command: 128 bits of FNV-1a. Frozen, because outboxes remember it.
pub fn command_id(order: OrderId, attempt: u32, kind: VerdictKind, round: u32) -> CommandId {
    let kind = [rank(kind)];
    let (order, attempt, round) =
        (order.0.to_be_bytes(), attempt.to_be_bytes(), round.to_be_bytes());
    CommandId(hash128(&[b"usher verdict", &order, &attempt, &kind, &round]))
}

/// FNV-1a over all bytes.
pub(crate) fn hash128(parts: &[&[u8]]) -> u128 {
    let basis = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D_u128;
    let prime = 0x0000_0000_0100_0000_0000_0000_0000_013B_u128;
    let bytes = parts.iter().copied().flatten();
    bytes.fold(basis, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(prime))
}

/// The verdict that an order in this state has had; `None` while it has none.
///
/// `unsold`: nothing was sold, and nothing is left that could be done without a person. Then the
/// hold of an order under review ends too (SEAT-3): a person has to look at the money, not at the
/// places.
pub fn verdict_of(state: State, unsold: bool) -> Option<VerdictKind> {
    match state {
        State::Declined => Some(VerdictKind::Declined),
        State::Cancelled => Some(VerdictKind::Cancelled),
        State::Paid | State::Refunding => Some(VerdictKind::Sold),
        State::Refunded => Some(VerdictKind::Refunded),
        State::ReviewNeeded if unsold => Some(VerdictKind::Cancelled),
        State::Open | State::Paying | State::Cancelling | State::ReviewNeeded => None,
    }
}

/// The word that is stored.
pub const fn kind_text(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::Declined => "declined",
        VerdictKind::Cancelled => "cancelled",
        VerdictKind::Sold => "sold",
        VerdictKind::Refunded => "refunded",
    }
}

/// Reads what [`kind_text`] wrote.
pub fn kind_from_text(text: &str) -> Option<VerdictKind> {
    [VerdictKind::Declined, VerdictKind::Cancelled, VerdictKind::Sold, VerdictKind::Refunded]
        .into_iter()
        .find(|&kind| kind_text(kind) == text)
}

const fn rank(kind: VerdictKind) -> u8 {
    match kind {
        VerdictKind::Declined => 1,
        VerdictKind::Cancelled => 2,
        VerdictKind::Sold => 3,
        VerdictKind::Refunded => 4,
    }
}

pub(crate) fn fold64(value: u128) -> u64 {
    let bytes = value.to_be_bytes();
    let (high, low) = bytes.split_at(8);
    let half = |half: &[u8]| u64::from_be_bytes(half.try_into().expect("half of 16 bytes"));
    half(high) ^ half(low)
}

#[cfg(test)]
mod tests {
    use super::{VerdictRecord, command_id, kind_from_text, kind_text, verdict, verdict_of};
    use crate::order::State;
    use schema::{OrderId, UnixMillis, VerdictKind};
    use std::collections::HashSet;

    const KINDS: [VerdictKind; 4] =
        [VerdictKind::Declined, VerdictKind::Cancelled, VerdictKind::Sold, VerdictKind::Refunded];

    #[test]
    fn a_verdict_keeps_its_command_id_for_ever_and_shares_it_with_no_other() {
        let mut seen = HashSet::new();
        for order in [OrderId(1), OrderId(2), OrderId(u128::MAX)] {
            for (attempt, round) in [(1, 0), (2, 0), (1, 1)] {
                assert!(KINDS.iter().all(|&k| seen.insert(command_id(order, attempt, k, round))));
            }
        }
        let frozen = command_id(OrderId(1), 1, VerdictKind::Sold, 0);
        assert_eq!(frozen.to_string(), "c-5G8WZNQBBCGCMVZRRGCCX1RS9E");
    }

    #[test]
    fn a_verdict_sent_again_differs_in_its_deadline_only() {
        let event = "EVT001".parse().unwrap();
        let (order, kind) = (OrderId(7), VerdictKind::Sold);
        let record = VerdictRecord { order, event, attempt: 1, kind, round: 0 };
        let first = verdict(&record, UnixMillis(1));
        let mut again = verdict(&record, UnixMillis(2));
        again.deadline = first.deadline;
        assert_eq!(first, again);
    }

    #[test]
    fn an_order_under_review_ends_its_hold_only_when_nothing_was_sold() {
        let of = |unsold| verdict_of(State::ReviewNeeded, unsold);
        assert_eq!((of(true), of(false)), (Some(VerdictKind::Cancelled), None));
        let others = State::ALL.into_iter().filter(|&state| state != State::ReviewNeeded);
        for state in others {
            assert_eq!(verdict_of(state, true), verdict_of(state, false), "{state}");
        }
    }

    #[test]
    fn a_stored_kind_is_read_back() {
        assert!(KINDS.iter().all(|&kind| kind_from_text(kind_text(kind)) == Some(kind)));
        assert_eq!(kind_from_text("Sold"), None);
    }
}
