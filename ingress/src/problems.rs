//! Problem documents of this stage: the codes that are not refusals of an owner.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chassis::{Problem, idempotency};
use http::HeaderValue;
use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use schema::{PlanIndex, Refusal};
use serde_json::Value;

use crate::asks::Unanswered;

/// Shows a refusal of the owner; seats become their ids.
pub fn refused(refusal: &Refusal, plan: Option<&PlanIndex>) -> Problem {
    let code = refusal.code();
    let mut problem = Problem::new(code.status, code.code, code.title, code.title);
    problem.retryable = code.retryable;
    if code.status == 503 {
        problem.retry_after_s = Some(1);
    }
    let seats = refusal.seats();
    if let Some(plan) = plan.filter(|_| !seats.is_empty()) {
        let ids = seats.iter().filter_map(|seat| Some(plan.place(*seat)?.seat_id().to_string()));
        let ids: Vec<Value> = ids.map(Value::from).collect();
        problem.members.insert("seatIds".to_owned(), ids.into());
    }
    problem
}

/// Shows why an owner gave no answer. `key` repeats the request safely when the client sent none.
pub fn unanswered(unanswered: Unanswered, key: &str) -> Problem {
    let mut problem = match unanswered {
        Unanswered::InFlight => idempotency::in_flight(),
        Unanswered::Mismatch => return idempotency::mismatch(),
        Unanswered::Busy => {
            let title = "Too many requests wait for this event";
            Problem::retryable(503, "BUSY", title, "ask again with the same Idempotency-Key", 1)
        }
        Unanswered::TimedOut | Unanswered::TooLate => {
            let title = "The event's owner did not answer in time";
            let detail = "ask again with the same Idempotency-Key: nothing is done twice";
            Problem::retryable(503, "NO_ANSWER", title, detail, 1)
        }
    };
    problem.members.insert("commandId".to_owned(), key.into());
    problem
}

pub fn unavailable(code: &'static str, detail: &str) -> Problem {
    Problem::retryable(503, code, "A part of the service is not available", detail, 1)
}

/// Postgres did not do what was asked.
pub fn store(error: &sqlx::Error) -> Problem {
    let chain = chassis::telemetry::chain(error);
    tracing::warn!(error = %chain, "the store did not answer");
    unavailable("STORE_UNAVAILABLE", "the store does not answer now; try again")
}

/// The views cannot say what is true now.
pub fn unconfirmed() -> Problem {
    unavailable("VIEW_UNCONFIRMED", "the current state cannot be confirmed now; try again")
}

pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(400, code, "The request cannot be read", detail)
}

pub fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(422, "REQUEST_INVALID", "The request makes no sense", detail)
}

pub fn login_required(detail: &str) -> Problem {
    Problem::new(401, "LOGIN_REQUIRED", "A login is needed", detail)
}

pub fn role_required(role: &str) -> Problem {
    let detail = format!("this needs the role {role}");
    Problem::new(403, "ROLE_REQUIRED", "Your account may not do this", detail)
}

pub fn too_many(code: &'static str, detail: &str, retry_after_s: u32) -> Problem {
    Problem::retryable(429, code, "Too many requests", detail, retry_after_s.max(1))
}

pub fn event_unknown() -> Problem {
    refused(&Refusal::EventUnknown, None)
}

/// The path belongs to a stage that this deployment has been set up without.
pub fn stage_absent() -> Problem {
    let title = "This deployment has waiting rooms alone";
    let detail = "no accounts, seats, orders, partners or search are served here";
    Problem::new(404, "STAGE_ABSENT", title, detail)
}

pub fn not_found() -> Problem {
    Problem::new(404, "NOT_FOUND", "Nothing is here", "no such path")
}

pub fn method_not_allowed() -> Problem {
    let title = "The path does not take this method";
    Problem::new(405, "METHOD_NOT_ALLOWED", title, "see the Allow header")
}

/// Brings an error answer that a library made into the form of all others.
pub fn of_status(status: StatusCode, detail: String) -> Problem {
    let (code, title) = match status.as_u16() {
        400 => ("REQUEST_UNREADABLE", "The request cannot be read"),
        404 => ("NOT_FOUND", "Nothing is here"),
        405 => ("METHOD_NOT_ALLOWED", "The path does not take this method"),
        408 => ("REQUEST_TIMEOUT", "The request came too slowly"),
        413 => ("BODY_TOO_LARGE", "The body is too large"),
        415 => ("MEDIA_TYPE_UNSUPPORTED", "The body's media type is not taken here"),
        422 => ("REQUEST_INVALID", "The request makes no sense"),
        _ => ("REQUEST_FAILED", "The request failed"),
    };
    Problem::new(status.as_u16(), code, title, detail)
}

/// Brings the answers that a library makes by itself, as text or without a body, into the form of
/// all other errors; a 401 says what kind of login is meant.
pub fn uniform(mut response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_error = status.is_client_error() || status.is_server_error();
    if status == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .entry(WWW_AUTHENTICATE)
            .or_insert(HeaderValue::from_static("Bearer"));
        return response;
    }
    if !is_error || kind.is_some_and(|kind| kind.contains("json")) {
        return response;
    }
    let detail = status.canonical_reason().unwrap_or("the request failed").to_ascii_lowercase();
    let mut problem = of_status(status, detail).into_response();
    if let Some(allow) = response.headers().get(ALLOW) {
        problem.headers_mut().insert(ALLOW, allow.clone());
    }
    problem
}

/// An answer of a handler.
pub type Answered = Result<Response, Problem>;

#[cfg(test)]
mod tests {
    use super::uniform;
    use axum::response::IntoResponse;
    use http::{StatusCode, header};

    #[test]
    fn an_error_of_a_library_becomes_a_problem_and_everything_else_stays() {
        let kind_of = |response: axum::response::Response| {
            let response = uniform(response);
            let kind = response.headers().get(header::CONTENT_TYPE).cloned();
            (response.status().as_u16(), kind.unwrap().to_str().unwrap().to_owned())
        };
        let problem = "application/problem+json".to_owned();
        let text = (StatusCode::BAD_REQUEST, "Invalid URL").into_response();
        assert_eq!(kind_of(text), (400, problem.clone()));
        let bare = [(header::ALLOW, "GET")];
        let bare = (StatusCode::METHOD_NOT_ALLOWED, bare).into_response();
        assert_eq!(uniform(bare).headers()[header::ALLOW], "GET");
        let own = super::not_found().into_response();
        assert_eq!(kind_of(own), (404, problem));
        let login = super::login_required("no token").into_response();
        assert_eq!(uniform(login).headers()[header::WWW_AUTHENTICATE], "Bearer");
        let fine = "fine".into_response();
        assert_eq!(kind_of(fine), (200, "text/plain; charset=utf-8".to_owned()));
    }
}
