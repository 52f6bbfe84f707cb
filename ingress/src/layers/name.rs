//! Names each request, and sets the headers that every answer has.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that a client may choose for its request; it goes into the audit log.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// How many headers [`finish`] sets at most.
const HEADERS: usize = 5;

/// The request's name in logs and the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

pub(super) fn request_id(headers: &HeaderMap) -> String {
    let chosen = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain = |text: &&str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        (1..=REQUEST_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
    };
    match chosen.filter(plain) {
        Some(chosen) => chosen.to_owned(),
        None => fresh_id(),
    }
}

/// Unlike any other id of this process or another, but no secret: the next one can be guessed.
fn fresh_id() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| Uuid::now_v7().as_u64_pair().1);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only that no two are the same matters.
    format!("{:016x}-{:x}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Handlers that want other values have set them already.
pub(super) fn finish(headers: &mut HeaderMap, id: &str) {
    // At once, instead of growing in their midst.
    headers.reserve(HEADERS);
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(CACHE_CONTROL, "no-store");
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, "no-referrer");
    set(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    let id = HeaderValue::from_str(id).expect("an id is plain ASCII");
    headers.insert(REQUEST_ID, id);
}

#[cfg(test)]
mod tests {
    use super::request_id;
    use http::HeaderMap;

    #[test]
    fn a_client_may_name_its_request_but_not_with_any_text() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", value.parse().unwrap());
            request_id(&headers)
        };
        assert_eq!(with("abc-1.2:3_4"), "abc-1.2:3_4");
        for hostile in ["", "a b", "a\"b", &"x".repeat(65)] {
            assert_ne!(with(hostile), hostile);
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
