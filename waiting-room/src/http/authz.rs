//! The gate for others' sites: may this request pass?
//!
//! Nothing is asked of Redis or NATS: the pass itself says it, and its signature; and that it was
//! not given back, what this process has read of its room's stream.

use super::{App, problems};
use crate::room::{Room, Visit, of_room};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodFilter;
use chassis::Problem;
use http::header::{CACHE_CONTROL, COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use schema::EventId;
use schema::admission::PassClaims;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// The cookie that may carry a pass; with `-` and the event's id behind it one of that event alone.
const PASS_COOKIE: &str = "admission_pass";

/// What a browser takes only over TLS, for this host alone, and from no neighbour of the host.
const HOST_PREFIX: &str = "__Host-";

/// Most passes of one request that are looked at.
///
/// A signature costs 50 us to check. Neighbours of a host may set cookies of this name too: with
/// one alone they could keep everybody out.
const PASSES_TRIED_MAX: usize = 4;

/// Whoever asks for every request asks by its method.
pub(super) const METHODS: MethodFilter = MethodFilter::GET
    .or(MethodFilter::POST)
    .or(MethodFilter::PUT)
    .or(MethodFilter::PATCH)
    .or(MethodFilter::DELETE);

/// What the gate guards.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct AuthzQuery {
    /// Which event the pass must be for; any event's pass is good without.
    event_id: Option<String>,
    /// What to do while the room is off: `deny` (without) or `allow` everybody.
    #[serde(default)]
    #[param(inline)]
    when_off: WhenOff,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum WhenOff {
    #[default]
    Deny,
    Allow,
}

/// Says whether a request may pass a gate (`auth_request`, `forward_auth`, `ext_authz`), by any
/// method.
///
/// The pass is the `Admission-Pass` header, else a cookie `admission_pass` or
/// `admission_pass-EVENT`, also with `__Host-` before it. The event is `eventId` in the query, else
/// the header `Admission-Event`.
#[utoipa::path(method(get, post, put, patch, delete), path = "/api/queue/authz", tag = "queue",
    params(AuthzQuery, ("Admission-Pass" = Option<String>, Header),
        ("Admission-Event" = Option<String>, Header)),
    responses(
        (status = 204, description = "It may; Admission-Place names whose pass it is",
            headers(("Admission-Place" = String))),
        (status = 400, description = "QUERY_INVALID"),
        (status = 401, description = "PASS_REQUIRED, with the room's address",
            headers(("Waiting-Room" = String))),
        (status = 503, description = "ROOM_UNAVAILABLE: a process that has just begun does not \
            know yet which passes were given back")))]
pub(super) async fn authz(
    State(app): State<Arc<App>>,
    query: Result<Query<AuthzQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let asked = query.map(|Query(query)| (wanted(&query, &headers), query.when_off));
    let mut response = match asked {
        Err(_) => query_invalid().into_response(),
        // What can be no event has no pass.
        Ok((Err(()), _)) => problems::pass_required(None).into_response(),
        Ok((Ok(event), when_off)) => answer(&app, event.as_ref(), when_off, &headers),
    };
    response.headers_mut().insert(CACHE_CONTROL, no_store());
    response
}

pub(super) fn no_store() -> HeaderValue {
    HeaderValue::from_static("no-store")
}

/// The event that the gate asks for; `Err` for a text that names none.
fn wanted(query: &AuthzQuery, headers: &HeaderMap) -> Result<Option<EventId>, ()> {
    let header = || headers.get("admission-event").map(|event| event.to_str().unwrap_or_default());
    let event = query.event_id.as_deref().or_else(header);
    event.map(str::parse).transpose().map_err(drop)
}

fn answer(app: &App, event: Option<&EventId>, when_off: WhenOff, headers: &HeaderMap) -> Response {
    let room = event.and_then(|event| app.rooms.find(event));
    let now = room.map_or_else(chassis::clock::now, |room| room.wall());
    let is_for = |claims: &PassClaims| event.is_none_or(|event| claims.event == *event);
    let mut is_unknown = false;
    let passes = passes(headers, event).take(PASSES_TRIED_MAX);
    for claims in passes.filter_map(|pass| app.passes.verify(pass, now)).filter(is_for) {
        match visit(app, &claims) {
            Visit::Good => return admitted(&claims),
            Visit::GivenBack => {}
            Visit::Unknown => is_unknown = true,
        }
    }
    if when_off == WhenOff::Allow && event.is_some_and(|event| app.rooms.is_off(event)) {
        return StatusCode::NO_CONTENT.into_response();
    }
    if is_unknown {
        return problems::visit_unknown().into_response();
    }
    refused(event)
}

/// Whether a pass was given back, by the room that it is for, whatever the gate asks about. Of an
/// event without seats, or one that this process has not heard of, nobody knows without its room.
fn visit(app: &App, claims: &PassClaims) -> Visit {
    let visit = of_room(&app.rooms, claims.event.as_str(), |room, view| {
        Some(room.visit(view, claims.number))
    });
    let without_room = || {
        if app.rooms.sells_seats(&claims.event) { Visit::Good } else { Visit::Unknown }
    };
    visit.unwrap_or_else(without_room)
}

/// The answer to who brings no pass that is good, with the way to one.
pub(super) fn refused(event: Option<&EventId>) -> Response {
    let address = event.map(|event| format!("/api/queue/{event}"));
    let mut response = problems::pass_required(address.clone()).into_response();
    if let Some(address) = address {
        let address =
            HeaderValue::try_from(address).expect("an event id has no control characters");
        response.headers_mut().insert("waiting-room", address);
    }
    response
}

