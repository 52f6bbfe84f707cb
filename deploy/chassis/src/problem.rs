//! RFC 9457 problem documents: every error that crosses HTTP.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use serde_json::{Map, Value};

/// An error answer: a stable code for programs, a sentence for people, and whether a repeat is
/// safe.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// 400 to 599.
    pub status: u16,
    /// Stable, in capitals: `SEAT_TAKEN`. The `type` is `urn:usher:problem:` and this.
    pub code: &'static str,
    /// The same for every problem of this code.
    pub title: &'static str,
    /// What happened this time.
    pub detail: String,
    /// Whether the same request may be sent again and may then succeed.
    pub retryable: bool,
    /// The `Retry-After` header, in seconds.
    pub retry_after_s: Option<u32>,
    /// Members beyond the standard's, for example `seatIds`. They never replace a standard one.
    pub members: Map<String, Value>,
}

impl Problem {
    /// A problem whose repeat changes nothing.
    pub fn new(
        status: u16,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Problem {
        assert!(400 <= status);
        assert!(status < 600);
        let detail = detail.into();
        let (retryable, retry_after_s, members) = (false, None, Map::new());
        Problem { status, code, title, detail, retryable, retry_after_s, members }
    }

    /// A problem that may be gone after `retry_after_s` seconds.
    pub fn retryable(
        status: u16,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        retry_after_s: u32,
    ) -> Problem {
        let problem = Problem::new(status, code, title, detail);
        Problem { retryable: true, retry_after_s: Some(retry_after_s), ..problem }
    }

    /// Returns the document.
    pub fn to_json(&self) -> Value {
        let mut document = self.members.clone();
        let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
        set("type", format!("urn:usher:problem:{}", self.code).into());
        set("title", self.title.into());
        set("status", self.status.into());
        set("code", self.code.into());
        set("detail", self.detail.as_str().into());
        set("retryable", self.retryable.into());
        Value::Object(document)
    }
}

impl Problem {
    /// The answer with its whole body.
    pub fn into_whole_response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(self.to_json().to_string()));
        *response.status_mut() =
            StatusCode::from_u16(self.status).expect("400 to 599, as the constructor asserted");
        let content_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        if let Some(retry_after_s) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, retry_after_s.into());
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        self.into_whole_response().map(Body::from)
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;
    use axum::response::IntoResponse;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn a_problem_is_a_document_with_code_and_members() {
        let mut problem = Problem::new(409, "SEAT_TAKEN", "A seat is taken", "A-1-2 is taken");
        problem.members.insert("seatIds".to_owned(), json!(["A-1-2"]));
        problem.members.insert("status".to_owned(), json!("mine"));
        let response = problem.into_response();
        assert_eq!(response.status(), 409);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(!response.headers().contains_key("retry-after"));
        let body = response.into_body().collect().await.expect("in memory").to_bytes();
        let document: Value = serde_json::from_slice(&body).expect("json");
        let wanted = json!({
            "type": "urn:usher:problem:SEAT_TAKEN", "title": "A seat is taken", "status": 409,
            "code": "SEAT_TAKEN", "detail": "A-1-2 is taken", "retryable": false,
            "seatIds": ["A-1-2"],
        });
        assert_eq!(document, wanted);
    }

    #[test]
    fn a_retryable_problem_says_when() {
        let response = Problem::retryable(503, "BUSY", "Busy", "try again", 2).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
    }
}
