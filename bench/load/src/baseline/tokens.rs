//! Account tokens of a baseline: JWTs with HS256, the cheapest signature in use.

use anyhow::Context as _;
use axum::http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

const TTL_SECONDS: u64 = 24 * 3_600;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    exp: u64,
}

pub struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Tokens {
    pub fn new() -> Self {
        // Nobody else shall read these: a key of this process is enough.
        let secret = random_text();
        Self {
            encoding: EncodingKey::from_secret(secret.as_bytes()),
            decoding: DecodingKey::from_secret(secret.as_bytes()),
            validation: Validation::new(Algorithm::HS256),
        }
    }

    pub fn issue(&self, account: Uuid) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = Claims { sub: account, exp: now + TTL_SECONDS };
        jsonwebtoken::encode(&Header::default(), &claims, &self.encoding).context("sign a token")
    }

    /// The account of the request's token; `None` without a good one.
    pub fn account(&self, headers: &HeaderMap) -> Option<Uuid> {
        let token = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        Some(decoded.ok()?.claims.sub)
    }
}

/// 128 random bits.
pub fn random_text() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the library's generator does not fail");
    format!("{:032x}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::Tokens;
    use axum::http::HeaderMap;
    use uuid::Uuid;

    #[test]
    fn a_token_names_its_account_and_anothers_is_refused() {
        let (tokens, account) = (Tokens::new(), Uuid::from_u128(7));
        let token = tokens.issue(account).unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(tokens.account(&headers), None);
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        assert_eq!(tokens.account(&headers), Some(account));
        assert_eq!(Tokens::new().account(&headers), None);
    }
}
