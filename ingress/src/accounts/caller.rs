//! Who calls: read from `Authorization`, by role.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use chassis::Problem;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use schema::AccountId;

use super::api_keys;
use super::roles::{Role, Roles};
use crate::app::App;
use crate::problems;

/// Somebody who has logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub account: AccountId,
    pub roles: Roles,
}

/// A caller with the role operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator(pub Caller);

/// A caller with the role partner, by token or API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partner(pub Caller);

/// A caller with the role steward or operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steward(pub Caller);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let (scheme, credential) = credential(&parts.headers)?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(problems::login_required("send Authorization: Bearer <token>"));
        }
        let identity = app.tokens.verify(credential, chassis::clock::now());
        let identity = identity.ok_or_else(|| {
            problems::login_required("the token is not valid here or has expired: log in again")
        })?;
        Ok(Self { account: identity.account, roles: identity.roles })
    }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        if !caller.roles.has(Role::Operator) {
            return Err(problems::role_required("operator"));
        }
        Ok(Self(caller))
    }
}

impl FromRequestParts<Arc<App>> for Steward {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        if !caller.roles.has(Role::Steward) && !caller.roles.has(Role::Operator) {
            return Err(problems::role_required("steward"));
        }
        Ok(Self(caller))
    }
}

impl FromRequestParts<Arc<App>> for Partner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let (scheme, credential) = credential(&parts.headers)?;
        let caller = if scheme.eq_ignore_ascii_case("ApiKey") {
            api_keys::find(app, credential).await?
        } else {
            Caller::from_request_parts(parts, app).await?
        };
        if !caller.roles.has(Role::Partner) {
            return Err(problems::role_required("partner"));
        }
        Ok(Self(caller))
    }
}

fn credential(headers: &HeaderMap) -> Result<(&str, &str), Problem> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let parts = value.and_then(|value| value.trim().split_once(' '));
    let (scheme, credential) =
        parts.ok_or_else(|| problems::login_required("send Authorization: Bearer <token>"))?;
    Ok((scheme, credential.trim()))
}
