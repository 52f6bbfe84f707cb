//! The time that a question to Postgres may take.

use std::time::Duration;

use chassis::outside;

/// Above the server's own limit of 3 s, so that its word comes first; well below the time in which
/// every answer has to begin, so that a server that hangs is a 503 of ours and no cut request.
const STATEMENT_WAIT: Duration = Duration::from_secs(4);

/// Waits for `statement`, 4 s at most: a server that stands still answers nothing, not even that it
/// is late. What a changing statement has done by then is not known. `what` names it for
/// [`outside`].
pub async fn in_time<T>(
    what: &'static str,
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(STATEMENT_WAIT, outside(what, statement)).await {
        Ok(result) => result,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::{STATEMENT_WAIT, in_time};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_says_nothing_is_given_up() {
        let begun = Instant::now();
        let given_up = in_time("wait", std::future::pending::<Result<(), sqlx::Error>>()).await;
        assert!(matches!(given_up, Err(sqlx::Error::Io(_))), "{given_up:?}");
        assert_eq!(begun.elapsed(), STATEMENT_WAIT);
        assert_eq!(in_time("wait", async { Ok(7) }).await.unwrap(), 7);
    }
}
