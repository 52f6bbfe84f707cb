//! One switch that ends the process, with the reason.

use std::sync::Arc;

use tokio::sync::watch;

/// The switch; clones share it.
#[derive(Debug, Clone)]
pub struct Shutdown {
    reason: Arc<watch::Sender<Option<String>>>,
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown { reason: Arc::new(watch::Sender::new(None)) }
    }
}

impl Shutdown {
    /// Turns the switch; the first reason stays.
    pub fn begin(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.reason.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(reason);
            }
            first
        });
    }

    /// Resolves once the switch is turned.
    pub async fn begun(&self) {
        let mut receiver = self.reason.subscribe();
        receiver.wait_for(Option::is_some).await.expect("the sender lives in `self`");
    }

    pub fn is_begun(&self) -> bool {
        self.reason.borrow().is_some()
    }
}
