//! From text to a checked scenario.

use super::Scenario;
use super::check::check;
use anyhow::{Context as _, bail};
use serde::Deserialize as _;
use toml::{Table, Value};

/// Reads a scenario; with `quick`, its `[quick]` table lies over the rest.
pub fn read(text: &str, quick: bool) -> anyhow::Result<Scenario> {
    let mut table: Table = text.parse().context("read the scenario as TOML")?;
    let overlay = match table.remove("quick") {
        None => Table::new(),
        Some(Value::Table(overlay)) => overlay,
        Some(_) => bail!("quick is a table"),
    };
    // Read in any case, so that a broken overlay is not found only with --quick.
    let whole = parse(table.clone())?;
    lay_over(&mut table, overlay);
    let short = parse(table).context("with [quick]")?;
    Ok(if quick { short } else { whole })
}

fn parse(table: Table) -> anyhow::Result<Scenario> {
    let scenario = Scenario::deserialize(Value::Table(table)).context("read the scenario")?;
    check(&scenario).with_context(|| format!("scenario {}", scenario.name))?;
    Ok(scenario)
}

/// Tables merge, everything else is replaced; `false` over anything but a switch takes it out.
fn lay_over(below: &mut Table, above: Table) {
    for (name, value) in above {
        match (below.get_mut(&name), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            (Some(Value::Boolean(_)), value @ Value::Boolean(_)) => {
                drop(below.insert(name, value));
            }
            (Some(_), Value::Boolean(false)) => drop(below.remove(&name)),
            (_, value) => drop(below.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests;
