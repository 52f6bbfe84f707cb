//! Command ids and fingerprints: what makes a repeated request the same request.

use chassis::keys::sha256;
use http::HeaderMap;
use schema::{AccountId, CommandId};
use serde_json::Value;

use crate::problems;
use chassis::Problem;

/// Longest `Idempotency-Key`. A UUID has 36 bytes; 255 is what other services take.
pub const KEY_BYTES_MAX: usize = 255;

/// Which kind of request a key belongs to: the same key on two routes is two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    Reserve,
    Release,
    Extend,
    Swap,
    Confirm,
    Partner,
    Kill,
}

impl Domain {
    const fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Extend => "extend",
            Self::Swap => "swap",
            Self::Confirm => "confirm",
            Self::Partner => "partner",
            Self::Kill => "kill",
        }
    }
}

/// The key of a request: the client's, or a fresh one that the client learns when it must ask
/// again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub text: String,
    pub from_client: bool,
}

impl Key {
    pub fn fresh() -> Self {
        let id = CommandId(uuid::Uuid::now_v7().as_u128());
        Self { text: id.to_string(), from_client: false }
    }

    pub fn of_client(text: &str) -> Self {
        Self { text: text.to_owned(), from_client: true }
    }

    /// Reads `Idempotency-Key`, bare or quoted; makes a fresh one when the header is missing.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get("idempotency-key") else { return Ok(Self::fresh()) };
        let text = value.to_str().ok().map(unquote).filter(|text| {
            (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        });
        match text {
            Some(text) => Ok(Self::of_client(text)),
            None => Err(problems::bad_request(
                "IDEMPOTENCY_KEY_INVALID",
                "an Idempotency-Key is 1 to 255 visible ASCII characters, bare or in quotes",
            )),
        }
    }

    /// The command's id: the same for the same key of the same account, and of nobody else.
    pub fn command(&self, domain: Domain, account: AccountId) -> CommandId {
        let account = account.0.to_be_bytes();
        let parts: [&[u8]; 5] =
            [b"usher command 1 ", domain.name().as_bytes(), b" ", &account, self.text.as_bytes()];
        let hash = sha256(&parts);
        CommandId(u128::from_be_bytes(first(&hash)))
    }
}

fn unquote(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text)
}

/// A hash of what is asked: method, path, body as canonical JSON, account.
pub fn fingerprint(method: &str, path: &str, body: &Value, account: AccountId) -> u64 {
    let mut canonical = String::new();
    write_canonical(body, &mut canonical);
    let account = account.0.to_be_bytes();
    let parts: [&[u8]; 6] =
        [method.as_bytes(), b" ", path.as_bytes(), b"\n", &account, canonical.as_bytes()];
    u64::from_be_bytes(first(&sha256(&parts)))
}

/// Objects with their members in order of name, no spaces. Depth is bounded by the parser (128).
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut names: Vec<_> = members.iter().collect();
            names.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, member) in names {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(member, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    *hash.first_chunk().expect("N is at most 32")
}

#[cfg(test)]
mod tests {
    use super::{Domain, Key, fingerprint};
    use http::HeaderMap;
    use schema::AccountId;
    use serde_json::json;

    fn key(value: &str) -> Result<Key, chassis::Problem> {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", value.parse().unwrap());
        Key::from_headers(&headers)
    }

    #[test]
    fn a_key_is_the_same_bare_and_quoted_and_anything_else_is_refused() {
        assert_eq!(key("abc").unwrap(), key("\"abc\"").unwrap());
        for text in ["", "\"\"", "a b", &"x".repeat(256)] {
            assert_eq!(key(text).unwrap_err().code, "IDEMPOTENCY_KEY_INVALID", "{text:?}");
        }
        assert!(key(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn a_command_id_differs_by_account_and_route_and_not_by_attempt() {
        let key = Key::of_client("k");
        let id = |domain, account| key.command(domain, AccountId(account));
        assert_eq!(id(Domain::Reserve, 1), id(Domain::Reserve, 1));
        assert_ne!(id(Domain::Reserve, 1), id(Domain::Reserve, 2));
        assert_ne!(id(Domain::Reserve, 1), id(Domain::Confirm, 1));
        assert_ne!(Key::fresh(), Key::fresh());
    }

    #[test]
    fn a_fingerprint_ignores_spelling_and_sees_every_value() {
        let print = |body| fingerprint("POST", "/x", &body, AccountId(1));
        let body = json!({"a": 1, "b": [{"c": "x", "d": null}]});
        let shuffled = serde_json::from_str(r#"{ "b":[{"d":null,"c":"x"}], "a":1 }"#).unwrap();
        assert_eq!(print(body.clone()), print(shuffled));
        assert_ne!(print(body.clone()), print(json!({"a": 2, "b": [{"c": "x", "d": null}]})));
        assert_ne!(print(body.clone()), fingerprint("POST", "/x", &body, AccountId(2)));
        assert_ne!(print(json!(["ab"])), print(json!(["a", "b"])));
    }
}
