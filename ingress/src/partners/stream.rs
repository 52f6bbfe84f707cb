//! The stream of operations, answered line by line as they are done.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chassis::Problem;
use chassis::telemetry::{TraceContext, traced};
use futures_util::{Stream, StreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::atomic;
use super::items::{Fault, Format, items};
use super::operation::{Operation, ResultLine};
use super::perform::{Pending, begin, finish};
use crate::accounts::{Caller, Partner};
use crate::app::App;
use crate::extract::{Params, mark_replayed};
use crate::problems::{self, Answered};

/// Operations of one stream that wait for their owners at once.
///
/// An owner answers in about 2 ms, so 64 carry 30,000 a second; more would let one partner fill the
/// table that all fans' commands share.
const PIPELINE: usize = 64;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct AllocationParams {
    /// All operations or none: of one kind and one event, 4,096 places at most.
    atomic: bool,
}

/// Carries out a stream of operations; results come in their order while the stream still runs.
///
/// A repeated `ref` gives the same result; a repeated atomic request also says so with
/// `Idempotency-Replayed: true`. Operations leave in order, and up to 64 are under way at
/// once.
///
/// What is sold is a booking of the partner's, `CONFIRMED`, whose tickets open entrances: `ok` is
/// answered when it is. All that an operation sells, or all operations together that are atomic,
/// is one booking. `SALE_PENDING` says that the outcome is not known yet: the same `ref` asks for
/// it again.
#[utoipa::path(post, path = "/api/partners/allocations", tag = "partners", params(AllocationParams),
    security(("bearer" = []), ("apiKey" = [])),
    request_body(content((Operation = "application/x-ndjson"),
        (Operation = "application/msgpack"))),
    responses((status = 200, description = "One result a line", body = ResultLine,
            content_type = "application/x-ndjson"),
        (status = 403, description = "ROLE_REQUIRED"),
        (status = 415, description = "MEDIA_TYPE_UNSUPPORTED"),
        (status = 422, description = "ATOMIC_REFUSED")))]
pub async fn allocations(
    State(app): State<Arc<App>>,
    Partner(caller): Partner,
    Params(params): Params<AllocationParams>,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let format = format(&headers)?;
    if params.atomic {
        let (lines, replayed) = atomic::perform(&app, &caller, body, format).await?;
        let mut response = respond(format, stream::iter(lines));
        mark_replayed(&mut response, replayed);
        return Ok(response);
    }
    Ok(respond(format, results(app, caller, body, format)))
}

fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    match kind.trim().to_ascii_lowercase().as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Format::Lines),
        "application/msgpack" | "application/x-msgpack" => Ok(Format::MessagePack),
        _ => {
            let detail = "send application/x-ndjson or application/msgpack".to_owned();
            Err(problems::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
        }
    }
}

fn results(
    app: Arc<App>,
    caller: Caller,
    body: Body,
    format: Format,
) -> impl Stream<Item = ResultLine> + Send {
    let finisher = Arc::clone(&app);
    // The stream runs after its request was answered, so its trace is handed on.
    let trace = TraceContext::current();
    items(body, format)
        .then(move |item| {
            let app = Arc::clone(&app);
            traced("operation", trace, async move { started(&app, &caller, item).await })
        })
        .map(move |pending| {
            let app = Arc::clone(&finisher);
            traced("operation", trace, async move { finish(&app, &caller, pending).await })
        })
        .buffered(PIPELINE)
}

async fn started(app: &App, caller: &Caller, item: Result<Value, Fault>) -> Pending {
    match item {
        Ok(value) => begin(app, caller, &value).await,
        Err(Fault::Unreadable) => Pending::Known(ResultLine::invalid(None, "JSON_INVALID")),
        Err(Fault::Twice) => Pending::Known(ResultLine::invalid(None, "REQUEST_INVALID")),
        Err(Fault::Lost { code }) => Pending::Known(ResultLine::invalid(None, code)),
    }
}

fn respond(format: Format, lines: impl Stream<Item = ResultLine> + Send + 'static) -> Response {
    let encoded = lines.map(move |line| Ok::<Bytes, Infallible>(encode(format, &line)));
    let body = Body::from_stream(encoded);
    ([(CONTENT_TYPE, format.content_type())], body).into_response()
}

fn encode(format: Format, line: &ResultLine) -> Bytes {
    match format {
        Format::Lines => {
            let mut text = serde_json::to_string(line).expect("a result is text and flags");
            text.push('\n');
            text.into()
        }
        Format::MessagePack => {
            rmp_serde::to_vec_named(line).expect("a result is text and flags").into()
        }
    }
}
