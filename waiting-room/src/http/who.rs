//! Who joins, where a room wants to know: so that a person has one place.

use super::{App, problems};
use crate::enqueue;
use crate::room::Room;
use chassis::{Problem, keys};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use schema::AccountId;

/// One who has one place in the room's line, by a hash that tells nobody who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person {
    pub hash: [u8; 32],
    /// Whether a place that is over makes room for another. A promoter's token is good for one.
    pub may_join_again: bool,
}

/// The person who joins; `None` where anybody may.
///
/// # Errors
/// 401 `LOGIN_REQUIRED`, 403 `ENQUEUE_TOKEN_REQUIRED` and `ENQUEUE_TOKEN_INVALID`.
pub(super) fn who(
    app: &App,
    room: &Room,
    headers: &HeaderMap,
    enqueue_token: Option<&str>,
) -> Result<Option<Person>, Problem> {
    let settings = room.settings();
    let options = &settings.options;
    let account = if options.login_required { Some(account(app, headers)?) } else { None };
    // Without a key nothing could be checked, and a token is one of the fields that are ignored.
    let token = options.enqueue_key.as_ref().zip(enqueue_token);
    if let Some((key, token)) = token {
        let person = enqueue::person(token, key, &room.event);
        let person = person.ok_or_else(problems::enqueue_token_invalid)?;
        return Ok(Some(Person { hash: hash(room, "enqueue", &person), may_join_again: false }));
    }
    if options.enqueue_token_required {
        return Err(problems::enqueue_token_required());
    }
    Ok(account.map(|account| {
        let hash = hash(room, "account", &account.to_string());
        Person { hash, may_join_again: true }
    }))
}

fn account(app: &App, headers: &HeaderMap) -> Result<AccountId, Problem> {
    let token = bearer(headers).and_then(|token| app.accounts.verify(token));
    token.ok_or_else(|| {
        let title = "The event wants to know who joins";
        Problem::new(401, "LOGIN_REQUIRED", title, "log in, and join with Authorization: Bearer")
    })
}

fn hash(room: &Room, kind: &str, name: &str) -> [u8; 32] {
    let parts = [kind, room.event.as_str(), name].map(str::as_bytes);
    keys::sha256(&[parts[0], b"\0", parts[1], b"\0", parts[2]])
}

/// The token of the `Authorization` header, if it is one of a bearer.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
