//! Polls of places that wait, and the public document, without a router: all that a waiting crowd
//! asks.
//!
//! What would have to wait for Redis, refusals of tokens and everything unusual is left to the
//! routes.

use super::me::{self, ROUTE as ME};
use super::status::{self, ROUTE as STATUS};
use super::{App, place};
use crate::room::Room;
use axum::response::{IntoResponse, Response};
use chassis::http::{Direct, Head, Shortcut};
use http::{HeaderMap, Method};
use std::sync::Arc;

impl Shortcut for App {
    fn answer(&self, head: &Head<'_>) -> Option<Direct> {
        if *head.method != Method::GET {
            return None;
        }
        let (event, what) = head.path.strip_prefix("/api/queue/")?.split_once('/')?;
        let room = self.rooms.find(&event.parse().ok()?)?;
        match what {
            "me" => Some(Direct { route: ME, response: poll(self, &room, head.headers)? }),
            "status" => {
                let response = status::respond(&room, head.headers);
                Some(Direct { route: STATUS, response })
            }
            _ => None,
        }
    }
}

/// The answer to a poll, if the place waits; `None` before anything has been noted.
fn poll(app: &App, room: &Arc<Room>, headers: &HeaderMap) -> Option<Response> {
    let now = chassis::clock::now();
    let token = headers.get("waiting-room-token")?.to_str().ok()?;
    let place = app.sealer.open(token, &room.event, now).ok()?;
    let waiting = place::waiting(room, &place)?;
    if let Err(problem) = me::guard(app, room, &place) {
        return Some(problem.into_response());
    }
    waiting.note_presence(room);
    Some(me::respond(&waiting.describe(room, &place, now)))
}
