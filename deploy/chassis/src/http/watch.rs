//! How far a connection has come; shared by its stream, its requests and its idle timer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A mutex and not atomics: the fields belong together, and nobody else wants the lock (about 15
/// ns).
#[derive(Default)]
pub(super) struct Watch(Mutex<Progress>);

#[derive(Default, Clone, Copy)]
pub(super) struct Progress {
    /// Requests that have come to hyper's service.
    pub(super) requests: u64,
    /// Requests of which hyper heard nothing.
    pub(super) bypassed: u64,
    /// Whether one of those has no answer yet, or the socket has not taken all of it.
    pub(super) is_owing: bool,
    /// The connection is to end once that is done.
    pub(super) is_closing: bool,
    /// Requests whose answer has not been handed over whole.
    pub(super) in_flight: u32,
    /// The bytes so far had `Content-Length` and `Transfer-Encoding` lines next to each other.
    pub(super) doubtful_framing: bool,
}

/// One request from its head to the end of the answer's body.
pub(super) struct InFlight(Arc<Watch>);

impl Watch {
    pub(super) fn begin_request(self: &Arc<Watch>) -> InFlight {
        let mut progress = self.progress();
        progress.requests += 1;
        progress.in_flight += 1;
        InFlight(self.clone())
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.progress().in_flight -= 1;
    }
}
