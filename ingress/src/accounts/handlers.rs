//! Register, log in, refresh, log out, who am I.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use chassis::Problem;
use chassis::http::Peer;
use chassis::idempotency::Deed;
use http::{HeaderMap, StatusCode};
use schema::AccountId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::passwords::{PASSWORD_BYTES_MAX, checked_password};
use super::refresh as families;
use super::roles::{Role, Roles};
use super::store::{self, Account, NewAccount};
use super::tokens::Identity;
use crate::app::App;
use crate::extract::{Json, json};
use crate::keyed::{self, Begun, Turn};
use crate::problems::{self, Answered};

const ROUTE: &str = "POST /api/auth/register";

#[derive(Debug, Deserialize, ToSchema)]
pub struct Registration {
    email: String,
    /// 8 to 256 bytes.
    password: String,
    name: String,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct Login {
    email: String,
    password: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshToken {
    refresh_token: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountBody {
    #[schema(value_type = String, example = "a-01KC0000000000000000000000")]
    account_id: AccountId,
    email: String,
    name: String,
    roles: Vec<Role>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenBody {
    token: String,
    token_type: &'static str,
    /// In seconds.
    expires_in: u64,
    refresh_token: String,
}

/// Creates an account with the role fan.
#[utoipa::path(post, path = "/api/auth/register", tag = "accounts", request_body = Registration,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = AccountBody), (status = 409, description = "EMAIL_TAKEN"),
        (status = 422, description = "REQUEST_INVALID"),
        (status = 429, description = "LOGIN_THROTTLED")))]
pub async fn register(
    State(app): State<Arc<App>>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    body: Json<Registration>,
) -> Answered {
    let Json { value: Registration { email, password, name }, sent } = body;
    let email = store::normal_email(&email)
        .ok_or_else(|| problems::invalid("email is not an e-mail address"))?;
    if !checked_password(&password) {
        return Err(problems::invalid("a password has 8 to 256 bytes"));
    }
    let name = store::checked_name(&name)
        .ok_or_else(|| problems::invalid("a name is 1 to 200 bytes of text"))?
        .to_owned();
    app.throttle.address(peer.ip(), chassis::clock::now())?;
    // Who has no account yet is known by the address that it will have.
    let path = "/api/auth/register";
    let deed = Deed { route: ROUTE, path, caller: email.as_bytes(), body: &sent };
    match keyed::begin(&app, &headers, &deed).await? {
        Begun::Over(kept) => Ok(keyed::again(kept)),
        Begun::Turn(mut turn) => {
            let created = create(&app, &mut turn, &email, &name, password).await;
            turn.end(created).await
        }
    }
}

async fn create(app: &App, turn: &mut Turn, email: &str, name: &str, password: String) -> Answered {
    let password_hash = app.passwords.hash(password).await?;
    let account = AccountId(uuid::Uuid::now_v7().as_u128());
    let roles = Roles::FAN;
    let new = NewAccount { account, email, name, password_hash: &password_hash, roles };
    let mut tx = keyed::transaction(&app.postgres).await?;
    let created = store::create_account(&mut *tx, &new, chassis::clock::now()).await;
    if !created.map_err(|error| problems::store(&error))? {
        let title = "The e-mail address has an account";
        return Err(Problem::new(409, "EMAIL_TAKEN", title, "log in instead"));
    }
    let (email, name) = (email.to_owned(), name.to_owned());
    let body = AccountBody { account_id: account, email, name, roles: roles.list() };
    let kept = keyed::kept(StatusCode::CREATED, &body);
    turn.commit(tx, &kept).await?;
    Ok(keyed::first(kept))
}

/// Exchanges e-mail and password for a token.
#[utoipa::path(post, path = "/api/auth/login", tag = "accounts", request_body = Login,
    responses((status = 200, body = TokenBody), (status = 401, description = "BAD_CREDENTIALS"),
        (status = 429, description = "LOGIN_THROTTLED")))]
pub async fn login(
    State(app): State<Arc<App>>,
    Extension(Peer(peer)): Extension<Peer>,
    body: Json<Login>,
) -> Answered {
    let Login { email, password } = body.value;
    let now = chassis::clock::now();
    app.throttle.address(peer.ip(), now)?;
    // Text that can be no account costs what a wrong password costs.
    let email = store::normal_email(&email).unwrap_or_default();
    app.throttle.account(&email, now)?;
    let account = store::by_email(&app.postgres, &email).await?;
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let hash = hash.filter(|_| password.len() <= PASSWORD_BYTES_MAX);
    let right = app.passwords.verify(password, hash).await?;
    let Some(account) = account.filter(|_| right) else {
        app.throttle.account_failed(&email, now)?;
        let title = "E-mail or password is wrong";
        return Err(Problem::new(401, "BAD_CREDENTIALS", title, "check both and try again"));
    };
    let refresh_ttl_s = app.config.refresh_ttl_s;
    let refresh_token = families::open(&app.postgres, account.id, now, refresh_ttl_s).await;
    let refresh_token = refresh_token.map_err(|error| problems::store(&error))?;
    let identity = Identity { account: account.id, roles: account.roles };
    Ok(json(StatusCode::OK, &token_body(&app, identity, refresh_token)))
}

/// Exchanges a refresh token for a new token and the next refresh token.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "accounts", request_body = RefreshToken,
    responses((status = 200, body = TokenBody), (status = 401, description = "REFRESH_INVALID")))]
pub async fn refresh(State(app): State<Arc<App>>, body: Json<RefreshToken>) -> Answered {
    let now = chassis::clock::now();
    let rotated = families::rotate(&app.postgres, &body.value.refresh_token, now).await;
    let rotated = rotated.map_err(|error| problems::store(&error))?;
    let Some(rotated) = rotated else {
        let title = "The refresh token is not good any more";
        return Err(Problem::new(401, "REFRESH_INVALID", title, "log in again"));
    };
    let identity = Identity { account: rotated.account, roles: rotated.roles };
    Ok(json(StatusCode::OK, &token_body(&app, identity, rotated.token)))
}

/// Ends the login that a refresh token belongs to. Repeating it changes nothing.
#[utoipa::path(post, path = "/api/auth/logout", tag = "accounts", request_body = RefreshToken,
    responses((status = 204, description = "The login has ended")))]
pub async fn logout(
    State(app): State<Arc<App>>,
    body: Json<RefreshToken>,
) -> Result<StatusCode, Problem> {
    let now = chassis::clock::now();
    let ended = families::end(&app.postgres, &body.value.refresh_token, now).await;
    ended.map_err(|error| problems::store(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the account of the token.
#[utoipa::path(get, path = "/api/auth/me", tag = "accounts", security(("bearer" = [])),
    responses((status = 200, body = AccountBody), (status = 401, description = "LOGIN_REQUIRED")))]
pub async fn me(State(app): State<Arc<App>>, caller: Caller) -> Answered {
    let account = store::by_id(&app.postgres, caller.account).await?;
    let account = account.ok_or_else(|| problems::login_required("the account is gone"))?;
    let Account { id: account_id, email, name, roles, .. } = account;
    Ok(json(StatusCode::OK, &AccountBody { account_id, email, name, roles: roles.list() }))
}

fn token_body(app: &App, identity: Identity, refresh_token: String) -> TokenBody {
    let (token, expires_in) = app.tokens.issue(identity, chassis::clock::now());
    TokenBody { token, token_type: "Bearer", expires_in, refresh_token }
}