/// The numbers in line of the passes for the room's event that a request brings, those of them that
/// were given back too.
pub(super) fn good_passes<'a>(
    app: &'a App,
    room: &'a Room,
    headers: &'a HeaderMap,
) -> impl Iterator<Item = u64> + 'a {
    let now = room.wall();
    let passes = passes(headers, Some(&room.event)).take(PASSES_TRIED_MAX);
    let passes = passes.filter_map(move |pass| app.passes.verify(pass, now));
    passes.filter(|claims| claims.event == room.event).map(|claims| claims.number)
}

/// With whose pass it is: a site that ties its session to it sees when a pass is passed on.
fn admitted(claims: &PassClaims) -> Response {
    let place = format!("{} {}-{}", claims.event, claims.epoch, claims.number);
    let place = HeaderValue::try_from(place).expect("an event id has no control characters");
    (StatusCode::NO_CONTENT, [("admission-place", place)]).into_response()
}

/// The passes that a request brings: the header's alone if it has one, else those of its cookies.
fn passes<'a>(headers: &'a HeaderMap, event: Option<&EventId>) -> impl Iterator<Item = &'a str> {
    let header = headers.get("admission-pass");
    let cookies = headers.get_all(COOKIE).iter().filter(move |_| header.is_none());
    let pairs = cookies.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    let cookies = pairs.filter(move |(name, _)| carries_pass(name, event));
    let header = header.into_iter().filter_map(|pass| pass.to_str().ok());
    header.chain(cookies.map(|(_, pass)| pass))
}

fn carries_pass(name: &str, event: Option<&EventId>) -> bool {
    let name = name.strip_prefix(HOST_PREFIX).unwrap_or(name);
    let Some(rest) = name.strip_prefix(PASS_COOKIE) else { return false };
    let of = rest.strip_prefix('-');
    rest.is_empty() || of.is_some_and(|of| event.is_none_or(|event| event.as_str() == of))
}

/// The `Set-Cookie` that makes a browser bring the pass to this host for as long as it is good.
pub(super) fn cookie(event: &EventId, pass: &str, max_age_s: u64) -> HeaderValue {
    let text = format!(
        "{HOST_PREFIX}{PASS_COOKIE}-{event}={pass}; Path=/; Max-Age={max_age_s}; Secure; HttpOnly; \
         SameSite=Lax"
    );
    HeaderValue::try_from(text).expect("a pass is base64url and dots")
}

fn query_invalid() -> Problem {
    let detail = "eventId once, and whenOff=deny or allow";
    Problem::new(400, "QUERY_INVALID", "The query cannot be read", detail)
}

#[cfg(test)]
mod tests {
    use super::{AuthzQuery, WhenOff, cookie, passes, wanted};
    use axum::extract::Query;
    use http::{HeaderMap, Uri};
    use schema::EventId;

    fn event(id: &str) -> EventId {
        id.parse().unwrap()
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let lines =
            lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        lines.collect()
    }

    #[test]
    fn cookies_are_those_of_the_event_and_a_header_is_all_that_counts() {
        let line = "theme=dark; admission_pass=a; __Host-admission_pass-EVT1=b; \
                    admission_pass-EVT2=c; \
                    admission_pass_x=d; x=admission_pass=e";
        let cookies = headers(&[("cookie", line)]);
        let (one, none) = (event("EVT1"), event("EVT3"));
        assert_eq!(passes(&cookies, Some(&one)).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(passes(&cookies, Some(&none)).collect::<Vec<_>>(), ["a"]);
        assert_eq!(passes(&cookies, None).collect::<Vec<_>>(), ["a", "b", "c"]);
        let both = headers(&[("cookie", line), ("admission-pass", "h")]);
        assert_eq!(passes(&both, Some(&one)).collect::<Vec<_>>(), ["h"]);
    }

    #[test]
    fn the_querys_event_counts_and_the_headers_only_without_one() {
        let asked = |query: &str, lines: &[(&'static str, &str)]| {
            let uri: Uri = format!("/api/queue/authz{query}").parse().unwrap();
            let Ok(Query(query)) = Query::<AuthzQuery>::try_from_uri(&uri) else { return Err(()) };
            wanted(&query, &headers(lines))
        };
        let other = [("admission-event", "EVT2")];
        assert_eq!(asked("?eventId=EVT1", &other), Ok(Some(event("EVT1"))));
        assert_eq!(asked("", &other), Ok(Some(event("EVT2"))));
        assert_eq!(asked("", &[]), Ok(None));
        assert_eq!(asked("?eventId=", &other), Err(()), "an empty one is no event");
        assert_eq!(asked("?eventId=a%20b", &other), Err(()));
        // A client's own path behind the gate's query, as ext_authz sends it, cannot say otherwise.
        assert_eq!(asked("?eventId=EVT1&path=/x?eventId=EVT2", &[]), Ok(Some(event("EVT1"))));
        assert_eq!(asked("?eventId=EVT1&path=/x?&eventId=EVT2", &[]), Err(()));
        let off = |query: &str| {
            let uri: Uri = format!("/{query}").parse().unwrap();
            Query::<AuthzQuery>::try_from_uri(&uri).ok().map(|query| query.0.when_off)
        };
        assert_eq!(off(""), Some(WhenOff::Deny));
        assert_eq!(off("?whenOff=allow"), Some(WhenOff::Allow));
        assert_eq!(off("?whenOff=Allow"), None);
    }

    #[test]
    fn the_cookie_is_for_this_host_over_tls_and_out_of_reach_of_scripts() {
        let wanted =
            "__Host-admission_pass-EVT1=p; Path=/; Max-Age=7; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(cookie(&event("EVT1"), "p", 7), wanted);
    }
}
