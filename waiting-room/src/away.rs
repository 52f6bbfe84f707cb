//! Work that takes too long for a thread that serves others.

use tokio::sync::oneshot;

/// Does `work` on a thread of its own. Whoever stops waiting leaves the work to end for nothing.
pub(crate) async fn away<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, found) = oneshot::channel();
    let work = move || done.send(work()).unwrap_or_default();
    chassis::tasks::spawn_thread(name, work).expect("one thread for a draw");
    found.await.expect("the thread sends or ends the process")
}
