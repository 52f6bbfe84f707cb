//! Which orders this process works on: bounded, leased, and looked for when nobody does.

use crate::config::ROOM_FOR_NEW;
use crate::driver::{Context, drive};
use crate::error::Error;
use crate::load::Steps;
use crate::metrics;
use crate::order::Order;
use chassis::{clock::Monotonic, tasks, telemetry::traced};
use schema::OrderId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The orders in work. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub context: Arc<Context>,
    pub steps: Steps,
    room: Arc<Semaphore>,
    /// With how an order was found to have changed while its driver was at it: its next task.
    active: Arc<Mutex<HashMap<OrderId, Option<Order>>>>,
}

impl Work {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        let most = usize::try_from(context.config.orders_max).expect("a u32 fits");
        let room = Arc::new(Semaphore::new(most));
        Self { context, steps: Steps::default(), room, active: Arc::default() }
    }

    /// How many orders this process works on.
    pub(crate) fn orders(&self) -> usize {
        self.active().len()
    }

    /// Starts to work on orders that are leased to us; the leases of those without room are given
    /// back.
    pub(crate) async fn take(&self, orders: Vec<Order>) -> Result<(), Error> {
        let mut no_room = Vec::new();
        for order in orders {
            match Arc::clone(&self.room).try_acquire_owned() {
                Ok(room) => self.start(order, room),
                Err(_) => no_room.push(order.id),
            }
        }
        if no_room.is_empty() {
            return Ok(());
        }
        self.context.store.release(&no_room, self.context.lease).await
    }

    fn start(&self, order: Order, room: OwnedSemaphorePermit) {
        let id = order.id;
        if let Some(next) = self.active().get_mut(&id) {
            *next = Some(order);
            return;
        }
        self.active().insert(id, None);
        let leave = Leave { work: self.clone(), id };
        tasks::spawn("settlement-order", async move {
            let mut turn = Some(order);
            while let Some(order) = turn {
                let asker = order.trace;
                let brought = || leave.work.is_brought(id);
                traced("order", asker, drive(&leave.work.context, order, brought)).await;
                turn = leave.work.next_turn(id);
            }
            drop((leave, room));
        });
    }

    /// Whether somebody has brought the order again while its driver is at it.
    fn is_brought(&self, id: OrderId) -> bool {
        self.active().get(&id).is_some_and(Option::is_some)
    }

    /// The order as somebody brought it meanwhile; if nobody did, it is out of work from now on.
    fn next_turn(&self, id: OrderId) -> Option<Order> {
        let mut active = self.active();
        let next = active.get_mut(&id).and_then(Option::take);
        if next.is_none() {
            active.remove(&id);
        }
        next
    }

    /// Renews leases and looks for orders that nobody works on, until the process ends.
    pub(crate) async fn sweep(self) {
        let renew_every = Duration::from_millis(self.context.lease.quarter_ms());
        let every = Duration::from_millis(self.context.config.sweep_every_ms).min(renew_every);
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut renewed = Monotonic::now();
        loop {
            // Cancel-safe: a tick and a switch.
            tokio::select! {
                _ = tick.tick() => {}
                () = self.context.shutdown.begun() => break,
            }
            let renewing = renew_every <= renewed.elapsed() + every;
            if renewing {
                renewed = Monotonic::now();
            }
            if let Err(error) = self.sweep_once(renewing).await {
                tracing::warn!(error = %chassis::telemetry::chain(&error), "orders not swept");
            }
        }
        // The next process need not wait for our leases to end. Drivers may have stopped before
        // this, so not only those of orders in work are given back.
        if let Err(error) = self.context.store.release_all(self.context.lease).await {
            tracing::info!(error = %chassis::telemetry::chain(&error), "leases not given back");
        }
    }

    async fn sweep_once(&self, renewing: bool) -> Result<(), Error> {
        let Context { store, lease, .. } = &*self.context;
        let active: Vec<OrderId> = self.active().keys().copied().collect();
        metrics::orders_in_work(active.len());
        if renewing && !active.is_empty() {
            store.renew(&active, *lease).await?;
        }
        // New payments come without a sweep.
        let kept = usize::try_from(self.context.config.orders_max).expect("a u32 fits");
        let room = self.room.available_permits().saturating_sub(kept / ROOM_FOR_NEW);
        if room == 0 {
            return Ok(());
        }
        let claimed = store.claim(room, *lease).await?;
        if claimed.is_empty() {
            return Ok(());
        }
        metrics::orders_swept(claimed.len());
        self.take(store.load(&claimed).await?).await
    }

    fn active(&self) -> MutexGuard<'_, HashMap<OrderId, Option<Order>>> {
        // Nothing panics while the map is locked; if it did, the map would still be whole.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes an order out of work, however its driver ends.
struct Leave {
    work: Work,
    id: OrderId,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.work.active().remove(&self.id);
    }
}
