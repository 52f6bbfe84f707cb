//! Request bodies and headers.

use super::problems;
use chassis::http::Lines;
use chassis::{Problem, base64url};
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Longest secret of a place.
const SECRET_BYTES_MAX: usize = 256;

/// Reads a JSON object, as what the handler wants and as it was sent, or says why there is none, by
/// the status that stands for it; no body at all is an empty one.
pub(super) fn json<T: DeserializeOwned + Default>(
    headers: Lines<'_>,
    body: Result<&[u8], u16>,
) -> Result<(T, Value), Problem> {
    let body = body.map_err(|status| {
        problems::unreadable(status.max(400), "the body did not arrive whole or is too large")
    })?;
    if body.is_empty() {
        return Ok((T::default(), Value::Object(Map::new())));
    }
    if !is_json(headers) {
        return Err(problems::media_type());
    }
    // What nearly everybody sends.
    if *body == *b"{}" {
        return Ok((T::default(), Value::Object(Map::new())));
    }
    let sent: Value = serde_json::from_slice(body)
        .map_err(|error| problems::unreadable(400, error.to_string()))?;
    // A list would be read as the fields in their order.
    if !sent.is_object() {
        return Err(problems::invalid("the body is a JSON object"));
    }
    let value = T::deserialize(&sent).map_err(|error| problems::invalid(error.to_string()))?;
    Ok((value, sent))
}

fn is_json(headers: Lines<'_>) -> bool {
    let kind =
        headers.text(&CONTENT_TYPE).and_then(|value| value.split(';').next()).unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// A SHA-256 in base64url or hexadecimal digits.
pub(super) fn pop_hash(text: &str) -> Result<[u8; 32], Problem> {
    let hash = if text.len() == 64 { from_hex(text) } else { base64url::decode(text) };
    hash.and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| problems::invalid("popHash is a SHA-256 in base64url or hexadecimal digits"))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            // A sign would parse too.
            pair.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect()
}

/// The hash of a secret as it was sent.
pub(super) fn hash_of_secret(secret: &str) -> Result<[u8; 32], Problem> {
    if SECRET_BYTES_MAX < secret.len() {
        return Err(problems::invalid("popSecret is too long"));
    }
    Ok(chassis::keys::sha256(&[secret.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::pop_hash;
    use chassis::base64url;

    #[test]
    fn a_hash_is_read_in_both_spellings_and_no_other() {
        let hex = "0123456789abcdef".repeat(4);
        let bytes = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].repeat(4);
        assert_eq!(pop_hash(&hex).unwrap(), *bytes);
        assert_eq!(pop_hash(&base64url::encode(&bytes)).unwrap(), *bytes);
        let signed = "+1".repeat(32);
        for text in ["", "abc", &hex[1..], &signed] {
            assert_eq!(pop_hash(text).unwrap_err().code, "REQUEST_INVALID", "{text}");
        }
    }
}
