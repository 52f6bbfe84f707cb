//! Calls that leave this process, by their names.
//!
//! What a process does between two of them is lost with it, so a kill anywhere is a kill before or
//! after one of them. A program built for tests can be told by its environment to die there, by
//! SIGKILL; any other one knows nothing of it.

/// A call by its name.
#[cfg(not(any(test, feature = "testing")))]
pub fn outside<F: Future>(_what: &'static str, call: F) -> F {
    call
}

/// As above, and a place to die before and after it.
#[cfg(any(test, feature = "testing"))]
pub fn outside<F: Future>(
    what: &'static str,
    call: F,
) -> std::pin::Pin<Box<impl Future<Output = F::Output>>> {
    use crate::death::{Side, die_at};
    Box::pin(async move {
        die_at(what, Side::Before);
        let answer = call.await;
        die_at(what, Side::After);
        answer
    })
}
