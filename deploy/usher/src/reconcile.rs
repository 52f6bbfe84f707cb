//! `usher reconcile`: the payment provider's list beside the orders, and these beside tickets,
//! seats and the ledger.

use crate::cli::Reconcile;
use crate::{config, output};
use std::process::ExitCode;

/// When the provider could not be asked.
const NOT_RECONCILED: u8 = 2;

pub async fn reconcile(asked: Reconcile) -> anyhow::Result<ExitCode> {
    let config = config::load_for(asked.target.config.as_deref(), &asked.target.data)?;
    chassis::telemetry::init(&config.log)?;
    let pool = chassis::connect_postgres(&config.postgres, "usher reconcile").await?;
    let (mut differ, mut silent) = (false, false);
    for provider in settlement::providers(&config.settlement, &pool)? {
        let name = provider.name();
        let found = settlement::reconcile_once(&pool, &*provider).await;
        for difference in &found.differences {
            output::line(&difference.to_string());
        }
        differ |= !found.differences.is_empty();
        match found.whole() {
            Ok(all) => output::line(&format!("reconciled with {name}, {} differences", all.len())),
            Err(error) => {
                let error = chassis::telemetry::chain(&error);
                output::line(&format!("not reconciled with all of {name}: {error}"));
                silent = true;
            }
        }
    }
    match settlement::compare_books(&pool).await {
        Ok(differences) => {
            for difference in &differences {
                output::line(difference);
            }
            output::line(&format!("compared the books, {} differences", differences.len()));
            differ |= !differences.is_empty();
        }
        Err(error) => {
            let error = chassis::telemetry::chain(&error);
            output::line(&format!("books not compared: {error}"));
            silent = true;
        }
    }
    Ok(match (silent, differ) {
        (true, _) => ExitCode::from(NOT_RECONCILED),
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    })
}
