//! Account tokens: JWTs signed with Ed25519, checked against one algorithm and one key.

use std::sync::{Mutex, PoisonError};

use chassis::keys::{Ed25519Key, KeyFolder, random_bytes, sha256};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use schema::{AccountId, UnixMillis};
use serde::{Deserialize, Serialize};

use super::roles::{Role, Roles};
use crate::Error;
use crate::app::ACCOUNT_KEY;

/// `iss` and `aud` of account tokens.
const ISSUER: &str = "usher";
const AUDIENCE: &str = "usher-account";

/// How far clocks of two instances may differ.
const LEEWAY_S: u64 = 5;

/// Places for tokens whose signature was checked before, some 110 bytes each. A check is 50 us and
/// this a hundredth of it.
///
/// Fewer, and more fans share one: of as many as an eighth of the places one in nine does, and is
/// checked each time. More, and each gateway begins with more megabytes.
const CHECKED_MAX: usize = 1 << 15;
const _: () = assert!(CHECKED_MAX <= 1 << 16, "a place is found by 16 bits");

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: AccountId,
    roles: Vec<Role>,
    iat: u64,
    nbf: u64,
    exp: u64,
}

/// Who a token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub account: AccountId,
    pub roles: Roles,
}

/// Makes a token for an account that no store knows: whoever holds the keys may do what it may.
///
/// # Errors
/// When the key cannot be read or made.
pub fn issue_token(keys: &KeyFolder, roles: Roles, ttl_s: u64) -> Result<String, Error> {
    let key = keys.ed25519(ACCOUNT_KEY)?;
    let account = AccountId(u128::from_be_bytes(random_bytes()));
    let (token, _) =
        Tokens::new(&key, ttl_s).issue(Identity { account, roles }, chassis::clock::now());
    Ok(token)
}

#[derive(Debug, Clone, Copy)]
struct Checked {
    token: [u8; 32],
    identity: Identity,
    expires_s: u64,
}

/// Makes and checks account tokens.
pub struct Tokens {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    ttl_s: u64,
    /// Placed by hash, a newcomer replaces who is there: bounded without any order to keep.
    checked: Vec<Mutex<Option<Checked>>>,
}

impl Tokens {
    /// Signs once: a library without its backend fails here and not at the first login.
    pub fn new(key: &Ed25519Key, ttl_s: u64) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        let tokens = Self {
            kid: key.kid.clone(),
            encoding: EncodingKey::from_ed_der(&key.pkcs8),
            decoding: DecodingKey::from_ed_der(&key.public),
            validation,
            ttl_s,
            checked: (0..CHECKED_MAX).map(|_| Mutex::new(None)).collect(),
        };
        let nobody = Identity { account: AccountId(0), roles: Roles::FAN };
        let (token, _) = tokens.issue(nobody, chassis::clock::now());
        assert!(tokens.verify(&token, chassis::clock::now()) == Some(nobody));
        tokens
    }

    /// Makes a token; returns it with its life in seconds.
    pub fn issue(&self, identity: Identity, now: UnixMillis) -> (String, u64) {
        let now_s = now.0 / 1_000;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: identity.account,
            roles: identity.roles.list(),
            iat: now_s,
            nbf: now_s,
            exp: now_s + self.ttl_s,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        let token = jsonwebtoken::encode(&header, &claims, &self.encoding);
        (token.expect("claims are JSON and the key was checked at the start"), self.ttl_s)
    }

    /// Returns whose token this is; `None` for an expired, foreign or forged one.
    pub fn verify(&self, token: &str, now: UnixMillis) -> Option<Identity> {
        let hash = sha256(&[token.as_bytes()]);
        let now_s = now.0 / 1_000;
        let place =
            &self.checked[usize::from(u16::from_be_bytes([hash[0], hash[1]])) % CHECKED_MAX];
        let known = *place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.filter(|known| known.token == hash) {
            return (now_s <= known.expires_s + LEEWAY_S).then_some(known.identity);
        }
        let claims = self.verify_signature(token)?;
        let identity = Identity { account: claims.sub, roles: Roles::of(&claims.roles) };
        let checked = Checked { token: hash, identity, expires_s: claims.exp };
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(checked);
        Some(identity)
    }

    fn verify_signature(&self, token: &str) -> Option<Claims> {
        // The header chooses among our own keys by name; the algorithm is ours alone.
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.kid.as_deref() != Some(self.kid.as_str()) {
            return None;
        }
        let decoded = jsonwebtoken::decode(token, &self.decoding, &self.validation);
        decoded.ok().map(|decoded| decoded.claims)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
