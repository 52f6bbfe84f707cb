//! Admission passes: their signature and event are checked here, their deadline and use by the
//! event's owner.
//!
//! A pass past its deadline goes on to the owner: a repeated command must hear its first answer,
//! and only the owner knows which commands it has answered.

use chassis::Problem;
use chassis::keys::Ed25519Key;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use schema::admission::{PASS_AUDIENCE, PassClaims};
use schema::{EventId, Pass, Refusal};

use crate::problems;

/// Checks passes against the waiting room's public key.
pub struct Passes {
    kid: String,
    key: DecodingKey,
    validation: Validation,
}

impl Passes {
    pub fn new(key: &Ed25519Key) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[PASS_AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        validation.validate_exp = false;
        Self { kid: key.kid.clone(), key: DecodingKey::from_ed_der(&key.public), validation }
    }

    /// Reads the pass that a request for `event` carries.
    pub fn read(&self, text: Option<&str>, event: &EventId) -> Result<Pass, Problem> {
        let Some(text) = text else {
            let title = "This event needs an admission pass";
            return Err(Problem::new(403, "PASS_REQUIRED", title, "join the waiting room first"));
        };
        let claims = self.verify(text).ok_or_else(|| {
            let title = "The admission pass is not genuine";
            Problem::new(403, "PASS_INVALID", title, "it was not signed by this service")
        })?;
        if claims.event != *event {
            return Err(problems::refused(&Refusal::PassForeign, None));
        }
        Ok(claims.pass())
    }

    fn verify(&self, text: &str) -> Option<PassClaims> {
        let header = jsonwebtoken::decode_header(text).ok()?;
        if header.kid.as_deref() != Some(self.kid.as_str()) {
            return None;
        }
        let decoded = jsonwebtoken::decode(text, &self.key, &self.validation).ok()?;
        Some(decoded.claims)
    }
}

impl std::fmt::Debug for Passes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passes").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Passes;
    use chassis::keys::{Ed25519Key, KeyFolder};
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use schema::admission::PassClaims;
    use schema::{EventId, PassPlace, UnixMillis};

    fn key(name: &str) -> Ed25519Key {
        let dir = tempfile::tempdir().unwrap();
        KeyFolder::open(dir.path()).unwrap().ed25519(name).unwrap()
    }

    fn sign(key: &Ed25519Key, claims: &PassClaims) -> String {
        sign_as(Some(&key.kid), key, claims)
    }

    /// As [`sign`], and the pass says that it is of the key with this name.
    fn sign_as(kid: Option<&str>, key: &Ed25519Key, claims: &PassClaims) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&key.pkcs8)).unwrap()
    }

    fn event(text: &str) -> EventId {
        text.parse().unwrap()
    }

    #[test]
    fn a_pass_is_read_for_its_event_even_past_its_deadline() {
        let key = key("pass");
        let place = PassPlace { epoch: 2, number: 9 };
        let claims = PassClaims::new(event("EVT001"), place, UnixMillis(5_000), None);
        let pass = Passes::new(&key).read(Some(&sign(&key, &claims)), &event("EVT001")).unwrap();
        assert_eq!((pass.place, pass.expires_at), (place, UnixMillis(5_000)));
    }

    #[test]
    fn a_missing_forged_or_foreign_pass_is_refused_with_its_code() {
        let key = key("pass");
        let passes = Passes::new(&key);
        let place = PassPlace { epoch: 2, number: 9 };
        let claims = PassClaims::new(event("EVT001"), place, UnixMillis(5_000), None);
        let code = |text: Option<&str>, id: &str| passes.read(text, &event(id)).unwrap_err().code;
        assert_eq!(code(None, "EVT001"), "PASS_REQUIRED");
        assert_eq!(code(Some("x.y.z"), "EVT001"), "PASS_INVALID");
        let forged = sign(&self::key("forger"), &claims);
        assert_eq!(code(Some(&forged), "EVT001"), "PASS_INVALID");
        for kid in [Some(self::key("forger").kid.as_str()), Some(""), None] {
            let renamed = sign_as(kid, &key, &claims);
            assert_eq!(code(Some(&renamed), "EVT001"), "PASS_INVALID", "{kid:?}");
        }
        let genuine = sign(&key, &claims);
        assert_eq!(code(Some(&genuine), "EVT002"), "PASS_FOREIGN");
        let mut other = claims;
        other.aud = "usher-account".into();
        assert_eq!(code(Some(&sign(&key, &other)), "EVT001"), "PASS_INVALID");
    }
}
