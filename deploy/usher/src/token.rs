//! `usher token`: lets an operator in where no accounts are kept.

use crate::cli::Token;
use crate::{config, output};
use anyhow::{Context as _, anyhow};
use ingress::Roles;
use std::process::ExitCode;

pub fn token(token: &Token) -> anyhow::Result<ExitCode> {
    let config = config::load_for(token.target.config.as_deref(), &token.target.data)?;
    let dir = &config.keys.dir;
    // A key that is made here would open nothing.
    if !dir.join("account.ed25519").exists() {
        let dir = dir.display();
        return Err(anyhow!("{dir} has no keys yet: start a gateway first, or name its folder"));
    }
    let keys = chassis::keys::KeyFolder::open(dir)?;
    let roles = Roles::of(&[token.role.into()]);
    let issued = ingress::issue_token(&keys, roles, u64::from(token.hours) * 3_600);
    output::line(&issued.context("sign the token")?);
    Ok(ExitCode::SUCCESS)
}
