//! Capacities of standing areas, and of the pools that they share: brought from the catalogue into
//! the database before the first sale.

use crate::catalogue::Catalogue;
use crate::error::{Error, in_time};
use schema::{AreaIdx, EventId, Pool, SeatingPlan};
use sqlx::PgPool;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Which areas the database knows the capacity of.
#[derive(Debug)]
pub(crate) struct Areas {
    catalogue: Catalogue,
    pool: PgPool,
    /// Bounded by the areas on sale, of which an event has at most 64.
    known: Mutex<HashSet<(EventId, AreaIdx)>>,
}

impl Areas {
    pub(crate) fn new(catalogue: Catalogue, pool: PgPool) -> Self {
        Self { catalogue, pool, known: Mutex::default() }
    }

    /// Makes sure that the database knows the capacities of `areas`.
    pub(crate) async fn ensure(&self, event: &EventId, areas: &[AreaIdx]) -> Result<(), Error> {
        let known = |area: &AreaIdx| self.known().contains(&(event.clone(), *area));
        if areas.iter().all(known) {
            return Ok(());
        }
        let listing = self.catalogue.listing(event).await?;
        let plan = self.catalogue.plan(&listing.plan).await?;
        self.store_pools(event, &plan).await?;
        let (mut capacities, mut pools) = (Vec::new(), Vec::new());
        for &area in areas {
            let unknown = || Error::AreaUnknown { event: event.clone(), area: area.0 };
            let capacity = plan.area(area).ok_or_else(unknown)?.capacity;
            capacities.push(i32::try_from(capacity).map_err(|_| unknown())?);
            let pool = plan.pool_of(area).map(i32::try_from);
            pools.push(pool.transpose().map_err(|_| unknown())?);
        }
        let query = sqlx::query(
            "INSERT INTO area_sold (event_id, area_idx, capacity, pool_idx)
             SELECT $1, a.area_idx, a.capacity, a.pool_idx
             FROM unnest($2::INT[], $3::INT[], $4::INT[]) AS a(area_idx, capacity, pool_idx)
             ORDER BY 2
             ON CONFLICT (event_id, area_idx) DO NOTHING",
        );
        let query = query
            .bind(event.as_str())
            .bind(areas.iter().map(|area| i32::from(area.0)).collect::<Vec<_>>())
            .bind(capacities)
            .bind(pools);
        in_time("store capacities of areas", query.execute(&self.pool)).await?;
        self.known().extend(areas.iter().map(|&area| (event.clone(), area)));
        Ok(())
    }

    /// All pools of an event: before its areas, which name them.
    async fn store_pools(&self, event: &EventId, plan: &SeatingPlan) -> Result<(), Error> {
        if plan.pools.is_empty() {
            return Ok(());
        }
        let capacity = |pool: &Pool| i32::try_from(pool.capacity).unwrap_or(i32::MAX);
        let capacities: Vec<i32> = plan.pools.iter().map(capacity).collect();
        let query = sqlx::query(
            "INSERT INTO pool_sold (event_id, pool_idx, capacity)
             SELECT $1, p.number - 1, p.capacity
             FROM unnest($2::INT[]) WITH ORDINALITY AS p(capacity, number) ORDER BY 2
             ON CONFLICT (event_id, pool_idx) DO NOTHING",
        );
        let query = query.bind(event.as_str()).bind(capacities);
        in_time("store capacities of pools", query.execute(&self.pool)).await?;
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<(EventId, AreaIdx)>> {
        // Nothing panics while the set is locked; if it did, the set would still be whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
