//! What the draw of a pre-queue waits for that has begun and is not drawn, as its room's records
//! have it.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use chassis::{Follower, Nats, Problem, StartAt};
use schema::admission::AdmissionRecord;
use schema::{EventId, codec, subject};

use super::admission::unavailable;

/// How long the records may take to read. Those of a long sale are some hundred thousand, which
/// take about a second.
const READ_WAIT: Duration = Duration::from_secs(10);

/// A pre-queue that has begun and is not drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathering {
    /// The commitments of its draw's witnesses; `None` if it will be committed to in a moment.
    pub witnesses: Option<Vec<[u8; 32]>>,
}

/// The pre-queue of the event's room; `None` if none waits for its draw. O(records).
///
/// # Errors
/// 503 while the records cannot be read.
pub async fn gathering(nats: &Nats, event: &EventId) -> Result<Option<Gathering>, Problem> {
    let read = tokio::time::timeout(READ_WAIT, read(nats, event)).await;
    let read = read.unwrap_or_else(|_| Err("it takes too long".to_owned()));
    read.map_err(|error| {
        tracing::warn!(%event, %error, "the records of a room were not read");
        unavailable()
    })
}

async fn read(nats: &Nats, event: &EventId) -> Result<Option<Gathering>, String> {
    let (stream, records) = (subject::admission_stream(event), subject::admission(event));
    let Some(end) = end(nats, &stream, &records).await? else { return Ok(None) };
    let mut follower = Follower::start(nats.clone(), &stream, &records, StartAt::First);
    let mut gathering = None;
    loop {
        let message =
            follower.next().await.map_err(|error| chassis::telemetry::chain(&error).to_string())?;
        let record = codec::decode(&message.payload);
        take(
            &mut gathering,
            record.map_err(|error| chassis::telemetry::chain(&error).to_string())?,
        );
        if end <= message.sequence {
            return Ok(gathering);
        }
    }
}

/// The sequence of the newest record; `None` for a room that has none.
async fn end(nats: &Nats, stream: &str, records: &str) -> Result<Option<u64>, String> {
    let stream = match nats.jetstream.get_stream(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            let GetStreamErrorKind::JetStream(refused) = error.kind() else {
                return Err(error.to_string());
            };
            let is_none = refused.error_code() == ErrorCode::STREAM_NOT_FOUND;
            return if is_none { Ok(None) } else { Err(error.to_string()) };
        }
    };
    match stream.get_last_raw_message_by_subject(records).await {
        Ok(message) => Ok(Some(message.sequence)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn take(gathering: &mut Option<Gathering>, record: AdmissionRecord) {
    match record {
        AdmissionRecord::GatherStarted { .. } => *gathering = Some(Gathering { witnesses: None }),
        AdmissionRecord::Committed { witnesses, .. } => {
            *gathering = Some(Gathering { witnesses: Some(witnesses) });
        }
        AdmissionRecord::Drawn(_) => *gathering = None,
        _ => {}
    }
}
