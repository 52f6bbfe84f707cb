//! What the catalogue says of the places of events.

use anyhow::Context as _;
use chassis::{Nats, Stored};
use schema::{AreaIdx, EventId, EventListing, PlanId, SeatingPlan, codec, subject};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many places there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Of the event.
    pub total: u32,
    /// Of each standing area.
    pub areas: Vec<u32>,
    pub pools: Vec<Shared>,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    pub capacity: u32,
    pub areas: Vec<AreaIdx>,
}

/// Reads all listed events; `wait` is how long the reading may stand still.
///
/// # Errors
/// When the catalogue cannot be read. What of it makes no sense is a difference.
pub async fn read(
    nats: &Nats,
    wait: Duration,
    differences: &mut BTreeSet<String>,
) -> anyhow::Result<BTreeMap<EventId, Places>> {
    let (stream, all) = (subject::CATALOG, subject::CATALOG_ALL);
    let mut stored = Stored::open(nats, stream, all, wait).await?;
    let mut plans: BTreeMap<PlanId, Places> = BTreeMap::new();
    let mut listings: Vec<EventListing> = Vec::new();
    while let Some(message) = stored.next().await.context("read the catalogue")? {
        let name = &message.subject;
        if name.starts_with(subject::CATALOG_PLAN_PREFIX) {
            match codec::decode::<SeatingPlan>(&message.payload) {
                Ok(plan) => drop(plans.insert(plan.id.clone(), Places::of(&plan))),
                Err(_) => drop(differences.insert(format!("{name}: not a plan"))),
            }
            continue;
        }
        match codec::decode::<EventListing>(&message.payload) {
            Ok(listing) => listings.push(listing),
            Err(_) => drop(differences.insert(format!("{name}: not a listing"))),
        }
    }
    let places = listings.into_iter().map(|EventListing { event, plan, places_total, .. }| {
        let places = plans.get(&plan).cloned().unwrap_or_default();
        (event, Places { total: places_total, ..places })
    });
    Ok(places.collect())
}

impl Places {
    fn of(plan: &SeatingPlan) -> Self {
        let pools = plan.pools.iter();
        let pools = pools.map(|pool| Shared { capacity: pool.capacity, areas: pool.areas.clone() });
        Self {
            total: plan.place_count(),
            areas: plan.areas.iter().map(|area| area.capacity).collect(),
            pools: pools.collect(),
        }
    }
}
