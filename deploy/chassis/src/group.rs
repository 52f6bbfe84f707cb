//! Calls that go together: what is ready when one ends is the next one.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use crate::{clock::Monotonic, metrics, tasks};

/// Items that wait for a call of one kind. More askers than this wait for a place.
const WAITING_MAX: usize = 4_096;

/// How often a call that waits for its time looks whether it is full.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a call may fail with.
pub trait GroupError: Clone + Send + 'static {
    /// The group's task has ended, as it does with the process.
    fn ended() -> Self;

    /// Whether the call was refused as a whole for what may be one item's fault, so that each item
    /// may do better alone.
    fn may_be_of_one(&self) -> bool;
}

/// One kind of call, which takes the items of many askers. Clones share it.
///
/// It lives until the last clone is dropped. An asker that goes away changes nothing: its item is
/// dealt with all the same.
#[derive(Debug)]
pub struct Group<I, A, E> {
    waiting: mpsc::Sender<Waiting<I, A, E>>,
}

#[derive(Debug)]
struct Waiting<I, A, E> {
    item: I,
    answer: oneshot::Sender<Result<A, E>>,
}

/// The answer to an item, once there is one.
#[derive(Debug)]
pub struct Answered<A, E>(oneshot::Receiver<Result<A, E>>);

impl<A, E: GroupError> Answered<A, E> {
    /// Waits for the answer. Cancel-safe until it has been given.
    pub async fn get(&mut self) -> Result<A, E> {
        (&mut self.0).await.map_err(|_| E::ended())?
    }
}

impl<I, A, E> Clone for Group<I, A, E> {
    fn clone(&self) -> Self {
        Self { waiting: self.waiting.clone() }
    }
}

impl<I: Clone + Send + 'static, A: Send + 'static, E: GroupError> Group<I, A, E> {
    /// Starts the task that calls. `call` answers its items, `items_max` at most, in their order.
    ///
    /// A call begins `every` after the one before it, or once it is full: what each call costs
    /// whatever is in it is then paid for many items. After a rest the first item goes at once.
    pub fn start<C, F>(what: &'static str, items_max: usize, every: Duration, call: C) -> Self
    where
        C: Fn(Vec<I>) -> F + Send + 'static,
        F: Future<Output = Result<Vec<A>, E>> + Send + 'static,
    {
        let (waiting, queue) = mpsc::channel(WAITING_MAX);
        tasks::spawn(what, run(what, items_max, every, queue, call));
        Self { waiting }
    }

    /// Hands an item in together with those of others and returns its answer.
    pub async fn submit(&self, item: I) -> Result<A, E> {
        self.hand_in(item).await?.get().await
    }

    /// Hands an item in without waiting for its answer: items go in the order of these calls.
    pub async fn hand_in(&self, item: I) -> Result<Answered<A, E>, E> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { item, answer };
        self.waiting.send(waiting).await.map_err(|_| E::ended())?;
        Ok(Answered(answered))
    }

    /// As `submit`, for several; they may come into several calls.
    pub async fn submit_all(&self, items: Vec<I>) -> Result<Vec<A>, E> {
        try_join_all(items.into_iter().map(|item| self.submit(item))).await
    }
}

async fn run<I, A, E, C, F>(
    what: &'static str,
    items_max: usize,
    every: Duration,
    mut queue: mpsc::Receiver<Waiting<I, A, E>>,
    call: C,
) where
    I: Clone + Send,
    A: Send,
    E: GroupError,
    C: Fn(Vec<I>) -> F + Send,
    F: Future<Output = Result<Vec<A>, E>> + Send,
{
    let mut ready = Vec::new();
    let mut next_at = Instant::now();
    while queue.recv_many(&mut ready, items_max).await != 0 {
        while Instant::now() < next_at && ready.len() < items_max {
            sleep_until(next_at.min(Instant::now() + LOOK_EVERY)).await;
            let more = std::iter::from_fn(|| queue.try_recv().ok());
            ready.extend(more.take(items_max - ready.len()));
        }
        next_at = Instant::now() + every;
        let (items, answers): (Vec<_>, Vec<_>) =
            ready.drain(..).map(|waiting| (waiting.item, waiting.answer)).unzip();
        let began = Monotonic::now();
        let called = call(items.clone()).await;
        metrics::group_called(what, items.len(), began.elapsed(), called.is_ok());
        match called {
            Ok(results) => {
                assert!(results.len() == answers.len(), "{what} answers each item");
                answers.into_iter().zip(results).for_each(|(to, result)| tell(to, Ok(result)));
            }
            // Refused for the sake of one: each alone hurts nobody but itself.
            Err(error) if error.may_be_of_one() && 1 < items.len() => {
                tracing::warn!(what, items = items.len(), "calling one by one");
                for (item, to) in items.into_iter().zip(answers) {
                    let alone = call(vec![item]).await;
                    tell(to, alone.map(|mut results| results.remove(0)));
                }
            }
            Err(error) => {
                for to in answers {
                    tell(to, Err(error.clone()));
                }
            }
        }
    }
}

