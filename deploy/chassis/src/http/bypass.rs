//! Answers what the shortcut knows before hyper hears of it.
//!
//! Of a poll's time in this process hyper took more than the answer itself: its states between two
//! requests, its bodies, its encoder; of a join's a fifth. So a request that came whole and finds
//! hyper with nothing to do is answered from here, if the shortcut answers or takes it. All other
//! bytes go to hyper as they came, and it waits on as if there had been no other.
//!
//! Whether hyper is between two requests is known only while everything that it was given was one
//! whole request after the other. After anything else the connection is hyper's for good: nothing
//! is ever guessed about where a request begins.

use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Response, StatusCode};
use httparse::{EMPTY_HEADER, Header, Status};

use super::connection::Context;
use super::date;
use super::lines::{Lines, is_named};
use super::respond::panicked;
use super::taking::Taking;
use super::watch::Progress;
use super::{Head, Whole};
use crate::clock::Monotonic;

/// Whoever is traced wants the long way.
const TRACE: HeaderName = HeaderName::from_static("traceparent");

/// Most header lines of a request that is looked at: browsers send about 20, proxies add 10. With
/// fewer their polls are hyper's; each costs a poll some nanoseconds.
const LINES_MAX: usize = 32;

/// Room for the head of an answer: a head that is longer is moved once while it is written.
const HEAD_BYTES: usize = 512;

/// What is known of hyper's place in the bytes of one HTTP/1 connection.
#[derive(Debug)]
pub(super) struct Turn {
    /// How many requests hyper was given, each of them whole; `None` once that is not known.
    given: Option<u64>,
    /// Bytes of the last one's body that are still to come.
    body_left: u64,
}

impl Turn {
    /// `is_followed` says whether anybody wants to know.
    pub(super) fn new(is_followed: bool) -> Turn {
        Turn { given: is_followed.then_some(0), body_left: 0 }
    }

    /// Whether hyper waits for a request, and has nothing of one. `progress` is the connection's.
    pub(super) fn is_ours(&self, progress: &Progress) -> bool {
        let is_idle = progress.in_flight == 0 && self.given == Some(progress.requests);
        is_idle && self.body_left == 0
    }

    /// Follows what hyper is given when the turn was ours.
    pub(super) fn begin(&mut self, bytes: &[u8]) {
        let left = request_bytes(bytes).and_then(|total| total.checked_sub(bytes.len() as u64));
        self.given = self.given.filter(|_| left.is_some()).map(|given| given + 1);
        self.body_left = left.unwrap_or(0);
    }

    /// Follows what hyper is given besides.
    pub(super) fn go_on(&mut self, bytes: &[u8]) {
        match self.body_left.checked_sub(bytes.len() as u64) {
            Some(left) => self.body_left = left,
            None => self.given = None,
        }
    }
}

/// How long the request is that begins here, with its body; `None` where that is not certain.
fn request_bytes(bytes: &[u8]) -> Option<u64> {
    let mut lines = [EMPTY_HEADER; LINES_MAX];
    let (head_bytes, request) = whole(bytes, &mut lines)?;
    let mut lengths = Vec::new();
    for line in request.headers.iter() {
        if is_any(line, &[&TRANSFER_ENCODING, &EXPECT, &UPGRADE]) {
            return None;
        }
        if is_named(line, &CONTENT_LENGTH) {
            lengths.push(digits(line.value)?);
        }
    }
    match lengths[..] {
        [] => Some(head_bytes),
        [length] => head_bytes.checked_add(length),
        _ => None,
    }
}

/// A decimal number of at most 18 digits and nothing else.
fn digits(text: &[u8]) -> Option<u64> {
    let is_number = (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| is_number)?;
    text.parse().ok()
}

/// The answer to the request that begins here, added to `out`: of how many bytes it was. `None`
/// leaves it to hyper; nothing has happened to it then.
pub(super) fn answer(context: &Context, bytes: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let shortcut = context.server.routes.shortcut.as_deref()?;
    if !bytes.starts_with(b"GET /") {
        return None;
    }
    let mut lines = [EMPTY_HEADER; LINES_MAX];
    let plain = plain(context, bytes, &mut lines)?;
    let is_bodiless = plain.body_bytes.is_none();
    let head = is_bodiless.then(|| plain.head(context, &Method::GET))?;
    let before = out.len();
    let written = || {
        let direct = shortcut.answer(&head)?;
        write(out, &direct.response, false);
        Some(plain.head_bytes)
    };
    // Unwind safety: what a request shares with others is behind locks that outlive a panic, and
    // half of an answer is taken back. The long way comes upon the same bug, counts it, and
    // answers.
    catch_unwind(AssertUnwindSafe(written)).unwrap_or_else(|_| {
        out.truncate(before);
        None
    })
}

