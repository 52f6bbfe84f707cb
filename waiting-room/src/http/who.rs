//! Who joins, where a room wants to know: so that a person has one place.

use super::join::may_take;
use super::{App, problems};
use crate::config::{JOIN_AGAIN, JOIN_WAIT};
use crate::enqueue;
use crate::room::Room;
use crate::store::{Bound, Fault};
use chassis::clock::Monotonic;
use chassis::http::Lines;
use chassis::{Problem, keys};
use http::header::AUTHORIZATION;
use schema::AccountId;
use waiting_room_core::Token;

/// One who has one place in the room's line, by a hash that tells nobody who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person {
    pub hash: [u8; 32],
    /// The hash of their account, where the room wants a login.
    pub account: Option<[u8; 32]>,
    /// Whether a place that is over makes room for another. A promoter's token is good for one.
    pub may_join_again: bool,
}

/// What a join says of who asks.
pub(super) struct Who {
    /// The hash of the account, where the room wants a login.
    account: Option<[u8; 32]>,
    /// Whom the promoter names.
    named: Option<String>,
}

impl Who {
    /// Reads and checks it, as far as that asks nobody.
    ///
    /// # Errors
    /// 401 `LOGIN_REQUIRED`, 403 `ENQUEUE_TOKEN_REQUIRED` and `ENQUEUE_TOKEN_INVALID`.
    pub(super) fn read(
        app: &App,
        room: &Room,
        headers: Lines<'_>,
        enqueue_token: Option<&str>,
    ) -> Result<Self, Problem> {
        let settings = room.settings();
        let options = &settings.options;
        let account = if options.login_required { Some(account(app, headers)?) } else { None };
        let account = account.map(|account| hash_of(room, account));
        // Without a key nothing could be checked, and a token is one of the fields that are
        // ignored.
        let token = options.enqueue_key.as_ref().zip(enqueue_token);
        let named = match token {
            Some((key, token)) => {
                let person = enqueue::person(token, key, &room.event);
                Some(person.ok_or_else(problems::enqueue_token_invalid)?)
            }
            None if options.enqueue_token_required => {
                return Err(problems::enqueue_token_required());
            }
            None => None,
        };
        Ok(Self { account, named })
    }

    /// The person who joins; `None` where anybody may.
    ///
    /// Where the room wants a login the account is the person, whatever a promoter calls them: each
    /// whom the promoter names is one account's, the first one's that joins with such a token.
    ///
    /// # Errors
    /// 403 `ENQUEUE_TOKEN_TAKEN`, 503 while nobody knows whose a token is.
    pub(super) async fn person(&self, room: &Room) -> Result<Option<Person>, Problem> {
        let account = self.account;
        let person = |hash, may_join_again| Some(Person { hash, account, may_join_again });
        match (account, &self.named) {
            (None, None) => Ok(None),
            (Some(account), None) => Ok(person(account, true)),
            (None, Some(named)) => Ok(person(hash(room, "enqueue", named), false)),
            (Some(account), Some(named)) => {
                // A token that this account has joined with before was good for that place.
                let named = hash(room, "named", named);
                let is_fresh = Box::pin(bind(room, &named, &account)).await?;
                Ok(person(account, is_fresh))
            }
        }
    }
}

/// Makes the person whom the promoter names the account's own; says whether they became it now.
async fn bind(room: &Room, named: &[u8; 32], account: &[u8; 32]) -> Result<bool, Problem> {
    let started = Monotonic::now();
    // Where nobody may join, nobody becomes anybody's.
    while may_take(room, chassis::clock::now()).is_ok() {
        match room.store.bind(&room.blessed(), named, account).await {
            Ok(Bound::Now) => return Ok(true),
            Ok(Bound::Before) => return Ok(false),
            Ok(Bound::ToAnother) => return Err(problems::enqueue_token_taken()),
            // A new room, or Redis has lost the line: its leader is about to bless it.
            Err(Fault::Unblessed) if started.elapsed() < JOIN_WAIT => {
                tokio::time::sleep(JOIN_AGAIN).await;
            }
            Err(_) => {
                let detail = "whose the enqueue token is cannot be read now; ask again";
                return Err(problems::unavailable(detail));
            }
        }
    }
    Ok(false)
}

/// Sees to it that a place is claimed by the account that joined with it. Who joined while the room
/// wanted no login was asked for no account, and claims with any.
///
/// # Errors
/// 403 `PLACE_FOREIGN`.
pub(super) fn check_owner(room: &Room, token: &Token, account: AccountId) -> Result<(), Problem> {
    match token.owner {
        Some(owner) if owner != hash_of(room, account) => Err(problems::place_foreign()),
        _ => Ok(()),
    }
}

fn hash_of(room: &Room, account: AccountId) -> [u8; 32] {
    hash(room, "account", &account.to_string())
}

fn account(app: &App, headers: Lines<'_>) -> Result<AccountId, Problem> {
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
pub(super) fn bearer<'a>(headers: impl Into<Lines<'a>>) -> Option<&'a str> {
    let (scheme, token) = headers.into().text(&AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
