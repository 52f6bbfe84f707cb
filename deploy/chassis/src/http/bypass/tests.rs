//! What is answered here, what is left to hyper, and that nothing comes out of order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::accept::Server;
use super::super::connection::Context;
use super::super::tests::{TestServer, exchange, patient, read_to_close, start_routes};
use super::super::watch::{Progress, Watch};
use super::super::{Direct, Head, HttpLimits, Routes, Shortcut, Whole};
use super::{Turn, answer, take};
use crate::Shutdown;

/// More than a socket takes at once.
const LARGE_BYTES: usize = 20_000_000;

/// Knows paths that begin with `/q/`, and answers with what follows; takes those that begin with
/// `/t/`.
struct Echo {
    /// How often the answer is repeated.
    repeats: usize,
    /// How many of the requests that it took have ended, in whatever way.
    ended: Arc<AtomicUsize>,
}

struct Ending(Arc<AtomicUsize>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Shortcut for Echo {
    fn answer(&self, head: &Head<'_>) -> Option<Direct> {
        let text = head.path.strip_prefix("/q/")?;
        assert_ne!(text, "broken");
        let mut response = Response::new(Bytes::from(text.repeat(self.repeats)));
        if text == "304" {
            *response.status_mut() = http::StatusCode::NOT_MODIFIED;
        }
        Some(Direct { route: "/q/{text}", response })
    }

    fn takes(&self, head: &Head<'_>) -> Option<&'static str> {
        head.path.starts_with("/t/").then_some("/t/{text}")
    }

    fn take(self: Arc<Self>, request: &Whole<'_>) -> BoxFuture<'static, Response<Bytes>> {
        let text = request.head.path.strip_prefix("/t/").expect("it is taken").to_owned();
        assert_ne!(text, "misread");
        let sent = request.body.expect("it came whole").len();
        let (repeats, ending) = (self.repeats, Ending(Arc::clone(&self.ended)));
        Box::pin(async move {
            let _ending = ending;
            match text.as_str() {
                "broken" => panic!("a bug of a test"),
                "never" => std::future::pending().await,
                "later" => tokio::time::sleep(Duration::from_millis(200)).await,
                _ => tokio::task::yield_now().await,
            }
            let is_framed = text == "framed";
            let text = if text == "sent" { sent.to_string() } else { text };
            let mut response = Response::new(Bytes::from(text.repeat(repeats)));
            if is_framed {
                let length = http::HeaderValue::from_static("99");
                response.headers_mut().insert(http::header::CONTENT_LENGTH, length);
            }
            response
        })
    }
}

fn routes(repeats: usize) -> Routes {
    routes_counted(repeats, &Arc::default())
}

fn routes_counted(repeats: usize, ended: &Arc<AtomicUsize>) -> Routes {
    let router = Router::new()
        .route("/r/{text}", get(|Path(text): Path<String>| async move { text }))
        .route("/large", get(|| async { "x".repeat(LARGE_BYTES) }))
        .route("/e/{text}", post(|Path(text): Path<String>, _: Bytes| async move { text }));
    Routes { router, shortcut: Some(Arc::new(Echo { repeats, ended: Arc::clone(ended) })) }
}

fn context(limits: HttpLimits) -> Context {
    let server = Server::new(routes(1), limits, Shutdown::new());
    let peer: SocketAddr = ([127, 0, 0, 1], 5).into();
    Context { server, watch: Arc::new(Watch::default()), peer }
}

fn answered(limits: HttpLimits, bytes: &str) -> Option<(usize, String)> {
    let context = context(limits);
    let mut out = Vec::new();
    let head_bytes = answer(&context, bytes.as_bytes(), &mut out)?;
    Some((head_bytes, String::from_utf8(out).expect("text")))
}

#[tokio::test]
async fn a_plain_request_is_answered_in_full_and_what_follows_it_is_left() {
    let plain = "GET /q/one HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n";
    let (head_bytes, out) = answered(patient(), &format!("{plain}GET /q/two")).expect("known");
    assert_eq!(head_bytes, plain.len());
    let (head, rest) = out.split_once("\r\ndate: ").expect("a date");
    assert_eq!(head, "HTTP/1.1 200 OK");
    assert_eq!(&rest[29..], "\r\ncontent-length: 3\r\n\r\none");
    let (_, out) = answered(patient(), &plain.replace("one", "304")).expect("known");
    assert!(out.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{out}");
    assert!(out.ends_with(" GMT\r\n\r\n"), "it has no body and no length: {out}");
}

#[tokio::test]
async fn whatever_is_not_plain_is_left_to_hyper() {
    let plain = "GET /q/one HTTP/1.1\r\nHost: a\r\n\r\n";
    let with = |line: &str| plain.replace("Host: a", &format!("Host: a\r\n{line}"));
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let many: Vec<String> = (0..16).map(|at| format!("x-{at}: y")).collect();
    let few_lines = HttpLimits { header_count_max: 16, ..patient() };
    for other in [
        plain.replace("GET", "HEAD"),
        plain.replace("GET /q/one", "POST /q/one"),
        plain.replace("/q/one", "/q/one?a=b"),
        plain.replace("/q/one", "/q/%6fne"),
        plain.replace("/q/one", "http://a/q/one"),
        plain.replace("/q/one", "/r/one"),
        plain.replace("/q/one", "/q/broken"),
        plain.replace("1.1", "1.0"),
        plain.replace("Host: a\r\n", ""),
        plain[..plain.len() - 1].to_owned(),
        plain.replace("Host:", "Host :"),
        with("Host: b"),
        with("Content-Length: 0"),
        with("content-length: 5") + "GET /",
        with("Transfer-Encoding: chunked"),
        with("Expect: 100-continue"),
        with("Upgrade: websocket"),
        with("Connection: close"),
        with("Connection: keep-alive, close"),
        with(trace),
        with("x: \u{1}"),
        with(&many.join("\r\n")),
    ] {
        assert_eq!(answered(few_lines.clone(), &other), None, "{other}");
    }
    assert!(answered(few_lines, plain).is_some());
}

#[tokio::test]
async fn a_plain_request_is_taken_if_its_body_is_whole_and_nothing_follows() {
    let taken = |bytes: &str| take(&context(patient()), bytes.as_bytes()).is_some();
    let plain = "POST /t/one HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /";
    let with = |line: &str| plain.replace("Host: a", &format!("Host: a\r\n{line}"));
    assert!(taken(plain));
    assert!(taken(&plain.replace("5\r\n\r\nGET /", "0\r\n\r\n")));
    assert!(taken(&with("Connection: Keep-Alive")));
    assert!(taken(&plain.replace("/t/one", "/t/misread")), "a bug is answered from here");
    for other in [
        plain.replace("POST", "PUT"),
        plain.replace("POST", "GET"),
        plain.replace("/t/one", "/t/one?a=b"),
        plain.replace("/t/one", "/t/%6fne"),
        plain.replace("/t/one", "/e/one"),
        plain.replace("1.1", "1.0"),
        plain.replace("Host: a\r\n", ""),
        plain.replace("Content-Length: 5\r\n", ""),
        plain.replace("Content-Length: 5", "Content-Length: +5"),
        plain.replace("Content-Length: 5", "Content-Length: 6"),
        plain.replace("Content-Length: 5", "Content-Length: 4"),
        plain[..plain.len() - 1].to_owned(),
        plain.to_owned() + "G",
        with("Content-Length: 5"),
        with("Transfer-Encoding: chunked"),
        with("Expect: 100-continue"),
        with("Connection: close"),
        with("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ] {
        assert!(!taken(&other), "{other}");
    }
    let short = HttpLimits { body_bytes_max: 4, ..patient() };
    assert!(take(&context(short), plain.as_bytes()).is_none());
}

fn posted(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

const LAST: &str = "GET /r/end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// The answer to one request, with its body.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        let mut space = [0; 4_096];
        let count = stream.read(&mut space).await.expect("an answer");
        assert_ne!(count, 0, "{answer:?}");
        answer.extend_from_slice(&space[..count]);
        let text = String::from_utf8(answer.clone()).expect("text");
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.expect("a length").parse() == Ok(body.len()) {
            return text;
        }
    }
}

#[tokio::test]
async fn what_is_taken_ends_in_time_and_survives_a_bug_and_the_connection_goes_on() {
    let limits = HttpLimits { request_ms: schema::DurationMs(300), ..patient() };
    let server = start_routes(routes(1), limits);
    let mut stream = server.connect().await;
    for (path, status, text) in [
        ("/t/sent", "200", "\r\n\r\n3"),
        ("/t/broken", "500", "\"INTERNAL\""),
        ("/t/never", "503", "\"TIMEOUT\""),
        ("/t/later", "200", "later"),
        ("/t/misread", "500", "\"INTERNAL\""),
        ("/t/framed", "200", "\r\n\r\nframed"),
        ("/t/later", "200", "later"),
    ] {
        stream.write_all(posted(path, "{ }").as_bytes()).await.expect("written");
        let answer = one_answer(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert!(answer.contains(text), "{path}: {answer}");
        if status == "503" {
            assert!(answer.contains("\"retryable\":false"), "it may have been done: {answer}");
        }
    }
}

#[tokio::test]
async fn what_comes_behind_a_request_that_is_taken_waits_for_its_answer() {
    let server = start_routes(routes(1), patient());
    let mut stream = server.connect().await;
    stream.write_all(posted("/t/later", "{}").as_bytes()).await.expect("written");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let more = "GET /q/two HTTP/1.1\r\nHost: a\r\n\r\n".to_owned() + &posted("/t/three", "") + LAST;
    stream.write_all(more.as_bytes()).await.expect("written");
    let answers = read_to_close(&mut stream).await;
    assert_eq!(bodies(&answers), ["later", "two", "three", "end"]);
}

#[tokio::test]
async fn nobody_goes_on_for_a_client_that_has_gone_away() {
    let ended = Arc::default();
    let server = start_routes(routes_counted(1, &ended), patient());
    let mut stream = server.connect().await;
    stream.write_all(posted("/t/never", "{}").as_bytes()).await.expect("written");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ended.load(Ordering::SeqCst), 0);
    drop(stream);
    let is_over = async {
        while ended.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), is_over).await.expect("it is dropped");
}

#[tokio::test]
async fn what_is_taken_is_answered_though_the_server_ends() {
    let server = start_routes(routes(REPEATS), patient());
    let mut stream = server.connect().await;
    stream.write_all(posted("/t/later", "{}").as_bytes()).await.expect("written");
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.write_all(posted("/t/more", "{}").as_bytes()).await.expect("written");
    server.shutdown.close("the test ends");
    let answer = read_to_close(&mut stream).await;
    assert!(answer.contains("\r\nconnection: close\r\n"), "nothing more is asked on it");
    let bodies = bodies(&answer);
    assert_eq!((bodies.len(), bodies[0].len()), (1, 5 * REPEATS));
}

#[test]
fn hypers_place_is_known_only_after_whole_requests() {
    let whole = b"POST /e/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /";
    let (begun, idle) = (
        Progress { requests: 1, in_flight: 1, ..Progress::default() },
        Progress { requests: 1, ..Progress::default() },
    );
    let after = |pieces: &[&[u8]]| {
        let mut turn = Turn::new(true);
        turn.begin(pieces[0]);
        pieces[1..].iter().for_each(|piece| turn.go_on(piece));
        turn
    };
    assert!(after(&[whole]).is_ours(&idle));
    for cut in 1..whole.len() {
        let turn = after(&[&whole[..cut], &whole[cut..]]);
        assert!(!turn.is_ours(&begun), "it is at it");
        // A head in pieces is not looked at; a body may come in as many as it likes.
        let is_known = whole.len() - 5 <= cut;
        assert_eq!(turn.is_ours(&idle), is_known, "cut at {cut}");
        assert!(!after(&[&whole[..cut]]).is_ours(&idle), "half of one at {cut}");
    }
    assert!(!after(&[whole]).is_ours(&Progress::default()), "it was refused, or has not begun");
    assert!(!after(&[&[&whole[..], b"G"].concat()]).is_ours(&idle), "more than one");
    assert!(!after(&[whole, b"G"]).is_ours(&idle), "more while it is at the first");
    for doubtful in [
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nGET /",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nGET /",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nGET /",
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        assert!(!after(&[doubtful.as_bytes()]).is_ours(&idle), "{doubtful}");
    }
}

/// A request, by its kind, that is answered with the number; and what looks like another in it.
fn request(kind: u64, number: usize) -> String {
    let trap = "GET /q/trap HTTP/1.1\r\nHost: a\r\n\r\n";
    let (post, length) = (format!("POST /e/{number} HTTP/1.1\r\nHost: a\r\n"), trap.len());
    match kind {
        0..=3 => format!("GET /q/{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
        4 => format!("GET /r/{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
        5 => format!("{post}Content-Length: {length}\r\n\r\n{trap}"),
        7 => format!("{post}Content-Length: {length}\r\n\r\n{trap}").replace("/e/", "/t/"),
        6 => format!("{post}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{trap}\r\n0\r\n\r\n"),
        _ => format!("\r\nGET /q/{number} HTTP/1.1\r\nHost: a\r\ncontent-length: 0\r\n\r\n"),
    }
}

/// A sequence of numbers that is the same in every run.
fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |sides| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % sides
    }
}

fn bodies(answers: &str) -> Vec<String> {
    let mut rest = answers;
    let mut bodies = Vec::new();
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.expect("a length").parse().expect("a number");
        bodies.push(after[..length].to_owned());
        rest = &after[length..];
    }
    assert_eq!(rest, "");
    bodies
}

#[tokio::test]
async fn each_request_is_answered_once_and_in_order_however_the_bytes_are_cut() {
    let server = start_routes(routes(1), patient());
    for seed in 1..=300 {
        let mut dice = dice(seed);
        let count = 1 + usize::try_from(dice(12)).expect("few");
        let mut sent: String = (0..count).map(|at| request(dice(9), at)).collect();
        sent += "GET /r/end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut stream = server.connect().await;
        stream.set_nodelay(true).expect("a socket");
        let (mut reader, mut writer) = stream.split();
        let write = async {
            let mut rest = sent.as_bytes();
            while !rest.is_empty() {
                let most = if dice(3) == 0 { 8 } else { 200 };
                let piece = rest.len().min(1 + usize::try_from(dice(most)).expect("few"));
                writer.write_all(&rest[..piece]).await.expect("written");
                rest = &rest[piece..];
                if dice(2) == 0 {
                    tokio::time::sleep(std::time::Duration::from_micros(200)).await;
                }
            }
        };
        let mut answers = String::new();
        let ((), read) = tokio::join!(write, reader.read_to_string(&mut answers));
        read.expect("answers");
        let mut wanted: Vec<String> = (0..count).map(|at| at.to_string()).collect();
        wanted.push("end".to_owned());
        assert_eq!(bodies(&answers), wanted, "seed {seed}: {sent}");
    }
}

#[tokio::test]
async fn who_reads_slowly_gets_all_answers_and_none_is_read_ahead() {
    let server = start_routes(routes(100_000), patient());
    let mut stream = server.connect().await;
    let short = "GET /q/12345678 HTTP/1.1\r\nHost: a\r\n\r\n";
    let close = "GET /r/end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all((short.repeat(20) + close).as_bytes()).await.expect("written");
    let answers = read_to_close(&mut stream).await;
    let bodies = bodies(&answers);
    assert_eq!(bodies.len(), 21);
    assert!(bodies[..20].iter().all(|body| *body == "12345678".repeat(100_000)));
}

#[tokio::test]
async fn what_hyper_has_not_sent_yet_comes_before_our_answers() {
    let server = start_routes(routes(1), patient());
    let mut stream = server.connect().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(get("/large").as_bytes()).await.expect("written");
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let short = get("/q/short") + &get("/r/end").replace("Host", "Connection: close\r\nHost");
    stream.write_all(short.as_bytes()).await.expect("written");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let bodies = bodies(&read_to_close(&mut stream).await);
    assert_eq!(bodies[0].len(), LARGE_BYTES);
    assert_eq!(bodies[1..], ["short", "end"]);
}

#[tokio::test]
async fn a_connection_that_is_only_answered_from_here_is_neither_idle_nor_late() {
    let span = schema::DurationMs(400);
    let short = "GET /q/short HTTP/1.1\r\nHost: a\r\n\r\n";
    for (limits, pause_ms, times) in [
        (HttpLimits { idle_ms: span, head_ms: span, ..patient() }, 100, 16),
        (HttpLimits { head_ms: span, ..patient() }, 600, 3),
    ] {
        let server = start_routes(routes(1), limits);
        let mut stream = server.connect().await;
        for _ in 0..times {
            exchange(&mut stream, short, "short").await;
            tokio::time::sleep(std::time::Duration::from_millis(pause_ms)).await;
        }
    }
}

/// How often eight letters are repeated in answers that no socket takes at once.
const REPEATS: usize = 2_500_000;

/// A connection whose client does not read its first answer, of 20 MB, and has sent more with the
/// request for it.
async fn unread(server: &TestServer, more: &str) -> TcpStream {
    let mut stream = server.connect().await;
    let large = format!("GET /q/12345678 HTTP/1.1\r\nHost: a\r\n\r\n{more}");
    stream.write_all(large.as_bytes()).await.expect("written");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    stream
}

#[tokio::test]
async fn hypers_answer_waits_for_ours_and_ours_for_hypers() {
    let server = start_routes(routes(REPEATS), patient());
    let mut taken = unread(&server, &posted("/t/one", "")).await;
    taken.write_all(LAST.as_bytes()).await.expect("written");
    let taken = bodies(&read_to_close(&mut taken).await);
    assert_eq!((taken[0].len(), taken[1].len(), &*taken[2]), (8 * REPEATS, 3 * REPEATS, "end"));
    let mut stream = unread(&server, "GET /r/one HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (short, last) = (
        "GET /q/2 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /r/end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    stream.write_all(short.as_bytes()).await.expect("written");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    stream.write_all(last.as_bytes()).await.expect("written");
    let bodies = bodies(&read_to_close(&mut stream).await);
    let begins: Vec<&str> = bodies.iter().map(|body| &body[..body.len().min(3)]).collect();
    assert_eq!(begins, ["123", "one", "222", "end"]);
}

#[tokio::test]
async fn answers_go_out_whole_though_the_server_ends_or_half_a_request_follows() {
    for rest in ["", "GE", "P"] {
        let server = start_routes(routes(REPEATS), patient());
        let mut stream = unread(&server, rest).await;
        if rest.is_empty() {
            server.shutdown.close("the test ends");
        } else {
            stream.shutdown().await.expect("half of it is open");
        }
        let bodies = bodies(&read_to_close(&mut stream).await);
        assert_eq!((bodies.len(), bodies[0].len()), (1, 8 * REPEATS), "{rest}");
    }
}

#[tokio::test]
async fn a_connection_that_has_spoken_http1_does_not_change_to_http2() {
    let server = start_routes(routes(1), patient());
    let short = "GET /q/one HTTP/1.1\r\nHost: a\r\n\r\n";
    let settings = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    let answer = server.raw(&format!("{short}{settings}")).await;
    assert_eq!(bodies(&answer), ["one"]);
    let mut alone = server.connect().await;
    alone.write_all(settings.as_bytes()).await.expect("written");
    let mut frame = [0; 9];
    alone.read_exact(&mut frame).await.expect("it is one by itself");
}