/// The way to the answer of the request that the bytes are, with its whole body. `None` leaves them
/// to hyper; nothing has happened then. A bug has one too: what has happened is not known then.
pub(super) fn take(context: &Context, bytes: &[u8]) -> Option<Taking> {
    let shortcut = context.server.routes.shortcut.as_ref()?;
    if !bytes.starts_with(b"POST /") {
        return None;
    }
    let mut lines = [EMPTY_HEADER; LINES_MAX];
    let plain = plain(context, bytes, &mut lines)?;
    let body = &bytes[plain.head_bytes..];
    let is_whole = plain.body_bytes == Some(body.len() as u64);
    let is_short = body.len() as u64 <= u64::from(context.server.limits.body_bytes_max);
    let head = (is_whole && is_short).then(|| plain.head(context, &Method::POST))?;
    let begun = Monotonic::now();
    let taken = || {
        let route = shortcut.takes(&head)?;
        Some(Arc::clone(shortcut).take(&Whole { route, head, body: Some(body), begun }))
    };
    // Unwind safety: as above.
    let answer = catch_unwind(AssertUnwindSafe(taken));
    let answer = answer.unwrap_or_else(|_| Some(Box::pin(ready(panicked()))))?;
    Some(Taking::begin(context, answer))
}

/// A request about which nothing is out of the ordinary.
struct Plain<'a> {
    head_bytes: usize,
    path: &'a str,
    lines: &'a [Header<'a>],
    /// How long its body is, if it may have one.
    body_bytes: Option<u64>,
}

impl Plain<'_> {
    fn head<'a>(&'a self, context: &Context, method: &'a Method) -> Head<'a> {
        let headers = Lines::Raw(self.lines);
        Head { method, path: self.path, headers, peer: context.asker(headers) }
    }
}

/// The request that begins here, if its head is whole, has one host, and wants nothing of the
/// connection but that it stays. Whoever logs requests wants the long way.
fn plain<'a>(
    context: &Context,
    bytes: &'a [u8],
    lines: &'a mut [Header<'a>; LINES_MAX],
) -> Option<Plain<'a>> {
    if tracing::enabled!(target: "chassis::http::respond", tracing::Level::DEBUG) {
        return None;
    }
    let (head_bytes, request) = whole(bytes, lines)?;
    let path = request.path.filter(|path| path.bytes().all(is_plain))?;
    let count_max = usize::try_from(context.server.limits.header_count_max).expect("64-bit");
    if count_max < request.headers.len() {
        return None;
    }
    let (mut hosts, mut body_bytes) = (0, None);
    for line in request.headers.iter() {
        if is_any(line, &[&TRANSFER_ENCODING, &EXPECT, &UPGRADE, &TRACE]) {
            return None;
        }
        if is_named(line, &CONNECTION) && !line.value.eq_ignore_ascii_case(b"keep-alive") {
            return None;
        }
        if is_named(line, &CONTENT_LENGTH) && body_bytes.replace(digits(line.value)?).is_some() {
            return None;
        }
        hosts += usize::from(is_named(line, &HOST));
    }
    let head_bytes = usize::try_from(head_bytes).expect("it was read");
    (hosts == 1).then_some(Plain { head_bytes, path, lines: request.headers, body_bytes })
}

/// The head that begins here, if all of it is there, in HTTP/1.1. hyper reads heads with the same
/// parser, so both see the same end.
fn whole<'head, 'lines>(
    bytes: &'head [u8],
    lines: &'lines mut [Header<'head>],
) -> Option<(u64, httparse::Request<'lines, 'head>)> {
    let mut request = httparse::Request::new(lines);
    let Ok(Status::Complete(head_bytes)) = request.parse(bytes) else { return None };
    let is_known = request.version == Some(1) && request.method != Some("CONNECT");
    is_known.then_some((head_bytes as u64, request))
}

/// What a path consists of that means what it says.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte)
}

fn is_any(line: &Header<'_>, names: &[&HeaderName]) -> bool {
    names.iter().any(|name| is_named(line, name))
}

/// Adds an answer as hyper would write it. What frames it is said here alone, and that it is the
/// connection's last one.
pub(super) fn write(out: &mut Vec<u8>, response: &Response<bytes::Bytes>, is_last: bool) {
    let (status, body) = (response.status(), response.body());
    out.reserve(HEAD_BYTES + body.len());
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("-").as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        if ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, DATE].contains(name) {
            put(out, name.as_str(), value.as_bytes());
        }
    }
    if is_last {
        put(out, "connection", b"close");
    }
    put(out, "date", &date::now());
    // RFC 9110, 8.6 and 15.4.5.
    let has_body = status != StatusCode::NOT_MODIFIED && status != StatusCode::NO_CONTENT;
    if has_body {
        put(out, "content-length", body.len().to_string().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    if has_body {
        out.extend_from_slice(body);
    }
}

fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests;
