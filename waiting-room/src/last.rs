//! Where a stream ends.

use chassis::{Cause, Nats};
use std::time::Duration;

/// How long the question may take: a leader that asks it calls nobody meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sequence of the newest message of `subject` in `stream`; 0 if there is none.
pub(crate) async fn last_sequence(
    nats: &Nats,
    stream: &str,
    subject: &str,
) -> Result<u64, chassis::Error> {
    let unavailable = |source| {
        let what = format!("read the end of {stream}");
        chassis::Error::Unavailable { what, source }
    };
    let asked = async {
        let stream = nats.jetstream.get_stream_no_info(stream).await;
        let stream = stream.map_err(|error| unavailable(Cause::of(&error)))?;
        match stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => Ok(message.sequence),
            Err(error) if is_empty(&error) => Ok(0),
            Err(error) => Err(unavailable(Cause::of(&error))),
        }
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(last) => last,
        Err(elapsed) => Err(unavailable(Cause::of(&elapsed))),
    }
}

fn is_empty(error: &async_nats::jetstream::stream::LastRawMessageError) -> bool {
    use async_nats::jetstream::stream::LastRawMessageErrorKind::NoMessageFound;
    matches!(error.kind(), NoMessageFound)
}
