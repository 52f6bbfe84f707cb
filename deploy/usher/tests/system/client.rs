//! An HTTP client that knows nothing but HTTP.

use crate::wait::{PATIENCE, pause};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

/// How long one answer may take. The longest that the contract knows is a confirm of 10 s.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Debug, Clone)]
pub struct Call {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Call {
    pub fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
    }

    pub fn get(path: &str) -> Self {
        Self::new(Method::GET, path)
    }

    pub fn delete(path: &str) -> Self {
        Self::new(Method::DELETE, path)
    }

    pub fn post(path: &str, body: &Value) -> Self {
        Self::new(Method::POST, path).json(body)
    }

    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The code of a problem document; empty in other answers.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The body without what goes on with time: how long a hold lives.
    pub fn lasting(&self) -> Value {
        let mut body = self.json();
        let members = body.as_object_mut().expect("answers are objects");
        members.retain(|name, _| !name.starts_with("expires"));
        body
    }

    /// Whether the same call may be answered otherwise in a moment.
    fn is_passing(&self) -> bool {
        matches!(self.status, 429 | 503) || self.code() == "IDEMPOTENCY_IN_FLIGHT"
    }

    /// An answer that is to be waited for counts as none.
    pub fn settled(self) -> Result<Self, Lost> {
        if self.is_passing() { Err(Lost(format!("{self:?}"))) } else { Ok(self) }
    }

    /// How long a client is told to wait before it asks again.
    pub fn poll_after(&self) -> Duration {
        if let Some(millis) = self.json()["pollAfterMs"].as_u64() {
            return Duration::from_millis(millis);
        }
        let seconds = self.header("retry-after").parse();
        Duration::from_secs(seconds.unwrap_or_else(|_| panic!("when to ask again: {self:?}")))
    }

    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

/// The connection ended, or nobody was there: what became of the call is not known.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no answer: {0}")]
pub struct Lost(String);

/// A client of one address. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    pool: Pool<HttpConnector, Full<Bytes>>,
}

impl Client {
    pub fn new(base: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Self { base: base.to_owned(), pool }
    }

    /// Asks once.
    pub async fn send(&self, call: Call) -> Result<Answer, Lost> {
        let asked = async {
            let (status, headers, body) = self.open(call).await?;
            let body = body.collect().await.map_err(|error| Lost(error.to_string()))?;
            Ok(Answer { status, headers, body: body.to_bytes() })
        };
        let late = |_| Err(Lost(format!("nothing within {ANSWER_WAIT:?}")));
        tokio::time::timeout(ANSWER_WAIT, asked).await.unwrap_or_else(late)
    }

    /// Asks once of a system that must be there.
    pub async fn ask(&self, call: Call) -> Answer {
        let shown = format!("{} {}", call.method, call.path);
        self.send(call).await.unwrap_or_else(|lost| panic!("{shown}: {lost}"))
    }

    /// Asks again while the answer is to wait, as a well-behaved client does.
    pub async fn ask_patiently(&self, call: Call) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.ask(call.clone()).await;
            if !answer.is_passing() {
                return answer;
            }
            assert!(Instant::now() < deadline, "{call:?} is still answered {answer:?}");
            pause(Duration::from_millis(200)).await;
        }
    }

    /// As [`Client::ask_patiently`], also over lost connections and servers that are away.
    pub async fn ask_stubbornly(&self, call: Call) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let last = match self.send(call.clone()).await {
                Ok(answer) if !answer.is_passing() => return answer,
                Ok(answer) => format!("{answer:?}"),
                Err(lost) => lost.to_string(),
            };
            assert!(Instant::now() < deadline, "{call:?} is still answered {last}");
            pause(Duration::from_millis(50)).await;
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ask_patiently(Call::get(path)).await.expect(200)
    }

    /// Opens a stream of server-sent events.
    pub async fn events(&self, call: Call) -> Events {
        let (status, headers, body) = self.open(call).await.expect("the stream opens");
        assert_eq!(status, 200);
        let content_type = headers["content-type"].to_str().unwrap();
        assert!(content_type.starts_with("text/event-stream"), "{content_type}");
        Events { body, read: BytesMut::new() }
    }

    /// Posts JSON of which the server may not want all, and returns the whole answer as text.
    ///
    /// By hand, because hyper's client forgets an answer that came before it had sent everything.
    pub fn send_all_then_read(&self, token: &str, path: &str, body: &[u8]) -> String {
        let address = self.base.strip_prefix("http://").expect("tests use plain HTTP");
        let mut stream = std::net::TcpStream::connect(address).expect("the server is there");
        stream.set_read_timeout(Some(ANSWER_WAIT)).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        if let Err(error) = stream.write_all(body) {
            eprintln!("{path}: the server stopped reading: {error}");
        }
        let mut answer = Vec::new();
        if let Err(error) = stream.read_to_end(&mut answer) {
            eprintln!("{path}: the server closed hard: {error}");
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn open(&self, call: Call) -> Result<(u16, HeaderMap, Incoming), Lost> {
        let Call { method, path, headers, body } = call;
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).expect("tests ask well-formed questions");
        let answer = self.pool.request(request).await;
        let answer = answer.map_err(|error: Error| Lost(format!("{error:?}")))?;
        let (head, body) = answer.into_parts();
        Ok((head.status.as_u16(), head.headers, body))
    }
}

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: String,
}

/// A stream of server-sent events.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    read: BytesMut,
}

impl Events {
    /// The next event that has data.
    pub async fn next(&mut self) -> Event {
        loop {
            while let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let block = self.read.split_to(end + 2);
                let event = parse(std::str::from_utf8(&block).expect("events are text"));
                if !event.data.is_empty() {
                    return event;
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await;
            let frame = frame.expect("an event comes in time").expect("the stream goes on");
            if let Ok(data) = frame.expect("the connection holds").into_data() {
                self.read.extend_from_slice(&data);
            }
        }
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(':').map(|(field, value)| (field, value.trim_start())) {
            Some(("event", value)) => value.clone_into(&mut event.name),
            Some(("id", value)) => value.clone_into(&mut event.id),
            Some(("data", value)) => event.data.push_str(value),
            _ => {}
        }
    }
    event
}
