//! What only settlement can answer, asked by request and reply.

use std::time::Duration;

use chassis::{Problem, outside, telemetry};
use schema::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::problems;

/// How long settlement may take; it answers that it is under way before that.
const ANSWER_WAIT: Duration = Duration::from_secs(12);

/// Asks on `subject`; no answer, or none that can be read, is a 503.
pub async fn ask<A: DeserializeOwned>(
    app: &App,
    subject: &'static str,
    question: &impl Serialize,
) -> Result<A, Problem> {
    let request = telemetry::question(codec::encode(question).into()).timeout(Some(ANSWER_WAIT));
    let sent = outside("ask settlement", app.nats.client.send_request(subject, request));
    let answer = tokio::time::timeout(ANSWER_WAIT, sent).await.map_err(|_| unavailable())?;
    let answer = answer.map_err(|error| {
        tracing::debug!(%error, "no settlement answers");
        unavailable()
    })?;
    codec::decode(&answer.payload).map_err(|error| {
        tracing::error!(%error, "an answer of settlement that nobody can read");
        unavailable()
    })
}

/// Settlement is away, or takes no more.
pub fn unavailable() -> Problem {
    problems::unavailable("SETTLEMENT_UNAVAILABLE", "settlement does not answer now; try again")
}
