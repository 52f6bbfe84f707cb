//! Whether Redis keeps what it is given, also when its memory is full.
//!
//! A server that evicts drops the bits of those who wait, and with them people who did nothing
//! wrong are passed as gone: no other check notices, for the server is the one that was blessed.

use crate::error::Error;
use chassis::{Redis, telemetry};

const POLICY: &str = "maxmemory-policy";
const KEEPS: &str = "noeviction";

/// Asks once, at the start. Where the server does not tell, as managed ones do not, it is believed.
///
/// # Errors
/// [`Error::Evicts`] if it would drop something.
pub(crate) async fn check(redis: &Redis) -> Result<(), Error> {
    let command = redis::cmd("CONFIG").arg("GET").arg(POLICY).to_owned();
    let told = match redis.query::<Vec<String>>(&command).await {
        Ok(told) => told,
        Err(error) => {
            let error = telemetry::chain(&error);
            tracing::warn!(%error, "Redis does not tell its {POLICY}; it must be {KEEPS}");
            return Ok(());
        }
    };
    match told.get(1) {
        Some(policy) if policy != KEEPS => Err(Error::Evicts { policy: policy.clone() }),
        Some(_) => Ok(()),
        None => {
            tracing::warn!("Redis has no {POLICY}; it must keep all that it is given");
            Ok(())
        }
    }
}
