//! One switch that ends the process, with the reason.

use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{Error, tasks};

/// The signals that ask for a shutdown, as they are given for its reason.
const SIGNALS: [&str; 2] = ["SIGINT", "SIGTERM"];

/// The switch; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    reason: Arc<OnceLock<String>>,
}

impl Shutdown {
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Turns the switch; the first reason stays.
    pub fn begin(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.reason.set(reason).is_ok() {
            tracing::info!(reason = self.reason(), "shutdown begins");
            self.token.cancel();
        }
    }

    /// Resolves once the switch is turned. Cancel-safe.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    pub fn is_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns why the process ends; `None` before [`begin`](Self::begin).
    pub fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// Whether somebody asked for it by a signal, rather than something having failed.
    pub fn is_asked_for(&self) -> bool {
        self.reason().is_some_and(|reason| SIGNALS.contains(&reason))
    }

    /// Returns a token that is cancelled at the shutdown, with a lock of its own.
    pub(crate) fn child_token(&self) -> CancellationToken {
        self.token.child_token()
    }

    /// Makes the first SIGINT or SIGTERM begin the shutdown and the second one end the process at
    /// once.
    pub fn listen_for_signals(&self) -> Result<(), Error> {
        let listen = |kind| {
            signal(kind).map_err(|source| Error::io("listen for signals".to_owned(), source))
        };
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let shutdown = self.clone();
        // Not tracked: it listens until the process is gone, so `tasks::drain` must not wait for
        // it.
        tasks::spawn_untracked("signals", async move {
            loop {
                // Both branches are cancel-safe: a signal that is not received now stays pending.
                let name = tokio::select! {
                    _ = interrupt.recv() => SIGNALS[0],
                    _ = terminate.recv() => SIGNALS[1],
                };
                if shutdown.is_begun() {
                    tracing::warn!(signal = name, "second signal, ending without a drain");
                    std::process::exit(130);
                }
                shutdown.begin(name);
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Shutdown;

    #[tokio::test]
    async fn the_first_reason_stays_and_every_clone_sees_it() {
        let shutdown = Shutdown::new();
        let clone = shutdown.clone();
        assert!(!clone.is_begun());
        assert_eq!(clone.reason(), None);
        shutdown.begin("first");
        clone.begin("second");
        clone.begun().await;
        assert_eq!(clone.reason(), Some("first"));
        assert!(shutdown.is_begun());
    }

    #[tokio::test]
    async fn a_signal_begins_the_shutdown() {
        let shutdown = Shutdown::new();
        shutdown.listen_for_signals().expect("a runtime is there");
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::TERM).expect("own process");
        shutdown.begun().await;
        assert_eq!(shutdown.reason(), Some("SIGTERM"));
    }
}
