//! Admission passes: signed with EdDSA, so that any service checks them alone; and whose account
//! claims one.

use chassis::keys::Ed25519Key;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use schema::admission::{PASS_AUDIENCE, PassClaims};
use schema::{AccountId, PassPlace, UnixMillis};
use serde::Deserialize;

/// `iss` and `aud` of the account tokens that the gateway makes.
const ACCOUNT_ISSUER: &str = "usher";
const ACCOUNT_AUDIENCE: &str = "usher-account";

/// How far clocks of two instances may differ when an account token is checked.
const LEEWAY_S: u64 = 5;

/// Signs and checks passes.
pub(crate) struct Passes {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Passes {
    /// Signs once: a library without its backend fails here and not at the first claim.
    pub(crate) fn new(key: &Ed25519Key) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[PASS_AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        // The exact deadline is `pass_until`, checked with the caller's time.
        validation.validate_exp = false;
        let passes = Self {
            kid: key.kid.clone(),
            encoding: EncodingKey::from_ed_der(&key.pkcs8),
            decoding: DecodingKey::from_ed_der(&key.public),
            validation,
        };
        let event = "start".parse().expect("a short word is an event id");
        let place = PassPlace { epoch: 0, number: 0 };
        let claims = PassClaims::new(event, place, UnixMillis(1), None);
        assert!(passes.verify(&passes.sign(&claims), UnixMillis(0)) == Some(claims));
        passes
    }

    /// The same claims give the same bytes: Ed25519 draws nothing.
    pub(crate) fn sign(&self, claims: &PassClaims) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        let pass = jsonwebtoken::encode(&header, claims, &self.encoding);
        pass.expect("claims are JSON and the key was checked at the start")
    }

    /// What a pass says; `None` for a forged one and for one past its deadline.
    pub(crate) fn verify(&self, text: &str, now: UnixMillis) -> Option<PassClaims> {
        let header = jsonwebtoken::decode_header(text).ok()?;
        if header.kid.as_deref() != Some(self.kid.as_str()) {
            return None;
        }
        let decoded = jsonwebtoken::decode::<PassClaims>(text, &self.decoding, &self.validation);
        decoded.ok().map(|decoded| decoded.claims).filter(|claims| now < claims.pass_until)
    }
}

/// Checks account tokens.
pub(crate) struct Accounts {
    kid: String,
    decoding: DecodingKey,
    validation: Validation,
}

#[derive(Debug, Deserialize)]
struct AccountClaims {
    sub: AccountId,
}

impl Accounts {
    pub(crate) fn new(key: &Ed25519Key) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY_S;
        validation.set_audience(&[ACCOUNT_AUDIENCE]);
        validation.set_issuer(&[ACCOUNT_ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decoding = DecodingKey::from_ed_der(&key.public);
        Self { kid: key.kid.clone(), decoding, validation }
    }

    /// Whose token this is; `None` for an expired, foreign or forged one.
    pub(crate) fn verify(&self, token: &str) -> Option<AccountId> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.kid.as_deref() != Some(self.kid.as_str()) {
            return None;
        }
        let decoded =
            jsonwebtoken::decode::<AccountClaims>(token, &self.decoding, &self.validation);
        decoded.ok().map(|decoded| decoded.claims.sub)
    }
}

#[cfg(test)]
mod tests {
    use super::{ACCOUNT_AUDIENCE, ACCOUNT_ISSUER, Accounts, Passes};
    use chassis::keys::{Ed25519Key, KeyFolder};
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use schema::admission::PassClaims;
    use schema::{AccountId, PassPlace, UnixMillis};
    use serde::Serialize;

    /// Two keys of one folder.
    fn keys() -> (Ed25519Key, Ed25519Key) {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyFolder::open(folder.path()).unwrap();
        (keys.ed25519("pass").unwrap(), keys.ed25519("account").unwrap())
    }

    /// A token that says it is of the key with this name.
    fn signed(key: &Ed25519Key, kid: Option<&str>, claims: &impl Serialize) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&key.pkcs8)).unwrap()
    }

    #[test]
    fn a_pass_that_does_not_name_its_key_is_refused_though_the_key_has_signed_it() {
        let (key, other) = keys();
        let passes = Passes::new(&key);
        let place = PassPlace { epoch: 2, number: 9 };
        let claims = PassClaims::new("EVT001".parse().unwrap(), place, UnixMillis(5_000), None);
        let verified =
            |kid: Option<&str>| passes.verify(&signed(&key, kid, &claims), UnixMillis(4_999));
        assert_eq!(verified(Some(&key.kid)), Some(claims.clone()));
        for kid in [Some(other.kid.as_str()), Some(""), None] {
            assert_eq!(verified(kid), None, "{kid:?}");
        }
        let own = jsonwebtoken::decode_header(passes.sign(&claims)).unwrap();
        assert_eq!(own.kid, Some(key.kid), "by this name the public keys list it");
    }

    #[test]
    fn a_login_that_does_not_name_its_key_is_refused_though_the_key_has_signed_it() {
        let (other, key) = keys();
        let accounts = Accounts::new(&key);
        let exp = chassis::clock::now().0 / 1_000 + 60;
        let claims = serde_json::json!({
            "iss": ACCOUNT_ISSUER, "aud": ACCOUNT_AUDIENCE, "sub": AccountId(7), "exp": exp,
        });
        let verified = |kid: Option<&str>| accounts.verify(&signed(&key, kid, &claims));
        assert_eq!(verified(Some(&key.kid)), Some(AccountId(7)));
        for kid in [Some(other.kid.as_str()), Some(""), None] {
            assert_eq!(verified(kid), None, "{kid:?}");
        }
    }
}
