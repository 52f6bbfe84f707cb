//! Joins, polls of places that wait, and the public document, without a router: all that a waiting
//! crowd asks.
//!
//! Polls that would have to wait for Redis, refusals of tokens and everything unusual are left to
//! the routes.

use super::me::{self, ROUTE as ME};
use super::status::{self, ROUTE as STATUS};
use super::{App, join, place};
use crate::room::{Room, View, of_room};
use bytes::Bytes;
use chassis::Problem;
use chassis::http::{Direct, Head, Lines, Shortcut, Whole};
use futures_util::future::BoxFuture;
use http::{HeaderName, Method, Response};

const TOKEN: HeaderName = HeaderName::from_static("waiting-room-token");

impl Shortcut for App {
    fn answer(&self, head: &Head<'_>) -> Option<Direct> {
        if *head.method != Method::GET {
            return None;
        }
        let (event, what) = head.path.strip_prefix("/api/queue/")?.split_once('/')?;
        match what {
            "me" => of_room(&self.rooms, event, |room, view| {
                Some(Direct { route: ME, response: poll(self, room, view, head.headers)? })
            }),
            "status" => of_room(&self.rooms, event, |room, _| {
                Some(Direct { route: STATUS, response: status::respond(room, head.headers) })
            }),
            _ => None,
        }
    }

    fn takes(&self, head: &Head<'_>) -> Option<&'static str> {
        if *head.method != Method::POST {
            return None;
        }
        of_room(&self.rooms, joins(head.path)?, |_, _| Some(join::ROUTE))
    }

    fn take(&self, request: Whole) -> BoxFuture<'_, Response<Bytes>> {
        Box::pin(async move {
            // As the extractor says it of a body that broke off.
            let body = request.body.ok_or(400);
            let event = joins(request.head.uri.path()).unwrap_or_default();
            let response = match self.room(event) {
                Ok(room) => join::joined(self, &room, &request.head.headers, body).await,
                Err(problem) => Err(problem),
            };
            response.unwrap_or_else(Problem::into_whole_response)
        })
    }
}

/// The event whose line a path is to join.
fn joins(path: &str) -> Option<&str> {
    path.strip_prefix("/api/queue/")?.strip_suffix("/join").filter(|event| !event.contains('/'))
}

/// The answer to a poll, if the place waits; `None` before anything has been noted.
fn poll(app: &App, room: &Room, view: &View, headers: Lines<'_>) -> Option<Response<Bytes>> {
    let now = chassis::clock::now();
    let token = std::str::from_utf8(headers.first(&TOKEN)?).ok()?;
    let place = app.sealer.open(token, &room.event).ok()?;
    if room.has_lapsed(&place.token, now) {
        return None;
    }
    let waiting = place::waiting(room, view, &place)?;
    if let Err(problem) = me::guard(app, room, &place) {
        return Some(problem.into_whole_response());
    }
    waiting.note_presence(room, view);
    Some(me::respond(&waiting.describe(room, view, &place, now)))
}
