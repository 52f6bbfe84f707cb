//! `usher account`: makes who may operate a system that has no demo logins.

use crate::cli::Account;
use crate::{config, output};
use anyhow::{Context as _, anyhow};
use ingress::{
    NewAccount, PasswordLimits, Passwords, Role, Roles, checked_name, checked_password,
    create_account, grant, normal_email,
};
use schema::AccountId;
use std::io::BufRead;
use std::process::ExitCode;

/// Where the password may be. Never an argument: every account of the machine reads those.
const PASSWORD_VARIABLE: &str = "USHER_PASSWORD";

pub async fn account(account: Account) -> anyhow::Result<ExitCode> {
    let config = config::load_for(account.target.config.as_deref(), &account.target.data)?;
    chassis::telemetry::init(&config.log)?;
    let email = normal_email(&account.email)
        .ok_or_else(|| anyhow!("{} is not an e-mail address", account.email))?;
    let name = account.name.as_deref().map(checked).transpose()?;
    let roles = Roles::of(&[Role::Fan, account.role.into()]);
    let postgres = chassis::connect_postgres(&config.postgres, "usher account").await?;
    chassis::migrate(&postgres).await?;
    if grant(&postgres, &email, name, roles).await.context("change the account")? {
        output::line(&format!("{email} has the role; it counts from the next login"));
        return Ok(ExitCode::SUCCESS);
    }
    let password = password()?;
    let hashed = Passwords::new(PasswordLimits::default()).hash(password).await;
    let hash = hashed.map_err(|problem| anyhow!("hash the password: {}", problem.detail))?;
    let new = NewAccount {
        account: AccountId(u128::from_be_bytes(chassis::keys::random_bytes())),
        email: &email,
        name: name.unwrap_or(&email),
        password_hash: &hash,
        roles,
    };
    let created = create_account(&postgres, &new, chassis::clock::now()).await;
    if !created.context("make the account")? {
        return Err(anyhow!("{email} has just been made by somebody else; try again"));
    }
    output::line(&format!("{email} is made, as {}", new.account));
    Ok(ExitCode::SUCCESS)
}

fn checked(name: &str) -> anyhow::Result<&str> {
    checked_name(name).ok_or_else(|| anyhow!("a name is 1 to 200 bytes of text"))
}

fn password() -> anyhow::Result<String> {
    let password = match std::env::var(PASSWORD_VARIABLE) {
        Ok(password) => password,
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err(anyhow!("{PASSWORD_VARIABLE} is not text"));
        }
        Err(std::env::VarError::NotPresent) => {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).context("read the password")?;
            line.trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    if !checked_password(&password) {
        return Err(anyhow!(
            "a password has 8 to 256 bytes; give it in {PASSWORD_VARIABLE} or on standard input"
        ));
    }
    Ok(password)
}
