//! Natural group commit: what is ready when a commit ends is the next one.

use crate::config::COMMIT_QUEUE_MAX;
use crate::error::Error;
use crate::metrics;
use chassis::{clock::Monotonic, tasks};
use futures_util::future::try_join_all;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// One kind of statement, which takes the items of many askers. Clones share it.
///
/// It lives until the last clone is dropped. An asker that goes away changes nothing: its item is
/// committed all the same.
#[derive(Debug)]
pub(crate) struct Group<I, A> {
    waiting: mpsc::Sender<Waiting<I, A>>,
}

#[derive(Debug)]
struct Waiting<I, A> {
    item: I,
    answer: oneshot::Sender<Result<A, Error>>,
}

impl<I, A> Clone for Group<I, A> {
    fn clone(&self) -> Self {
        Self { waiting: self.waiting.clone() }
    }
}

impl<I: Clone + Send + 'static, A: Send + 'static> Group<I, A> {
    /// Starts the task that commits. `commit` answers its items in their order.
    ///
    /// The first item waits `linger` for company. Only what nobody waits for should: under load
    /// company comes by itself while the commit before is under way.
    pub(crate) fn start<C, F>(
        what: &'static str,
        items_max: usize,
        linger: Duration,
        commit: C,
    ) -> Self
    where
        C: Fn(Vec<I>) -> F + Send + 'static,
        F: Future<Output = Result<Vec<A>, Error>> + Send + 'static,
    {
        let (waiting, queue) = mpsc::channel(COMMIT_QUEUE_MAX);
        tasks::spawn(what, run(what, items_max, linger, queue, commit));
        Self { waiting }
    }

    /// Commits an item together with those of others and returns its answer.
    pub(crate) async fn submit(&self, item: I) -> Result<A, Error> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { item, answer };
        self.waiting.send(waiting).await.map_err(|_| Error::ShuttingDown)?;
        answered.await.map_err(|_| Error::ShuttingDown)?
    }

    /// As `submit`, for several; they may come into several commits.
    pub(crate) async fn submit_all(&self, items: Vec<I>) -> Result<Vec<A>, Error> {
        try_join_all(items.into_iter().map(|item| self.submit(item))).await
    }
}

async fn run<I, A, C, F>(
    what: &'static str,
    items_max: usize,
    linger: Duration,
    mut queue: mpsc::Receiver<Waiting<I, A>>,
    commit: C,
) where
    I: Clone + Send,
    A: Send,
    C: Fn(Vec<I>) -> F + Send,
    F: Future<Output = Result<Vec<A>, Error>> + Send,
{
    let mut ready = Vec::new();
    while queue.recv_many(&mut ready, items_max).await != 0 {
        if !linger.is_zero() {
            tokio::time::sleep(linger).await;
            let more = std::iter::from_fn(|| queue.try_recv().ok());
            ready.extend(more.take(items_max - ready.len()));
        }
        let (items, answers): (Vec<_>, Vec<_>) =
            ready.drain(..).map(|waiting| (waiting.item, waiting.answer)).unzip();
        let began = Monotonic::now();
        let committed = commit(items.clone()).await;
        metrics::committed(what, items.len(), began.elapsed());
        match committed {
            Ok(results) => {
                assert!(results.len() == answers.len(), "{what} answers each item");
                answers.into_iter().zip(results).for_each(|(to, result)| tell(to, Ok(result)));
            }
            // The database refused all for the sake of one: each alone hurts nobody but itself.
            Err(error) if error.is_refusal() && 1 < items.len() => {
                metrics::commit_failed(what);
                tracing::warn!(what, %error, items = items.len(), "committing one by one");
                for (item, to) in items.into_iter().zip(answers) {
                    let alone = commit(vec![item]).await;
                    tell(to, alone.map(|mut results| results.remove(0)));
                }
            }
            Err(error) => {
                metrics::commit_failed(what);
                for to in answers {
                    tell(to, Err(error.clone()));
                }
            }
        }
    }
}

fn tell<A>(to: oneshot::Sender<A>, result: A) {
    // The asker may have gone; what is committed is found by the next look at its order.
    drop(to.send(result));
}

#[cfg(test)]
mod tests {
    use super::Group;
    use crate::error::Error;
    use futures_util::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn what_lingers_waits_for_company_and_no_longer() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let linger = Duration::from_millis(10);
        let group = Group::start("test-commit", 8, linger, move |items: Vec<usize>| {
            seen.lock().unwrap().push(items.len());
            async move { Ok(items) }
        });
        let late = async {
            tokio::time::sleep(Duration::from_millis(9)).await;
            group.submit(2).await
        };
        let (first, second) = futures_util::join!(group.submit(1), late);
        assert_eq!((first.unwrap(), second.unwrap()), (1, 2));
        assert_eq!(group.submit_all(vec![3]).await.unwrap(), [3]);
        assert_eq!(*sizes.lock().unwrap(), [2, 1]);
    }

    #[tokio::test]
    async fn what_gathers_during_a_commit_goes_together_up_to_the_bound() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let group = Group::start("test-commit", 8, Duration::ZERO, move |items: Vec<usize>| {
            seen.lock().unwrap().push(items.len());
            async move {
                tokio::task::yield_now().await;
                Ok(items.into_iter().map(|item| item * 2).collect())
            }
        });
        let answers = join_all((0..20).map(|item| group.submit(item))).await;
        let doubled: Vec<usize> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(doubled, (0..20).map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(*sizes.lock().unwrap(), [8, 8, 4]);
    }

    #[tokio::test]
    async fn a_statement_that_gets_no_answer_is_not_tried_again_behind_its_askers_backs() {
        let commits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&commits);
        let group = Group::start("test-commit", 8, Duration::ZERO, move |_: Vec<usize>| {
            // Relaxed: read after all answers, which order it.
            counter.fetch_add(1, Ordering::Relaxed);
            async { Err::<Vec<usize>, _>(Error::Slow { what: "test" }) }
        });
        let answers = join_all((0..4).map(|item| group.submit(item))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Slow { .. }))));
        // Relaxed: as above.
        assert_eq!(commits.load(Ordering::Relaxed), 1);
    }
}
