//! Tickets at the entrances, and tickets that change hands.

use super::rig::{ACCOUNT, Point, Rig, asked};
use chassis::idempotency::{Begun, Claim, Deed, Keys};
use chassis::keys::HmacKey;
use schema::{
    AccountId, CancelAnswer, CancelBooking, CheckIn, CheckInAnswer, EventId, Found, HoldId,
    OrderId, Receipt, Scan, TicketId, TransferAnswer, TransferTicket, UnixMillis, subject,
};
use sqlx::Row;
use uuid::Uuid;

pub(super) const OTHER: AccountId = AccountId(78);
const THIRD: AccountId = AccountId(79);

pub(super) async fn code(rig: &Rig, ticket: TicketId) -> String {
    let query = sqlx::query("SELECT code FROM ticket WHERE order_id = $1 AND line = $2");
    let query = query.bind(Uuid::from_u128(ticket.order.0)).bind(i32::from(ticket.line));
    query.fetch_one(&rig.pool).await.unwrap().get("code")
}

pub(super) fn ticket(hold: HoldId, line: u16) -> TicketId {
    TicketId { order: OrderId::from(hold), line }
}

/// Codes as they are scanned at one entrance, with ids and times from 1.
pub(super) async fn scan(
    rig: &Rig,
    event: &str,
    entrance: &str,
    codes: &[(u8, &str)],
) -> Vec<Found> {
    let scan = |(at, &(id, code)): (usize, &(u8, &str))| {
        let at = UnixMillis(1 + u64::try_from(at).unwrap());
        Scan { id: [id; 16], code: code.into(), at }
    };
    let scans = codes.iter().enumerate().map(scan).collect();
    let event: EventId = event.parse().unwrap();
    let wanted = CheckIn { event, entrance: entrance.into(), account: AccountId(1), scans };
    match asked(rig, subject::SETTLE_CHECKIN, &wanted).await {
        CheckInAnswer::Scanned(scanned) => scanned.into_iter().map(|one| one.found).collect(),
        CheckInAnswer::Busy => panic!("busy"),
    }
}

pub(super) async fn give(
    rig: &Rig,
    ticket: TicketId,
    from: AccountId,
    to: AccountId,
) -> TransferAnswer {
    asked(rig, subject::SETTLE_TRANSFER, &TransferTicket { ticket, from, to, receipt: None }).await
}

pub(super) async fn cancel(rig: &Rig, hold: HoldId) -> CancelAnswer {
    let wanted = CancelBooking { order: OrderId::from(hold), account: ACCOUNT };
    asked(rig, subject::SETTLE_CANCEL, &wanted).await
}

fn first(entrance: &str, at: u64) -> Found {
    Found::Duplicate { at: UnixMillis(at), entrance: entrance.into() }
}

#[tokio::test]
async fn a_ticket_opens_one_entrance_once_and_a_repeated_scan_hears_the_same() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    let (one, two) = (code(&rig, ticket(hold, 0)).await, code(&rig, ticket(hold, 1)).await);
    let mut forged = one.clone();
    forged.replace_range(30..31, if one[30..31] == *"_" { "-" } else { "_" });
    // Two of one ticket in one batch: the earlier one is let in.
    let batch = [(1, one.as_str()), (2, &one), (3, &forged), (4, "no code")];
    let found = scan(&rig, "EVT001", "North", &batch).await;
    let expected = [Found::Admitted, first("North", 1), Found::Forged, Found::Forged];
    assert_eq!(found, expected);
    assert_eq!(scan(&rig, "EVT001", "North", &batch).await, expected, "sent again");
    assert_eq!(scan(&rig, "EVT001", "South", &[(9, &one)]).await, [first("North", 1)]);
    assert_eq!(scan(&rig, "EVT002", "South", &[(9, &two)]).await, [Found::OtherEvent]);
    assert_eq!(scan(&rig, "EVT001", "South", &[(9, &two)]).await, [Found::Admitted]);
    assert_eq!(rig.count("SELECT count(*) FROM checkin").await, 2);
    assert_eq!(cancel(&rig, hold).await, CancelAnswer::CheckedIn);
    assert_eq!(give(&rig, ticket(hold, 0), ACCOUNT, OTHER).await, TransferAnswer::CheckedIn);
    rig.rest().await;
    rig.assert_clean().await;
}

#[tokio::test]
async fn a_ticket_that_was_given_away_opens_entrances_by_its_new_code_only() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    let id = ticket(hold, 0);
    let old = code(&rig, id).await;
    assert_eq!(give(&rig, id, OTHER, THIRD).await, TransferAnswer::Unknown, "not hers");
    assert_eq!(give(&rig, ticket(hold, 1), ACCOUNT, OTHER).await, TransferAnswer::Unknown);
    for _ in 0..2 {
        assert_eq!(give(&rig, id, ACCOUNT, OTHER).await, TransferAnswer::Transferred);
    }
    assert_eq!(give(&rig, id, ACCOUNT, THIRD).await, TransferAnswer::Unknown, "hers no more");
    assert_eq!(cancel(&rig, hold).await, CancelAnswer::Transferred);
    let new = code(&rig, id).await;
    assert_eq!(scan(&rig, "EVT001", "North", &[(1, &old)]).await, [Found::Void]);
    assert_eq!(scan(&rig, "EVT001", "North", &[(2, &new)]).await, [Found::Admitted]);
    assert_eq!(scan(&rig, "EVT001", "North", &[(3, &old)]).await, [Found::Void]);
    rig.rest().await;
    rig.assert_clean().await;
}

