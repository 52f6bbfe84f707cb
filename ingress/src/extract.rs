//! Extractors whose rejections are problem documents.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chassis::Problem;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::problems;

/// A JSON body, as the type the handler wants and as it was sent.
#[derive(Debug)]
pub struct Json<T> {
    pub value: T,
    pub sent: Value,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "send the body with Content-Type: application/json".to_owned();
            return Err(problems::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| unreadable(&rejection))?;
        let sent: Value = serde_json::from_slice(&bytes)
            .map_err(|error| problems::bad_request("JSON_INVALID", error.to_string()))?;
        let value = T::deserialize(&sent).map_err(|error| problems::invalid(error.to_string()))?;
        Ok(Self { value, sent })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    problems::of_status(rejection.status(), rejection.body_text())
}

/// Query parameters; unknown ones are ignored.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(value) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| problems::bad_request("QUERY_INVALID", rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// The one id in the path. Text that is no such id names nothing: 404.
#[derive(Debug)]
pub struct Id<T>(pub T);

impl<S: Send + Sync, T: std::str::FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let text = path.map(|Path(text)| text).map_err(|_| problems::not_found())?;
        text.parse().map(Self).map_err(|_| unknown_id(parts.uri.path()))
    }
}

/// An id of the wrong form gets the code of an unknown one: callers need one case, not two.
fn unknown_id(path: &str) -> Problem {
    let (code, title) = if path.contains("/reservations/") {
        ("RESERVATION_UNKNOWN", "No such reservation")
    } else if path.contains("/bookings/") {
        ("BOOKING_UNKNOWN", "No such booking")
    } else {
        ("EVENT_UNKNOWN", "No such event")
    };
    Problem::new(404, code, title, title)
}

/// `body` as JSON with `status`.
pub fn json(status: StatusCode, body: &impl serde::Serialize) -> Response {
    let text = serde_json::to_string(body).expect("answers hold only encodable types");
    (status, [(CONTENT_TYPE, "application/json")], text).into_response()
}

/// Says that the answer was given before.
pub fn mark_replayed(response: &mut Response, replayed: bool) {
    if replayed {
        response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
}
