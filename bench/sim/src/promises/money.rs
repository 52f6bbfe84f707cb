//! ORD-1 to ORD-3: orders, tickets, seats and money, by what the store and the provider have.

use super::book::Book;
use super::hold::Phase;
use super::{Checked, expect};
use crate::provider::Provider;
use crate::store::{Order, Store};
use schema::{
    DurationMs, HoldId, InvariantId, OrderId, Outcome, OutcomeBody, Released, UnixMillis,
};
use settlement_core::{Seen, State};
use std::collections::BTreeSet;

/// How long the news of a sale may take in a calm: a verdict that got lost before it is sent again
/// after a second, to an owner who answers within the next.
const NEWS_WITHIN: DurationMs = DurationMs(3_000);

/// ORD-3: what the owner of the seats is told is what settlement has committed.
pub fn verdict_is_true(outcome: &Outcome, store: &Store) -> Checked {
    let state = |hold: &HoldId| store.orders.get(&OrderId::from(*hold)).map(|order| order.state);
    let (state, legal) = match &outcome.body {
        OutcomeBody::SeatsSold { hold, .. } => {
            (state(hold), &[State::Paid, State::Refunding, State::Refunded][..])
        }
        OutcomeBody::PaymentDeclined { hold, .. } => (state(hold), &[State::Declined][..]),
        OutcomeBody::HoldReleased { hold, why: Released::PaymentCancelled } => {
            (state(hold), &[State::Cancelled, State::ReviewNeeded][..])
        }
        OutcomeBody::HoldReleased { hold, why: Released::Refunded } => {
            (state(hold), &[State::Refunded][..])
        }
        OutcomeBody::SaleReduced { part, places } => {
            let order = store.orders.get(&OrderId::from(places.hold));
            let at = usize::try_from(*part).expect("few tickets") - 1;
            let is_back = order.and_then(|order| order.parts.get(at)).is_some_and(|p| p.refunded);
            return expect(InvariantId::Ord3, is_back, || format!("no money is back: {outcome:?}"));
        }
        _ => return Ok(()),
    };
    let meant = state.is_some_and(|state| legal.contains(&state));
    expect(InvariantId::Ord3, meant, || format!("the order is {state:?}: {outcome:?}"))
}

/// ORD-1: a confirmed order lives, unless its fan has it refunded.
pub fn confirmed_orders_live(
    confirmed: &BTreeSet<OrderId>,
    refund_asked: &BTreeSet<OrderId>,
    store: &Store,
) -> Checked {
    for id in confirmed {
        let state = store.orders.get(id).map(|order| order.state);
        let lives = match state {
            Some(State::Paid) => true,
            Some(State::Refunding | State::Refunded) => refund_asked.contains(id),
            _ => false,
        };
        expect(InvariantId::Ord1, lives, || format!("{id} was confirmed and is {state:?}"))?;
    }
    Ok(())
}

/// ORD-3, within the store: tickets for every place of a paid order and for no other. SEAT-1: live
/// seats of one order each.
pub fn orders_are_whole(store: &Store, provider: &Provider) -> Checked {
    for (id, order) in &store.orders {
        is_reviewed_for_a_reason(order, provider)?;
        let paid = matches!(order.state, State::Paid | State::Refunding);
        let wanted = if paid { order.tickets() } else { 0 };
        let tickets = store.tickets.get(id).copied().unwrap_or(0);
        expect(InvariantId::Ord3, tickets == wanted, || {
            format!("{id} is {} with {tickets} tickets", order.state)
        })?;
        let own = |seat: u32| store.live_seats.get(&(order.event.clone(), seat)) == Some(id);
        expect(InvariantId::Ord3, !paid || order.seats().all(own), || {
            format!("{id} is {} without its seats", order.state)
        })?;
    }
    let lives = |id: &OrderId| matches!(store.orders[id].state, State::Paid | State::Refunding);
    let stray = store.live_seats.iter().find(|(_, id)| !lives(id));
    expect(InvariantId::Ord3, stray.is_none(), || format!("a live seat of no order: {stray:?}"))
}

/// Nobody has to look at an order but where a person has given its money back before it was sold.
fn is_reviewed_for_a_reason(order: &Order, provider: &Provider) -> Checked {
    if order.state != State::ReviewNeeded {
        return Ok(());
    }
    let payment = order.payment.as_deref().and_then(|key| provider.payment(key));
    let gone = payment.filter(|payment| payment.seen != Seen::Captured);
    let by_hand = gone.is_some_and(|payment| payment.by_hand) && !order.sold;
    let id = order.id;
    expect(InvariantId::Ord2, gone.is_none() || by_hand, || format!("the money of {id} is gone"))?;
    expect(InvariantId::Seat1, by_hand, || format!("{id} found a seat that is another's"))
}

/// ORD-3, between settlement and the journal: a paid order is a sold hold soon, and a sold hold is
/// a paid order.
pub fn sales_meet(book: &Book, store: &Store, now: UnixMillis) -> Checked {
    let settled = |order: &&Order| NEWS_WITHIN <= now.since(order.since);
    for order in store.orders.values().filter(settled) {
        let phase = book.holds.get(&HoldId::from(order.id)).map(|hold| hold.phase);
        let meets = match order.state {
            State::Paid | State::Refunding => phase == Some(Phase::Sold),
            State::Cancelled | State::Refunded => phase.is_none(),
            _ => phase != Some(Phase::Sold),
        };
        expect(InvariantId::Ord3, meets, || {
            format!("{} is {}, its hold {phase:?}", order.id, order.state)
        })?;
        let sold = book.holds.get(&HoldId::from(order.id)).filter(|_| order.sold);
        let same = sold.is_none_or(|hold| {
            order.seats().eq(hold.seats.iter().copied()) && order.standing() == hold.standing
        });
        expect(InvariantId::Ord3, same, || format!("{} sold other places: {sold:?}", order.id))?;
    }
    let sold = book.holds.iter().filter(|(_, hold)| hold.phase == Phase::Sold);
    for (id, _) in sold {
        let known = store.orders.get(&OrderId::from(*id)).is_some_and(|order| order.sold);
        expect(InvariantId::Ord3, known, || format!("{id} is sold without an order"))?;
    }
    Ok(())
}

/// ORD-2: no order waits for ever.
pub fn everything_is_settled(store: &Store) -> Checked {
    for order in store.orders.values() {
        let rests = !order.is_open();
        expect(InvariantId::Ord2, rests, || format!("{} stays {}", order.id, order.state))?;
    }
    Ok(())
}
