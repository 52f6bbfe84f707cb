//! What makes a repeated request the same request: its `Idempotency-Key` and its fingerprint; and
//! the store of answers that are given once more.
//!
//! One place for all stages. Where an effect is remembered elsewhere (the journal, Redis), only
//! the key and the fingerprint are from here.

mod store;

use http::HeaderName;
use serde_json::Value;

use crate::Problem;
use crate::http::Lines;
pub use store::{Attempt, Begun, Claim, Deed, Kept, Keys, finish};

/// Longest `Idempotency-Key`. A UUID has 36 bytes; 255 is what other services take.
pub const KEY_BYTES_MAX: usize = 255;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The `Idempotency-Key` of a request, bare or quoted; `None` without the header.
///
/// # Errors
/// 400 `IDEMPOTENCY_KEY_INVALID` for what is no key.
pub fn key<'a>(headers: impl Into<Lines<'a>>) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.into().first(&KEY) else { return Ok(None) };
    let text = std::str::from_utf8(value).ok().map(unquote).filter(|text| {
        (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    });
    text.map(Some).ok_or_else(|| {
        let title = "The request cannot be read";
        let detail = "an Idempotency-Key is 1 to 255 visible ASCII characters, bare or in quotes";
        Problem::new(400, "IDEMPOTENCY_KEY_INVALID", title, detail)
    })
}

/// The same request is being carried out: 409.
pub fn in_flight() -> Problem {
    let title = "The same request is under way";
    Problem::retryable(409, "IDEMPOTENCY_IN_FLIGHT", title, "wait for its answer", 1)
}

/// The key came with another request before: 422.
pub fn mismatch() -> Problem {
    let title = "The Idempotency-Key belongs to another request";
    Problem::new(422, "IDEMPOTENCY_MISMATCH", title, "use a new key")
}

/// What a fingerprint is the hash of: method, path, caller, and the body as canonical JSON.
pub fn canonical(method: &str, path: &str, caller: &[u8], body: &Value) -> Vec<u8> {
    let mut text = String::new();
    write_canonical(body, &mut text);
    [method.as_bytes(), b" ", path.as_bytes(), b"\n", caller, text.as_bytes()].concat()
}

fn unquote(text: &str) -> &str {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text)
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

#[cfg(test)]
mod tests {
    use super::{canonical, key};
    use http::HeaderMap;
    use serde_json::{Value, json};

    fn read(value: &str) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", value.parse().unwrap());
        key(&headers).map(|key| key.map(str::to_owned)).map_err(|problem| problem.code)
    }

    #[test]
    fn a_key_is_the_same_bare_and_quoted_and_anything_else_is_refused() {
        assert_eq!(read("abc"), Ok(Some("abc".to_owned())));
        assert_eq!(read("abc"), read("\"abc\""));
        for text in ["", "\"\"", "a b", &"x".repeat(256)] {
            assert_eq!(read(text), Err("IDEMPOTENCY_KEY_INVALID"), "{text:?}");
        }
        assert!(read(&"x".repeat(255)).is_ok());
        assert_eq!(key(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn the_canonical_form_ignores_spelling_and_sees_every_value() {
        let form = |body: &Value| canonical("POST", "/x", b"me", body);
        let body = json!({"a": 1, "b": [{"c": "x", "d": null}]});
        let shuffled = serde_json::from_str(r#"{ "b":[{"d":null,"c":"x"}], "a":1 }"#).unwrap();
        assert_eq!(form(&body), form(&shuffled));
        assert_eq!(form(&body), b"POST /x\nme{\"a\":1,\"b\":[{\"c\":\"x\",\"d\":null,},],}");
        assert_ne!(form(&body), form(&json!({"a": 2, "b": [{"c": "x", "d": null}]})));
        assert_ne!(form(&body), canonical("POST", "/y", b"me", &body));
        assert_ne!(form(&body), canonical("POST", "/x", b"you", &body));
        assert_ne!(form(&json!(["ab"])), form(&json!(["a", "b"])));
    }
}
