//! Extractors whose rejections are problem documents.

pub mod strict;

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
        let written = strict::parse(&bytes)
            .map_err(|error| problems::bad_request("JSON_INVALID", error.to_string()))?;
        if let Some(name) = written.twice {
            return Err(problems::invalid(format!("the field {name:?} is named twice")));
        }
        let sent = written.value;
        let value = strict::read(&sent).map_err(|error| problems::invalid(error.to_string()))?;
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

/// Query parameters of a list: unknown ones are ignored, and empty ones, which a form sends for
/// every field that nobody has filled in, are as if they were missing.
#[derive(Debug)]
pub struct Filters<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Filters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let given = |pair: &&str| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty());
        let query: Vec<&str> =
            parts.uri.query().unwrap_or_default().split('&').filter(given).collect();
        let uri = format!("/?{}", query.join("&")).parse();
        let uri = uri.expect("a part of a query that was parsed is one");
        let read = Query::try_from_uri(&uri);
        let Query(value) = read
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
    } else if path.contains("/webhooks/") {
        ("WEBHOOK_UNKNOWN", "No such webhook")
    } else if path.contains("/tickets/") {
        ("TICKET_UNKNOWN", "No such ticket")
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

#[cfg(test)]
mod tests {
    use super::Filters;
    use axum::extract::FromRequestParts;
    use http::Request;
    use std::collections::BTreeMap;

    #[tokio::test]
    async fn a_filter_that_was_left_empty_is_none() {
        let read = async |query: &str| {
            let request = Request::get(format!("/x?{query}")).body(()).unwrap();
            let (mut parts, ()) = request.into_parts();
            let filters = Filters::<BTreeMap<String, String>>::from_request_parts(&mut parts, &());
            let filters = filters.await.unwrap().0;
            filters.iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>()
        };
        assert_eq!(read("q=&city=Bonn&page=&size").await, ["city:Bonn"]);
        assert_eq!(read("q=a%26b=c&x==").await, ["q:a&b=c", "x:="]);
        assert!(read("").await.is_empty());
    }
}
