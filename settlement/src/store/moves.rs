//! Moves of orders that touch no seats and no ledger.

use super::{attempt_of, millis, states, uuid_of};
use crate::config::VERDICT_AGAIN_MS;
use crate::error::{Error, in_time};
use crate::order::Order;
use chassis::clock;
use schema::{OrderId, VerdictKind};
use settlement_core::{State, Trigger, command_id, kind_text, transition, verdict_of};
use sqlx::PgPool;
use uuid::Uuid;

/// One move, made only if the order is still in the state and attempt that it was decided for.
#[derive(Debug, Clone)]
pub(crate) struct Moving {
    order: OrderId,
    attempt: u32,
    from: State,
    to: State,
    reason: Option<String>,
    /// Whether something is left to do after it.
    todo: bool,
    /// Whether the payment has ended without money: it is asked about again later.
    payment_ended: bool,
    /// Whether it ends an order under review that sold nothing.
    unsold: bool,
}

impl Moving {
    /// A move of the order machine.
    pub(crate) fn by(order: &Order, trigger: Trigger) -> Self {
        let to = transition(order.state, trigger).expect("steps are decided by the same table");
        Self::between(order, order.state, to)
    }

    /// An order under review whose money needs nothing more.
    pub(crate) fn close_review(order: &Order) -> Self {
        assert!(order.state == State::ReviewNeeded);
        Self { todo: false, ..Self::between(order, order.state, order.state) }
    }

    fn between(order: &Order, from: State, to: State) -> Self {
        let todo = matches!(to, State::Cancelling | State::Refunding | State::ReviewNeeded);
        let (order, attempt) = (order.id, order.attempt);
        Self { order, attempt, from, to, reason: None, todo, payment_ended: false, unsold: false }
    }

    pub(crate) fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    pub(crate) fn payment_ended(self) -> Self {
        Self { payment_ended: true, ..self }
    }

    /// The places of an order under review are free again: nothing was sold, and whatever became of
    /// the money, no tickets follow.
    pub(crate) fn ending_hold(self) -> Self {
        assert!(self.to == State::ReviewNeeded && !self.todo);
        Self { unsold: true, ..self }
    }

    pub(crate) fn to(&self) -> State {
        self.to
    }

    /// What the owner of the seats is told with it.
    pub(crate) fn verdict(&self) -> Option<VerdictKind> {
        // Sold was told when it was sold.
        let silent = self.to == State::Refunding || (self.from == self.to && !self.unsold);
        if silent { None } else { verdict_of(self.to, self.unsold) }
    }

    fn posting(&self) -> Option<(&'static str, Uuid)> {
        let kind = self.verdict()?;
        let command = command_id(self.order, self.attempt, kind, 0);
        Some((kind_text(kind), Uuid::from_u128(command.0)))
    }
}

pub(super) async fn commit(pool: &PgPool, items: &[Moving]) -> Result<Vec<State>, Error> {
    let now = millis(clock::now());
    let orders: Vec<OrderId> = items.iter().map(|item| item.order).collect();
    let (kinds, commands): (Vec<_>, Vec<_>) = items
        .iter()
        .map(|item| item.posting().map_or((None, None), |(kind, id)| (Some(kind), Some(id))))
        .unzip();
    let query = sqlx::query(
        "SELECT order_id, state
         FROM order_move($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    );
    let query = query
        .bind(orders.iter().map(|&order| uuid_of(order)).collect::<Vec<_>>())
        .bind(items.iter().map(|item| attempt_of(item.attempt)).collect::<Vec<_>>())
        .bind(items.iter().map(|item| item.from.as_str()).collect::<Vec<_>>())
        .bind(items.iter().map(|item| item.to.as_str()).collect::<Vec<_>>())
        .bind(items.iter().map(|item| item.reason.clone()).collect::<Vec<_>>())
        .bind(items.iter().map(|item| item.todo).collect::<Vec<_>>())
        .bind(items.iter().map(|item| item.payment_ended).collect::<Vec<_>>())
        .bind(kinds)
        .bind(commands)
        .bind(now)
        .bind(now + VERDICT_AGAIN_MS);
    let rows = in_time("move orders", query.fetch_all(pool)).await?;
    Ok(states(&orders, &rows))
}
