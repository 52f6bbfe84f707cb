//! `GET seats`: the map at a position that has everything answered before the question.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chassis::Problem;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, StatusCode};
use schema::EventId;

use super::render::{Rendered, SeatsForm, render, stamp};
use super::seats::Snapshot;
use crate::app::App;
use crate::asks::BARRIER_WAIT;
use crate::catalog::Listed;
use crate::extract::Id;
use crate::problems::{self, Answered};

/// Shows the seat map.
///
/// As JSON: `{version, sections:[{section, rows:[{row, seats:[{seatId, status, priceLevel, x, y,
/// accessible}]}]}], areas:[{areaId, name, capacity, free, priceLevel}]}`; positions in
/// centimetres. Where areas share capacities `pools:[{poolId, capacity, free, areas:[areaId]}]` is
/// beside them, and `free` of an area is no more than that of its pool. An event with channels
/// shows `channels:[{key, name, endsAt|null, places:[{section, row, from, to}]}]`; the compact form
/// and the stream's deltas do not.
///
/// As `application/octet-stream`, integers big-endian: the bytes `USM1`, version u64, seat count
/// u32, area count u16, then two bits a seat in the order of the JSON form (the first of four in
/// the lowest bits; 0 free, 1 held, 2 sold, 3 blocked), padded to a whole byte, then the free
/// places of each area as u32.
#[utoipa::path(get, path = "/api/events/{eventId}/seats", tag = "events",
    params(("eventId" = String, Path, example = "EVT002"),
        ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, description = "The map", headers(("ETag" = String)), content(
            (serde_json::Value = "application/json"), (Vec<u8> = "application/octet-stream"))),
        (status = 304, description = "The map is still the one that If-None-Match names"),
        (status = 404, description = "EVENT_UNKNOWN"),
        (status = 503, description = "VIEW_UNCONFIRMED")))]
pub async fn seats(
    State(app): State<Arc<App>>,
    Id(event): Id<EventId>,
    headers: HeaderMap,
) -> Answered {
    let listed = app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    let shard = app.views.of_event(&event);
    shard.barrier.pass(BARRIER_WAIT).await.map_err(|_| problems::unconfirmed())?;
    let form = form(&headers);
    let rendered = rendered(&app, &listed, form, || {
        shard.lock().events.get(&event).map(super::EventSeats::snapshot).unwrap_or_default()
    });
    Ok(respond(rendered.await?, &headers))
}

fn form(headers: &HeaderMap) -> SeatsForm {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<&str> = accepted.flat_map(|value| value.split(',')).collect();
    let weight_of = |kind: &str| {
        let named = ranges.iter().filter_map(|range| weight(range, kind));
        named.fold(0.0, f32::max)
    };
    // Whoever names the compact form asks for it; JSON is for all others.
    let (compact, json) = (weight_of("application/octet-stream"), weight_of("application/json"));
    if 0.0 < compact && json <= compact { SeatsForm::Compact } else { SeatsForm::Json }
}

/// The `q` of a range of `Accept` that names `kind`; 1 without one.
fn weight(range: &str, kind: &str) -> Option<f32> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next().is_some_and(|name| name.eq_ignore_ascii_case(kind)) {
        return None;
    }
    let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some(q.map_or(1.0, |q| q.parse().unwrap_or(0.0)))
}

/// Renders what `look` shows, unless the same map was rendered a moment ago.
pub(super) async fn rendered(
    app: &App,
    listed: &Listed,
    form: SeatsForm,
    look: impl FnOnce() -> Snapshot,
) -> Result<Rendered, Problem> {
    let snapshot = look();
    let event = listed.listing.event.clone();
    let state = (snapshot.version, stamp(&listed.listing.channels, form));
    if let Some(rendered) = app.renderings.find(&event, state, form) {
        return Ok(rendered);
    }
    let permit = app.rendering.acquire().await.expect("the semaphore is never closed");
    let Listed { listing, plan } = listed.clone();
    // Milliseconds of work for a stadium: not for a thread that answers others meanwhile.
    let job =
        tokio::task::spawn_blocking(move || render(&plan, &listing.channels, &snapshot, form));
    let rendered = job.await.expect("rendering does not panic");
    drop(permit);
    app.renderings.keep(event, rendered.clone());
    Ok(rendered)
}

fn respond(rendered: Rendered, asked: &HeaderMap) -> Response {
    let (content_type, etag) = match rendered.form {
        SeatsForm::Json if rendered.stamp == 0 => {
            ("application/json", format!("\"{}\"", rendered.version))
        }
        SeatsForm::Json => {
            let etag = format!("\"{}-{:08x}\"", rendered.version, rendered.stamp);
            ("application/json", etag)
        }
        SeatsForm::Compact => {
            ("application/octet-stream", format!("\"{}-compact\"", rendered.version))
        }
    };
    let headers = [(CACHE_CONTROL, "no-cache"), (VARY, "accept")];
    if is_known(asked, &etag) {
        return (StatusCode::NOT_MODIFIED, headers, [(ETAG, etag)]).into_response();
    }
    let body: Bytes = rendered.body;
    (headers, [(CONTENT_TYPE, content_type)], [(ETAG, etag)], body).into_response()
}

/// Whether `If-None-Match` names the map, which is compared weakly (RFC 9110, 13.1.2).
fn is_known(asked: &HeaderMap, etag: &str) -> bool {
    let values = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut named = values.flat_map(|value| value.split(',')).map(str::trim);
    named.any(|name| name == "*" || name.strip_prefix("W/").unwrap_or(name) == etag)
}

#[cfg(test)]
mod tests {
    use super::{SeatsForm, form, is_known};
    use http::HeaderMap;
    use http::header::{ACCEPT, IF_NONE_MATCH};

    #[test]
    fn a_map_is_known_by_each_way_to_name_it() {
        let known = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, value.parse().unwrap());
            is_known(&headers, "\"7\"")
        };
        for value in ["\"7\"", "W/\"7\"", "*", "\"6\", \"7\""] {
            assert!(known(value), "{value}");
        }
        for value in ["", "7", "\"70\"", "\"7-compact\"", "\"6\", \"8\""] {
            assert!(!known(value), "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"7\""));
    }

    #[test]
    fn the_compact_form_goes_to_who_prefers_it() {
        let of = |accept: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, value.parse().unwrap());
            }
            form(&headers)
        };
        for accept in [
            &["application/octet-stream"][..],
            &["APPLICATION/OCTET-STREAM; q=0.5"],
            &["application/json;q=0.5, application/octet-stream"],
            &["text/html", "application/octet-stream, */*;q=0.1"],
        ] {
            assert_eq!(of(accept), SeatsForm::Compact, "{accept:?}");
        }
        for accept in [
            &[][..],
            &["*/*"],
            &["application/json"],
            &["application/octet-stream;q=0"],
            &["application/json, application/octet-stream;q=0.5"],
            &["application/octet-stream;q=nonsense"],
        ] {
            assert_eq!(of(accept), SeatsForm::Json, "{accept:?}");
        }
    }
}
