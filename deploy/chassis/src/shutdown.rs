//! One switch that ends the process, with the reason.
//!
//! Who is asked to end closes its doors first: the listeners take no more requests and finish those
//! that they have, while everything that answers them goes on. The rest ends after that. What
//! failed ends at once.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{Error, tasks};

/// The signals that ask for a shutdown, as they are given for its reason.
const SIGNALS: [&str; 2] = ["SIGINT", "SIGTERM"];

/// The switch; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    closing: CancellationToken,
    begun: CancellationToken,
    /// Doors that are open. A mutex, because the last one to close and [`Shutdown::close`] must
    /// not miss each other.
    doors: Arc<Mutex<u32>>,
    reason: Arc<OnceLock<String>>,
}

/// A listener that has requests to finish. The process ends when the last one is dropped, which
/// its owner does in bounded time after [`Shutdown::closing`].
#[derive(Debug)]
pub(crate) struct Door(Shutdown);

impl Drop for Door {
    fn drop(&mut self) {
        let mut doors = self.0.doors();
        *doors -= 1;
        if *doors == 0 && self.0.is_closing() {
            self.0.begun.cancel();
        }
    }
}

impl Shutdown {
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Ends everything now; the first reason stays.
    pub fn begin(&self, reason: impl Into<String>) {
        if self.reason.set(reason.into()).is_ok() {
            tracing::info!(reason = self.reason(), "shutdown begins");
        }
        self.closing.cancel();
        self.begun.cancel();
    }

    /// Closes the doors; everything else ends when the last one is closed. The first reason stays.
    pub fn close(&self, reason: impl Into<String>) {
        if self.reason.set(reason.into()).is_ok() {
            tracing::info!(reason = self.reason(), "shutdown begins, requests are finished first");
        }
        let doors = self.doors();
        self.closing.cancel();
        if *doors == 0 {
            self.begun.cancel();
        }
    }

    /// Resolves when no new request may begin, and one that does not end by itself must end.
    /// Cancel-safe.
    pub async fn closing(&self) {
        self.closing.cancelled().await;
    }

    pub fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Resolves when everything ends. Cancel-safe.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    pub fn is_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    /// Returns why the process ends; `None` while it does not.
    pub fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// Whether somebody asked for it by a signal, rather than something having failed.
    pub fn is_asked_for(&self) -> bool {
        self.reason().is_some_and(|reason| SIGNALS.contains(&reason))
    }

    /// Returns a token that is cancelled when the doors close, with a lock of its own.
    pub(crate) fn closing_token(&self) -> CancellationToken {
        self.closing.child_token()
    }

    /// Keeps the rest of the process running until the door is dropped.
    pub(crate) fn open_door(&self) -> Door {
        *self.doors() += 1;
        Door(self.clone())
    }

    fn doors(&self) -> MutexGuard<'_, u32> {
        // Nothing panics while it is locked.
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the first SIGINT or SIGTERM close the doors and the second one end the process at
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
                if shutdown.is_closing() {
                    tracing::warn!(signal = name, "second signal, ending without a drain");
                    std::process::exit(130);
                }
                shutdown.close(name);
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
    async fn who_is_asked_to_end_ends_when_the_last_door_is_closed_and_who_failed_at_once() {
        let shutdown = Shutdown::new();
        let doors = [shutdown.open_door(), shutdown.open_door()];
        drop(shutdown.open_door());
        assert!(!shutdown.is_closing());
        shutdown.close("asked");
        shutdown.closing().await;
        for door in doors {
            assert!(!shutdown.is_begun());
            drop(door);
        }
        shutdown.begun().await;
        let failed = Shutdown::new();
        let _door = failed.open_door();
        failed.close("asked");
        failed.begin("failed");
        assert!(failed.is_begun());
        assert_eq!(failed.reason(), Some("asked"));
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
