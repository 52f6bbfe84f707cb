//! What strangers on a real socket may and may not do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use schema::DurationMs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{Direct, Head, HttpLimits, Peer, Routes, Shortcut, Whole, bind, serve};
use crate::{Error, Shutdown, tasks};

/// How long a test waits for what must happen.
const LONG: Duration = Duration::from_secs(10);

pub(super) struct TestServer {
    address: SocketAddr,
    pub(super) shutdown: Shutdown,
    serving: JoinHandle<Result<(), Error>>,
}

fn router() -> Router {
    let ticks = || async {
        let ticks = futures_util::stream::iter(0..5).then(|at| async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<_, std::io::Error>(format!("{at}"))
        });
        Body::from_stream(ticks)
    };
    let endless = || async {
        Body::from_stream(futures_util::stream::repeat_with(|| {
            Ok::<_, std::io::Error>(vec![0; 9_000])
        }))
    };
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "slow"
    };
    let count = |body: Bytes| async move { body.len().to_string() };
    let raised = DefaultBodyLimit::max(200_000);
    let raw = |body: Body| async move {
        body.collect().await.map_or(0, |body| body.to_bytes().len()).to_string()
    };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route(
            "/peer",
            get(|request: axum::extract::Request| async move {
                let Peer(peer) = request.extensions().get().expect("set by the server");
                peer.to_string()
            }),
        )
        .route("/ticks", get(ticks))
        .route("/endless", get(endless))
        .route("/slow", get(slow))
        .route("/broken", get(|| async { broken() }))
        .route("/never", get(|| async { std::future::pending::<()>().await }))
        .route("/count", post(count))
        .route("/count-more", post(count).layer(raised))
        .route("/raw", post(raw))
}

fn broken() -> &'static str {
    panic!("a bug")
}

fn start(limits: HttpLimits) -> TestServer {
    start_routes(router().into(), limits)
}

pub(super) fn start_routes(routes: Routes, limits: HttpLimits) -> TestServer {
    let listener = bind("127.0.0.1:0".parse().expect("address")).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let shutdown = Shutdown::new();
    let serving = tasks::spawn("serve", serve(listener, routes, limits, shutdown.clone()));
    TestServer { address, shutdown, serving }
}

impl TestServer {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server accepts")
    }

    /// Sends raw bytes on a connection of their own and returns all that comes until it closes.
    pub(super) async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("written");
        read_to_close(&mut stream).await
    }
}

pub(super) async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut answer));
    // A reset after the answer is an end too.
    read.await.expect("the server closes").map_or_else(drop, drop);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends a request on a kept connection and reads an answer whose body is `body`.
