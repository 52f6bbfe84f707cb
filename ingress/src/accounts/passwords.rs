//! Password hashes: Argon2id, on a bounded number of threads.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use chassis::Problem;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::problems;

/// The least that OWASP asks for: 19 MiB, two passes, one lane; some 20 ms a password.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Shortest and longest password, in bytes. Longer ones would be work for nothing.
const PASSWORD_BYTES_MIN: usize = 8;
pub const PASSWORD_BYTES_MAX: usize = 256;

/// Whether this may be somebody's password.
pub fn checked_password(password: &str) -> bool {
    (PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX).contains(&password.len())
}

/// How much password work this instance takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordLimits {
    /// Hashes at the same time; each fills a core and 19 MiB. More than cores only makes all of
    /// them slower.
    pub running_max: u32,
    /// Requests that wait for their turn; more are refused with 503.
    pub waiting_max: u32,
    /// Longest wait for a turn.
    pub wait_ms: u64,
}

impl Default for PasswordLimits {
    fn default() -> Self {
        Self { running_max: 2, waiting_max: 2_048, wait_ms: 12_000 }
    }
}

/// Hashes and checks passwords.
#[derive(Debug)]
pub struct Passwords {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
    wait: Duration,
    /// Checked when the e-mail is unknown, so that an answer's time does not say who has an
    /// account.
    nobody: Arc<str>,
}

impl Passwords {
    /// Makes one hash, so that a broken library shows at the start.
    pub fn new(limits: PasswordLimits) -> Self {
        let running = usize::try_from(limits.running_max).expect("fits").max(1);
        let waiting = usize::try_from(limits.waiting_max).expect("fits");
        let unguessable = chassis::keys::random_bytes::<32>();
        Self {
            running: Arc::new(Semaphore::new(running)),
            places: Arc::new(Semaphore::new(running + waiting)),
            wait: Duration::from_millis(limits.wait_ms),
            nobody: hash_now(&unguessable).into(),
        }
    }

    pub async fn hash(&self, password: String) -> Result<String, Problem> {
        self.work(move || hash_now(password.as_bytes())).await
    }

    /// Says whether `password` is the one behind `hash`; without a hash takes as long and says no.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Problem> {
        let known = hash.is_some();
        let hash: Arc<str> = hash.map_or_else(|| Arc::clone(&self.nobody), Into::into);
        let same = self.work(move || verify_now(password.as_bytes(), &hash)).await?;
        Ok(same && known)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || problems::unavailable("LOGIN_BUSY", "many people log in now; try again");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let turn = Arc::clone(&self.running).acquire_owned();
        let turn = tokio::time::timeout(self.wait, turn).await.map_err(|_| busy())?;
        let turn = turn.expect("the semaphore is never closed");
        // The permits go with the work: a caller that hangs up frees no core.
        let job = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((turn, place));
            done
        });
        Ok(job.await.expect("hashing does not panic"))
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("within Argon2's ranges");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash_now(password: &[u8]) -> String {
    argon2().hash_password(password).expect("any bytes have a hash").to_string()
}

/// A stored text that is no hash matches nothing.
fn verify_now(password: &[u8], hash: &str) -> bool {
    let parsed = PasswordHash::new(hash);
    parsed.is_ok_and(|parsed| argon2().verify_password(password, &parsed).is_ok())
}

#[cfg(test)]
mod tests {
    use super::{PasswordLimits, Passwords};

    #[tokio::test]
    async fn only_the_right_password_matches_and_an_unknown_account_never() {
        let passwords = Passwords::new(PasswordLimits::default());
        let hash = passwords.hash("usher-demo".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let verify =
            |text: &str, hash: Option<&String>| passwords.verify(text.to_owned(), hash.cloned());
        assert!(verify("usher-demo", Some(&hash)).await.unwrap());
        assert!(!verify("usher-demO", Some(&hash)).await.unwrap());
        assert!(!verify("usher-demo", None).await.unwrap());
        assert!(!verify("usher-demo", Some(&"no hash".to_owned())).await.unwrap());
    }

    #[tokio::test]
    async fn more_password_work_than_may_wait_is_refused() {
        let limits = PasswordLimits { running_max: 1, waiting_max: 0, ..PasswordLimits::default() };
        let passwords = Passwords::new(limits);
        let hash = || passwords.hash("x".to_owned());
        let (first, second) = tokio::join!(hash(), hash());
        assert!(first.is_ok());
        assert_eq!(second.unwrap_err().code, "LOGIN_BUSY");
    }
}
