//! Joins, polls of places that wait, and the public document, without a router: all that a waiting
//! crowd asks.
//!
//! Polls that would have to wait for Redis, refusals of tokens and everything unusual are left to
//! the routes.

use super::join::{self, Join};
use super::me::{self, ROUTE as ME};
use super::status::{self, ROUTE as STATUS};
use super::{App, place};
use crate::room::{Room, View, of_room};
use bytes::Bytes;
use chassis::Problem;
use chassis::http::{Direct, Head, Lines, Shortcut, Whole};
use futures_util::future::BoxFuture;
use http::{HeaderName, Method, Response};
use std::future::ready;
use std::sync::Arc;

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

    fn take(self: Arc<Self>, request: &Whole<'_>) -> BoxFuture<'static, Response<Bytes>> {
        // As the extractor says it of a body that broke off.
        let (head, body) = (&request.head, request.body.ok_or(400));
        let event = joins(head.path).unwrap_or_default();
        let read = self.room(event).and_then(|room| {
            let join = Join::read(&self, &room, head.headers, body)?;
            Ok((room, join))
        });
        match read {
            Ok((room, join)) => Box::pin(async move {
                let answer = join.answer(&self, &room).await;
                answer.unwrap_or_else(Problem::into_whole_response)
            }),
            Err(problem) => Box::pin(ready(problem.into_whole_response())),
        }
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