#[tokio::test]
async fn a_ticket_that_came_back_can_be_paid_back_and_opens_nothing_then() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    let id = ticket(hold, 0);
    assert_eq!(give(&rig, id, ACCOUNT, OTHER).await, TransferAnswer::Transferred);
    assert_eq!(give(&rig, id, OTHER, ACCOUNT).await, TransferAnswer::Transferred);
    let code = code(&rig, id).await;
    let answer = cancel(&rig, hold).await;
    assert!(matches!(answer, CancelAnswer::Refunded { .. }), "{answer:?}");
    assert_eq!(scan(&rig, "EVT001", "North", &[(1, &code)]).await, [Found::Void]);
    assert_eq!(give(&rig, id, ACCOUNT, OTHER).await, TransferAnswer::Void);
    rig.rest().await;
    rig.assert_clean().await;
}

/// Who scans, who gives away and who wants the money back at the same moment: one of them gets it.
#[tokio::test]
async fn of_a_scan_a_transfer_and_a_refund_at_once_one_wins() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let mut wins = [0; 3];
    for seat in 0..20 {
        let hold = rig.pay(&[seat], "tok_ok").await;
        rig.wait_for(hold, "paid").await;
        let id = ticket(hold, 0);
        let code = code(&rig, id).await;
        let at_entrance = [(u8::try_from(seat).unwrap(), code.as_str())];
        let (scanned, given, cancelled) = tokio::join!(
            scan(&rig, "EVT001", "North", &at_entrance),
            give(&rig, id, ACCOUNT, OTHER),
            cancel(&rig, hold),
        );
        let won = [
            scanned == [Found::Admitted],
            given == TransferAnswer::Transferred,
            matches!(cancelled, CancelAnswer::Refunded { .. }),
        ];
        let winners = won.iter().filter(|won| **won).count();
        assert_eq!(winners, 1, "{scanned:?} {given:?} {cancelled:?}");
        wins.iter_mut().zip(won).for_each(|(wins, won)| *wins += usize::from(won));
    }
    rig.rest().await;
    rig.assert_clean().await;
    assert!(wins.iter().filter(|wins| 0 < **wins).count() > 1, "they never met: {wins:?}");
}

/// A claim of `key`, or the answer that is kept under it.
pub(super) async fn begin(keys: &Keys, key: &str) -> Begun {
    let body = sqlx::types::JsonValue::Null;
    let deed = Deed { route: "POST /transfer", path: "/transfer", caller: b"me", body: &body };
    keys.begin(key, &deed).await.unwrap()
}

pub(super) async fn give_under(
    rig: &Rig,
    ticket: TicketId,
    to: AccountId,
    claim: Claim,
) -> TransferAnswer {
    let Claim { key, attempt } = claim;
    let receipt = Some(Receipt { key, attempt, status: 200, body: "given".into() });
    let wanted = TransferTicket { ticket, from: ACCOUNT, to, receipt };
    asked(rig, subject::SETTLE_TRANSFER, &wanted).await
}

#[tokio::test]
async fn a_transfer_and_its_receipt_are_one_commit_and_who_lost_the_key_gives_nothing() {
    let mut rig = Rig::start().await;
    let _stage = rig.stage(Point::Never);
    let hold = rig.pay(&[1, 2], "tok_ok").await;
    rig.wait_for(hold, "paid").await;
    let keys = Keys::new(&rig.pool, HmacKey::from_bytes([1; 32]));
    let Begun::Turn(first) = begin(&keys, "k").await else { panic!("a fresh key") };
    keys.leave(&first.claim).await.unwrap();
    let Begun::Turn(second) = begin(&keys, "k").await else { panic!("it was left") };
    assert!(second.is_repeat);
    let id = ticket(hold, 0);
    assert_eq!(give_under(&rig, id, OTHER, first.claim).await, TransferAnswer::Busy);
    let given = "SELECT count(*) FROM ticket_transfer";
    assert_eq!(rig.count(given).await, 0, "the first attempt has lost the key");
    assert_eq!(give_under(&rig, id, OTHER, second.claim).await, TransferAnswer::Transferred);
    assert_eq!(rig.count(given).await, 1);
    let Begun::Answered(kept) = begin(&keys, "k").await else { panic!("it was answered") };
    assert_eq!((kept.status, kept.body.as_str()), (200, "given"));
    // What another request has done is an answer under this key too.
    let Begun::Turn(other) = begin(&keys, "other").await else { panic!("a fresh key") };
    assert_eq!(give_under(&rig, id, OTHER, other.claim).await, TransferAnswer::Transferred);
    assert!(matches!(begin(&keys, "other").await, Begun::Answered(_)));
    assert_eq!(rig.count(given).await, 1);
    rig.rest().await;
    rig.assert_clean().await;
}
