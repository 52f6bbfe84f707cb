//! Before a run: its events, the settings of their rooms, and accounts to buy with.

mod accounts;
mod events;
mod login;

pub use login::log_in;

use crate::engine::World;
use crate::scenario::{Kind, Scenario};
use crate::wire::{Connection, Door};
use anyhow::Context as _;

const OPERATOR: &str = "operator@usher.test";
const PARTNER: &str = "partner@usher.test";
const DEMO_PASSWORD: &str = "usher-demo";

/// Makes what the scenario needs of a system with demo logins. With a `bench_door`, accounts come
/// in bulk through it; otherwise fewer are made, one by one.
pub async fn prepare(scenario: &Scenario, door: &Door, bench_door: bool) -> anyhow::Result<World> {
    let mut connection = Connection::new(door, 0);
    let mut world = World::default();
    let operator = log_in(&mut connection, OPERATOR, DEMO_PASSWORD).await;
    let operator = operator.context("log in the operator of the demo")?;
    world.operator = format!("Bearer {operator}").into();
    if scenario.people.values().any(|people| people.kind == Kind::Partner) {
        let partner = log_in(&mut connection, PARTNER, DEMO_PASSWORD).await;
        world.partner = format!("Bearer {}", partner.context("log in the partner")?).into();
    }
    for (name, event) in &scenario.events {
        let first = world.venues.len();
        let venues = events::venues(&mut connection, &world.operator, name, event).await;
        world.venues.extend(venues.with_context(|| format!("prepare event {name}"))?);
        let idx = |idx: usize| u32::try_from(idx).context("too many events");
        world.named.insert(name.clone(), idx(first)?..idx(world.venues.len())?);
    }
    world.accounts = accounts::accounts(&mut connection, scenario.accounts, bench_door)
        .await
        .context("make accounts")?;
    Ok(world)
}
