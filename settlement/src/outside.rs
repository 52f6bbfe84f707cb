//! Calls that leave this process: to Postgres, NATS, the payment provider, and whoever listens.
//!
//! What a process does between two of them is lost with it, so a kill anywhere is a kill before or
//! after one of them. Test builds can be told to die there, by SIGKILL; in others this is nothing.

/// A call by its name. Every `.await` on something outside of this process is on one of these, or
/// within it.
#[cfg(not(test))]
pub(crate) fn outside<F: Future>(_what: &'static str, call: F) -> F {
    call
}

/// As above, and a place to die before and after it.
#[cfg(test)]
pub(crate) fn outside<F: Future>(
    what: &'static str,
    call: F,
) -> std::pin::Pin<Box<impl Future<Output = F::Output>>> {
    use crate::tests::{Side, kill_point};
    Box::pin(async move {
        kill_point(what, Side::Before);
        let answer = call.await;
        kill_point(what, Side::After);
        answer
    })
}
