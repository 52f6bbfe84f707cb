//! Names each request, and sets the headers that every answer has.

use chassis::http::Lines;
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

/// Digits of the largest count.
const COUNT_DIGITS_MAX: usize = 16;

/// How many headers [`finish`] sets at most.
const HEADERS: usize = 5;

/// The request's name in logs and the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

pub(super) fn request_id(headers: Lines<'_>) -> String {
    let chosen = headers.first(&REQUEST_ID).and_then(|value| std::str::from_utf8(value).ok());
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
    static PROCESS: LazyLock<String> =
        LazyLock::new(|| format!("{:016x}-", Uuid::now_v7().as_u64_pair().1));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut id = String::with_capacity(PROCESS.len() + COUNT_DIGITS_MAX);
    id.push_str(&PROCESS);
    // Relaxed: only that no two are the same matters.
    push_hex(&mut id, COUNT.fetch_add(1, Ordering::Relaxed));
    id
}

/// Adds the number in hexadecimal digits, in a third of the time that `format!` takes.
fn push_hex(text: &mut String, number: u64) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        let value = u32::try_from(number >> (4 * digit) & 15).expect("four bits");
        text.push(char::from_digit(value, 16).expect("below 16"));
    }
}

/// Handlers that want other values have set them already.
pub(super) fn finish(headers: &mut HeaderMap, id: String) {
    // At once, instead of growing in their midst.
    headers.reserve(HEADERS);
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(CACHE_CONTROL, "no-store");
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, "no-referrer");
    set(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    // Takes the text over as it is.
    let id = HeaderValue::try_from(id).expect("an id is plain ASCII");
    headers.insert(REQUEST_ID, id);
}

#[cfg(test)]
mod tests {
    use super::{push_hex, request_id};
    use chassis::http::Lines;
    use http::HeaderMap;

    #[test]
    fn a_count_is_written_as_others_write_it() {
        for number in [0, 1, 15, 16, 255, 4_096, 0xfedc_ba98, u64::MAX] {
            let mut text = String::new();
            push_hex(&mut text, number);
            assert_eq!(text, format!("{number:x}"));
        }
    }

    #[test]
    fn a_client_may_name_its_request_but_not_with_any_text() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", value.parse().unwrap());
            request_id(Lines::from(&headers))
        };
        assert_eq!(with("abc-1.2:3_4"), "abc-1.2:3_4");
        for hostile in ["", "a b", "a\"b", &"x".repeat(65)] {
            assert_ne!(with(hostile), hostile);
        }
        assert_ne!(request_id(Lines::Raw(&[])), request_id(Lines::Raw(&[])));
    }
}