pub(super) async fn exchange(stream: &mut TcpStream, request: &str, body: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    let whole = async {
        while !answer.ends_with(format!("\r\n\r\n{body}").as_bytes()) {
            let count = stream.read_buf(&mut answer).await.expect("open");
            assert!(0 < count, "closed after {}", String::from_utf8_lossy(&answer));
        }
    };
    tokio::time::timeout(LONG, whole).await.expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn ms(limits: &mut HttpLimits) -> [&mut DurationMs; 5] {
    let HttpLimits { head_ms, idle_ms, request_ms, write_stall_ms, drain_ms, .. } = limits;
    [head_ms, idle_ms, request_ms, write_stall_ms, drain_ms]
}

/// Limits whose times are all far away, so that a test sees only the one it brings near.
pub(super) fn patient() -> HttpLimits {
    let mut limits = HttpLimits { peer_connections_max: 1_000, ..HttpLimits::default() };
    for span in ms(&mut limits) {
        *span = DurationMs::from_secs(60);
    }
    limits
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_CLOSE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn an_answer_names_the_trace_that_its_request_came_with() {
    let server = start(patient());
    let with = |trace: &str| {
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\ntraceparent: {trace}\r\n\r\n")
    };
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let answer = server.raw(&with(&format!("00-{trace}-00f067aa0ba902b7-01"))).await;
    let own = answer.lines().find_map(|line| line.strip_prefix("traceparent: "));
    let own = own.expect("it was asked in a trace");
    assert!(own.contains(trace) && !own.contains("00f067aa0ba902b7"), "{own}");
    let answer = server.raw(&with("nonsense")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("traceparent"), "{answer}");
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_and_carry_their_peer() {
    let server = start(patient());
    let mut stream = server.connect().await;
    let answer = exchange(&mut stream, GET, "hello").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let own = stream.local_addr().expect("connected").to_string();
    exchange(&mut stream, &GET.replace("GET /", "GET /peer"), &own).await;
    // In pieces, then two at once.
    stream.write_all(b"GET / HTTP/1.1\r\nHo").await.expect("written");
    exchange(&mut stream, "st: a\r\n\r\n", "hello").await;
    stream.write_all(format!("{GET}{GET_CLOSE}").as_bytes()).await.expect("written");
    let answers = read_to_close(&mut stream).await;
    assert_eq!(answers.matches("hello").count(), 2, "{answers}");
}

#[tokio::test]
async fn a_bug_in_one_request_is_answered_500_and_ends_nothing_else() {
    let server = start(HttpLimits::default());
    let answer = server.raw("GET /broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    assert!(answer.contains("INTERNAL"), "{answer}");
    let answer = server.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("hello"), "{answer}");
    server.shutdown.begin("the test ends");
    server.serving.await.expect("it ends").expect("it served");
}

/// Knows `/` and `/broken`.
struct Short;

impl Shortcut for Short {
    fn answer(&self, head: &Head<'_>) -> Option<Direct> {
        let body = match head.path {
            "/" => "short",
            "/broken" => broken(),
            _ => return None,
        };
        Some(Direct { route: "/", response: http::Response::new(body.into()) })
    }

    fn takes(&self, head: &Head<'_>) -> Option<&'static str> {
        let is_taken = *head.method == http::Method::POST && head.path.starts_with("/taken");
        is_taken.then_some("/taken")
    }

    fn take(self: Arc<Self>, request: &Whole<'_>) -> BoxFuture<'static, http::Response<Bytes>> {
        let (path, body) = (request.head.path.to_owned(), request.body.expect("it came whole"));
        let body = Bytes::copy_from_slice(body);
        Box::pin(async move {
            match path.as_str() {
                "/taken/broken" => drop(broken()),
                "/taken/late" => std::future::pending().await,
                _ => {}
            }
            http::Response::new(body)
        })
    }
}

#[tokio::test]
async fn a_shortcut_takes_requests_with_a_body_of_a_known_and_bounded_length() {
    let shortcut = Some(Arc::new(Short) as Arc<dyn Shortcut>);
    let limits = HttpLimits {
        body_bytes_max: 8,
        request_ms: DurationMs(50),
        head_ms: DurationMs(60_000),
        ..patient()
    };
    let server = start_routes(Routes { router: router(), shortcut }, limits);
    let post = |path: &str, headers: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\n\r\n{body}")
    };
    let taken = server.raw(&post("/taken", "Content-Length: 4\r\n", "body")).await;
    assert!(taken.starts_with("HTTP/1.1 200") && taken.ends_with("\r\n\r\nbody"), "{taken}");
    let empty = server.raw(&post("/taken", "", "")).await;
    assert!(empty.starts_with("HTTP/1.1 200"), "{empty}");
    for (headers, body) in [
        ("Content-Length: 9\r\n", "too large"),
        ("Transfer-Encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n"),
    ] {
        let answer = server.raw(&post("/taken", headers, body)).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "the router knows no such path: {answer}");
    }
    let queried = server.raw(&post("/taken?a=b", "", "")).await;
    assert!(queried.starts_with("HTTP/1.1 404"), "{queried}");
    let broken = server.raw(&post("/taken/broken", "", "")).await;
    assert!(broken.starts_with("HTTP/1.1 500") && broken.contains("INTERNAL"), "{broken}");
    let late = server.raw(&post("/taken/late", "", "")).await;
    assert!(late.starts_with("HTTP/1.1 503") && late.contains("TIMEOUT"), "{late}");
}

#[tokio::test]
async fn a_shortcut_answers_plain_requests_and_the_router_all_others() {
    let shortcut = Some(Arc::new(Short) as Arc<dyn Shortcut>);
    let server = start_routes(Routes { router: router(), shortcut }, patient());
    assert!(server.raw(GET_CLOSE).await.ends_with("short"));
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for other in [
        GET_CLOSE.replace("GET /", "GET /slow"),
        GET_CLOSE.replace("GET /", "GET /?a=b"),
        GET_CLOSE.replace("Host: a", &format!("Host: a\r\n{trace}")),
        GET_CLOSE.replace("Host: a", "Host: a\r\nContent-Length: 1") + "x",
    ] {
        let answer = server.raw(&other).await;
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.ends_with("short"), "{answer}");
    }
    let answer = server.raw(&GET_CLOSE.replace("GET /", "GET /broken")).await;
    assert!(answer.starts_with("HTTP/1.1 500") && answer.contains("INTERNAL"), "{answer}");
    let answer = server.raw("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "the shape is checked before: {answer}");
    assert!(server.raw(GET_CLOSE).await.ends_with("short"), "and the server lives on");
}

#[tokio::test]
async fn http2_is_served_on_the_same_port() {
    let server = start(patient());
    let client: Client<_, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let url = format!("http://{}/", server.address).parse::<http::Uri>().expect("valid");
    let responses = (0..20).map(|_| client.get(url.clone()));
    for response in futures_util::future::join_all(responses).await {
        let response = response.expect("answered");
        assert_eq!(response.version(), http::Version::HTTP_2);
        assert_eq!(response.into_body().collect().await.expect("body").to_bytes(), "hello");
    }
}

#[tokio::test]
async fn a_request_whose_end_is_ambiguous_is_refused_and_the_connection_closed() {
    let server = start(patient());
    let post = |headers: &str, body: &str| {
        format!("POST /count HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}{GET}")
    };
    let chunks = "3\r\nabc\r\n0\r\n\r\n";
    for headers in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
    ] {
        let answer = server.raw(&post(headers, chunks)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{headers}: {answer}");
        assert!(answer.contains("connection: close\r\n"), "{headers}: {answer}");
        assert!(!answer.contains("200 OK"), "{headers}: {answer}");
    }
    // The same on a connection that has been good before.
    let mut stream = server.connect().await;
    let good = post("Transfer-Encoding: chunked\r\n", chunks).replace(GET, "");
    assert!(exchange(&mut stream, &good, "3").await.starts_with("HTTP/1.1 200 "));
    let bad = post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", chunks);
    stream.write_all(bad.as_bytes()).await.expect("written");
    let answer = read_to_close(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn a_request_of_http_1_1_names_one_host() {
    let server = start(patient());
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let answer = server.raw(&GET.replace("Host: a\r\n", hosts)).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts}: {answer}");
        assert!(answer.contains("\"code\":\"REQUEST_INVALID\""), "{hosts}: {answer}");
    }
    let old = server.raw("GET / HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 "), "{old}");
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_431() {
    let server = start(patient());
    let many = |count: usize| {
        let lines = "X-Line: 1\r\n".repeat(count);
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n")
    };
    assert!(server.raw(&many(62)).await.starts_with("HTTP/1.1 200 "));
    assert!(server.raw(&many(63)).await.starts_with("HTTP/1.1 431 "));
    let large = |bytes: usize| many(1).replace(": 1", &format!(": {}", "x".repeat(bytes)));
    assert!(server.raw(&large(60_000)).await.starts_with("HTTP/1.1 200 "));
    assert!(server.raw(&large(70_000)).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_body_is_bounded_unless_its_route_says_otherwise() {
    let server = start(patient());
    let post = |path: &str, bytes: usize| {
        let body = "x".repeat(bytes);
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Content-Length: {bytes}\r\n\r\n{body}"
        )
    };
    assert!(server.raw(&post("/count", 65_536)).await.ends_with("65536"));
    let refused = server.raw(&post("/count", 65_537)).await;
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    assert!(refused.contains("\"code\":\"BODY_TOO_LARGE\""), "{refused}");
    let keeping = post("/count", 65_537).replace("Connection: close\r\n", "");
    let refused = server.raw(&keeping).await.to_ascii_lowercase();
    assert!(refused.contains("\r\nconnection: close\r\n"), "the rest is not read: {refused}");
    assert!(server.raw(&post("/count-more", 200_000)).await.ends_with("200000"));
    assert!(server.raw(&post("/count-more", 200_001)).await.starts_with("HTTP/1.1 413 "));
    assert!(server.raw(&post("/raw", 3_000_000)).await.ends_with("3000000"));
}

#[tokio::test]
async fn a_slow_head_is_cut_but_a_quiet_kept_connection_is_not() {
    let limits = HttpLimits { head_ms: DurationMs(200), ..patient() };
    let server = start(limits);
    for begin in ["", "GET", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        assert_eq!(server.raw(begin).await, "", "{begin:?}");
    }
    let mut stream = server.connect().await;
    exchange(&mut stream, GET, "hello").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    exchange(&mut stream, GET, "hello").await;
    // An answer that takes longer than a head may is no slow head.
    exchange(&mut stream, &GET.replace("GET /", "GET /slow"), "slow").await;
    stream.write_all(b"GET / HT").await.expect("open");
    assert_eq!(read_to_close(&mut stream).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let limits = HttpLimits { head_ms: DurationMs(100), idle_ms: DurationMs(100), ..patient() };
    let server = start(limits);
    let mut idle = server.connect().await;
    exchange(&mut idle, GET, "hello").await;
    assert_eq!(read_to_close(&mut idle).await, "");
    let ticks = server.raw(&GET_CLOSE.replace("GET /", "GET /ticks")).await;
    assert!(ticks.ends_with("1\r\n4\r\n0\r\n\r\n"), "{ticks}");
}

#[tokio::test]
async fn only_the_time_to_the_head_of_an_answer_is_bounded() {
    let limits = HttpLimits { request_ms: DurationMs(250), ..patient() };
    let server = start(limits);
    let never = server.raw(&GET_CLOSE.replace("GET /", "GET /never")).await;
    assert!(never.starts_with("HTTP/1.1 503 "), "{never}");
    assert!(never.contains("\"code\":\"TIMEOUT\""), "{never}");
    assert!(never.contains("\"retryable\":true"), "{never}");
    let ticks = server.raw(&GET_CLOSE.replace("GET /", "GET /ticks")).await;
    assert!(ticks.ends_with("1\r\n4\r\n0\r\n\r\n"), "{ticks}");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let limits = HttpLimits { write_stall_ms: DurationMs(100), ..patient() };
    let server = start(limits);
    let mut stream = server.connect().await;
    stream.write_all(GET.replace("GET /", "GET /endless").as_bytes()).await.expect("written");
    stream.read_exact(&mut [0; 1]).await.expect("the answer has begun");
    // The drain lasts a minute, so only the cut ends it in time.
    server.shutdown.begin("test");
    let ended = tokio::time::timeout(LONG, server.serving).await.expect("nothing left to drain");
    ended.expect("no panic").expect("served");
}

#[tokio::test]
async fn connections_over_a_cap_are_answered_503_until_one_ends() {
    let limits = HttpLimits { connections_max: 2, peer_connections_max: 2, ..patient() };
    let server = start(limits);
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    exchange(&mut first, GET, "hello").await;
    exchange(&mut second, GET, "hello").await;
    let refused = server.raw(GET).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("retry-after: 2\r\n"), "{refused}");
    assert!(refused.contains("TOO_MANY_CONNECTIONS"), "{refused}");
    drop(first);
    let deadline = tokio::time::Instant::now() + LONG;
    while !server.raw(GET_CLOSE).await.ends_with("hello") {
        assert!(tokio::time::Instant::now() < deadline, "the place is not free again");
    }
    exchange(&mut second, GET, "hello").await;
}

#[tokio::test]
async fn a_request_is_of_the_address_that_a_trusted_proxy_names_and_of_no_other_that_is_named() {
    let ask = "GET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
               x-forwarded-for: 192.0.2.1\r\nx-forwarded-for: 198.51.100.7, 203.0.113.5\r\n\r\n";
    let server = start(patient());
    let answer = server.raw(ask).await;
    assert!(answer.contains("\r\n\r\n127.0.0.1:"), "a stranger is believed: {answer}");
    let loopback = std::net::Ipv4Addr::LOCALHOST.into();
    let server = start(HttpLimits { trusted_proxies: vec![loopback], ..patient() });
    let answer = server.raw(ask).await;
    assert!(answer.ends_with("\r\n\r\n203.0.113.5:0"), "{answer}");
}

#[tokio::test]
async fn the_drain_lets_answers_end_and_cuts_those_that_do_not() {
    let server = start(HttpLimits { drain_ms: DurationMs(1_500), ..patient() });
    let mut idle = server.connect().await;
    exchange(&mut idle, GET, "hello").await;
    let mut slow = server.connect().await;
    slow.write_all(GET.replace("GET /", "GET /slow").as_bytes()).await.expect("written");
    let mut never = server.connect().await;
    never.write_all(GET.replace("GET /", "GET /never").as_bytes()).await.expect("written");
    // The answer on a later connection says that the requests before it have been read.
    assert!(server.raw(GET_CLOSE).await.ends_with("hello"));
    server.shutdown.begin("test");
    assert_eq!(read_to_close(&mut idle).await, "");
    assert!(read_to_close(&mut slow).await.ends_with("slow"));
    assert_eq!(read_to_close(&mut never).await, "");
    server.serving.await.expect("no panic").expect("served");
    TcpStream::connect(server.address).await.expect_err("nobody listens");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let listener = bind("127.0.0.1:0".parse().expect("address")).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let error = bind(address).expect_err("taken");
    let text = format!("port {} on 127.0.0.1 is taken by another process", address.port());
    assert_eq!(error.to_string(), text);
}

#[test]
#[should_panic(expected = "self.peer_connections_max <= self.connections_max")]
fn limits_that_contradict_each_other_are_a_bug() {
    HttpLimits { connections_max: 10, ..HttpLimits::default() }.check();
}
