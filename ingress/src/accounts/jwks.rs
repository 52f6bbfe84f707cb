//! The public keys by which anybody can check account tokens, passes and tickets.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chassis::base64url;
use chassis::keys::Ed25519Key;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::json;

use crate::app::App;

/// The key set as it goes out.
#[derive(Debug)]
pub struct Jwks(String);

impl Jwks {
    pub fn of(keys: &[(&str, &Ed25519Key)]) -> Self {
        let keys = keys.iter().map(|(purpose, key)| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
                "kid": key.kid, "x": base64url::encode(&key.public), "purpose": purpose,
            })
        });
        Self(json!({"keys": keys.collect::<Vec<_>>()}).to_string())
    }
}

/// Shows the keys of account tokens, passes and tickets, by `kid` and `purpose`.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "accounts",
    responses((status = 200, description = "JSON Web Key Set")))]
pub async fn jwks(State(app): State<Arc<App>>) -> Response {
    // Five minutes: a new key is published this long before it signs.
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, app.jwks.0.clone()).into_response()
}
