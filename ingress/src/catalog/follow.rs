//! Feeds the catalogue from its stream.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chassis::{Backoff, Followed, Follower, HealthHandle, Nats, Pause, Shutdown, StartAt};
use schema::{EventListing, SeatingPlan, codec, subject};
use tokio::sync::watch;

use super::Content;

pub(super) struct Task {
    pub nats: Nats,
    pub content: Arc<RwLock<Content>>,
    pub position: watch::Sender<u64>,
    pub health: HealthHandle,
    pub shutdown: Shutdown,
}

const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(5);

impl Task {
    pub async fn run(self) {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX, None);
        loop {
            // Both branches may be dropped at any await: each message is applied whole.
            let error = tokio::select! {
                error = self.follow() => error,
                () = self.shutdown.begun() => return,
            };
            // Listings replace each other, so reading everything again on top of the old is
            // harmless.
            let chain = chassis::telemetry::chain(&error);
            tracing::error!(error = %chain, "the catalogue is read again");
            if backoff.pause(&self.shutdown).await != Pause::Elapsed {
                return;
            }
        }
    }

    async fn follow(&self) -> chassis::Error {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX, None);
        let target = loop {
            match chassis::last_sequence(&self.nats, subject::CATALOG).await {
                Ok(sequence) => break sequence,
                Err(error) if self.shutdown.is_begun() => return error,
                Err(error) => tracing::debug!(%error, "waiting for the catalogue"),
            }
            if backoff.pause(&self.shutdown).await == Pause::ShuttingDown {
                return chassis::Error::ShuttingDown;
            }
        };
        let all = subject::CATALOG_ALL;
        let stream = subject::CATALOG;
        let mut follower = Follower::start(self.nats.clone(), stream, all, StartAt::First);
        if target == 0 {
            self.health.set_ready();
        }
        loop {
            let message = match follower.next().await {
                Ok(message) => message,
                Err(error) => return error,
            };
            self.apply(&message);
            self.position.send_replace(message.sequence);
            if target <= message.sequence {
                self.health.set_ready();
            }
        }
    }

    /// A message that cannot be read or breaks a limit is left out: one bad event must not hide the
    /// others.
    fn apply(&self, message: &Followed) {
        let sequence = message.sequence;
        if message.subject.starts_with(prefix(subject::CATALOG_PLANS)) {
            match codec::decode::<SeatingPlan>(&message.payload) {
                Ok(plan) if plan.validate().is_ok() => {
                    let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
                    content.put_plan(plan);
                }
                Ok(plan) => tracing::error!(sequence, plan = %plan.id, "a plan beyond its limits"),
                Err(error) => tracing::error!(sequence, %error, "a plan that nobody can read"),
            }
            return;
        }
        match codec::decode::<EventListing>(&message.payload) {
            Ok(listing) => {
                let mut content = self.content.write().unwrap_or_else(PoisonError::into_inner);
                content.put_listing(listing);
            }
            Err(error) => tracing::error!(sequence, %error, "a listing that nobody can read"),
        }
    }
}

/// The subjects of a wildcard without the wildcard.
fn prefix(all: &'static str) -> &'static str {
    all.trim_end_matches('*')
}
