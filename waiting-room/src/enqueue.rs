//! Enqueue tokens: a promoter's signed word on who may join. Each person it names has one place.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use schema::{EnqueueKey, EventId};
use serde_json::{Map, Value};

/// Longest token, in bytes of its text. What it must say fits in a fifth of it.
const TOKEN_BYTES_MAX: usize = 2_048;

/// Longest `sub` and `jti`, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// How far the promoter's clock may be ahead or behind, in seconds.
const LEEWAY_S: u64 = 5;

/// Whom the token names, if it is genuine, for this event, not expired, and gives nobody more
/// weight than others.
pub(crate) fn person(token: &str, key: &EnqueueKey, event: &EventId) -> Option<String> {
    if TOKEN_BYTES_MAX < token.len() {
        return None;
    }
    let (algorithm, key) = match key {
        EnqueueKey::EdDsa { public } => (Algorithm::EdDSA, DecodingKey::from_ed_der(public)),
        EnqueueKey::Hs256 { secret } => (Algorithm::HS256, DecodingKey::from_secret(secret)),
    };
    // The one algorithm of the key: a token cannot choose another.
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY_S;
    validation.validate_aud = false;
    validation.set_required_spec_claims(&["exp", "sub"]);
    let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation).ok()?.claims;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let name = |name: &str| text(name).filter(|text| (1..=NAME_BYTES_MAX).contains(&text.len()));
    let is_for_event = text("event") == Some(event.as_str());
    // In a line nobody weighs more than others, so what says that is not for this line.
    if !is_for_event || claims.contains_key("weight") || name("jti").is_none() {
        return None;
    }
    name("sub").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{TOKEN_BYTES_MAX, person};
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use schema::{EnqueueKey, EventId};
    use serde_json::{Value, json};

    const SECRET: [u8; 32] = [7; 32];

    fn event() -> EventId {
        "EVT001".parse().unwrap()
    }

    fn claims() -> Value {
        let exp = chassis::clock::now().0 / 1_000 + 60;
        json!({"sub": "fan-1", "event": "EVT001", "exp": exp, "jti": "a"})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        claims
    }

    fn signed(algorithm: Algorithm, secret: &[u8], claims: &Value) -> String {
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    fn read(token: &str) -> Option<String> {
        person(token, &EnqueueKey::Hs256 { secret: SECRET.to_vec() }, &event())
    }

    #[test]
    fn a_token_names_its_person_and_one_that_says_too_little_or_too_much_names_nobody() {
        let of = |claims: &Value| read(&signed(Algorithm::HS256, &SECRET, claims));
        assert_eq!(of(&claims()), Some("fan-1".to_owned()));
        assert_eq!(of(&with("aud", json!("shop"))), Some("fan-1".to_owned()));
        for (name, value) in [
            ("sub", Value::Null),
            ("sub", json!("")),
            ("sub", json!(7)),
            ("sub", json!("x".repeat(256))),
            ("event", Value::Null),
            ("event", json!("EVT002")),
            ("exp", Value::Null),
            ("exp", json!(1_000)),
            ("jti", Value::Null),
            ("jti", json!("")),
            ("weight", json!(2)),
            ("weight", json!(1)),
        ] {
            assert_eq!(of(&with(name, value.clone())), None, "{name}: {value}");
        }
        let weight_of_null =
            format!("{},\"weight\":null}}", claims().to_string().trim_end_matches('}'));
        assert_eq!(of(&serde_json::from_str(&weight_of_null).unwrap()), None);
        assert_eq!(of(&with("note", json!("x".repeat(TOKEN_BYTES_MAX)))), None);
    }

    #[test]
    fn only_the_key_and_its_algorithm_are_taken() {
        assert_eq!(read(&signed(Algorithm::HS256, &[8; 32], &claims())), None);
        assert_eq!(read(&signed(Algorithm::HS384, &SECRET, &claims())), None);
        assert_eq!(read("no.such.token"), None);
        let folder = tempfile::tempdir().unwrap();
        let folder = chassis::keys::KeyFolder::open(folder.path()).unwrap();
        let (ours, other) = (folder.ed25519("promoter").unwrap(), folder.ed25519("other").unwrap());
        let sign = |pkcs8: &[u8]| {
            let key = EncodingKey::from_ed_der(pkcs8);
            jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims(), &key).unwrap()
        };
        let public = ours.public;
        let read = |token: &str| person(token, &EnqueueKey::EdDsa { public }, &event());
        assert_eq!(read(&sign(&ours.pkcs8)), Some("fan-1".to_owned()));
        assert_eq!(read(&sign(&other.pkcs8)), None);
        // The public key is no secret: a token that is signed with it as one is forged.
        assert_eq!(read(&signed(Algorithm::HS256, &public, &claims())), None);
    }
}