fn tell<A>(to: oneshot::Sender<A>, result: A) {
    // The asker may have gone.
    drop(to.send(result));
}

#[cfg(test)]
mod tests {
    use super::{Group, GroupError, LOOK_EVERY};
    use futures_util::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    #[derive(Debug, Clone, PartialEq)]
    enum Failed {
        Ended,
        Slow,
        OneIsOdd,
    }

    impl GroupError for Failed {
        fn ended() -> Self {
            Self::Ended
        }

        fn may_be_of_one(&self) -> bool {
            *self == Self::OneIsOdd
        }
    }

    type Doubling = Group<usize, usize, Failed>;

    #[tokio::test]
    async fn a_call_that_is_refused_for_one_item_fails_for_that_item_only() {
        let group =
            Doubling::start("test-call", 8, Duration::ZERO, |items: Vec<usize>| async move {
                let odd = items.iter().any(|item| item % 2 == 1);
                if odd { Err(Failed::OneIsOdd) } else { Ok(items) }
            });
        let answers = join_all([2, 3, 4].map(|item| group.submit(item))).await;
        assert_eq!(answers, [Ok(2), Err(Failed::OneIsOdd), Ok(4)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_its_time_and_takes_along_what_has_come_by_then() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let every = Duration::from_millis(10);
        let group = Doubling::start("test-call", 8, every, move |items: Vec<usize>| {
            seen.lock().unwrap().push(items.len());
            async move { Ok(items) }
        });
        let started = tokio::time::Instant::now();
        assert_eq!(group.submit(1).await, Ok(1));
        assert_eq!(started.elapsed(), Duration::ZERO, "after a rest it goes at once");
        let late = async {
            tokio::time::sleep(Duration::from_millis(9)).await;
            group.submit(3).await
        };
        let (second, third) = futures_util::join!(group.submit(2), late);
        assert_eq!((second, third), (Ok(2), Ok(3)));
        assert_eq!(started.elapsed(), every);
        assert_eq!(*sizes.lock().unwrap(), [1, 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_full_does_not_wait_for_its_time() {
        let every = 8 * LOOK_EVERY;
        let group = Doubling::start("test-call", 3, every, |items| async move { Ok(items) });
        assert_eq!(group.submit(1).await, Ok(1));
        let started = tokio::time::Instant::now();
        let last = async {
            tokio::time::sleep(LOOK_EVERY / 2).await;
            group.submit(4).await
        };
        let answers = futures_util::join!(group.submit(2), group.submit(3), last);
        assert_eq!(answers, (Ok(2), Ok(3), Ok(4)));
        assert_eq!(started.elapsed(), LOOK_EVERY);
    }

    #[tokio::test]
    async fn what_gathers_during_a_call_goes_together_up_to_the_bound() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let group = Doubling::start("test-call", 8, Duration::ZERO, move |items: Vec<usize>| {
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
    async fn a_call_that_gets_no_answer_is_not_tried_again_behind_its_askers_backs() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let group = Doubling::start("test-call", 8, Duration::ZERO, move |_: Vec<usize>| {
            // Relaxed: read after all answers, which order it.
            counter.fetch_add(1, Ordering::Relaxed);
            async { Err(Failed::Slow) }
        });
        let answers = join_all((0..4).map(|item| group.submit(item))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(Failed::Slow))));
        // Relaxed: as above.
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
