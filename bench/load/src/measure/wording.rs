//! Questions as bytes, and answers as the few words that matter.

use crate::wire::{Door, Reply};
use anyhow::Context as _;
use serde::Deserialize;
use std::fmt::Write as _;
use std::net::SocketAddr;
use tokio::net::lookup_host;

/// A GET with one more header.
pub fn get(door: &Door, path: &str, (name, value): (&str, &str)) -> Vec<u8> {
    let host = &door.authority;
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{name}: {value}\r\n\r\n").into_bytes()
}

/// A POST of JSON; each of `headers` is a line with its end.
pub fn post(door: &Door, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let (host, length) = (&door.authority, body.len());
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

/// The body of a reserve of these seats.
pub fn named(event: &str, seats: &[String]) -> String {
    let mut body = format!("{{\"eventId\":\"{event}\",\"seats\":[");
    for (idx, seat) in seats.iter().enumerate() {
        let comma = if idx == 0 { "" } else { "," };
        write!(body, "{comma}{{\"seatId\":\"{seat}\"}}").expect("a String takes all text");
    }
    body.push_str("]}");
    body
}

/// The address behind a door.
pub async fn resolve(door: &Door) -> anyhow::Result<SocketAddr> {
    let mut found = lookup_host(&door.authority).await.context("find the target")?;
    found.next().context("the target has no address")
}

/// What to count an answer under that was not the one wished for.
pub fn label(reply: Reply<'_>) -> String {
    #[derive(Deserialize)]
    struct Problem {
        code: String,
    }
    let problem = serde_json::from_slice::<Problem>(reply.body);
    let code = problem.map_or_else(|_| String::new(), |problem| problem.code);
    format!("{} {code}", reply.status).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Door, Reply, label, post};

    #[test]
    fn a_question_is_what_http_wants_and_a_label_is_short() {
        let door = Door::new("http://127.0.0.1:8080").unwrap();
        let text = String::from_utf8(post(&door, "/x", "a: b\r\n", "{}")).unwrap();
        assert!(text.starts_with("POST /x HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n"));
        assert!(text.ends_with("content-length: 2\r\na: b\r\n\r\n{}"));
        let body = br#"{"code": "SEAT_TAKEN", "title": "x"}"#;
        assert_eq!(label(Reply { status: 409, says_when: false, body }), "409 SEAT_TAKEN");
        assert_eq!(label(Reply { status: 502, says_when: false, body: b"" }), "502");
    }
}
