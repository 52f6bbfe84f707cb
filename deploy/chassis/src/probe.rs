//! Asks the servers again and again whether they answer, for the health page.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection, PgPool};
use tokio::time::{sleep, timeout};

use crate::{Cause, Error, Health, HealthHandle, Nats, Redis, Shutdown, tasks};

/// How long a server may take to answer. Longer than a busy one takes, and shorter than the
/// patience of whoever asks whether to send requests here.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// Between an answer and the next question.
///
/// A question makes Postgres start a process, some milliseconds of work; twice as often would show
/// a loss no sooner than a load balancer looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps the component `nats` of the health page true, until the shutdown.
///
/// The question goes to JetStream: a server that only passes messages on cannot serve.
pub fn watch_nats(nats: &Nats, health: &Health, shutdown: &Shutdown) {
    let jetstream = nats.jetstream.clone();
    watch("nats", health, shutdown, move || {
        let jetstream = jetstream.clone();
        async move {
            let answer = jetstream.query_account().await;
            answer.map(drop).map_err(|error| Error::unavailable("ask NATS".to_owned(), &error))
        }
    });
}

/// Keeps the component `redis` of the health page true, until the shutdown.
pub fn watch_redis(redis: &Redis, health: &Health, shutdown: &Shutdown) {
    let redis = redis.clone();
    watch("redis", health, shutdown, move || {
        let redis = redis.clone();
        async move { redis.query::<()>(&::redis::cmd("PING")).await }
    });
}

/// Keeps the component `postgres` of the health page true, until the shutdown.
///
/// Each question is a connection of its own: those of the pool may all be busy, and they answer on
/// while the server takes no new ones, which the pool needs as soon as one breaks.
pub fn watch_postgres(pool: &PgPool, health: &Health, shutdown: &Shutdown) {
    let pool = pool.clone();
    watch("postgres", health, shutdown, move || {
        let options = pool.connect_options();
        async move {
            let asked = async {
                let mut connection = options.connect().await?;
                connection.ping().await?;
                connection.close().await
            };
            asked.await.map_err(|error| Error::unavailable("ask Postgres".to_owned(), &error))
        }
    });
}

fn watch<F>(
    name: &'static str,
    health: &Health,
    shutdown: &Shutdown,
    ask: impl Fn() -> F + Send + Sync + 'static,
) where
    F: Future<Output = Result<(), Error>> + Send,
{
    // Before the first question: a process that asks whether it is ready must find it missing.
    let component = health.register(name);
    let shutdown = shutdown.clone();
    tasks::spawn("server-probe", async move {
        // Cancel-safe: a question that is not awaited any more changes nothing.
        tokio::select! {
            () = shutdown.begun() => {}
            () = ask_on(&component, ask) => {}
        }
    });
}

async fn ask_on<F>(component: &HealthHandle, ask: impl Fn() -> F)
where
    F: Future<Output = Result<(), Error>>,
{
    loop {
        match timeout(ANSWER_WAIT, ask()).await {
            Ok(Ok(())) => component.set_ready(),
            Ok(Err(error)) => component.set_failing(Cause::of(&error).to_string()),
            Err(_) => component.set_failing(format!("no answer within {ANSWER_WAIT:?}")),
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::watch;
    use crate::{Error, Health, Shutdown};
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_falls_silent_is_missing_until_it_answers_again() {
        let (health, shutdown) = (Health::new(), Shutdown::new());
        let silent = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&silent);
        watch("server", &health, &shutdown, move || {
            // Relaxed: one thread.
            let silent = asked.load(Ordering::Relaxed);
            async move {
                if silent {
                    pending::<()>().await;
                }
                Ok::<(), Error>(())
            }
        });
        assert_eq!(health.missing()["server"], "starting");
        for turn in 0..2 {
            sleep(Duration::from_secs(3)).await;
            assert!(health.missing().is_empty(), "turn {turn}");
            // Relaxed: as above.
            silent.store(true, Ordering::Relaxed);
            sleep(Duration::from_secs(3)).await;
            assert_eq!(health.missing()["server"], "no answer within 1s", "turn {turn}");
            // Relaxed: as above.
            silent.store(false, Ordering::Relaxed);
        }
        shutdown.begin("the test ends");
    }
}
